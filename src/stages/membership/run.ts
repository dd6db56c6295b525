import { checkKept, checkQueries, checkSpread, headlineAttack } from '../../attacks/index.ts';
import type { Pipeline } from '../../diffusion/index.ts';
import { remembered } from '../data.ts';
import { openRun, type RunDescription, type RunFolder } from '../run-folder.ts';
import { cutShards, runStage } from '../stage.ts';
import { type AskedRow, type ExposedRow, type PictureRow, pictureColumns } from './columns.ts';
import { runCompletions } from './completions.ts';
import { runLosses } from './losses.ts';
import { checkAlike, factsOf, type ModelFacts, oneModel } from './models.ts';
import { exposingAttack, type MembershipOutcome, membershipOutcome, type ScoredAttack } from './outcome.ts';
import { describePictures, drawItems, fitted, requireBothSides } from './pictures.ts';
import {
  askedRows,
  completionScores,
  lossScores,
  rowsPerShard,
  trainedOn,
  turnsOf,
  writeExposed,
  writeScores,
} from './results.ts';
import type { InpaintingSettings, MembershipOptions } from './types.ts';

export interface MembershipResult {
  readonly folder: RunFolder;
  readonly outcome: MembershipOutcome;
  /** One per score of an attack: the pictures as each target is asked about them. */
  readonly rows: readonly AskedRow[];
  readonly attacks: readonly ScoredAttack[];
  readonly exposed: readonly ExposedRow[];
}

/**
 * Measures membership inference on one model: pictures, then losses (or completions), then scores, in a folder that a killed run goes
 * on from. Everything that can be refused is refused before the folder is made.
 *
 * @throws the signal's reason on Ctrl-C; VerbatimError for what the data or the models do not allow
 */
export async function runMembership(options: MembershipOptions): Promise<MembershipResult> {
  const { source, queries, output, fit, batch, meter, seed, signal, onProgress } = options;
  if (source.inTurn !== undefined && options.inpainting !== undefined)
    throw new RangeError('completions are made by one target');
  const items = drawItems(source.items, options.limit, seed, { apart: source.inTurn === undefined });
  const shadows = options.inpainting === undefined ? source.shadows : [];
  const open = oneModel(options.open);
  try {
    const facts: ModelFacts[] = [];
    // The target last: it stays open, and is asked first.
    for (const { name, folder } of [...shadows, source.target]) {
      signal?.throwIfAborted();
      const pipeline = await open.use(folder);
      checkQueries(queries, pipeline.denoiser);
      facts.push(factsOf(name, pipeline, queries));
    }
    const target = facts.at(-1)!;
    checkAlike(target, facts.slice(0, -1));
    const pipeline = await open.use(source.target.folder);
    const settings = await options.inpainting?.(pipeline);
    if (settings !== undefined) checkKept(settings.keep, settings.completions);
    const rows = await describePictures(
      items,
      { ...source, pool: shadows.length > 0 ? source.pool : undefined },
      { pipeline, fit, signal, onProgress },
    );
    const turns = turnsOf({ ...source, shadows });
    const asked = askedRows(source, rows);
    for (const turn of turns) {
      if (turn.shadows.length === 0) continue;
      const remedy = source.inTurn && `train more, or attack another model than ${turn.target} (--target)`;
      checkSpread(trainedOn(turn.shadows, rows), remedy);
      if (source.inTurn)
        requireBothSides(
          asked.filter(({ target }) => target === turn.target),
          ` of ${turn.target}`,
        );
    }
    const { folder, release } = await openRun(
      output,
      describe(options, pipeline, facts.slice(0, -1), settings),
    );
    try {
      const stage = { folder, signal, onProgress } as const;
      await runStage({
        ...stage,
        name: 'pictures',
        columns: pictureColumns,
        shards: cutShards(rows, rowsPerShard),
        items: (shard) => shard.length,
        process: async (shard) => shard,
      });
      const kept = remembered({ size: items.length, picture: (i) => items[i]!.picture() });
      const picture = async (row: PictureRow, model: Pipeline) =>
        fitted(await kept.picture(row.picture), model, fit, JSON.stringify(row.key));
      const input = { ...stage, queries, rows, picture, meter, batch };
      const models = [
        { ...source.target, shadow: false },
        ...shadows.map(({ name, folder: path }) => ({ name, folder: path, shadow: true })),
      ];
      let attacks: readonly ScoredAttack[];
      let evaluations: number;
      let images: ReadonlyMap<number, string | null> = new Map();
      if (settings === undefined) {
        await runLosses({ ...input, models, open });
        ({ attacks, evaluations } = await lossScores(folder, queries, rows, turns));
      } else {
        await runCompletions({ ...input, pipeline, settings });
        ({ attacks, evaluations, images } = await completionScores(folder, settings, rows));
      }
      const headline = headlineAttack(attacks);
      const exposing = exposingAttack(attacks, asked);
      await writeScores(stage, asked, attacks);
      const exposed = await writeExposed(stage, asked, exposing, images, (row) => picture(row, pipeline));
      const outcome = membershipOutcome({
        attack: settings === undefined ? 'loss' : 'inpainting',
        target: source.target.name,
        shadows: shadows.length,
        rows: asked,
        attacks,
        headline: headline.name,
        exposing: exposing.name,
        evaluations,
        seed,
      });
      return { folder, outcome, rows: asked, attacks, exposed };
    } finally {
      await release();
    }
  } finally {
    await open.close();
  }
}

function describe(
  { source, queries, fit, limit, seed, batch, provider, precision, verbatim, versions }: MembershipOptions,
  { name, digest }: Pipeline,
  shadows: readonly ModelFacts[],
  settings: InpaintingSettings | undefined,
): RunDescription {
  return {
    command: 'membership',
    verbatim,
    versions,
    model: { name, digest },
    dataset: { name: source.name, digest: source.digest, size: source.items.length },
    heldOut: source.heldOut,
    config: {
      attack: settings === undefined ? 'loss' : 'inpainting',
      target: source.inTurn === undefined ? source.target.name : source.inTurn.map(({ name }) => name),
      timesteps: queries.timesteps,
      draws: queries.draws,
      flips: queries.flips,
      fit,
      ...(limit !== undefined && { limit }),
      seed,
      batch,
      provider,
      precision,
      noCaptions: source.items.every(({ caption }) => caption === ''),
      shadows: shadows.map((shadow) => ({ name: shadow.name, digest: shadow.digest })),
      ...(shadows.length > 0 && source.pool && { pool: source.pool.digest }),
      ...(settings && {
        inpainting: {
          mask: settings.maskName,
          completions: settings.completions,
          keep: settings.keep,
          steps: settings.steps,
          sampler: settings.sampler,
          guidance: settings.guidance,
          resample: [settings.resample.jump, settings.resample.times],
        },
      }),
    },
  };
}
