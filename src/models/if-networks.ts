import { VerbatimError } from '../errors.ts';
import { input } from '../graph/index.ts';
import { floatTensor, rowsOfBatch, sliceBatch, type Tensor } from '../math/index.ts';
import type { SessionOptions } from '../runtime/index.ts';
import { sidesOf, textStatesWidth } from './config.ts';
import type { IfFolder } from './folder/open-if.ts';
import { entering, firstChannels, leaving } from './layers.ts';
import { asFloat32 } from './safetensors.ts';
import {
  type DenoiserNetworkOptions,
  inChunks,
  type NetworkPlan,
  openLimited,
  openNetwork,
} from './sessions.ts';
import { oldT5Name, t5Encoder } from './t5-encoder.ts';
import { inDistinct, type TextNetwork } from './text-encoder.ts';
import { loadT5Tokenizer, type T5Tokenizer } from './tokenizer/index.ts';
import { unet2DCondition } from './unet.ts';

const batchSize = 'batch_size';

/** Tokens of a caption with its end and padding: what IF was trained with, though T5 takes more. */
const tokens = 77;

/** T5's embedding has its rows rounded up to a multiple of 128, and its 100 sentinels are not always counted. */
const spareRows = 256;

/** What `str.strip` of Python removes. */
const pythonSpace = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const startSpace = new RegExp(`^${pythonSpace}+`);

/**
 * A caption as IFPipeline hands it to the tokenizer where it does not clean it: in lower case, without white space at its
 * ends. (Cleaning needs bs4 and ftfy in Python, and is left out without them.)
 */
export function ifCaption(caption: string): string {
  const lowered = caption.toLowerCase().replace(startSpace, '');
  // Not by one pattern at the end, which takes quadratic time for white space within.
  let end = lowered.length;
  while (end > 0 && startSpace.test(lowered[end - 1]!)) end--;
  return lowered.slice(0, end);
}

export interface T5Network extends Pick<TextNetwork, 'encode' | 'close'> {
  readonly tokenizer: T5Tokenizer;
}

/**
 * The tokenizer and the T5 encoder of a folder, ready to run: captions → float32 [captions, 77, d_model]. The empty caption
 * has the states of the end token, with all padding masked.
 */
export async function openIfText(folder: IfFolder, options: SessionOptions = {}): Promise<T5Network> {
  const { config, source, tokenizerFolder } = folder.textEncoder;
  const tokenizer = await loadT5Tokenizer(tokenizerFolder);
  const { vocabSize, maxId } = tokenizer;
  if (maxId >= config.vocab_size || vocabSize + spareRows <= config.vocab_size)
    throw new VerbatimError(
      `${tokenizerFolder}: ${vocabSize} tokens with ids up to ${maxId}, but the text encoder's vocab_size is ${config.vocab_size}; it must be the encoder's own tokenizer.`,
    );
  const plan: NetworkPlan = {
    source,
    otherName: oldT5Name,
    build: (graph, w) => ({
      last_hidden_state: t5Encoder(w, config, {
        inputIds: input(graph, 'input_ids', 'int64', [batchSize, tokens]),
        attentionMask: input(graph, 'attention_mask', 'float32', [batchSize, tokens]),
      }),
    }),
  };
  const session = await openNetwork(plan, options);
  const encode = inDistinct(async (captions) => {
    const shape = [captions.length, tokens];
    const data = new BigInt64Array(captions.length * tokens);
    const mask = floatTensor(shape);
    for (const [n, caption] of captions.entries()) {
      const { ids, count } = tokenizer.encode(ifCaption(caption), tokens);
      data.set(BigInt64Array.from(ids, BigInt), n * tokens);
      mask.data.fill(1, n * tokens, n * tokens + count);
    }
    const feeds = { input_ids: { dtype: 'int64', shape, data } as const, attention_mask: mask };
    const states = (await session.run(feeds))['last_hidden_state']!;
    return floatTensor(states.shape, asFloat32(states, `${folder.path}/text_encoder`));
  });
  return { tokenizer, encode, close: () => session.close() };
}

export interface IfUnetNetwork {
  /** [channels, height, width] of one picture. */
  readonly sampleShape: readonly [number, number, number];
  /**
   * One call of the network: sample float32 [batch, 3, h, w], text states [batch | 1, tokens, width] → its raw prediction
   * [batch, 3, h, w]; a learned variance is left out.
   */
  predict(sample: Tensor<'float32'>, timestep: number, states: Tensor<'float32'>): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** The UNet of a folder of IF's first stage, ready to run with any batch size. */
export async function openIfUnet(
  folder: IfFolder,
  options: DenoiserNetworkOptions = {},
): Promise<IfUnetNetwork> {
  const { config, source } = folder.unet;
  const channels = config.in_channels;
  // The folder's opener has refused a missing sample_size.
  const [height, width] = sidesOf(config.sample_size!);
  const plan: NetworkPlan = {
    source,
    precision: options.precision,
    build: (graph, w) => {
      const states = [batchSize, tokens, textStatesWidth(config)];
      const out = unet2DCondition(w, config, {
        sample: entering(input(graph, 'sample', 'float32', [batchSize, channels, height, width])),
        timestep: input(graph, 'timestep', 'float32', []),
        encoderHiddenStates: entering(input(graph, 'encoder_hidden_states', 'float32', states)),
      });
      return { out_sample: leaving(firstChannels(out, channels)) };
    },
  };
  const { session, limit } = await openLimited(plan, options);
  return {
    sampleShape: [channels, height, width],
    predict: (sample, timestep, states) =>
      inChunks(sample.shape[0]!, limit, async (from, to) => {
        const own = rowsOfBatch(states, from, to);
        const feeds = {
          sample: sliceBatch(sample, from, to),
          timestep: floatTensor([], Float32Array.of(timestep)),
          encoder_hidden_states: own,
        };
        return (await session.run(feeds))['out_sample']!;
      }),
    close: () => session.close(),
  };
}
