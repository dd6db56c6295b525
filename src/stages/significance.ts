import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { benjaminiHochberg, empiricalPValues } from '../math/index.ts';
import { readTable } from '../tables/index.ts';
import type { NamedAttack } from './attack-list.ts';
import { prepareCascade } from './cascade.ts';
import { type ScoreRow, type SignificanceRow, scoreColumns, significanceColumns } from './columns.ts';
import type { AuditConfig } from './config.ts';
import type { ModelInput, StageInput } from './flow.ts';
import type { NeverTrained } from './never-trained.ts';
import { type PlannedStage, plannedScores } from './planned.ts';
import { runTable } from './run-folder.ts';
import { scoreStage } from './scores.ts';
import { runStage } from './stage.ts';

/**
 * The attack whose scores are held against those of captions never trained on; undefined where the config asks for no
 * significance. One that scores every candidate: by default that of the first step.
 *
 * @throws VerbatimError (exit code 2) when it is none of those
 */
export function significanceAttack(config: AuditConfig): NamedAttack | undefined {
  if (config.significance === undefined) return undefined;
  const { attack: wanted } = config.significance;
  const { steps, alone } = prepareCascade(config);
  const all = steps[0]?.attacks ?? alone;
  const chosen = wanted === undefined ? all[0] : all.find(({ label }) => label === wanted);
  if (all.length === 0)
    throw new VerbatimError(
      'significance: no attack scores every caption, so there is nothing to compare; name one in alsoScore or as the first step of cascade, or leave significance out',
      { exitCode: 2 },
    );
  if (chosen === undefined)
    throw new VerbatimError(
      `significance.attack: "${wanted}" does not score every caption; those that do are ${all.map(({ label }) => label).join(', ')}`,
      { exitCode: 2 },
    );
  return chosen;
}

/** What scoring the captions never trained on will cost; nothing where there are none. */
export function plannedNulls(config: AuditConfig, nulls: number, generator: Generator): PlannedStage[] {
  const attack = significanceAttack(config);
  if (attack === undefined) return [];
  const entering = { count: nulls, text: `${nulls} captions never trained on` };
  return plannedScores(1, [attack], entering, generator).map((stage) => ({ ...stage, name: 'nulls' }));
}

/** Scores the captions never trained on, with the same noise as the candidates: tables/nulls. */
export async function runNulls(input: ModelInput, neverTrained: NeverTrained): Promise<void> {
  await scoreStage(input, 'nulls', [significanceAttack(input.config)!], neverTrained.rows);
}

/**
 * P- and q-values of every candidate's score, and which are discoveries at the config's rate: tables/significance, a shard
 * for each of the scores. A score is held against those of its own kind of captions, so each p-value is valid by itself
 * whatever the others are (label-conditional conformal p-values; Vovk, Gammerman & Shafer 2005, section 4.5). Candidates whose
 * score failed are not tested.
 *
 * @throws VerbatimError when no caption never trained on could be scored
 */
export async function runSignificance(input: StageInput, neverTrained: NeverTrained): Promise<void> {
  const { config, folder, signal, onProgress } = input;
  const { significance } = config;
  const attack = significanceAttack(config);
  if (significance === undefined || attack === undefined) return;
  const files = await runTable(folder, 'scores/1');
  const ownRows = async (file: string): Promise<ScoreRow[]> =>
    (await readTable(file, scoreColumns)).filter((row) => row.attack === attack.label);
  const scores: number[] = [];
  const kinds: string[] = [];
  // Of each shard its rows, and where its scores begin among all.
  const shards: { readonly file: string; readonly size: number; readonly start: number }[] = [];
  for (const file of files) {
    const rows = await ownRows(file);
    shards.push({ file, size: rows.length, start: scores.length });
    for (const row of rows)
      if (row.score !== null) {
        scores.push(row.score);
        kinds.push(neverTrained.kindOf(row));
      }
  }
  let tested: Tested | undefined;
  const test = async (): Promise<Tested> => {
    const nulls = new Map<string, number[]>();
    for (const { key, score } of await readTable(await runTable(folder, 'nulls'), scoreColumns)) {
      const kind = neverTrained.kinds.get(key);
      if (score === null || kind === undefined) continue;
      const known = nulls.get(kind);
      if (known === undefined) nulls.set(kind, [score]);
      else known.push(score);
    }
    const p = new Float64Array(scores.length);
    for (const kind of new Set(kinds)) {
      const own = nulls.get(kind);
      if (own === undefined)
        throw new VerbatimError('significance: none of the captions never trained on could be scored');
      const places = kinds.flatMap((one, i) => (one === kind ? [i] : []));
      const values = empiricalPValues(
        own,
        places.map((i) => scores[i]!),
      );
      for (const [n, i] of places.entries()) p[i] = values[n]!;
    }
    const { dependence, rate } = significance;
    return { nulls, p, q: benjaminiHochberg(p, rate, { dependence }).qValues };
  };
  await runStage({
    folder,
    name: 'significance',
    columns: significanceColumns,
    shards,
    items: ({ size }) => size,
    signal,
    onProgress,
    process: async (shard) => {
      tested ??= await test();
      const { p, q, nulls } = tested;
      let at = shard.start;
      return (await ownRows(shard.file)).map(({ key, score, error }): SignificanceRow => {
        const kind = neverTrained.kindOf({ key });
        const row = {
          key,
          attack: attack.label,
          score,
          kind,
          nulls: nulls.get(kind)?.length ?? 0,
          error,
        };
        if (score === null) return { ...row, p_value: null, q_value: null, discovery: null };
        const i = at++;
        return { ...row, p_value: p[i]!, q_value: q[i]!, discovery: q[i]! <= significance.rate };
      });
    },
  });
}

/** Of every candidate with a score, in the order of the tables. */
interface Tested {
  /** The null scores by kind. */
  readonly nulls: ReadonlyMap<string, readonly number[]>;
  readonly p: Float64Array;
  readonly q: Float64Array;
}
