import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { floatTensor, type Tensor } from '../math/index.ts';
import { openModelFolder } from './folder/open.ts';
import { writeOnnxFolder } from './folder/writeOnnx.ts';
import { fixtures, goldens, relativeError } from './goldens.testing.ts';
import { openTextEncoder, openUnet, openVae } from './networks.ts';
import { rowsOf } from './sessions.ts';

const cpu = { provider: 'cpu', threads: 1 } as const;
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'verbatim-onnx-'));
  await writeOnnxFolder(join(root, 'sd1'), await openModelFolder(`${fixtures}sd1`));
});
afterAll(() => rm(root, { recursive: true }));

const float = (tensor: Tensor) => tensor as Tensor<'float32'>;

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
    expect(rowsOf(all, 0, 1)).toEqual(rowsOf(all, 2, 3));
    for (const row of [0, 1, 42]) {
      const alone = await text.encode([captions[row]!]);
      expect(relativeError(alone, rowsOf(all, row, row + 1))).toBeLessThan(1e-6);
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
      const alone = await unet.predict(rowsOf(sample, row, row + 1), 300.25, states);
      expect(relativeError(alone, rowsOf(both, row, row + 1))).toBeLessThan(1e-5);
    }
    await expect(unet.predict(floatTensor([3, 4, 8, 8]), 1, floatTensor([2, 77, 32]))).rejects.toThrow(
      /2 text states do not serve a batch of 3/,
    );
    await unet.close();
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
