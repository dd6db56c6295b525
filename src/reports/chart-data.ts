import type { ChartData } from './csv.ts';
import { duplicationKinds } from './duplication.ts';
import { hasOutcome, type Summary } from './summary.ts';

/** The numbers behind every chart of the page that is drawn, from the same figures: report/data/NAME.csv. */
export function chartData(summary: Summary): ChartData[] {
  const {
    recall,
    attacks,
    distances,
    significance,
    duplication,
    rules,
    model,
    judged,
    found,
    truthKnown,
    foundAgainstEvaluations,
  } = summary;
  const charts: ChartData[] = [];
  if (truthKnown && hasOutcome(summary) && recall.length > 0)
    charts.push({
      name: 'recall',
      columns: ['copies', 'planted', 'audited', 'found', 'low', 'high', 'found_by_reference'],
      rows: recall.map((row) => [
        row.copies,
        row.planted,
        row.audited,
        row.found,
        row.low,
        row.high,
        row.foundByReference,
      ]),
    });
  if (attacks.some(({ auc }) => auc !== null))
    charts.push({
      name: 'roc',
      columns: ['attack', 'false_positive_rate', 'true_positive_rate'],
      rows: attacks.flatMap(({ name, roc }) =>
        roc.map((point) => [name, point.falsePositiveRate, point.truePositiveRate]),
      ),
    });
  if (attacks.length > 0 && found.captions > 0)
    charts.push({
      name: 'precision',
      columns: ['attack', 'confirmed', 'found', 'rank', 'precision', 'low', 'high'],
      rows: attacks.flatMap(({ name, precision, confirmed }) =>
        (
          [
            [false, precision],
            [true, confirmed ?? []],
          ] as const
        ).flatMap(([only, points]) =>
          points.map((point) => [
            name,
            only,
            point.found,
            point.rank,
            point.precision,
            point.low,
            point.high,
          ]),
        ),
      ),
    });
  if (judged > 0 && distances.length > 0)
    charts.push({
      name: 'distances',
      columns: ['low', 'high', 'found', 'not_found', 'never_seen'],
      rows: distances.map((bin) => [bin.low, bin.high, bin.found, bin.notFound, bin.neverSeen]),
    });
  if (significance !== null && significance.tested > 0)
    charts.push({
      name: 'significance',
      columns: ['rank', 'p_value', 'q_value', 'kind', 'limit'],
      rows: significance.ranked.map(({ rank, p, q, kind }) => [
        rank,
        p,
        q,
        { found: 'found', neverSeen: 'never seen', others: 'not found' }[kind],
        (significance.rate * rank) / significance.tested,
      ]),
    });
  if (judged > 0)
    charts.push({
      name: 'verbatims',
      columns: ['model', 'rule', 'MV', 'RV', 'TV', 'captions', 'images'],
      rows: rules.map(({ rule, byVerdict, captions, images }) => [
        model,
        rule,
        byVerdict.MV,
        byVerdict.RV,
        byVerdict.TV,
        captions,
        images,
      ]),
    });
  if (hasOutcome(summary))
    charts.push({
      name: 'found-against-evaluations',
      columns: ['curve', 'captions', 'evaluations', 'found'],
      rows: [
        ...foundAgainstEvaluations.curves.flatMap(({ name, captions, points }) =>
          points.map((point) => [name, captions, point.evaluations, point.found]),
        ),
        // What they would find is not known.
        ...foundAgainstEvaluations.recipes.map(({ name, evaluations }) => [
          name,
          summary.captions,
          evaluations,
          null,
        ]),
      ],
    });
  const columns = ['low', 'high', ...duplicationKinds];
  const rowsOf = (bins: NonNullable<Summary['duplication']['samePrompt']>) =>
    bins.map((bin) => [bin.low, bin.high, ...duplicationKinds.map((kind) => bin[kind])]);
  if (duplication.rates.length > 0)
    charts.push({ name: 'duplication', columns, rows: rowsOf(duplication.rates) });
  if (duplication.samePrompt?.some((bin) => duplicationKinds.some((kind) => bin[kind] > 0)))
    charts.push({ name: 'same-prompt', columns, rows: rowsOf(duplication.samePrompt) });
  return charts;
}
