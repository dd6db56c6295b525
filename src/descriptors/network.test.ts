import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createGraph,
  encodeModel,
  input,
  model,
  reduceMean,
  reshape,
  transpose,
  type Value,
} from '../graph/index.ts';
import type { Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import {
  networkDescriptionSchema,
  networkDescriptions,
  openNetworkDescriptor,
  splitProduct,
} from './index.ts';

const folder = temporaryFolder('network-descriptor');
const random = createRandom(8);
const noise = (width: number, height = width): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, () => random.integer(256)),
});

/** A "network" that gives its input back in another shape, so that every value can be followed. */
function exported(name: string, output: (picture: Value) => Value): string {
  const graph = createGraph();
  const picture = input(graph, 'pixel_values', 'float32', ['batch', 3, 8, 8]);
  const path = join(folder, name);
  writeFileSync(path, encodeModel(model(graph, { out: output(picture) })));
  return path;
}
const asTokens = (x: Value) => transpose(reshape(x, [-1, 3, 64]), [0, 2, 1]);
const plain = { name: 'test', size: 8, mean: [0, 0, 0], std: [1, 1, 1] };
const unit = (row: readonly number[]) => {
  const length = Math.hypot(...row);
  return row.map((value) => value / length);
};

describe('an exported network', () => {
  it('is fed values in [0, 1] less mean by deviation, and pooled as described', async () => {
    const [tokens, maps] = [exported('tokens.onnx', asTokens), exported('maps.onnx', (x) => x)];
    const pictures = [noise(8), noise(8)];
    const [mean, std] = [
      [0.4, 0.5, 0.6],
      [0.2, 0.3, 0.4],
    ];
    const value = (p: Picture, place: number, c: number) =>
      (p.data[3 * place + c]! / 255 - mean[c]!) / std[c]!;
    const channels = [0, 1, 2];
    const average = (p: Picture, from: number, f = (x: number) => x) =>
      channels.map((c) => {
        let sum = 0;
        for (let place = from; place < 64; place++) sum += f(value(p, place, c));
        return sum / (64 - from);
      });
    const cases: [string, object, (p: Picture) => number[]][] = [
      [tokens, { pooling: 'first' }, (p) => unit(channels.map((c) => value(p, 0, c)))],
      [tokens, { pooling: 'mean', prefixTokens: 5 }, (p) => unit(average(p, 5))],
      [maps, { pooling: 'mean' }, (p) => unit(average(p, 0))],
      [
        maps,
        { pooling: 'gem', gemPower: 2 },
        (p) => unit(average(p, 0, (x) => Math.max(x, 1e-6) ** 2).map(Math.sqrt)),
      ],
      [
        tokens,
        { pooling: 'patches', prefixTokens: 60 },
        (p) => [60, 61, 62, 63].flatMap((place) => unit(channels.map((c) => value(p, place, c)))),
      ],
    ];
    for (const [path, rest, expected] of cases) {
      const description = networkDescriptionSchema.parse({ ...plain, mean, std, ...rest });
      const descriptor = await openNetworkDescriptor(path, description, { threads: 1, batch: 1 });
      const rows = await descriptor.describe(pictures);
      expect(rows).toHaveLength(2 * descriptor.dimension);
      const wanted = pictures.flatMap(expected);
      rows.forEach((got, i) => {
        expect(got).toBeCloseTo(wanted[i]!, 5);
      });
      await descriptor.close();
    }
  });

  it('cuts the middle out of any picture, or squashes it', async () => {
    const path = exported('whole.onnx', (x) => reshape(x, [-1, 192]));
    const wide = noise(24, 8);
    const middle: Picture = {
      width: 8,
      height: 8,
      data: Uint8Array.from(
        { length: 192 },
        (_, i) => wide.data[(Math.floor(i / 24) * 24 + 8) * 3 + (i % 24)]!,
      ),
    };
    const rowsOf = async (fit: string, pictures: Picture[]) => {
      const descriptor = await openNetworkDescriptor(path, networkDescriptionSchema.parse({ ...plain, fit }));
      const rows = await descriptor.describe(pictures);
      await descriptor.close();
      return rows;
    };
    const covered = await rowsOf('cover', [wide, middle]);
    expect([...covered.subarray(0, 192)]).toEqual([...covered.subarray(192)]);
    const squashed = await rowsOf('squash', [wide, middle]);
    expect([...squashed.subarray(0, 192)]).not.toEqual([...squashed.subarray(192)]);
  });

  it('whitens before the length is taken', async () => {
    const path = exported('mean.onnx', (x) => reduceMean(x, [2, 3], false));
    const whitening = {
      mean: [0.1, 0.2, 0.3],
      matrix: [
        [1, 0],
        [0, 2],
        [1, 1],
      ],
    };
    const descriptor = await openNetworkDescriptor(
      path,
      networkDescriptionSchema.parse({ ...plain, whitening }),
    );
    const picture = noise(8);
    const means = [0, 1, 2].map((c) => {
      let sum = 0;
      for (let i = 0; i < 64; i++) sum += picture.data[3 * i + c]! / 255;
      return sum / 64;
    });
    const [x, y, z] = means.map((value, c) => value - whitening.mean[c]!) as [number, number, number];
    const expected = unit([x + z, 2 * y + z]);
    const row = await descriptor.describe([picture]);
    expect(descriptor.dimension).toBe(2);
    row.forEach((got, i) => {
      expect(got).toBeCloseTo(expected[i]!, 5);
    });
    await descriptor.close();
    const short = { mean: [0], matrix: [[1]] };
    await expect(
      openNetworkDescriptor(path, networkDescriptionSchema.parse({ ...plain, whitening: short })),
    ).rejects.toThrow('mean.onnx: gives 3 values, but its whitening takes 1 (mean) and 1 (matrix)');
  });

  it('finds with split-product a patch that two pictures share, and nothing else', async () => {
    const path = exported('patches.onnx', asTokens);
    const description = networkDescriptionSchema.parse({
      ...plain,
      mean: [0.5, 0.5, 0.5],
      pooling: 'patches',
      prefixTokens: 0,
    });
    const descriptor = await openNetworkDescriptor(path, description);
    expect(descriptor.chunks).toBe(64);
    const rows = await descriptor.describe([noise(8), noise(8)]);
    const [a, b] = [rows.subarray(0, 192), rows.subarray(192)];
    expect(splitProduct(a, a, 64)).toBeCloseTo(1, 5);
    expect(splitProduct(a, b, 64, 'cross')).toBeGreaterThanOrEqual(splitProduct(a, b, 64));
    await descriptor.close();
  });

  it('says what does not fit: ports, shapes, the file itself', async () => {
    const path = exported('again.onnx', (x) => x);
    const open = (rest: object, file = path) =>
      openNetworkDescriptor(file, networkDescriptionSchema.parse({ ...plain, ...rest }));
    await expect(open({ input: 'image' })).rejects.toThrow('has no input "image"; it has pixel_values');
    await expect(open({ output: 'embeds' })).rejects.toThrow('has no output "embeds"; it has out');
    await expect(open({ pooling: 'none' })).rejects.toThrow(
      'pooling "none" does not fit its output [1, 3, 8, 8]',
    );
    await expect(open({}, join(folder, 'absent.onnx'))).rejects.toThrow('there is no such file');
  });

  it('has an id that tells file and description apart', async () => {
    const first = exported('one.onnx', asTokens);
    const ids = [];
    for (const [path, pooling] of [
      [first, 'mean'],
      [first, 'first'],
      [exported('two.onnx', (x) => x), 'mean'],
      [first, 'mean'],
    ] as const) {
      const descriptor = await openNetworkDescriptor(
        path,
        networkDescriptionSchema.parse({ ...plain, pooling }),
      );
      ids.push(descriptor.id);
      await descriptor.close();
    }
    expect(new Set(ids).size).toBe(3);
    expect(ids[3]).toBe(ids[0]);
  });

  it('is ready for the networks that the field uses', () => {
    expect(Object.keys(networkDescriptions)).toEqual([
      'sscd',
      'clip-vit-b-32',
      'dino-vit-b-16',
      'dinov2',
      'swin',
    ]);
  });
});
