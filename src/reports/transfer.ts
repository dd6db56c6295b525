import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Rule } from '../labels/index.ts';
import {
  column,
  nullable,
  type Row,
  sha256,
  writeFileAtomic,
  writeJsonAtomic,
  writeTable,
} from '../tables/index.ts';
import { type Caption, decidingRule, joinCaptions } from './captions.ts';
import { csvText } from './csv.ts';
import { readReportData } from './data.ts';
import { countFound, findingOf, foundPictures } from './findings.ts';

/** What one model repeats of the candidates. */
export interface TransferModel {
  readonly name: string;
  readonly digest: string;
  readonly rule: Rule | null;
  /** Captions audited, and of these judged: those that its own cascade synthesized. */
  readonly captions: number;
  readonly judged: number;
  readonly MV: number;
  readonly RV: number;
  readonly TV: number;
  /** Distinct training images, a template family as one. */
  readonly images: number;
}

/** What two models repeat both. */
export interface TransferShared {
  readonly models: readonly [string, string];
  readonly captions: number;
  /** Training pictures, each for itself. */
  readonly images: number;
}

export interface TransferFinding {
  readonly key: string;
  readonly caption: string;
  /** By model: 'MV' | 'RV' | 'TV', 'none', or null where it was not judged. */
  readonly verdicts: Readonly<Record<string, string | null>>;
}

/** Several models over one list of candidates: Webster 2023, Table 1 and §5.3. */
export interface Transfer {
  readonly models: readonly TransferModel[];
  readonly shared: readonly TransferShared[];
  /** Captions that any of them repeats, in the order of the candidates. */
  readonly findings: readonly TransferFinding[];
}

export const transferColumns = {
  key: column('VARCHAR'),
  caption: column('VARCHAR'),
  model: column('VARCHAR'),
  verdict: nullable('VARCHAR'),
} as const;

/**
 * Compares finished audits of different models over the same candidates.
 *
 * @throws VerbatimError (exit code 2) when one is not labelled, or the candidates or the dataset differ
 */
export async function compareRuns(paths: readonly string[]): Promise<Transfer> {
  const runs = await Promise.all(paths.map(readOne));
  const [first] = runs;
  for (const other of runs.slice(1)) {
    if (other.dataset !== first!.dataset)
      throw wrong(`${first!.path} and ${other.path} audit different datasets`);
    if (other.candidates !== first!.candidates)
      throw wrong(
        `${first!.path} and ${other.path} audit different captions; give both the same candidates and seed`,
      );
  }
  const names = uniqueNames(runs);
  const models = runs.map(({ captions, digest, rule }, i): TransferModel => {
    const { byVerdict, images } = countFound(captions);
    const judged = captions.filter(({ shown }) => shown !== undefined).length;
    return { name: names[i]!, digest, rule, captions: captions.length, judged, ...byVerdict, images };
  });
  const found = runs.map(({ captions }) => ({
    keys: new Set(captions.filter((caption) => findingOf(caption) !== null).map(({ key }) => key)),
    pictures: foundPictures(captions),
  }));
  const shared = found.flatMap((a, i) =>
    found.slice(i + 1).map(
      (b, j): TransferShared => ({
        models: [names[i]!, names[i + 1 + j]!],
        captions: common(a.keys, b.keys),
        images: common(a.pictures, b.pictures),
      }),
    ),
  );
  const findings = first!.captions.flatMap(({ key, caption }, c) => {
    if (!found.some(({ keys }) => keys.has(key))) return [];
    const verdicts = runs.map(({ captions }, i) => [names[i]!, verdictIn(captions[c]!)] as const);
    return [{ key, caption, verdicts: Object.fromEntries(verdicts) }];
  });
  return { models, shared, findings };
}

/** Writes transfer.json, transfer.parquet with a row per finding and model, and verbatims.csv with a row per model. */
export async function writeTransfer(folder: string, transfer: Transfer): Promise<void> {
  const { models, findings } = transfer;
  const rows = findings.flatMap(({ key, caption, verdicts }) =>
    models.map(
      ({ name }): Row<typeof transferColumns> => ({
        key,
        caption,
        model: name,
        verdict: verdicts[name] ?? null,
      }),
    ),
  );
  await writeTable(join(folder, 'transfer.parquet'), transferColumns, rows);
  const columns = ['name', 'rule', 'captions', 'judged', 'MV', 'RV', 'TV', 'images'] as const;
  const table = csvText(
    columns.map((column) => (column === 'name' ? 'model' : column)),
    models.map((model) => columns.map((column) => model[column])),
  );
  await writeFileAtomic(join(folder, 'verbatims.csv'), table);
  await writeJsonAtomic(join(folder, 'transfer.json'), transfer);
}

const wrong = (message: string) => new VerbatimError(message, { exitCode: 2 });

async function readOne(path: string) {
  const data = await readReportData(path);
  const { run, candidates, labels, labelled } = data;
  if (!labelled) throw wrong(`${path} has no labels to compare; run first: verbatim label ${path}`);
  return {
    path,
    name: run.model.name,
    digest: run.model.digest,
    dataset: run.dataset.digest,
    rule: decidingRule(labels) ?? null,
    captions: joinCaptions(data),
    candidates: sha256(JSON.stringify(candidates.map(({ key, caption }) => [key, caption]))),
  };
}

/** Models by their names; those that share one get their digest's first digits, then a number. */
function uniqueNames(runs: readonly { readonly name: string; readonly digest: string }[]): string[] {
  const of = (name: string) => runs.filter((run) => run.name === name).length;
  const names = runs.map(({ name, digest }) => (of(name) > 1 ? `${name} ${digest.slice(0, 8)}` : name));
  return names.map((name, i) => (names.indexOf(name) === i ? name : `${name} (${i + 1})`));
}

/** What was rejected by hand is no finding. */
function verdictIn(caption: Caption): string | null {
  return caption.shown === undefined ? null : (findingOf(caption) ?? 'none');
}

function common(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  return [...a].filter((one) => b.has(one)).length;
}
