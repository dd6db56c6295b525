import { describe, expect, it } from 'vitest';
import { add, input, linear } from '../graph/index.ts';
import { createRandom } from '../math/index.ts';
import { clipTextParameters } from './clip-text.ts';
import { parseClipTextConfig } from './config.ts';
import { openModelFolder } from './folder/open.ts';
import { openTensorStore } from './store.ts';
import { fixtures, variants } from './testing/goldens.ts';
import { unetParameters } from './unet.ts';
import { oldAttentionName, vaeParameters } from './vae.ts';
import { initialValues, listParameters, torchInit } from './weights.ts';

describe('parameters', () => {
  it.each(variants)(
    'of %s are the tensors that diffusers and transformers saved, all of them',
    async (variant) => {
      const { unet, vae, textEncoder } = await openModelFolder(fixtures + variant);
      const parts = [
        [unet.source, unetParameters(unet.config), (name: string) => name],
        [
          vae.encoder,
          vaeParameters(vae.config),
          (name: string) => (variant === 'sd1' ? (oldAttentionName(name) ?? name) : name),
        ],
        [
          textEncoder.source,
          clipTextParameters(textEncoder.config),
          (name: string) => name.replace('text_model.', ''),
        ],
      ] as const;
      for (const [source, parameters, rename] of parts) {
        if (source.kind !== 'safetensors') throw new Error('fixture without safetensors');
        const store = openTensorStore(source.files);
        const saved =
          source.files.length === 1 ? store.find(rename(parameters[0]!.name))!.file.entries : new Map();
        const described = (name: string, shape: readonly number[]) => `${name} [${shape}]`;
        expect(parameters.map(({ name, shape }) => described(rename(name), shape)).sort()).toEqual(
          [...saved.values()].map((entry) => described(entry.name, entry.shape)).sort(),
        );
        store.close();
      }
    },
  );

  it('listed once though asked for twice, and refused with two shapes', () => {
    const twice = listParameters((graph, w) => {
      const x = input(graph, 'x', 'float32', [2, 3]);
      add(linear(x, w('a.weight', [3, 3])), linear(x, w('a.weight', [3, 3])));
    });
    expect(twice).toEqual([{ name: 'a.weight', shape: [3, 3] }]);
    expect(() => listParameters((_, w) => [w('a', [1]), w('a', [2])])).toThrow(
      /a is asked for as \[1\] and as \[2\]/,
    );
  });
});

describe('initial values', () => {
  it('follow PyTorch: uniform within 1/√fan_in for layers, ones and zeros for norms', () => {
    const inits = Object.fromEntries(
      torchInit([
        { name: 'conv.weight', shape: [8, 4, 3, 3] },
        { name: 'conv.bias', shape: [8] },
        { name: 'norm.weight', shape: [8] },
        { name: 'norm.bias', shape: [8] },
      ]).map(({ name, init }) => [name, init]),
    );
    expect(inits).toEqual({
      'conv.weight': { kind: 'uniform', bound: 1 / 6 },
      'conv.bias': { kind: 'uniform', bound: 1 / 6 },
      'norm.weight': { kind: 'constant', value: 1 },
      'norm.bias': { kind: 'constant', value: 0 },
    });
  });

  it('follow transformers in the text encoder', () => {
    const config = parseClipTextConfig({
      vocab_size: 600,
      hidden_size: 64,
      intermediate_size: 128,
      num_hidden_layers: 2,
      num_attention_heads: 4,
    });
    const inits = new Map(
      clipTextParameters(config).map(({ name, init }) => [name.replace('text_model.', ''), init]),
    );
    const layer = 'encoder.layers.0.';
    expect(inits.get('embeddings.token_embedding.weight')).toEqual({ kind: 'normal', std: 0.02 });
    expect(inits.get(`${layer}self_attn.q_proj.weight`)).toEqual({
      kind: 'normal',
      std: 64 ** -0.5 * 4 ** -0.5,
    });
    expect(inits.get(`${layer}self_attn.out_proj.weight`)).toEqual({ kind: 'normal', std: 64 ** -0.5 });
    expect(inits.get(`${layer}mlp.fc1.weight`)).toEqual({ kind: 'normal', std: 128 ** -0.5 });
    expect(inits.get(`${layer}mlp.fc2.weight`)).toEqual({ kind: 'normal', std: 64 ** -0.5 * 4 ** -0.5 });
    expect(inits.get(`${layer}mlp.fc2.bias`)).toEqual({ kind: 'constant', value: 0 });
    expect(inits.get('final_layer_norm.weight')).toEqual({ kind: 'constant', value: 1 });
  });

  it('have the stated spread, and one seed gives one network', () => {
    const draw = (init: Parameters<typeof initialValues>[0]['init'], seed: number) => {
      const random = createRandom(seed);
      return initialValues({ name: 'x', shape: [10_001], init }, () => random.uniform());
    };
    const variance = (values: Float32Array) =>
      values.reduce((sum, value) => sum + value * value, 0) / values.length;
    const normal = draw({ kind: 'normal', std: 0.5 }, 1);
    // The variance of n normals has a relative standard deviation of √(2/n) = .014; five of them.
    expect(Math.abs(variance(normal) / 0.25 - 1)).toBeLessThan(0.07);
    const uniform = draw({ kind: 'uniform', bound: 0.3 }, 1);
    expect(Math.abs(variance(uniform) / (0.09 / 3) - 1)).toBeLessThan(0.07);
    expect(Math.max(...uniform)).toBeLessThanOrEqual(Math.fround(0.3));
    expect(draw({ kind: 'normal', std: 0.5 }, 1)).toEqual(normal);
    expect(draw({ kind: 'normal', std: 0.5 }, 2)).not.toEqual(normal);
  });
});
