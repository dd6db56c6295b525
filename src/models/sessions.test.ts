import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { createGraph, input, model, type Precision, relu, writeModel } from '../graph/index.ts';
import { concatBatch, floatTensor, sliceBatch, type Tensor } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { openModelFolder } from './folder/open.ts';
import { type ModelParts, writeModelFolder } from './folder/write.ts';
import { writeOnnxFolder } from './folder/write-onnx.ts';
import { entering } from './layers.ts';
import { openUnet, openVae } from './networks.ts';
import { vaeDecoderPlan } from './plans.ts';
import { asFloat32 } from './safetensors.ts';
import { buildNetwork, inChunks, type NetworkPlan, orClose, rowLimit } from './sessions.ts';
import { openTensorStore, storeWeights } from './store.ts';
import { fixtures, goldens, relativeError, runOnce } from './testing/goldens.ts';
import { partsOf } from './testing/parts.ts';
import { openTextEncoder } from './text-encoder.ts';
import { unet2DCondition } from './unet.ts';
import { oldAttentionName, vaeDecode } from './vae.ts';

const cpu = { provider: 'cpu', threads: 1 } as const;
const root = temporaryFolder('onnx');
beforeAll(async () => {
  await writeOnnxFolder(join(root, 'sd1'), await openModelFolder(`${fixtures}sd1`));
});

/** A small session. */
function runnable() {
  const graph = createGraph();
  return openSession(model(graph, { y: relu(input(graph, 'x', 'float32', [1])) }), cpu);
}

const float = (tensor: Tensor) => tensor as Tensor<'float32'>;

/** The fixture's float16 weights as float32, which may stay on disk. */
async function widened(path: string): Promise<ModelParts<Tensor>> {
  const parts = await partsOf(path);
  const wide = Object.entries(parts.vae.tensors).map(
    ([name, tensor]) => [name, floatTensor(tensor.shape, asFloat32(tensor, name))] as const,
  );
  return { ...parts, vae: { config: parts.vae.config, tensors: Object.fromEntries(wide) } };
}

describe.each(['diffusers', 'onnx'] as const)('a folder of %s', (format) => {
  const folder = async () => {
    const opened = await openModelFolder(format === 'onnx' ? join(root, 'sd1') : `${fixtures}sd1`);
    expect(opened.format).toBe(format);
    return opened;
  };
  const golden = goldens('sd1');

  it('VAE: moments and picture as diffusers', async () => {
    const vae = openVae(await folder(), cpu);
    expect(vae.pictureSize).toEqual([16, 16]);
    expect(
      relativeError(await vae.encodeMoments(float(golden('vae.sample'))), golden('vae.moments')),
    ).toBeLessThan(1e-4);
    expect(relativeError(await vae.decode(float(golden('vae.latents'))), golden('vae.decoded'))).toBeLessThan(
      1e-4,
    );
    await vae.close();
  });

  it('text encoder: rows in the captions’ order, the same alone and in company', async () => {
    const text = await openTextEncoder(await folder(), cpu);
    const captions = [
      'A red chair',
      '',
      'A red chair',
      ...Array.from({ length: 40 }, (_, i) => `Poster ${i}`),
    ];
    const all = await text.encode(captions);
    expect(all.shape).toEqual([43, 77, 32]);
    expect(relativeError(sliceBatch(all, 0, 1), sliceBatch(all, 2, 3))).toBe(0);
    for (const row of [0, 1, 42]) {
      const alone = await text.encode([captions[row]!]);
      expect(relativeError(alone, sliceBatch(all, row, row + 1))).toBeLessThan(1e-6);
    }
    expect((await text.encode([])).shape[0]).toBe(0);
    await text.close();
  });

  it('UNet: any batch, and one text state for all', async () => {
    const unet = await openUnet(await folder(), cpu);
    expect(unet.sampleShape).toEqual([4, 8, 8]);
    const states = floatTensor(
      [1, 77, 32],
      Float32Array.from({ length: 77 * 32 }, (_, i) => Math.sin(i)),
    );
    const sample = float(golden('unet.sample'));
    const both = await unet.predict(sample, 300.25, states);
    expect(both.shape).toEqual([2, 4, 8, 8]);
    for (const row of [0, 1]) {
      const alone = await unet.predict(sliceBatch(sample, row, row + 1), 300.25, states);
      expect(relativeError(alone, sliceBatch(both, row, row + 1))).toBeLessThan(1e-5);
    }
    await expect(unet.predict(floatTensor([3, 4, 8, 8]), 1, floatTensor([2, 77, 32]))).rejects.toThrow(
      /2 text states do not serve a batch of 3/,
    );
    await unet.close();
  });
});

