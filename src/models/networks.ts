import { VerbatimError } from '../errors.ts';
import {
  elementCount,
  expandBatch,
  floatTensor,
  gatherBatch,
  groupEqual,
  sliceBatch,
  type Tensor,
} from '../math/index.ts';
import type { Port, Session, SessionOptions } from '../runtime/index.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from './config.ts';
import type { ModelFolder } from './folder/open.ts';
import { latentSize, textEncoderPlan, unetPlan, vaeDecoderPlan, vaeEncoderPlan } from './plans.ts';
import { asFloat32 } from './safetensors.ts';
import { checkNetwork, feedFloat, findPort, inChunks, openNetwork } from './sessions.ts';
import { type ClipTokenizer, loadClipTokenizer } from './tokenizer/index.ts';
import { vaeFactor } from './vae.ts';

export interface TextNetwork {
  readonly config: ClipTextConfig;
  readonly tokenizer: ClipTokenizer;
  /** Text states float32 [captions, tokens, width], in the captions' order; each distinct one is run once. */
  encode(captions: readonly string[]): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** Captions in one run of the text encoder. */
const captionsPerRun = 32;

/** The tokenizer and the text encoder of a model folder, ready to run. */
export async function openTextEncoder(
  folder: ModelFolder,
  options: SessionOptions = {},
): Promise<TextNetwork> {
  const tokenizer = await loadClipTokenizer(folder.tokenizerFolder);
  const { config } = folder.textEncoder;
  if (tokenizer.vocabSize > config.vocab_size)
    throw new VerbatimError(
      `${folder.tokenizerFolder}/vocab.json: ${tokenizer.vocabSize} tokens, but the text encoder's vocab_size is ${config.vocab_size}.`,
    );
  const tokens = Math.min(tokenizer.maxLength, config.max_position_embeddings);
  if (tokens < tokenizer.maxLength)
    throw new VerbatimError(
      `${folder.tokenizerFolder}/tokenizer_config.json: model_max_length is ${tokenizer.maxLength}, but the text encoder's max_position_embeddings is ${tokens}.`,
    );
  const session = await openNetwork(textEncoderPlan(folder, tokens), options);
  const ids = findPort(session.inputs, ['input_ids'], `${folder.path}/text_encoder`);
  const states = findPort(session.outputs, ['last_hidden_state'], `${folder.path}/text_encoder`);

  const run = async (captions: readonly string[]): Promise<Tensor> => {
    const rows = captions.map((caption) => tokenizer.encode(caption));
    const shape = [captions.length, tokens];
    const flat = new Int32Array(elementCount(shape));
    for (const [row, values] of rows.entries()) flat.set(values, row * tokens);
    const feed: Tensor =
      ids.dtype === 'int64'
        ? { dtype: 'int64', shape, data: BigInt64Array.from(flat, BigInt) }
        : { dtype: 'int32', shape, data: flat };
    return (await session.run({ [ids.name]: feed }, { fetch: [states.name] }))[states.name]!;
  };

  const encode = async (captions: readonly string[]): Promise<Tensor<'float32'>> => {
    const { distinct, group } = groupEqual(captions);
    const found = await inChunks(distinct.length, captionsPerRun, (from, to) =>
      run(distinct.slice(from, to)),
    );
    return distinct.length === captions.length ? found : gatherBatch(found, group);
  };
  return { config, tokenizer, encode, close: () => session.close() };
}

export interface UNetNetwork {
  readonly config: UNetConfig;
  /** [channels, height, width] of one latent. */
  readonly sampleShape: readonly [number, number, number];
  /** Whether timesteps must be whole numbers: an export whose input is an integer. */
  readonly integerTimesteps: boolean;
  /**
   * One call of the network: sample float32 [batch, c, h, w], text states [batch | 1, tokens, width] → its
   * raw prediction [batch, c, h, w].
   */
  predict(sample: Tensor<'float32'>, timestep: number, states: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** The UNet of a model folder, ready to run with any batch size. */
export async function openUnet(folder: ModelFolder, options: SessionOptions = {}): Promise<UNetNetwork> {
  const { config } = folder.unet;
  const where = `${folder.path}/unet`;
  const { maxLength } = await loadClipTokenizer(folder.tokenizerFolder);
  const session = await openNetwork(unetPlan(folder, maxLength), options);
  const ports = {
    sample: findPort(session.inputs, ['sample'], where),
    timestep: findPort(session.inputs, ['timestep'], where),
    states: findPort(session.inputs, ['encoder_hidden_states'], where),
    out: findPort(session.outputs, ['out_sample'], where),
  };
  return {
    config,
    sampleShape: [config.in_channels, ...latentSize(folder)],
    integerTimesteps: ports.timestep.dtype.startsWith('int'),
    async predict(sample, timestep, states) {
      const batch = sample.shape[0]!;
      if (states.shape[0] !== 1 && states.shape[0] !== batch)
        throw new RangeError(`${states.shape[0]} text states do not serve a batch of ${batch}`);
      const feeds = {
        [ports.sample.name]: feedFloat(ports.sample, sample),
        [ports.timestep.name]: feedFloat(
          ports.timestep,
          timestepFor(ports.timestep, ports.sample, timestep, batch),
        ),
        [ports.states.name]: feedFloat(ports.states, expandBatch(states, batch)),
      };
      const out = (await session.run(feeds, { fetch: [ports.out.name] }))[ports.out.name]!;
      return floatTensor(out.shape, asFloat32(out, where));
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

/** Pixels of one run at most: the widest layers take 512 bytes for each. */
const pixelsPerRun = 2 ** 18;
const picturesPerRun = 16;

/**
 * The VAE of a model folder, ready to run; its weights are checked now, and each half is opened when it is
 * first used.
 */
export function openVae(folder: ModelFolder, options: SessionOptions = {}): VaeNetwork {
  const { config } = folder.vae;
  const [height, width] = latentSize(folder).map((side) => side * vaeFactor(config)) as [number, number];
  for (const plan of [vaeEncoderPlan(folder), vaeDecoderPlan(folder)]) checkNetwork(plan);
  const limit = Math.max(1, Math.min(picturesPerRun, Math.floor(pixelsPerRun / (height * width))));
  const opened: Partial<Record<'encoder' | 'decoder', Promise<Session>>> = {};
  const run = async (half: 'encoder' | 'decoder', rows: Tensor<'float32'>): Promise<Tensor<'float32'>> => {
    const plan = half === 'encoder' ? vaeEncoderPlan(folder) : vaeDecoderPlan(folder);
    opened[half] ??= openNetwork(plan, options);
    const session = await opened[half];
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
    close: async () => {
      for (const session of Object.values(opened)) await (await session).close();
    },
  };
}
