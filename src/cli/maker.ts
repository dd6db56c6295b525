import type { SamplerName } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { MadePicture, PictureTask } from '../generators/index.ts';
import type { CaptionTask } from './captions.ts';
import { refuseFlags } from './config/flags.ts';
import { openAuditModel } from './open.ts';

/** What `verbatim generate` and `verbatim extract` need of a model, whatever it is. */
export interface Maker {
  readonly name: string;
  readonly digest: string;
  /** Height and width in pixels of its pictures. */
  readonly pictureSize: readonly [height: number, width: number];
  /** One picture per task, with what it cost. */
  make(tasks: readonly PictureTask[]): Promise<readonly MadePicture[]>;
  /** Evaluations of the denoiser so far. */
  evaluations(): number;
  close(): Promise<void>;
}

export interface MakerFlags {
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
  readonly seed?: number;
}

/**
 * Opens the model of a task: a diffusion model, or a generator graph.
 *
 * @throws VerbatimError (exit code 2) for flags that a generator graph has no use for, and for guidance of an unconditional model
 */
export async function openMaker(task: CaptionTask, flags: MakerFlags, signal: AbortSignal): Promise<Maker> {
  const { conditionsOf, isGeneratorGraph, noCondition, openGeneratorGraph, refuseGuidance } = await import(
    '../diffusion/index.ts'
  );
  const { auditNoise, localGenerator } = await import('../generators/index.ts');
  const { model, provider, precision, batch, threads } = task;
  const { steps = 16, sampler = 'heun', guidance, seed = 0 } = flags;
  if (isGeneratorGraph(model)) {
    const reason = 'goes with a diffusion model; a generator graph makes a picture in one call';
    refuseFlags(flags, { steps: reason, sampler: reason, guidance: reason });
    if (precision !== undefined)
      throw new VerbatimError('--precision goes with a diffusion model; a generator graph has its own', {
        exitCode: 2,
      });
    const options = { provider, batch, signal, ...(threads !== undefined && { threads }) };
    const graph = await openGeneratorGraph(model, options);
    try {
      // After the graph: what is no generator is called so, not by the captions that it would not take.
      noCondition(model, task.captions);
    } catch (error) {
      await graph.close();
      throw error;
    }
    const { name, digest, pictureSize } = graph;
    return {
      name,
      digest,
      pictureSize,
      async make(tasks) {
        const seeds = tasks.map((task) => task.seed);
        // There is no denoiser that could be called.
        return (await graph.pictures(seeds, auditNoise)).map((picture) => ({ picture, evaluations: 0 }));
      },
      evaluations: () => 0,
      close: () => graph.close(),
    };
  }
  if (guidance !== undefined) refuseGuidance(model, await conditionsOf(model), guidance, '--guidance');
  const { pipeline, meter } = await openAuditModel(task, signal);
  const generator = localGenerator(pipeline, { meter, batch });
  const settings = { steps, sampler, guidance: guidance ?? generator.guidance, firstSeed: seed };
  const { name, digest, pictureSize } = pipeline;
  return {
    name,
    digest,
    pictureSize,
    make: (tasks) => generator.pictures(tasks, settings, signal),
    evaluations: () => meter.evaluations,
    close: () => generator.close(),
  };
}
