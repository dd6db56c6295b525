import type { Dataset, DatasetRow } from '../../../datasets/index.ts';
import { VerbatimError } from '../../../errors.ts';
import { encodePng, type Picture } from '../../../images/index.ts';
import { createRandom } from '../../../math/index.ts';
import { sha256 } from '../../../tables/index.ts';

/** A row in memory: a picture, the bytes of a file, or why there is none. */
export interface FakeRow {
  readonly caption: string;
  readonly picture?: Picture;
  readonly encoded?: Uint8Array;
  readonly error?: string;
}

/** A dataset in memory, shard by shard; a shard's digest is that of what it holds. */
export async function fakeDataset(
  shards: Readonly<Record<string, readonly FakeRow[]>>,
  rest: Partial<Dataset> = {},
): Promise<Dataset> {
  const files: (Uint8Array | undefined)[] = [];
  const rows: DatasetRow[] = [];
  const list = [];
  for (const [name, members] of Object.entries(shards)) {
    const from = rows.length;
    for (const { caption, picture, encoded, error } of members) {
      const index = rows.length;
      files.push(encoded ?? (picture && (await encodePng(picture))));
      rows.push({ index, key: `${name}/${index - from}`, caption, ...(error !== undefined && { error }) });
    }
    const content = rows.slice(from).map((row, i) => [row.caption, sha256(files[from + i] ?? '')]);
    list.push({ name, from, to: rows.length, digest: sha256(JSON.stringify(content)) });
  }
  const encoded = async (index: number) => {
    const file = files[index];
    if (file === undefined) throw new VerbatimError(`row ${index}: ${rows[index]?.error ?? 'no picture'}`);
    return file;
  };
  return {
    name: 'fake',
    digest: sha256(JSON.stringify(list)),
    size: rows.length,
    format: 'fake',
    shards: list,
    problems: [],
    hasPictures: true,
    async *rows(from = 0, to = rows.length) {
      yield* rows.slice(from, to);
    },
    encoded,
    picture: async (index) => {
      const { decodePicture } = await import('../../../images/index.ts');
      return decodePicture(await encoded(index), { where: `row ${index}` });
    },
    find: async (key) => rows.find((row) => row.key === key)?.index,
    close: async () => {},
    ...rest,
  };
}

/** Pictures laid on one colour: [picture, left, top]. */
export function laid(
  width: number,
  height: number,
  level: number,
  parts: readonly (readonly [Picture, number, number])[],
): Picture {
  const data = new Uint8Array(width * height * 3).fill(level);
  for (const [part, left, top] of parts)
    for (let y = 0; y < part.height; y++)
      data.set(
        part.data.subarray(y * part.width * 3, (y + 1) * part.width * 3),
        ((top + y) * width + left) * 3,
      );
  return { width, height, data };
}

/** A picture with large shapes: its hash is its own. */
export function drawing(seed: number, side = 48): Picture {
  const random = createRandom(seed);
  const data = new Uint8Array(side * side * 3).fill(random.integer(256));
  for (let shape = 0; shape < 12; shape++) {
    const [x, y] = [random.integer(side), random.integer(side)];
    const [width, height] = [6 + random.integer(side / 2), 6 + random.integer(side / 2)];
    const colour = [random.integer(256), random.integer(256), random.integer(256)];
    for (let v = y; v < Math.min(side, y + height); v++)
      for (let u = x; u < Math.min(side, x + width); u++)
        for (let channel = 0; channel < 3; channel++) data[(v * side + u) * 3 + channel] = colour[channel]!;
  }
  return { width: side, height: side, data };
}
