import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { truthColumns, truthTable } from '../datasets/index.ts';
import { openPipeline, type Pipeline, seededNoise } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { explainWriteError, writeJsonAtomic, writeTable } from '../tables/index.ts';
import { type Classifier, trainClassifier } from './classifier.ts';
import type { LabConfig } from './config.ts';
import { finishedNetworks } from './finished.ts';
import type { CycleLog, LabContext, TrainedNetwork } from './network.ts';
import { chooseGuidance, type GuidanceChoice, reconstructionRms, rightKind } from './quality.ts';
import { memorizedByCopies, memorizedColumns, studyTwins } from './study.ts';
import {
  classifierDigest,
  type FirstStage,
  type Lab,
  labPaths,
  openLab,
  type Twin,
  trainFirstStage,
  trainTwinModel,
  writeTwin,
} from './train.ts';

export interface LabRunOptions {
  /** Where models, truth and log go. */
  readonly folder: string;
  readonly threads?: number;
  /** What runs the training steps. Default 'cpu'. */
  readonly provider?: LabContext['provider'];
  readonly signal?: AbortSignal;
  readonly onProgress?: LabContext['onProgress'];
  /** One line when a piece of work is done. */
  readonly onNote?: (line: string) => void;
}

/** How one network was trained, for lab.json. */
interface NetworkLog {
  readonly weights: number;
  readonly cycles: readonly CycleLog[];
}

/** What `lab train` says of the models it made; stored as lab.json beside them. */
export interface LabLog {
  readonly name: string;
  readonly data: { readonly digest: string; readonly pictures: number; readonly rows: number };
  readonly networks: Readonly<Record<string, NetworkLog>>;
  readonly quality: {
    /** Held-out pictures through the VAE and back, root mean square in [0, 1]. */
    readonly vaeRms: number;
    readonly vaePictures: number;
    /** Share of held-out pictures whose kind the classifier names. */
    readonly classifierAccuracy: number;
    readonly guidance: GuidanceChoice;
    /** Samples of held-out captions that show the right kind of picture. */
    readonly rightKind: Readonly<Record<string, { readonly right: number; readonly captions: number }>>;
  };
  /** Duplicate groups of both twins that their own twin returns and the other does not (memorized.parquet). */
  readonly memorized: {
    /** RMS in [0, 1]. */
    readonly threshold: number;
    readonly byCopies: readonly {
      readonly copies: number;
      readonly planted: number;
      readonly memorized: number;
    }[];
  };
}

/** Said before hours of training, not after. */
function requireHeldOut({ config, set }: Lab): void {
  const { captions, guidanceCaptions } = config.quality;
  const heldOut = set.truth.filter((row) => row.kind === 'held-out').length;
  if (heldOut < captions + guidanceCaptions)
    throw new VerbatimError(
      `lab: quality needs ${captions + guidanceCaptions} held-out captions, the set has ${heldOut}; raise planted.heldOut`,
      { exitCode: 2 },
    );
}

/** Both finished twins on every planted item, with the same noise. */
async function askTwins(lab: Lab, paths: ReturnType<typeof labPaths>, context: LabContext) {
  const open = (twin: Twin) => openPipeline(paths.twin(twin), engineOptions(context));
  return using(await open('A'), async (A) =>
    using(await open('B'), async (B) =>
      studyTwins(lab, {
        pipelines: { A, B },
        noise: seededNoise('torch-cpu'),
        steps: lab.config.quality.steps,
        samples: lab.config.quality.samples,
        ...engineOptions(context),
      }),
    ),
  );
}

const engineOptions = (context: LabContext) => ({
  ...(context.threads !== undefined && { threads: context.threads }),
  ...(context.signal && { signal: context.signal }),
});

/**
 * Trains a lab from its config: first stage, twins A and B side by side, the judging classifier; measures
 * the models where nothing was planted; writes both twins as diffusers folders, truth.parquet and lab.json.
 * Goes on from its checkpoints after any interruption, and ends with the same weights. A folder with
 * finished models is trained on by the cycles that the config has more, with or without its checkpoints.
 */
export async function trainLab(config: LabConfig, options: LabRunOptions): Promise<LabLog> {
  const paths = labPaths(options.folder);
  const threads = options.threads ?? availableParallelism();
  const context: LabContext = {
    folder: paths.work,
    threads,
    ...(options.provider && { provider: options.provider }),
    ...(options.signal && { signal: options.signal }),
    ...(options.onProgress && { onProgress: options.onProgress }),
    finished: await finishedNetworks(paths),
  };
  const note = options.onNote ?? (() => {});
  const lab = await openLab(config);
  requireHeldOut(lab);
  await mkdir(paths.work, { recursive: true }).catch((error: unknown) => {
    throw explainWriteError(error, paths.work);
  });
  note(`data: ${lab.set.pictureCount} pictures, ${lab.set.truth.length} rows of truth`);

  const stage = await trainFirstStage(lab, context);
  note(`vae: loss ${last(stage.network).toFixed(5)}, scaling factor ${stage.scalingFactor}`);
  const { A, B } = await trainTwins(lab, stage, context);
  note(`twins: loss ${last(A).toFixed(4)} (A), ${last(B).toFixed(4)} (B)`);

  const judge = await trainJudge(lab, context);
  try {
    const draft = { A: join(paths.work, 'twin-a'), B: join(paths.work, 'twin-b') };
    await writeTwin(lab, draft.A, stage, A, { guidance: 1 });
    await writeTwin(lab, draft.B, stage, B, { guidance: 1 });
    const quality = await measure(lab, draft, judge, context, note);
    const settings = (twin: Twin) => ({
      name: `${config.name}-${twin.toLowerCase()}`,
      guidance: quality.guidance.scale,
    });
    await writeTwin(lab, paths.twin('A'), stage, A, settings('A'));
    await writeTwin(lab, paths.twin('B'), stage, B, settings('B'));
    const study = await askTwins(lab, paths, context);
    await writeTable(paths.memorized, memorizedColumns, study.rows);
    const memorized = memorizedByCopies(study.rows);
    for (const { copies, planted, memorized: count } of memorized)
      note(`${copies} copies: ${count} of ${planted} groups memorized by their twin alone`);
    await writeTable(paths.truth, truthColumns, truthTable(lab.set));
    const log: LabLog = {
      name: config.name,
      data: { digest: lab.set.digest, pictures: lab.set.pictureCount, rows: lab.set.truth.length },
      networks: {
        vae: networkLog(stage.network),
        'twin-a': networkLog(A),
        'twin-b': networkLog(B),
        classifier: networkLog(judge.network),
      },
      quality,
      memorized: { threshold: study.calibration.threshold, byCopies: memorized },
    };
    await writeJsonAtomic(paths.log, log);
    return log;
  } finally {
    await judge.classifier.close();
  }
}

