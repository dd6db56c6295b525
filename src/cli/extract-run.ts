import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { ExtractConfig, ExtractSummary, GeneratedItem, PictureMaker } from '../stages/index.ts';
import type { ExtractFlags } from './commands/extract.ts';
import { datasetSpec, refuseFlags } from './config/flags.ts';
import { exitCodes } from './exit-codes.ts';
import { requireOutside } from './outside.ts';
import { decidingVersions, packageVersion } from './package.ts';
import { count, createProgress, problemLines } from './progress.ts';

/** Runs `verbatim extract`; returns the exit code. */
export async function extractCommand(
  path: string,
  flags: ExtractFlags,
  signal: AbortSignal,
): Promise<number> {
  checkFlags(flags);
  if (flags.model !== undefined) await requireNoCaptions(flags.model);
  for (const read of [path, flags.pictures, flags.heldOut])
    if (read !== undefined) await requireOutside(read, flags.output);
  const { openDataset } = await import('../datasets/index.ts');
  const { extractPictures, looksTrainedOn, requirePictures } = await import('../stages/index.ts');
  const { writeExtractReport } = await import('../reports/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet: flags.quiet ?? false });
  const opened: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void> }>(one: T): T => {
    opened.push(one);
    return one;
  };
  try {
    const training = kept(await openDataset(datasetSpec(path, flags)));
    requirePictures(training, 'an extraction');
    const heldOut = flags.heldOut === undefined ? undefined : kept(await openDataset(flags.heldOut));
    if (heldOut) requirePictures(heldOut, '--held-out');
    const maker = kept(await openPictures(flags, signal));
    const samples = Math.min(flags.samples ?? maker.count ?? 4096, maker.count ?? Number.POSITIVE_INFINITY);
    progress.note(`model    ${maker.name} ${maker.digest.slice(0, 12)}, ${count(samples)} pictures`);
    const planned = await evaluationsOf(flags, samples);
    if (planned > 0) progress.note(`plan     at most ${count(planned)} evaluations`);
    progress.note(`data     ${training.name}, ${count(training.size)} training pictures`);
    for (const line of problemLines([...training.problems, ...(heldOut?.problems ?? [])]))
      progress.note(line);
    if (heldOut) progress.note(`held out ${heldOut.name}, ${count(heldOut.size)} pictures`);
    else progress.note('warning  without --held-out nobody knows how many of the findings are false');
    const { folder, summary, rows } = await extractPictures({
      maker,
      training,
      ...(heldOut && { heldOut }),
      config: configOf(flags, samples),
      output: flags.output,
      ...(flags.threads !== undefined && { threads: flags.threads }),
      verbatim: packageVersion(),
      versions: decidingVersions(),
      signal,
      onOpen: (resumed) => progress.note(`folder   ${flags.output}${resumed ? ', going on with it' : ''}`),
      onProgress: progress.update,
    });
    progress.end();
    const { page } = await writeExtractReport(folder, summary, rows);
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify(summary, undefined, 2)}\n`
        : `${sentences(summary)}${looksTrainedOn(summary.threshold, summary.alpha) ? trainedOn : ''}report   ${page}\n`,
    );
    return gate(summary, flags.failAbove);
  } finally {
    progress.end();
    await Promise.all(opened.map((one) => one.close()));
  }
}

function checkFlags(flags: ExtractFlags): void {
  const refuse = (what: string) => {
    throw new VerbatimError(what, { exitCode: 2 });
  };
  const { model, pictures, alpha, threshold, falsePositives, heldOut } = flags;
  if ((model === undefined) === (pictures === undefined))
    refuse('give --model, or --pictures for pictures that were generated already: one of the two');
  if (pictures !== undefined) {
    const reason = 'goes with --model; the pictures of --pictures are there already';
    refuseFlags(flags, {
      seed: reason,
      steps: reason,
      sampler: reason,
      batch: reason,
      provider: reason,
      precision: reason,
    });
  }
  if (alpha <= 0) refuse('--alpha 0: the background is multiplied by it; give a number above 0');
  if (threshold <= 0) refuse('--threshold 0: nothing lies below it; give a number above 0');
  if (heldOut === undefined)
    refuseFlags(flags, {
      falsePositives:
        'goes with --held-out, whose pictures say what chance brings; without them give --threshold',
    });
  else if (falsePositives === 0)
    refuse(
      '--false-positives 0: some share of unrelated pictures lies within any threshold; give .1, or less',
    );
}

/** @throws VerbatimError (exit code 2) for a model that takes captions or classes, and for what is no model */
async function requireNoCaptions(model: string): Promise<void> {
  const refuse = (what: string) => {
    throw new VerbatimError(`--model ${model}: ${what}`, { exitCode: 2 });
  };
  const there = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined;
  if (!(await there(model))) refuse('there is no such file or folder');
  const { conditionsOf } = await import('../diffusion/index.ts');
  const folder = (await stat(model)).isDirectory();
  if (folder && !(await there(join(model, 'model_index.json'))) && !(await there(join(model, 'unet'))))
    refuse('is no folder of a model; give a folder of generated pictures as --pictures');
  const conditions = await conditionsOf(model);
  if (conditions === 'captions')
    refuse(
      'takes captions; use `verbatim audit`, which asks for each with its own training picture in mind, or give pictures that were generated already as --pictures',
    );
  if (conditions === 'classes')
    refuse(
      'takes classes; make pictures of each with `verbatim generate --caption CLASS`, and give their folder as --pictures',
    );
}

/** The model or the folder that pictures come from. */
async function openPictures(
  flags: ExtractFlags,
  signal: AbortSignal,
): Promise<PictureMaker & { close(): Promise<void> }> {
  if (flags.pictures !== undefined) {
    const { openDataset } = await import('../datasets/index.ts');
    const { makerOfPictures, requirePictures } = await import('../stages/index.ts');
    const dataset = await openDataset(flags.pictures);
    requirePictures(dataset, '--pictures');
    return { ...(await makerOfPictures(dataset)), close: () => dataset.close() };
  }
  const { openMaker } = await import('./maker.ts');
  const { model, provider = 'cpu', precision, batch = 16, threads, seed = 0, steps, sampler } = flags;
  const task = { model: model!, tokenizer: undefined, captions: [''], provider, precision, batch, threads };
  const asked = { ...(steps !== undefined && { steps }), ...(sampler !== undefined && { sampler }) };
  const maker = await openMaker(task, { ...asked, seed }, signal);
  const [height, width] = maker.pictureSize;
  return {
    name: maker.name,
    digest: maker.digest,
    reproducible: true,
    size: { width, height },
    batch,
    meter: {
      get evaluations() {
        return maker.evaluations();
      },
    },
    async make(from, to): Promise<GeneratedItem[]> {
      const tasks = Array.from({ length: to - from }, (_, i) => ({ caption: '', seed: seed + from + i }));
      const made = await maker.make(tasks);
      return made.map((one, i) => ({ ...one, seed: BigInt(tasks[i]!.seed), key: null }));
    },
    close: () => maker.close(),
  };
}

/** What the pictures cost at most; 0 where there is no denoiser. */
async function evaluationsOf(
  { model, steps = 16, sampler = 'heun' }: ExtractFlags,
  samples: number,
): Promise<number> {
  const { isGeneratorGraph, samplerCalls } = await import('../diffusion/index.ts');
  return model === undefined || isGeneratorGraph(model) ? 0 : samples * samplerCalls(sampler, steps);
}

function configOf(flags: ExtractFlags, samples: number): ExtractConfig {
  const {
    neighbours,
    alpha,
    falsePositives = 1,
    threshold,
    mirror = false,
    side,
    shardSize,
    pictures,
  } = flags;
  const {
    seed = 0,
    steps = 16,
    sampler = 'heun',
    batch = 16,
    provider = 'cpu',
    precision = 'float32',
  } = flags;
  const graph = flags.model?.endsWith('.onnx') === true;
  const synthesis =
    pictures !== undefined
      ? {}
      : { seed, batch, provider, noise: 'torch-cpu', ...(!graph && { steps, sampler, precision }) };
  return { samples, neighbours, alpha, falsePositives, threshold, mirror, side, shardSize, synthesis };
}

const trainedOn =
  'warning  half of the held-out pictures all but equal training pictures; name pictures that the model never saw\n';

function sentences(summary: ExtractSummary): string {
  const { extracted, generated, threshold, dataset } = summary;
  const { expectedFalsePositives: expected } = extracted;
  const chance =
    expected === null
      ? 'no false positive rate is known'
      : `${Number(expected.toPrecision(2))} generated pictures expected within by chance`;
  const lines = [
    `found    ${count(extracted.images)} training images, in ${count(extracted.generations)} of ${count(generated.pictures)} generated pictures`,
    `within   ${threshold.value.toFixed(3)}, ${chance}`,
  ];
  if (generated.failed > 0) lines.push(`failed   ${count(generated.failed)} generated pictures`);
  if (dataset.unreadable > 0)
    lines.push(
      `failed   ${count(dataset.unreadable)} of ${count(dataset.size)} training pictures could not be read: nothing can be found to repeat them`,
    );
  if ((threshold.heldOut?.suspects ?? 0) > 0)
    lines.push(
      `suspects ${count(threshold.heldOut!.suspects)} held-out pictures lie too near to training pictures for chance, and were left out`,
    );
  if (generated.distinct === 1 && generated.pictures > 1)
    lines.push('warning  all generated pictures are the same');
  return `${lines.join('\n')}\n`;
}

/** @throws VerbatimError where pictures that failed leave it open */
function gate({ extracted, generated }: ExtractSummary, failAbove: number | undefined): number {
  if (failAbove === undefined) return exitCodes.fine;
  if (extracted.images > failAbove) {
    process.stderr.write(
      `verbatim: ${extracted.images} images were found, more than --fail-above ${failAbove}\n`,
    );
    return exitCodes.gate;
  }
  if (extracted.images + generated.failed > failAbove)
    throw new VerbatimError(
      `--fail-above ${failAbove} cannot be decided: ${extracted.images} images found, but ${generated.failed} generated pictures failed`,
    );
  return exitCodes.fine;
}