it('an export with whole timesteps, one per sample, runs as well', async () => {
  const path = join(root, 'older');
  await cp(join(root, 'sd1'), path, { recursive: true });
  const { unet } = await openModelFolder(`${fixtures}sd1`);
  const build: NetworkPlan = {
    source: unet.source,
    build: (graph, w) => ({
      out_sample: unet2DCondition(w, unet.config, {
        sample: input(graph, 'sample', 'float32', ['batch', 4, 8, 8]),
        timestep: input(graph, 'timestep', 'int64', ['batch']),
        encoderHiddenStates: input(graph, 'encoder_hidden_states', 'float32', ['batch', 7, 32]),
      }),
    }),
  };
  await writeModel(buildNetwork(build), join(path, 'unet', 'model.onnx'));
  const older = await openUnet(await openModelFolder(path), cpu);
  expect(older.integerTimesteps).toBe(true);
  const golden = goldens('sd1');
  const out = await older.predict(
    float(golden('unet.sample')),
    999,
    float(golden('unet.encoder_hidden_states')),
  );
  expect(relativeError(out, golden('unet.out_999'))).toBeLessThan(1e-4);
  await older.close();
});

it('weights that stay in their file give the same as weights in memory', async () => {
  const path = join(root, 'float32');
  await writeModelFolder(path, await widened(`${fixtures}sd1`));
  const { vae } = await openModelFolder(path);
  if (vae.decoder.kind !== 'safetensors') throw new Error('safetensors expected');
  const store = openTensorStore(vae.decoder.files);
  const golden = goldens('sd1');
  const found: Tensor[] = [];
  for (const residence of ['memory', 'file'] as const) {
    const out = await runOnce(
      (graph) => {
        const latents = input(graph, 'latents', 'float32', [2, 4, 8, 8]);
        const decoded = vaeDecode(storeWeights(graph, store, { residence }), vae.config, latents);
        const kinds = [...graph.constants].filter(([value]) => value.name.endsWith('.weight'));
        expect(new Set(kinds.map(([, data]) => data.kind))).toEqual(new Set([residence]));
        return { decoded };
      },
      { latents: golden('vae.latents') },
    );
    found.push(out['decoded']!);
  }
  store.close();
  expect(relativeError(found[1]!, found[0]!)).toBe(0);
  expect(relativeError(found[0]!, golden('vae.decoded'))).toBeLessThan(1e-4);
});

it('half precision left on disk is widened when the graph is loaded, also after the file was let go of', async () => {
  const { vae } = await openModelFolder(`${fixtures}sd1`);
  if (vae.decoder.kind !== 'safetensors') throw new Error('safetensors expected');
  const { files } = vae.decoder;
  const decode = (residence: 'memory' | 'file') =>
    runOnce(
      (graph) => {
        const store = openTensorStore(files);
        const latents = input(graph, 'latents', 'float32', [2, 4, 8, 8]);
        const decoded = vaeDecode(
          storeWeights(graph, store, { residence, otherName: oldAttentionName }),
          vae.config,
          latents,
        );
        store.close();
        const weights = [...graph.constants].filter(([value]) => value.name.endsWith('.weight'));
        const kind = residence === 'file' ? 'deferred' : 'memory';
        expect(new Set(weights.map(([, data]) => data.kind))).toEqual(new Set([kind]));
        return { decoded };
      },
      { latents: goldens('sd1')('vae.latents') },
    );
  const [read, widened] = [await decode('memory'), await decode('file')];
  expect(relativeError(widened['decoded']!, read['decoded']!)).toBe(0);
});

describe('half precision', () => {
  const states = floatTensor(
    [1, 77, 32],
    Float32Array.from({ length: 77 * 32 }, (_, i) => Math.cos(i)),
  );

  it('computes the UNet in float16 and is near the golden in float32; what goes in and out stays float32', async () => {
    const folder = await openModelFolder(`${fixtures}sd1`);
    const sample = float(goldens('sd1')('unet.sample'));
    const [half, full] = [
      await openUnet(folder, { ...cpu, precision: 'float16' }),
      await openUnet(folder, cpu),
    ];
    const [rough, exact] = [await half.predict(sample, 500, states), await full.predict(sample, 500, states)];
    await Promise.all([half.close(), full.close()]);
    // 11 bits of significand, some thirty layers deep; equal results would mean that nothing was halved.
    expect(relativeError(rough, exact)).toBeLessThan(5e-3);
    expect(relativeError(rough, exact)).toBeGreaterThan(1e-5);
  });

  it('keeps weights as they are stored, and narrows those of float32', async () => {
    const wide = join(root, 'wide');
    await writeModelFolder(wide, await widened(`${fixtures}sd1`));
    for (const [path, kind] of [
      [`${fixtures}sd1`, 'file'],
      [wide, 'deferred'],
    ] as const) {
      const { vae } = await openModelFolder(path);
      if (vae.decoder.kind !== 'safetensors') throw new Error('safetensors expected');
      const store = openTensorStore(vae.decoder.files);
      const graph = createGraph({ precision: 'float16' });
      const weights = storeWeights(graph, store, { residence: 'file', otherName: oldAttentionName });
      vaeDecode(weights, vae.config, entering(input(graph, 'latents', 'float32', [1, 4, 8, 8])));
      store.close();
      const found = [...graph.constants].filter(([value]) => value.name.endsWith('.weight'));
      expect(new Set(found.map(([value, data]) => `${value.dtype} ${data.kind}`))).toEqual(
        new Set([`float16 ${kind}`]),
      );
    }
  });

  it('is for the denoiser alone: text encoder and VAE take the same options and stay in float32', async () => {
    const folder = await openModelFolder(`${fixtures}sd1`);
    const options = { ...cpu, precision: 'float16' } as const;
    const [text, vae] = [await openTextEncoder(folder, options), openVae(folder, options)];
    const golden = goldens('sd1');
    expect(relativeError(await vae.decode(float(golden('vae.latents'))), golden('vae.decoded'))).toBeLessThan(
      1e-4,
    );
    expect((await text.encode(['a cat'])).shape).toEqual([1, 77, 32]);
    await Promise.all([text.close(), vae.close()]);
  });

  it('is refused for a finished graph', async () => {
    const folder = await openModelFolder(join(root, 'sd1'));
    await expect(openUnet(folder, { ...cpu, precision: 'float16' })).rejects.toThrow(/leave precision out/);
  });
});

