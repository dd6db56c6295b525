import { normalCaption } from '../dedup/index.ts';
import { VerbatimError } from '../errors.ts';
import { fewestDiscoveries, fewestNullScores, smallestPValue } from '../math/index.ts';
import { sha256 } from '../tables/index.ts';
import type { CandidateRow } from './columns.ts';
import type { AuditConfig } from './config.ts';
import { type AuditData, drawn, type NeverTrainedCaption } from './data.ts';

/** Captions that the model was never trained on: what the scores of others are held against. */
export interface NeverTrained {
  readonly name: string;
  /** SHA-256 over their keys and texts. */
  readonly digest: string;
  /** As candidates are listed, so that they are scored in the same way. */
  readonly rows: readonly CandidateRow[];
  /** By key, the kind of each; and the kind that a candidate is compared with. */
  readonly kinds: ReadonlyMap<string, string>;
  kindOf(candidate: Pick<CandidateRow, 'key'>): string;
}

/** So many are wanted: a p-value of .0005. */
const enough = 2000;

/** Spelling that makes no difference between two captions: case ('ß' is 'SS'), width of letters, and space. */
function folded(caption: string): string {
  return normalCaption(caption.toUpperCase());
}

/**
 * The captions whose scores a run takes for the null hypothesis, so many of each kind that is audited; undefined where the
 * config asks for no significance. They differ from each other, from every caption of the training set and from every
 * candidate. Where a lab makes them, those that do not are passed over; where somebody names them, that is an error. Reads the
 * captions of the training set once.
 *
 * @param candidates what is audited
 * @throws VerbatimError (exit code 2) where there are none, some were trained on or are audited, or so few that no
 *   discovery is possible at the rate
 */
export async function listNeverTrained(
  config: Pick<AuditConfig, 'significance' | 'seed'>,
  data: Pick<AuditData, 'name' | 'neverTrained' | 'trainingCaptions'>,
  candidates: readonly Pick<CandidateRow, 'key' | 'caption' | 'error'>[],
  signal?: AbortSignal,
): Promise<NeverTrained | undefined> {
  const { significance, seed } = config;
  if (significance === undefined) return undefined;
  const source = data.neverTrained;
  if (source === undefined)
    throw refused(
      `significance.neverTrained: name a dataset of captions that the model was never trained on, of the same kind as the audited ones; ${data.name} has none of its own`,
    );
  const wanted = new Set(candidates.map((candidate) => source.kindOf(candidate)));
  const found = new Map<string, NeverTrainedCaption & { readonly spelling: string }>();
  for await (const item of source.captions(significance.captions)) {
    signal?.throwIfAborted();
    const spelling = folded(item.caption);
    if (spelling !== '' && wanted.has(item.kind) && !found.has(spelling))
      found.set(spelling, { ...item, spelling });
  }
  const pool = [...found.values()];
  const asked = source.isMade ? pool : drawn(pool, significance.captions, seed);
  const known = new Map(asked.map(({ spelling, caption }) => [spelling, caption]));
  const trained = new Set<string>();
  for await (const caption of data.trainingCaptions()) {
    signal?.throwIfAborted();
    const spelling = folded(caption);
    if (known.has(spelling)) trained.add(spelling);
  }
  const audited = new Set(
    candidates.map(({ caption }) => folded(caption)).filter((spelling) => known.has(spelling)),
  );
  if (!source.isMade) {
    refuseOverlap(source.name, 'in the training set', trained, known);
    refuseOverlap(source.name, 'among the audited captions', audited, known);
  }
  const sound = asked.filter(({ spelling }) => !trained.has(spelling) && !audited.has(spelling));
  const ofKind = [...wanted].map((kind) =>
    sound.filter((item) => item.kind === kind).slice(0, significance.captions),
  );
  const chosen = ofKind.flat();
  const tests = candidates.filter(({ error }) => error === null).length;
  refuseTooFew(Math.min(...ofKind.map(({ length }) => length)), tests, significance);
  return {
    name: source.name,
    digest: sha256(JSON.stringify(chosen.map(({ key, caption }) => [key, caption]))),
    rows: chosen.map(({ key, caption }) => ({
      key,
      caption,
      dataset_index: null,
      copies: null,
      role: null,
      error: null,
    })),
    kinds: new Map(chosen.map(({ key, kind }) => [key, kind])),
    kindOf: (candidate) => source.kindOf(candidate),
  };
}

const refused = (message: string) => new VerbatimError(message, { exitCode: 2 });

function refuseOverlap(
  name: string,
  where: string,
  which: ReadonlySet<string>,
  known: ReadonlyMap<string, string>,
): void {
  const [first] = which;
  if (first === undefined) return;
  const text = known.get(first)!;
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  const some = which.size === 1 ? '1 caption stands' : `${which.size} captions stand`;
  throw refused(
    `significance.neverTrained: ${some} ${where} too, for example ${JSON.stringify(shown)}; take them out of ${name}: what the model was trained on, or is asked about, says nothing about chance`,
  );
}

type Significance = NonNullable<AuditConfig['significance']>;

function refuseTooFew(nulls: number, tests: number, { rate, dependence }: Significance): void {
  if (nulls > 0 && fewestDiscoveries(nulls, tests, rate, { dependence }) <= Math.max(1, tests)) return;
  const least = fewestNullScores(tests, rate, { dependence });
  throw refused(
    `significance: with ${counted(nulls)} never trained on the smallest p-value is ${shownP(smallestPValue(nulls))}, so at a rate of ${rate} no discovery is possible at all; give ${least.toLocaleString('en-US')} at least, better ${Math.max(least, enough).toLocaleString('en-US')}, or raise significance.rate`,
  );
}

/** What to say where the captions are fewer than one wants; undefined where they suffice. */
export function nullsWarning(
  { significance }: Pick<AuditConfig, 'significance'>,
  neverTrained: Pick<NeverTrained, 'kinds'> | undefined,
  candidates: number,
): string | undefined {
  if (significance === undefined || neverTrained === undefined) return undefined;
  const counts = new Map<string, number>();
  for (const kind of neverTrained.kinds.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const nulls = Math.min(...counts.values());
  if (nulls >= enough) return undefined;
  const { rate, dependence } = significance;
  const fewest = fewestDiscoveries(nulls, candidates, rate, { dependence });
  return `${counted(nulls)} never trained on, fewer than ${enough.toLocaleString('en-US')}: the smallest p-value is ${shownP(smallestPValue(nulls))}, and at a rate of ${rate} nothing is a discovery unless ${fewest === 1 ? '1 of the audited captions scores' : `${fewest.toLocaleString('en-US')} of the ${candidates.toLocaleString('en-US')} audited captions score`} above all of them`;
}

function counted(nulls: number): string {
  return `${nulls.toLocaleString('en-US')} ${nulls === 1 ? 'caption' : 'captions'}`;
}

function shownP(p: number): string {
  return String(Number(p.toPrecision(2)));
}
