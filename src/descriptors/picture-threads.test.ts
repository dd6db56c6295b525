import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { decodePicture, decodeThumbnail, encodeJpeg, encodePng, type Picture } from '../images/index.ts';
import { mapConcurrently } from '../runtime/index.ts';
import { openPictureThreads, type PictureThreads, phashOfEncoded } from './index.ts';

const [width, height] = [70, 50];
const picture = (seed: number): Picture => ({
  width,
  height,
  data: Uint8Array.from(
    { length: 3 * width * height },
    (_, i) => 128 + 120 * Math.sin(i / (7 + seed) + seed),
  ),
});

describe('openPictureThreads', () => {
  let folder: string;
  let threads: PictureThreads;
  let encoded: Uint8Array[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verbatim-threads-'));
    threads = openPictureThreads({ threads: 2 });
    encoded = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? encodeJpeg(picture(i)) : encodePng(picture(i)))),
    );
  });
  afterAll(async () => {
    await threads.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('gives what the functions give, in any order of asking', async () => {
    // Views into one buffer, as rows of a shard are.
    const shard = Buffer.concat(encoded);
    const starts = encoded.map((_, i) => encoded.slice(0, i).reduce((sum, { length }) => sum + length, 0));
    const views = encoded.map(({ length }, i) => shard.subarray(starts[i], starts[i]! + length));
    const where = 'shard';
    for await (const [i, hash, whole, small] of mapConcurrently(views, 16, async (file, i) =>
      Promise.all([
        i,
        threads.phash(file, { where, side: 12 }),
        threads.picture(file, { where }),
        threads.thumbnail(file, 24, { where }),
      ]),
    )) {
      expect(hash).toEqual(await phashOfEncoded(encoded[i]!, { where, side: 12 }));
      expect(whole).toEqual(await decodePicture(encoded[i]!, { where }));
      expect(small).toEqual(await decodeThumbnail(encoded[i]!, 24, { where }));
    }
    expect(Buffer.concat(encoded).equals(shard)).toBe(true);
  });

  it('reads files, and says which it cannot read', async () => {
    const path = join(folder, 'a.jpg');
    await writeFile(path, encoded[1]!);
    expect(await threads.phash(path, { where: path })).toEqual(
      await phashOfEncoded(encoded[1]!, { where: path }),
    );
    await expect(threads.phash(join(folder, 'none.jpg'), { where: 'none.jpg' })).rejects.toThrow(
      /^none\.jpg: cannot be read \(ENOENT/,
    );
  });

  it('refuses what the functions refuse, in their words', async () => {
    const where = 'set.csv row 7';
    const broken = encoded[1]!.subarray(0, 300);
    const expected = await phashOfEncoded(broken, { where }).catch((error: unknown) => error);
    expect(expected).toBeInstanceOf(VerbatimError);
    await expect(threads.phash(broken, { where })).rejects.toMatchObject({
      message: (expected as Error).message,
      exitCode: 1,
    });
    await expect(threads.phash(encoded[0]!, { where, side: 5 })).rejects.toMatchObject({ exitCode: 2 });
    await expect(threads.picture(encoded[0]!, { where, maxPixels: 9 })).rejects.toThrow('limit of 9');
  });
});
