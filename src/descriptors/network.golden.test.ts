import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import {
  type NetworkDescription,
  networkDescriptionSchema,
  networkDescriptions,
  openNetworkDescriptor,
} from './index.ts';

// Written by bench/peers/make_descriptors_network_fixtures.py with PyTorch and Pillow.
const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const golden = JSON.parse(readFileSync(fixture('networks.json'), 'utf8')) as {
  sizes: [number, number][];
  cases: { name: string; chunks: number; rows: number[][] }[];
};

/** The script's pictures, by the same formula. */
function picture([width, height]: [number, number]): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / (3 * width)), i % 3];
    return (3 * x * x + 5 * y * y + (c + 1) * x * y) >> 6;
  });
  return { width, height, data };
}

/** What the ready descriptions do not use: pooling of maps, an exponent, another shorter side, names of ports. */
const trunk = networkDescriptionSchema.parse({
  ...networkDescriptions['sscd'],
  name: 'trunk',
  size: 96,
  resize: 112,
  input: 'pixel_values',
  output: 'maps',
  pooling: 'gem',
  gemPower: 2.5,
});

describe('exports of PyTorch', () => {
  const descriptions: Record<string, NetworkDescription> = { ...networkDescriptions, trunk };

  it('are there for every ready description', () => {
    expect(golden.cases.map(({ name }) => name)).toEqual(Object.keys(descriptions));
  });

  for (const { name, chunks, rows } of golden.cases)
    it(`give through ${name} what PyTorch and Pillow make of the pictures`, async () => {
      const descriptor = await openNetworkDescriptor(fixture(`${name}.onnx`), descriptions[name]!, {
        threads: 1,
        batch: 3,
      });
      const got = await descriptor.describe(golden.sizes.map(picture));
      expect(descriptor.chunks).toBe(chunks);
      expect(got).toHaveLength(rows.length * descriptor.dimension);
      const wanted = rows.flat();
      // Values of rows of length 1, float32 on both sides, sums in another order.
      const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
      expect(worst).toBeLessThan(1e-4);
      // Pictures differ by far more than that: the comparison is worth something.
      const [first, second] = [rows[0]!, rows[1]!];
      expect(Math.max(...first.map((value, i) => Math.abs(value - second[i]!)))).toBeGreaterThan(0.01);
      await descriptor.close();
    });
});
