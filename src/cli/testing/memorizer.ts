import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  constant,
  createGraph,
  encodeModel,
  input,
  matmul,
  model as modelOf,
  mul,
  reshape,
  softmax,
} from '../../graph/index.ts';
import { encodePng, type Picture } from '../../images/index.ts';
import { createRandom, floatTensor, type Random } from '../../math/index.ts';

/** Side of the pictures, pixels. */
export const side = 8;

/** Smooth pictures: a plane of its own in each channel, so six numbers and some grain say all of a picture. */
export function smoothPicture(random: Random): Picture {
  const planes = Array.from({ length: 3 }, () => [
    random.uniform(),
    random.uniform() - 0.5,
    random.uniform() - 0.5,
  ]);
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let c = 0; c < 3; c++) {
        const [level, dx, dy] = planes[c] as [number, number, number];
        const value =
          50 + 155 * level + 80 * (dx * (x / side - 0.5) + dy * (y / side - 0.5)) + 2 * random.normal();
        data[(y * side + x) * 3 + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
  return { width: side, height: side, data };
}

export function smoothPictures(count: number, seed: number): Picture[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => smoothPicture(random));
}

/** Writes pictures as PNGs 0000.png, 0001.png, … */
export async function writeFolder(path: string, pictures: readonly Picture[]): Promise<string> {
  await mkdir(path, { recursive: true });
  for (const [i, picture] of pictures.entries())
    await writeFile(join(path, `${String(i).padStart(4, '0')}.png`), await encodePng(picture));
  return path;
}

/**
 * A generator that has memorized pictures: noise [n, pictures] → softmax(sharpness · noise) · pictures, a mixture that is nearly
 * always nearly one of them.
 */
export async function writeMemorizer(
  path: string,
  pictures: readonly Picture[],
  sharpness = 60,
): Promise<string> {
  const values = side * side * 3;
  const kept = new Float32Array(pictures.length * values);
  pictures.forEach(({ data }, p) => {
    for (let pixel = 0; pixel < side * side; pixel++)
      for (let c = 0; c < 3; c++)
        kept[p * values + c * side * side + pixel] = data[pixel * 3 + c]! / 127.5 - 1;
  });
  const graph = createGraph();
  const noise = input(graph, 'z', 'float32', ['n', pictures.length]);
  const scale = constant(graph, floatTensor([], Float32Array.of(sharpness)));
  const weights = softmax(mul(noise, scale), -1);
  const mixed = matmul(weights, constant(graph, floatTensor([pictures.length, values], kept)));
  const out = reshape(mixed, [-1, 3, side, side]);
  await writeFile(path, encodeModel(modelOf(graph, { out })));
  return path;
}
