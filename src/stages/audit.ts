import type { Pipeline } from '../diffusion/index.ts';
import { type Generator, localGenerator, notReproducible } from '../generators/index.ts';
import type { Meter } from '../runtime/index.ts';
import { sha256 } from '../tables/index.ts';
import { candidateOrder, listCandidates, runCandidates } from './candidates.ts';
import { prepareCascade, runCascade, scoringPart } from './cascade.ts';
import type { CandidateRow } from './columns.ts';
import type { AuditConfig } from './config.ts';
import type { AuditData } from './data.ts';
import { openDescriptorLabels } from './descriptor-labels.ts';
import type { ModelInput } from './flow.ts';
import { runGenerations } from './generations.ts';
import { requireReadableHeldOut } from './held-out.ts';
import { runLabels } from './labelling.ts';
import { listNeverTrained, type NeverTrained, nullsWarning } from './never-trained.ts';
import { planAudit } from './plan.ts';
import type { PlannedStage } from './planned.ts';
import { budgetedAudit, runRounds } from './rounds.ts';
import { openRun, type RunDescription, type RunFolder } from './run-folder.ts';
import { runNulls, runSignificance, significanceAttack } from './significance.ts';
import type { StageProgress } from './stage.ts';

/** Where pictures come from: a pipeline with its meter, or any generator. */
export type AuditSource =
  | { readonly pipeline: Pipeline; readonly meter: Pick<Meter, 'evaluations'> }
  | { readonly generator: Generator };

interface CommonOptions {
  readonly config: AuditConfig;
  readonly data: AuditData;
  /** Version of this program and of the libraries that decide bytes, for run.json. */
  readonly verbatim: string;
  readonly versions: RunDescription['versions'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
  /** Called once, before anything is computed. */
  readonly onPlan?: (plan: readonly PlannedStage[], resumed: boolean) => void;
  /** Called before the plan with what its user should know. */
  readonly onWarning?: (warning: string) => void;
  /**
   * Which stages to run; the ones before them must be there or are run too. 'scores' ends before a step that generates and
   * filters. Default: to the end.
   */
  readonly until?: 'scores' | 'generations' | 'labels';
  /** Make the labels anew, with the config's `labels` and held-out pictures, from the pictures that are there. */
  readonly relabel?: boolean;
}

export type AuditOptions = CommonOptions & AuditSource;

/** The generator of an audit; a pipeline as one. */
function generatorOf(options: AuditSource & Pick<CommonOptions, 'config'>): Generator {
  if ('generator' in options) return options.generator;
  return localGenerator(options.pipeline, { meter: options.meter, batch: options.config.batch });
}

/** What run.json says of an audit. */
export function describeAudit(
  options: Pick<CommonOptions, 'config' | 'data' | 'verbatim' | 'versions'> & AuditSource,
  neverTrained?: NeverTrained,
  candidates: readonly CandidateRow[] = [],
): RunDescription {
  const { config, data, verbatim, versions } = options;
  const generator = generatorOf(options);
  const { $schema: _, ...plain } = config;
  return {
    command: 'audit',
    verbatim,
    versions,
    model: {
      name: generator.name,
      digest: generator.digest,
      ...(generator.noise === notReproducible && { reproducible: false }),
    },
    dataset: { name: data.name, digest: data.digest, size: data.size },
    heldOut: data.heldOut === undefined ? null : { digest: data.heldOut.digest, size: data.heldOut.size },
    ...(neverTrained && {
      neverTrained: { digest: neverTrained.digest, size: neverTrained.rows.length },
    }),
    // The folder that they are listed from may be made anew with others.
    ...(candidateOrder(config) !== 'drawn' && {
      candidates: {
        digest: sha256(JSON.stringify(candidates.map(({ key }) => key))),
        size: candidates.length,
      },
    }),
    // Through JSON: what is undefined is not written, and must not differ from what was read.
    config: JSON.parse(JSON.stringify(plain)) as RunDescription['config'],
  };
}

/**
 * The audit: candidates → the steps of the cascade, each of which scores and keeps the best → full synthesis →
 * labels. Goes on from the shards that are there; the report is made from the folder.
 *
 * @throws the signal's reason on Ctrl-C; VerbatimError for what the user can mend.
 */
export async function runAudit(options: AuditOptions): Promise<RunFolder> {
  const { config, data, signal, until = 'labels' } = options;
  const generator = generatorOf(options);
  // Refuses what cannot work or costs too much before there is a folder.
  significanceAttack(config);
  const whole = prepareCascade(config);
  const cascade = until === 'scores' ? scoringPart(whole) : whole;
  await requireReadableHeldOut(config, data.heldOut, signal);
  await (await openDescriptorLabels(config, data))?.close();
  const candidates = await listCandidates(data, config, generator);
  const sound = candidates.filter(({ error }) => error === null);
  const neverTrained = await listNeverTrained(config, data, candidates, signal);
  const plan = planAudit(config, generator, sound.length, neverTrained?.rows.length);
  const budgeted = budgetedAudit(config, generator, sound.length);
  const warning = nullsWarning(config, neverTrained, sound.length);
  if (warning !== undefined) options.onWarning?.(warning);
  const { folder, resumed, release } = await openRun(
    config.output,
    describeAudit(options, neverTrained, candidates),
    {
      relabel: options.relabel ?? false,
    },
  );
  try {
    const input: ModelInput = { ...options, generator, folder, signal };
    options.onPlan?.(plan, resumed);
    await runCandidates(input, candidates);
    if (budgeted !== undefined) await runRounds(input, budgeted, sound, until);
    else {
      const chosen = await runCascade(input, cascade, sound);
      if (neverTrained !== undefined) {
        await runNulls(input, neverTrained);
        await runSignificance(input, neverTrained);
      }
      if (until !== 'scores') await (cascade.steps.at(-1)?.pictures ?? runGenerations)(input, chosen);
    }
    if (until !== 'labels') return folder;
    await runLabels(input);
    return folder;
  } finally {
    await release();
  }
}
