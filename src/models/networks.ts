import { expandBatch, floatTensor, rowsOfBatch, sliceBatch, type Tensor } from '../math/index.ts';
import type { Port, SessionOptions } from '../runtime/index.ts';
import { unpackCondition } from './condition.ts';
import type { UNetConfig, VaeConfig } from './config.ts';
import type { ModelFolder } from './folder/open.ts';
import { latentSize, pictureSize, unetPlan, vaeDecoderPlan, vaeEncoderPlan } from './plans.ts';
import {
  type DenoiserNetworkOptions,
  feedFloat,
  findPort,
  inChunks,
  type LimitedSession,
  openHalves,
  openLimited,
  orClose,
} from './sessions.ts';
import { loadClipTokenizer } from './tokenizer/index.ts';
import { pooledWidth } from './unet.ts';

export interface UNetNetwork {
  readonly config: UNetConfig;
  /** [channels, height, width] of one latent. */
  readonly sampleShape: readonly [number, number, number];
  /** Whether timesteps must be whole numbers: an export whose input is an integer. */
  readonly integerTimesteps: boolean;
  /**
   * One call of the network: sample float32 [batch, c, h, w], text states [batch | 1, tokens, width] as the
   * text network gives them → its raw prediction [batch, c, h, w]. Stable Diffusion XL is told, as by default
   * in diffusers, that the picture is of the model's own size and not cropped.
   */
  predict(sample: Tensor<'float32'>, timestep: number, states: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** The UNet of a model folder, ready to run with any batch size. */
export async function openUnet(
  folder: ModelFolder,
  options: DenoiserNetworkOptions = {},
): Promise<UNetNetwork> {
  const { maxLength } = await loadClipTokenizer(folder.textEncoder.tokenizerFolder);
  const plan = { ...unetPlan(folder, maxLength), precision: options.precision };
  const opened = await openLimited(plan, options);
  return orClose(opened.session, () => unetOver(folder, opened));
}

function unetOver(folder: ModelFolder, { session, limit }: LimitedSession): UNetNetwork {
  const { config } = folder.unet;
  const where = `${folder.path}/unet`;
  const ports = {
    sample: findPort(session.inputs, ['sample'], where),
    timestep: findPort(session.inputs, ['timestep'], where),
    states: findPort(session.inputs, ['encoder_hidden_states'], where),
    out: findPort(session.outputs, ['out_sample'], where),
  };
  const pooled = pooledWidth(config);
  const added = pooled > 0 && {
    text: findPort(session.inputs, ['text_embeds'], where),
    time: findPort(session.inputs, ['time_ids'], where),
  };
  const [height, width] = pictureSize(folder);
  const addition = (vectors: Tensor<'float32'>, batch: number): Record<string, Tensor> => {
    if (!added) return {};
    const ids = floatTensor([1, 6], Float32Array.of(height, width, 0, 0, height, width));
    return {
      [added.text.name]: feedFloat(added.text, expandBatch(vectors, batch)),
      [added.time.name]: feedFloat(added.time, expandBatch(ids, batch)),
    };
  };
  return {
    config,
    sampleShape: [config.in_channels, ...latentSize(folder)],
    integerTimesteps: ports.timestep.dtype.startsWith('int'),
    async predict(sample, timestep, states) {
      const batch = sample.shape[0]!;
      if (states.shape[0] !== 1 && states.shape[0] !== batch)
        throw new RangeError(`${states.shape[0]} text states do not serve a batch of ${batch}`);
      return inChunks(batch, limit, async (from, to) => {
        const rows = to - from;
        const own = rowsOfBatch(states, from, to);
        const split = added ? unpackCondition(own, pooled) : { states: own, pooled: own };
        const feeds = {
          ...addition(split.pooled, rows),
          [ports.sample.name]: feedFloat(ports.sample, sliceBatch(sample, from, to)),
          [ports.timestep.name]: feedFloat(
            ports.timestep,
            timestepFor(ports.timestep, ports.sample, timestep, rows),
          ),
          [ports.states.name]: feedFloat(ports.states, split.states),
        };
        return (await session.run(feeds, { fetch: [ports.out.name] }))[ports.out.name]!;
      });
    },
    close: () => session.close(),
  };
}

/** A scalar, or one number, or one per sample where the port's size is the batch of the sample. */
function timestepFor(port: Port, sample: Port, timestep: number, batch: number): Tensor<'float32'> {
  if (port.shape.length === 0) return floatTensor([], Float32Array.of(timestep));
  const perSample = typeof port.shape[0] === 'string' && port.shape[0] === sample.shape[0];
  const count = perSample ? batch : 1;
  return floatTensor([count], new Float32Array(count).fill(timestep));
}

export interface VaeNetwork {
  readonly config: VaeConfig;
  /** [height, width] of the pictures that it takes and gives. */
  readonly pictureSize: readonly [number, number];
  /** Latents as the UNet sees them = (means − shiftFactor) · scalingFactor. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Pictures float32 [n, 3, height, width] in [−1, 1] → [n, 2c, h, w]: means, then log variances. */
  encodeMoments(pictures: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  /** Unscaled latents [n, c, h, w] → pictures [n, 3, height, width], about [−1, 1]. */
  decode(latents: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/**
 * The VAE of a model folder, ready to run; its weights are checked now, and each half is opened when it is
 * first used.
 */
export function openVae(folder: ModelFolder, options: SessionOptions = {}): VaeNetwork {
  const { config } = folder.vae;
  const [height, width] = pictureSize(folder);
  const halves = openHalves({ encoder: vaeEncoderPlan(folder), decoder: vaeDecoderPlan(folder) }, options);
  const run = async (half: 'encoder' | 'decoder', rows: Tensor<'float32'>): Promise<Tensor<'float32'>> => {
    const { session, limit } = await halves.get(half);
    const where = `${folder.path}/vae ${half}`;
    const [ins, outs] =
      half === 'encoder'
        ? [['sample'], ['latent_parameters', 'latent_sample']]
        : [['latent_sample', 'latent'], ['sample']];
    const from = findPort(session.inputs, ins, where);
    const to = findPort(session.outputs, outs, where);
    return inChunks(rows.shape[0]!, limit, async (start, end) => {
      const feed = feedFloat(from, sliceBatch(rows, start, end));
      return (await session.run({ [from.name]: feed }, { fetch: [to.name] }))[to.name]!;
    });
  };
  return {
    config,
    pictureSize: [height, width],
    scalingFactor: config.scaling_factor,
    shiftFactor: config.shift_factor ?? 0,
    encodeMoments: (pictures) => run('encoder', pictures),
    decode: (latents) => run('decoder', latents),
    close: halves.close,
  };
}
