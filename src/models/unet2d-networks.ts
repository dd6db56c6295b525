import { input } from '../graph/index.ts';
import { expandBatch, floatTensor, sampleLength, sliceBatch, type Tensor } from '../math/index.ts';
import type { SessionOptions } from '../runtime/index.ts';
import type { Unet2dFolder } from './folder/open-unet2d.ts';
import { entering, leaving } from './layers.ts';
import {
  checkNetwork,
  type DenoiserNetworkOptions,
  inChunks,
  type NetworkPlan,
  openLimited,
} from './sessions.ts';
import { hasClasses, unet2D } from './unet2d.ts';
import type { UNet2DConfig, VqConfig } from './unet2d-config.ts';
import { oldVaeName, vaeFactor } from './vae.ts';
import { vqDecode, vqEncode } from './vq.ts';

const batchSize = 'batch_size';

/** [height, width] of what the network denoises. The folder's opener has refused a missing sample_size. */
function sampleSides({ unet }: Unet2dFolder): readonly [number, number] {
  const size = unet.config.sample_size!;
  return typeof size === 'number' ? [size, size] : size;
}

export interface Unet2dNetwork {
  readonly config: UNet2DConfig;
  /** [channels, height, width] of one sample. */
  readonly sampleShape: readonly [number, number, number];
  /**
   * One call of the network: sample float32 [batch, c, h, w], class labels [batch | 1, 1, 1] as numbers (read
   * only where the network has classes) → its raw prediction [batch, c, h, w]; a learned variance is left out.
   */
  predict(sample: Tensor<'float32'>, timestep: number, labels: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** The UNet2DModel of a folder, ready to run with any batch size. */
export async function openUnet2d(
  folder: Unet2dFolder,
  options: DenoiserNetworkOptions = {},
): Promise<Unet2dNetwork> {
  const { config, source } = folder.unet;
  const [height, width] = sampleSides(folder);
  const channels = config.in_channels;
  const classes = hasClasses(config);
  const plan: NetworkPlan = {
    source,
    otherName: oldVaeName,
    precision: options.precision,
    build: (graph, w) => ({
      out_sample: leaving(
        unet2D(w, config, {
          sample: entering(input(graph, 'sample', 'float32', [batchSize, channels, height, width])),
          timestep: input(graph, 'timestep', 'float32', []),
          ...(classes && { classLabels: input(graph, 'class_labels', 'int64', [batchSize]) }),
        }),
      ),
    }),
  };
  const { session, limit } = await openLimited(plan, options);
  return {
    config,
    sampleShape: [channels, height, width],
    async predict(sample, timestep, labels) {
      const whole = await inChunks(sample.shape[0]!, limit, async (from, to) => {
        const feeds: Record<string, Tensor> = {
          sample: sliceBatch(sample, from, to),
          timestep: floatTensor([], Float32Array.of(timestep)),
        };
        if (classes) {
          const own = labels.shape[0] === 1 ? expandBatch(labels, to - from) : sliceBatch(labels, from, to);
          feeds['class_labels'] = {
            dtype: 'int64',
            shape: [to - from],
            data: BigInt64Array.from(own.data, BigInt),
          };
        }
        return (await session.run(feeds))['out_sample']!;
      });
      return config.out_channels === channels ? whole : firstHalf(whole);
    },
    close: () => session.close(),
  };
}

/** [n, 2c, h, w] → [n, c, h, w]: the first c channels of every sample. */
function firstHalf(tensor: Tensor<'float32'>): Tensor<'float32'> {
  const [count, channels, ...sides] = tensor.shape as [number, number, number, number];
  const half = sampleLength(tensor) / 2;
  const data = new Float32Array(count * half);
  for (let n = 0; n < count; n++) data.set(tensor.data.subarray(2 * n * half, (2 * n + 1) * half), n * half);
  return floatTensor([count, channels / 2, ...sides], data);
}

export interface VqNetwork {
  readonly config: VqConfig;
  /** [height, width] of the pictures that it takes and gives. */
  readonly pictureSize: readonly [number, number];
  /** Pictures float32 [n, 3, height, width] in [−1, 1] → unscaled latents [n, c, h, w], not quantised. */
  encode(pictures: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  /** Unscaled latents [n, c, h, w] → pictures [n, 3, height, width], about [−1, 1]. */
  decode(latents: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** Pictures of one run at most, as for the VAE. */
const picturesPerRun = 16;

/** The VQModel of a folder; its weights are checked now, and each half is opened when it is first used. */
export function openVq(
  folder: Unet2dFolder & { readonly vq: NonNullable<Unet2dFolder['vq']> },
  options: SessionOptions = {},
): VqNetwork {
  const { config, source } = folder.vq;
  const sides = sampleSides(folder);
  const [height, width] = sides.map((side) => side * vaeFactor(config)) as [number, number];
  const plan = (build: NetworkPlan['build']): NetworkPlan => ({ source, otherName: oldVaeName, build });
  const plans = {
    encode: plan((graph, w) => {
      const sample = input(graph, 'in', 'float32', [batchSize, config.in_channels, height, width]);
      return { out: vqEncode(w, config, sample) };
    }),
    decode: plan((graph, w) => {
      const shape = [batchSize, folder.unet.config.in_channels, ...sides];
      return { out: vqDecode(w, config, input(graph, 'in', 'float32', shape)) };
    }),
  };
  for (const half of Object.values(plans)) checkNetwork(half);
  const opened: Partial<Record<keyof typeof plans, ReturnType<typeof openLimited>>> = {};
  const run = async (half: keyof typeof plans, rows: Tensor<'float32'>) => {
    opened[half] ??= openLimited(plans[half], options, picturesPerRun);
    const { session, limit } = await opened[half];
    return inChunks(
      rows.shape[0]!,
      limit,
      async (from, to) => (await session.run({ in: sliceBatch(rows, from, to) }))['out']!,
    );
  };
  return {
    config,
    pictureSize: [height, width],
    encode: (pictures) => run('encode', pictures),
    decode: (latents) => run('decode', latents),
    close: async () => {
      for (const half of Object.values(opened)) await (await half).session.close();
    },
  };
}
