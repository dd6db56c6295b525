import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import {
  concatBatch,
  elementCount,
  floatTensor,
  gatherBatch,
  groupEqual,
  type Tensor,
} from '../math/index.ts';
import type { Session, SessionOptions } from '../runtime/index.ts';
import { packCondition } from './condition.ts';
import type { ClipTextConfig } from './config.ts';
import type { ModelFolder, TextPart } from './folder/open.ts';
import { penultimateName, textEncoderPlan } from './plans.ts';
import { asFloat32 } from './safetensors.ts';
import { findPort, openNetwork, orClose } from './sessions.ts';
import { type ClipTokenizer, loadClipTokenizer } from './tokenizer/index.ts';

export interface TextNetwork {
  readonly config: ClipTextConfig;
  readonly tokenizer: ClipTokenizer;
  /**
   * Text states float32 [captions, tokens, width], in the captions' order; each distinct one is run once. With two
   * encoders (Stable Diffusion XL) the widths add up, and rows behind the tokens hold the pooled vector: see
   * `packCondition`.
   */
  encode(captions: readonly string[]): Promise<Tensor<'float32'>>;
  close(): Promise<void>;
}

/** Captions in one run of the text encoder. */
const captionsPerRun = 32;

/** One encoder with its tokenizer: `run` gives the named outputs for at most captionsPerRun captions. */
interface OpenedPart {
  readonly tokenizer: ClipTokenizer;
  readonly session: Session;
  run(captions: readonly string[]): Promise<Tensor<'float32'>[]>;
}

/** The tokenizer and the text encoder (or both) of a model folder, ready to run. */
export async function openTextEncoder(
  folder: ModelFolder,
  options: SessionOptions = {},
): Promise<TextNetwork> {
  const { textEncoder, textEncoder2 } = folder;
  const { config } = textEncoder;
  if (textEncoder2 === undefined) {
    const only = await openPart(folder, 'text_encoder', textEncoder, ['last_hidden_state'], options);
    const encode = inDistinct(async (captions) => (await only.run(captions))[0]!);
    return { config, tokenizer: only.tokenizer, encode, close: () => only.session.close() };
  }

  const first = await openPart(folder, 'text_encoder', textEncoder, [penultimateName(config)], options);
  const wanted = [penultimateName(textEncoder2.config), 'text_embeds'];
  const second = await openPart(folder, 'text_encoder_2', textEncoder2, wanted, options).catch(
    async (error: unknown) => {
      await first.session.close();
      throw error;
    },
  );
  const close = async () => {
    await Promise.all([first.session.close(), second.session.close()]);
  };
  if (second.tokenizer.maxLength !== first.tokenizer.maxLength) {
    await close();
    throw new VerbatimError(
      `${textEncoder2.tokenizerFolder}/tokenizer_config.json: model_max_length is ${second.tokenizer.maxLength}, that of the first tokenizer ${first.tokenizer.maxLength}; they must agree.`,
    );
  }
  const encode = inDistinct(async (captions) => {
    const [own] = await first.run(captions);
    const [other, pooled] = await second.run(captions);
    const packed = packCondition(joinWidths(own!, other!), pooled!);
    const length = elementCount(packed.shape.slice(1));
    if (folder.zerosForEmpty)
      for (const [n, caption] of captions.entries())
        if (caption === '') packed.data.fill(0, n * length, (n + 1) * length);
    return packed;
  });
  return { config, tokenizer: first.tokenizer, encode, close };
}

async function openPart(
  folder: ModelFolder,
  name: 'text_encoder' | 'text_encoder_2',
  part: TextPart,
  wanted: readonly string[],
  options: SessionOptions,
): Promise<OpenedPart> {
  const { config, tokenizerFolder } = part;
  const tokenizer = await loadClipTokenizer(tokenizerFolder, part.padding);
  const vocabulary = join(tokenizerFolder, 'vocab.json');
  if (tokenizer.vocabSize > config.vocab_size)
    throw new VerbatimError(
      `${vocabulary}: ${tokenizer.vocabSize} tokens, but the text encoder's vocab_size is ${config.vocab_size}.`,
    );
  if (tokenizer.maxId >= config.vocab_size)
    throw new VerbatimError(
      `${vocabulary}: an id of ${tokenizer.maxId}, but the text encoder's vocab_size is ${config.vocab_size}.`,
    );
  // A tokenizer from elsewhere must be the one that the encoder was trained with, as far as its size shows.
  if (part.padding !== undefined && tokenizer.vocabSize !== config.vocab_size)
    throw new VerbatimError(
      `${vocabulary}: ${tokenizer.vocabSize} tokens, but the text encoder of ${folder.path} has ${config.vocab_size}; name the folder of its own tokenizer.`,
    );
  const tokens = Math.min(tokenizer.maxLength, config.max_position_embeddings);
  if (tokens < tokenizer.maxLength)
    throw new VerbatimError(
      `${tokenizerFolder}/tokenizer_config.json: model_max_length is ${tokenizer.maxLength}, but the text encoder's max_position_embeddings is ${tokens}.`,
    );
  const session = await openNetwork(textEncoderPlan(folder, tokens, name), options);
  const where = join(folder.path, name);
  const { ids, outputs } = await orClose(session, () => ({
    ids: findPort(session.inputs, ['input_ids'], where),
    outputs: wanted.map((output) => findPort(session.outputs, [output], where).name),
  }));

  const run = async (captions: readonly string[]): Promise<Tensor<'float32'>[]> => {
    const rows = captions.map((caption) => tokenizer.encode(caption));
    const shape = [captions.length, tokens];
    const flat = new Int32Array(elementCount(shape));
    for (const [row, values] of rows.entries()) flat.set(values, row * tokens);
    const feed: Tensor =
      ids.dtype === 'int64'
        ? { dtype: 'int64', shape, data: BigInt64Array.from(flat, BigInt) }
        : { dtype: 'int32', shape, data: flat };
    const found = await session.run({ [ids.name]: feed }, { fetch: outputs });
    return outputs.map((output) => {
      const tensor = found[output]!;
      return floatTensor(tensor.shape, asFloat32(tensor, where));
    });
  };
  return { tokenizer, session, run };
}

/** Runs each distinct caption once, captionsPerRun at a time. */
export function inDistinct(
  run: (captions: readonly string[]) => Promise<Tensor<'float32'>>,
): TextNetwork['encode'] {
  return async (captions) => {
    const { distinct, group } = groupEqual(captions);
    const parts: Tensor<'float32'>[] = [];
    for (let from = 0; from < distinct.length; from += captionsPerRun)
      parts.push(await run(distinct.slice(from, from + captionsPerRun)));
    if (parts.length === 0) return floatTensor([0]);
    const found = parts.length === 1 ? parts[0]! : concatBatch(parts);
    return distinct.length === captions.length ? found : gatherBatch(found, group);
  };
}

/** [n, tokens, a] and [n, tokens, b] → [n, tokens, a + b]. */
function joinWidths(left: Tensor<'float32'>, right: Tensor<'float32'>): Tensor<'float32'> {
  const [count, tokens, a] = left.shape as [number, number, number];
  const b = right.shape[2]!;
  const joined = floatTensor([count, tokens, a + b]);
  for (let row = 0; row < count * tokens; row++) {
    joined.data.set(left.data.subarray(row * a, (row + 1) * a), row * (a + b));
    joined.data.set(right.data.subarray(row * b, (row + 1) * b), row * (a + b) + a);
  }
  return joined;
}
