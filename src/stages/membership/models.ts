import type { LossQueries } from '../../attacks/index.ts';
import type { Pipeline } from '../../diffusion/index.ts';
import { VerbatimError } from '../../errors.ts';

/** Opens models one at a time: the last one stays open until another is asked for. */
export interface OneModel {
  use(folder: string): Promise<Pipeline>;
  close(): Promise<void>;
}

/** @param open opens a model's folder; what it gives is closed before the next is opened */
export function oneModel(open: (folder: string) => Promise<Pipeline>): OneModel {
  let current: { readonly folder: string; readonly pipeline: Pipeline } | undefined;
  const close = async () => {
    const closing = current;
    current = undefined;
    await closing?.pipeline.close();
  };
  return {
    close,
    async use(folder) {
      if (current?.folder === folder) return current.pipeline;
      await close();
      const pipeline = await open(folder);
      current = { folder, pipeline };
      return pipeline;
    },
  };
}

/** What must agree between models whose losses are compared. */
export interface ModelFacts {
  readonly name: string;
  readonly digest: string;
  readonly sampleShape: readonly number[];
  /** At the timesteps that are asked for. */
  readonly sigmas: readonly number[];
}

/** What is compared of a model before anything is computed. */
export function factsOf(
  name: string,
  { digest, denoiser }: Pipeline,
  { timesteps }: LossQueries,
): ModelFacts {
  const { sampleShape, sigmas } = denoiser;
  return { name, digest, sampleShape, sigmas: timesteps.map((t) => sigmas[t] ?? Number.NaN) };
}

/** @throws VerbatimError (exit code 2) when models differ in size or schedule, or two of them are one */
export function checkAlike(target: ModelFacts, shadows: readonly ModelFacts[]): void {
  const seen = new Map([[target.digest, target.name]]);
  for (const { name, digest, sampleShape, sigmas } of shadows) {
    const refuse = (what: string) =>
      new VerbatimError(`shadow ${name} ${what}; shadows are models of the target's kind`, { exitCode: 2 });
    if (sampleShape.join() !== target.sampleShape.join())
      throw refuse(
        `denoises samples of ${sampleShape.join('×')}, ${target.name} ones of ${target.sampleShape.join('×')}`,
      );
    if (sigmas.some((sigma, i) => !(Math.abs(sigma / target.sigmas[i]! - 1) < 1e-6)))
      throw refuse(`has another noise schedule than ${target.name}`);
    const other = seen.get(digest);
    if (other !== undefined)
      throw new VerbatimError(
        `${other} and ${name} are the same model (their weights are equal), so one tells nothing of the other; train each on a draw of its own`,
        { exitCode: 2 },
      );
    seen.set(digest, name);
  }
}
