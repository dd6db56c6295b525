import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeJpeg, type Picture, resize } from '../src/images/index.ts';
import { createRandom, hashSeed, type Random } from '../src/math/index.ts';

/** Side of the squares of detail that photographs are laid over with, pixels. */
const detailSide = 1024;
/** Width : height as cameras and crawls have them. */
const shapes = [1, 1, 4 / 3, 3 / 2, 3 / 4, 16 / 9];

/**
 * Writes JPEGs of 256 to 1024 pixels a side, qualities 75 to 95, and gives their paths. Small photographs are enlarged and
 * laid over with detail whose strength falls with its frequency, as in photographs, and with a little noise: enough for
 * some 1.2 bits per pixel. The same count gives the same files.
 */
export async function writePhotographs(
  folder: string,
  photographs: readonly Picture[],
  count: number,
): Promise<string[]> {
  const random = createRandom(hashSeed(0, 'photographs'));
  const details = Array.from({ length: 6 }, () => detail(random));
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const shape = shapes[random.integer(shapes.length)]!;
    const longer = 320 + random.integer(705);
    const size = [longer, Math.max(256, Math.round(longer / Math.max(shape, 1 / shape)))];
    const [width, height] = (shape < 1 ? size.reverse() : size) as [number, number];
    const large = resize(photographs[i % photographs.length]!, width, height, 'bicubic');
    const over = details[i % details.length]!;
    const [strength, noise] = [0.2 + 0.6 * random.uniform(), 2 + 10 * random.uniform()];
    const data = new Uint8ClampedArray(large.data);
    for (let y = 0, at = 0; y < height; y++)
      for (let x = 0; x < width; x++, at += 3) {
        const more = strength * over[y * detailSide + x]! + noise * (random.uniform() - 0.5);
        for (let c = 0; c < 3; c++) data[at + c] = data[at + c]! + more;
      }
    const path = join(folder, `${String(i).padStart(5, '0')}.jpg`);
    await writeFile(
      path,
      await encodeJpeg({ width, height, data: new Uint8Array(data.buffer) }, 75 + random.integer(21)),
    );
    paths.push(path);
  }
  return paths;
}

/** Octaves of noise, each half as strong as the one before: [side, side] levels around 0. */
function detail(random: Random): Float32Array {
  const out = new Float32Array(detailSide * detailSide);
  for (let cells = 16, strength = 1; cells <= detailSide; cells *= 2, strength /= 2) {
    const noise = Uint8Array.from({ length: cells * cells * 3 }, () => 28 + random.integer(201));
    const { data } = resize({ width: cells, height: cells, data: noise }, detailSide, detailSide, 'bicubic');
    for (let i = 0; i < out.length; i++) out[i] = out[i]! + strength * (data[3 * i]! - 128);
  }
  return out;
}
