import { readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { oneStep, openPipeline, seededNoise } from '../src/diffusion/index.ts';
import { allPictures, picturesToTensor } from '../src/images/index.ts';
import { openSafetensors } from '../src/models/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('the shipped miniature', () => {
  it('gives in one step what diffusers gives, for the same noise', async () => {
    const captions = readFileSync(join(root, 'test/fixtures/miniature-captions.txt'), 'utf8')
      .trimEnd()
      .split('\n');
    const golden = openSafetensors(join(root, 'test/fixtures/miniature-onestep.safetensors'));
    const expected = golden.read('estimates').data as Float32Array;
    const pictures = golden.read('pictures').data as Float32Array;
    golden.close();
    const pipeline = await openPipeline(join(root, 'models/twin-a'), { threads: 1 });
    try {
      const ours = await oneStep(pipeline, {
        captions,
        seeds: captions.map((_, i) => i),
        noise: seededNoise('torch-cpu'),
        guidance: 7.5,
      });
      expect(ours.latents.data).toHaveLength(expected.length);
      ours.latents.data.forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-3);
      });
      // The picture is stored in 8 bits: half a level of rounding, in units of [−1, 1].
      const halfLevel = 1 / 255 + 1e-3;
      picturesToTensor(allPictures(ours.pictures)).data.forEach((value, i) => {
        expect(Math.abs(value - Math.min(1, Math.max(-1, pictures[i]!)))).toBeLessThan(halfLevel);
      });
    } finally {
      await pipeline.close();
    }
  });

  it('takes at most 30 MB, both twins together', async () => {
    let bytes = 0;
    for (const twin of ['twin-a', 'twin-b'])
      for (const entry of await readdir(join(root, 'models', twin), { recursive: true, withFileTypes: true }))
        if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
    expect(bytes).toBeGreaterThan(1e6);
    expect(bytes).toBeLessThan(30e6);
  });
});
