import { existsSync } from 'node:fs';
import { createRandom, hashSeed } from '../src/math/index.ts';
import {
  clipSpecialTokens,
  clipTextParameters,
  type DeferredTensor,
  initialValues,
  type Parameter,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  stableDiffusionScheduler,
  unetParameters,
  vaeParameters,
  writeModelFolder,
} from '../src/models/index.ts';

/** Stable Diffusion 1.5's configs as published; what they do not say is as in diffusers' defaults. */
export const fullSizeUnet = parseUnetConfig({ sample_size: 64, cross_attention_dim: 768 });
/** Floating-point operations of one evaluation with 64×64 latents and 77 tokens, as PyTorch's FlopCounterMode counts them. */
export const fullSizeFlops = 803.3e9;

const vae = parseVaeConfig({
  sample_size: 512,
  block_out_channels: [128, 256, 512, 512],
  down_block_types: new Array(4).fill('DownEncoderBlock2D'),
  up_block_types: new Array(4).fill('UpDecoderBlock2D'),
  layers_per_block: 2,
});
const text = parseClipTextConfig({
  vocab_size: 49408,
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  max_position_embeddings: 77,
  hidden_act: 'quick_gelu',
  bos_token_id: 49406,
  eos_token_id: 49407,
});

/** A stretch of these starts each tensor: random enough for weights that nobody looks at, and quickly made. */
const uniforms = (() => {
  const random = createRandom(1);
  return Float32Array.from({ length: 2 ** 20 }, () => random.uniform());
})();

function randomTensors(parameters: readonly Parameter[]): Record<string, DeferredTensor> {
  return Object.fromEntries(
    parameters.map((parameter): [string, DeferredTensor] => [
      parameter.name,
      {
        dtype: 'float32',
        shape: parameter.shape,
        read: () => {
          let next = hashSeed(parameter.name);
          return initialValues(parameter, () => uniforms[next++ % uniforms.length]!);
        },
      },
    ]),
  );
}

/**
 * A vocabulary of CLIP's size and form: its byte symbols, alone and ending a word, and their first pairs. Real merges
 * are not needed to encode captions, only as many tokens as the text encoder has rows.
 */
function syntheticTokenizer() {
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const symbols = [...printable, ...range(256, 511 - printable.length)].map((code) =>
    String.fromCodePoint(code),
  );
  const { bos, eos } = clipSpecialTokens;
  const alone = [...symbols, ...symbols.map((symbol) => `${symbol}</w>`)];
  const merges = symbols
    .flatMap((left) => symbols.map((right): [string, string] => [left, right]))
    .slice(0, text.vocab_size - alone.length - 2);
  const tokens = [...alone, ...merges.map((pair) => pair.join('')), bos.content, eos.content];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return { vocab, merges, maxLength: text.max_position_embeddings, ...clipSpecialTokens };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/**
 * A diffusers folder with Stable Diffusion 1.5's exact configuration and random weights (1.07 billion parameters,
 * 4.3 GB in float32), written once.
 */
export async function ensureFullSizeModel(path: string, dtype: 'float32' | 'float16'): Promise<void> {
  if (existsSync(path)) return;
  process.stderr.write(
    `writing Stable Diffusion 1.5 with random ${dtype} weights to ${path} (once, a minute)\n`,
  );
  const parts = {
    unet: { config: fullSizeUnet, tensors: randomTensors(unetParameters(fullSizeUnet)) },
    vae: { config: vae, tensors: randomTensors(vaeParameters(vae)) },
    textEncoder: { config: text, tensors: randomTensors(clipTextParameters(text)) },
    tokenizer: syntheticTokenizer(),
    scheduler: stableDiffusionScheduler({ predictionType: 'epsilon' }),
  };
  await writeModelFolder(path, parts, { dtype });
}