/**
 * Both twins at once, each on its share of the threads: two single-threaded runs do more steps per second
 * together than one after the other on all threads, since small operators do not divide well.
 */
async function trainTwins(
  lab: Lab,
  stage: FirstStage,
  context: LabContext,
): Promise<Record<Twin, TrainedNetwork>> {
  const share = { ...context, threads: Math.max(1, Math.floor((context.threads ?? 2) / 2)) };
  const results = await Promise.allSettled([
    trainTwinModel(lab, 'A', stage, share),
    trainTwinModel(lab, 'B', stage, share),
  ]);
  const [A, B] = results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  return { A: A!, B: B! };
}

interface Judge {
  readonly classifier: Classifier;
  readonly network: TrainedNetwork;
  readonly classes: readonly string[];
}

async function trainJudge(lab: Lab, context: LabContext): Promise<Judge> {
  const { config, set } = lab;
  const rows = set.truth.filter((row) => row.kind === 'unique');
  const classes = [...new Set(rows.map((row) => row.scene))].sort();
  const { channels, ...optimisation } = config.classifier;
  const { classifier, network } = await trainClassifier({
    classes: classes.length,
    channels,
    pictureSize: set.size,
    size: rows.length,
    picture: (index) => lab.picture(rows[index]!.pictureIndex),
    label: (index) => classes.indexOf(rows[index]!.scene),
    optimisation,
    seed: config.seed,
    digest: classifierDigest(lab),
    context,
  });
  return { classifier, network, classes };
}

async function measure(
  lab: Lab,
  folders: Readonly<Record<Twin, string>>,
  judge: Judge,
  context: LabContext,
  note: (line: string) => void,
): Promise<LabLog['quality']> {
  const { config } = lab;
  const heldOut = lab.set.truth.filter((row) => row.kind === 'held-out');
  const { captions, guidanceCaptions, steps, guidanceScales } = config.quality;
  const pictures = await Promise.all(heldOut.map((row) => lab.picture(row.pictureIndex)));
  const classOf = (row: (typeof heldOut)[number]) => judge.classes.indexOf(row.scene);
  const shown = await judge.classifier.classify(pictures);
  const classifierAccuracy = shown.filter((kind, i) => kind === classOf(heldOut[i]!)).length / heldOut.length;
  note(`classifier: ${percent(classifierAccuracy)} of ${heldOut.length} held-out pictures`);

  const judging = heldOut.slice(0, captions);
  const choosing = heldOut.slice(captions, captions + guidanceCaptions);
  const ask = (rows: typeof heldOut) => ({
    captions: rows.map((row) => row.caption),
    classes: rows.map(classOf),
    classifier: judge.classifier,
    noise: seededNoise('torch-cpu'),
    steps,
    ...(context.signal && { signal: context.signal }),
  });
  const open = (twin: Twin) => openPipeline(folders[twin], engineOptions(context));

  return using(await open('A'), async (a) => {
    const sample: Picture[] = pictures.slice(0, 500);
    const vaeRms = await reconstructionRms(a, sample);
    note(`vae: RMS ${vaeRms.toFixed(4)} on ${sample.length} held-out pictures`);
    const guidance = await chooseGuidance(a, guidanceScales, ask(choosing));
    for (const { scale, right } of guidance.tried)
      note(`guidance ${scale}: ${right} of ${choosing.length} right`);
    const rightA = await rightKind(a, { ...ask(judging), guidance: guidance.scale });
    const rightB = await using(await open('B'), (b) =>
      rightKind(b, { ...ask(judging), guidance: guidance.scale }),
    );
    note(`samples: ${rightA} (A) and ${rightB} (B) of ${judging.length} show the right kind`);
    return {
      vaeRms,
      vaePictures: sample.length,
      classifierAccuracy,
      guidance,
      rightKind: {
        'twin-a': { right: rightA, captions: judging.length },
        'twin-b': { right: rightB, captions: judging.length },
      },
    };
  });
}

async function using<T>(pipeline: Pipeline, work: (pipeline: Pipeline) => Promise<T>): Promise<T> {
  try {
    return await work(pipeline);
  } finally {
    await pipeline.close();
  }
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
const last = (network: TrainedNetwork) => network.cycles.at(-1)!.loss.at(-1)!;

function networkLog({ size, cycles }: TrainedNetwork): NetworkLog {
  return { weights: size, cycles };
}