it('both formats compute the same', async () => {
  const states = floatTensor(
    [1, 77, 32],
    Float32Array.from({ length: 77 * 32 }, (_, i) => Math.cos(i)),
  );
  const sample = float(goldens('sd1')('unet.sample'));
  const found: Tensor[] = [];
  for (const path of [`${fixtures}sd1`, join(root, 'sd1')]) {
    const unet = await openUnet(await openModelFolder(path), cpu);
    expect(unet.integerTimesteps).toBe(false);
    found.push(await unet.predict(sample, 999, states));
    await unet.close();
  }
  expect(relativeError(found[1]!, found[0]!)).toBeLessThan(1e-6);
});

describe('rows at once', () => {
  const row = (n: number) => floatTensor([1, 2], Float32Array.of(n, -n));
  const rows = (from: number, to: number) =>
    concatBatch(Array.from({ length: to - from }, (_, i) => row(from + i)));

  it('come back whole and in order, whatever number of them memory is found for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        async (count, most, room) => {
          const limit = { rows: most };
          const run = async (from: number, to: number) => {
            if (to - from > room)
              throw new VerbatimError('Failed to allocate memory for requested buffer of size 7');
            return rows(from, to);
          };
          expect(await inChunks(count, limit, run)).toEqual(rows(0, count));
          expect(limit.rows).toBeGreaterThan(0);
          // Once lowered, the limit holds: the next call is not tried with too many rows again.
          if (count > room && most > room) expect(limit.rows).toBeLessThanOrEqual(room);
        },
      ),
    );
  });

  it('are not halved for another error, nor where one alone does not fit', async () => {
    const limit = { rows: 4 };
    const failing = (message: string) => inChunks(4, limit, () => Promise.reject(new VerbatimError(message)));
    await expect(failing('input "x" is missing')).rejects.toThrow('is missing');
    expect(limit.rows).toBe(4);
    await expect(failing('CUDA failure 2: out of memory')).rejects.toThrow('out of memory');
    expect(limit.rows).toBe(1);
  });

  it('are as many as memory holds, and at least one', async () => {
    const folder = await openModelFolder(`${fixtures}sd1`);
    const plan = vaeDecoderPlan(folder);
    expect(rowLimit(plan, 3, 'cpu').rows).toBe(3);
    const many = rowLimit(plan, Number.POSITIVE_INFINITY, 'webgpu').rows;
    expect(many).toBeGreaterThan(100);
    const huge: NetworkPlan = {
      source: plan.source,
      build: (graph) => ({ out: relu(input(graph, 'in', 'float32', ['batch_size', 2 ** 40])) }),
    };
    expect(rowLimit(huge, 16, 'cpu').rows).toBe(1);
  });

  it('are twice as many in half precision', async () => {
    const { source } = vaeDecoderPlan(await openModelFolder(`${fixtures}sd1`));
    const rows = (precision: Precision) => {
      const plan: NetworkPlan = {
        source,
        precision,
        build: (graph) => ({ out: relu(entering(input(graph, 'in', 'float32', ['batch_size', 2 ** 20]))) }),
      };
      return rowLimit(plan, Number.POSITIVE_INFINITY, 'webgpu').rows;
    };
    expect(rows('float16')).toBe(2 * rows('float32'));
  });
});

describe('a network that cannot be opened', () => {
  it('leaves no session behind', async () => {
    const session = await runnable();
    const fault = orClose(session, () => {
      throw new VerbatimError('no such port');
    });
    await expect(fault).rejects.toThrow('no such port');
    await expect(session.run({ x: floatTensor([1]) })).rejects.toThrow('closed');
  });

  it('is told when it is used, and not once more when the others are closed', async () => {
    const path = join(root, 'lost');
    await cp(`${fixtures}sd1`, path, { recursive: true });
    const vae = openVae(await openModelFolder(path), cpu);
    await vae.encodeMoments(floatTensor([1, 3, 16, 16]));
    await rm(join(path, 'vae'), { recursive: true });
    await expect(vae.decode(floatTensor([1, 4, 2, 2]))).rejects.toThrow('cannot be opened');
    await vae.close();
    await expect(vae.encodeMoments(floatTensor([1, 3, 16, 16]))).rejects.toThrow('closed');
  });
});
