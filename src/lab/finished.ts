import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../errors.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { asFloat32, openSafetensors } from '../models/index.ts';
import { readJsonObject } from '../tables/index.ts';
import type { FinishedNetwork } from './network.ts';
import type { labPaths } from './train.ts';

const logSchema = z.object({
  networks: z.record(
    z.string(),
    z.object({
      cycles: z
        .array(
          z.object({
            digest: z.string(),
            steps: z.number(),
            seconds: z.number(),
            loss: z.array(z.number()),
          }),
        )
        .min(1),
    }),
  ),
});

/**
 * The networks that a finished lab folder holds, by the name of their work: what training goes on from
 * where there are no checkpoints. The classifier is not among them; it is not kept.
 */
export async function finishedNetworks(
  paths: ReturnType<typeof labPaths>,
): Promise<(work: string) => FinishedNetwork | undefined> {
  if (!existsSync(paths.log)) return () => undefined;
  const log = logSchema.safeParse(await readJsonObject(paths.log));
  if (!log.success)
    throw new VerbatimError(
      `${paths.log}: is not the log of a lab (${z.prettifyError(log.error).split('\n')[0]}); give another --output, or move it away.`,
    );
  const { networks } = log.data;
  const twin = (folder: string) => ({
    'unet.': join(folder, 'unet', 'diffusion_pytorch_model.safetensors'),
    'text_encoder.': join(folder, 'text_encoder', 'model.safetensors'),
  });
  const files: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    vae: { '': join(paths.twin('A'), 'vae', 'diffusion_pytorch_model.safetensors') },
    'twin-a': twin(paths.twin('A')),
    'twin-b': twin(paths.twin('B')),
  };
  return (work) => {
    const [network, parts] = [networks[work], files[work]];
    return network && parts
      ? { where: paths.log, cycles: network.cycles, weights: () => readWeights(parts) }
      : undefined;
  };
}

/** All tensors of some files in float32, each file's names under its prefix. */
function readWeights(files: Readonly<Record<string, string>>): ReadonlyMap<string, Tensor<'float32'>> {
  const weights = new Map<string, Tensor<'float32'>>();
  for (const [prefix, path] of Object.entries(files)) {
    const file = openSafetensors(path);
    try {
      for (const name of file.entries.keys()) {
        const tensor = file.read(name);
        const values = asFloat32(tensor, `${path}: "${name}"`);
        weights.set(prefix + name, floatTensor(tensor.shape, values));
      }
    } finally {
      file.close();
    }
  }
  return weights;
}
