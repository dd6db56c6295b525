import { input } from '../graph/index.ts';
import { floatTensor, rowsOfBatch, sliceBatch, type Tensor } from '../math/index.ts';
import type { SessionOptions } from '../runtime/index.ts';
import { sidesOf } from './config.ts';
import type { Unet2dFolder } from './folder/open-unet2d.ts';
import { entering, firstChannels, leaving } from './layers.ts';
import {
  type DenoiserNetworkOptions,
  inChunks,
  type NetworkPlan,
  openHalves,
  openLimited,
} from './sessions.ts';
import { hasClasses, unet2D } from './unet2d.ts';
import type { UNet2DConfig, VqConfig } from './unet2d-config.ts';
import { oldAttentionName, vaeFactor } from './vae.ts';
import { vqDecode, vqEncode } from './vq.ts';

const batchSize = 'batch_size';

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
  // The folder's opener has refused a missing sample_size.
  const [height, width] = sidesOf(config.sample_size!);
  const channels = config.in_channels;
  const classes = hasClasses(config);
  const plan: NetworkPlan = {
    source,
    otherName: oldAttentionName,
    precision: options.precision,
    build: (graph, w) => {
      const out = unet2D(w, config, {
        sample: entering(input(graph, 'sample', 'float32', [batchSize, channels, height, width])),
        timestep: input(graph, 'timestep', 'float32', []),
        ...(classes && { classLabels: input(graph, 'class_labels', 'int64', [batchSize]) }),
      });
      return { out_sample: leaving(firstChannels(out, channels)) };
    },
  };
  const { session, limit } = await openLimited(plan, options);
  return {
    config,
    sampleShape: [channels, height, width],
    predict: (sample, timestep, labels) =>
      inChunks(sample.shape[0]!, limit, async (from, to) => {
        const feeds: Record<string, Tensor> = {
          sample: sliceBatch(sample, from, to),
          timestep: floatTensor([], Float32Array.of(timestep)),
        };
        if (classes) {
          const own = rowsOfBatch(labels, from, to);
          feeds['class_labels'] = {
            dtype: 'int64',
            shape: [to - from],
            data: BigInt64Array.from(own.data, BigInt),
          };
        }
        return (await session.run(feeds))['out_sample']!;
      }),
    close: () => session.close(),
  };
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

/** The VQModel of a folder; its weights are checked now, and each half is opened when it is first used. */
export function openVq(
  folder: Unet2dFolder & { readonly vq: NonNullable<Unet2dFolder['vq']> },
  options: SessionOptions = {},
): VqNetwork {
  const { config, source } = folder.vq;
  const sides = sidesOf(folder.unet.config.sample_size!);
  const [height, width] = sides.map((side) => side * vaeFactor(config)) as [number, number];
  const plan = (build: NetworkPlan['build']): NetworkPlan => ({ source, otherName: oldAttentionName, build });
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
  const halves = openHalves(plans, options);
  const run = async (half: keyof typeof plans, rows: Tensor<'float32'>) => {
    const { session, limit } = await halves.get(half);
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
    close: halves.close,
  };
}
