import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toFloat16 } from '../../math/index.ts';
import { sql, textLiteral, writeNpy } from '../../tables/index.ts';

/** A picture to write, as its file's bytes. */
export interface WrittenItem {
  readonly bytes: Uint8Array;
  readonly caption: string;
  /** Unique; letters, digits and hyphens: it becomes a file's name. */
  readonly key: string;
}

/** '.jpg', '.png' or '.webp', by the signature. */
export function endingOf(bytes: Uint8Array): string {
  return bytes[0] === 0xff ? '.jpg' : bytes[0] === 0x89 ? '.png' : '.webp';
}

/** One member for `tarOf`: a file, unless `type` says otherwise. */
export interface TarEntry {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly type?: 'File' | 'SymbolicLink' | 'Link' | 'Directory' | 'GNUDumpDir' | 'CharacterDevice';
  readonly linkpath?: string;
}

/** The bytes of a tar, with pax headers where a name needs them. */
export async function tarOf(entries: readonly TarEntry[], { end = true } = {}): Promise<Buffer> {
  const { Header, Pax } = await import('tar');
  const parts: Buffer[] = [];
  for (const { name, bytes = new Uint8Array(), type = 'File', linkpath = '' } of entries) {
    const fields = { path: name, size: bytes.length, type, mode: 0o644, mtime: new Date(0), linkpath };
    const header = new Header(fields);
    const block = Buffer.alloc(512);
    if (header.encode(block)) parts.push(new Pax(fields).encode());
    parts.push(block, Buffer.from(bytes), Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat(end ? [...parts, Buffer.alloc(1024)] : parts);
}

/** Writes a Parquet file of rows of SQL literals. `select` names them by their columns. */
export async function writeParquet(
  path: string,
  select: string,
  columns: string,
  rows: readonly (readonly string[])[],
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const values = rows.map((row) => `(${row.join(', ')})`).join(', ');
  await sql(
    `COPY (SELECT ${select} FROM (VALUES ${values}) rows(${columns})) TO ${textLiteral(path)} (FORMAT parquet)`,
  );
}

const base64 = (bytes: Uint8Array) => `'${Buffer.from(bytes).toString('base64')}'`;
const json = (items: readonly object[]) => `${items.map((item) => JSON.stringify(item)).join('\n')}\n`;
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

function cut<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

async function writePictures(folder: string, items: readonly WrittenItem[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const names = items.map(({ key, bytes }) => `${key}${endingOf(bytes)}`);
  await Promise.all(names.map((name, i) => writeFile(join(folder, name), items[i]!.bytes)));
  return names;
}

/** Vectors of 8 values that follow from the bytes. */
function vectorsOf(items: readonly WrittenItem[]): Float32Array {
  const values = items.flatMap(({ bytes }) => {
    const digest = createHash('sha256').update(bytes).digest();
    const vector = Array.from({ length: 8 }, (_, i) => digest.readInt32LE(4 * i));
    const norm = Math.hypot(...vector);
    return vector.map((value) => value / norm);
  });
  return Float32Array.from(values);
}

type Write = (
  folder: string,
  items: readonly WrittenItem[],
  perShard: number,
) => Promise<Record<string, unknown>>;

/** The table and statistics of one shard of img2dataset; `picture` adds a column. */
async function writeDownloads(base: string, items: readonly WrittenItem[], picture?: string): Promise<void> {
  const extra = picture === undefined ? '' : `, from_base64(bytes) AS ${picture}`;
  await writeParquet(
    `${base}.parquet`,
    `caption, 'https://example.com/' || key AS url, key, 'success' AS status, NULL::VARCHAR AS error_message, 64 AS width, 64 AS height, sha256(bytes) AS sha256${extra}`,
    'key, caption, bytes',
    items.map(({ key, caption, bytes }) => [textLiteral(key), textLiteral(caption), base64(bytes)]),
  );
  await writeFile(
    `${base}_stats.json`,
    JSON.stringify({
      count: items.length,
      successes: items.length,
      failed_to_download: 0,
      failed_to_resize: 0,
      duration: 1.5,
      status_dict: { success: items.length },
    }),
  );
}

const sampleEntries = ({ key, caption, bytes }: WrittenItem): TarEntry[] => [
  { name: `${key}${endingOf(bytes)}`, bytes },
  { name: `${key}.txt`, bytes: Buffer.from(caption) },
  { name: `${key}.json`, bytes: Buffer.from(JSON.stringify({ caption, key })) },
];

const shardNumber = (shard: number) => String(shard).padStart(5, '0');

function downloads(write: (base: string, items: readonly WrittenItem[]) => Promise<void>): Write {
  return async (folder, items, perShard) => {
    await mkdir(folder, { recursive: true });
    for (const [shard, part] of cut(items, perShard).entries())
      await write(join(folder, shardNumber(shard)), part);
    return { format: 'img2dataset', path: folder };
  };
}

function imageFolder(
  write: (path: string, rows: readonly { file_name: string; text: string }[]) => Promise<void>,
): Write {
  return async (folder, items) => {
    const names = await writePictures(join(folder, 'sub'), items);
    await write(
      join(folder, 'metadata'),
      names.map((name, i) => ({ file_name: `sub/${name}`, text: items[i]!.caption })),
    );
    return { format: 'image-folder', path: folder };
  };
}

function captions(
  ending: string,
  write: (path: string, items: readonly WrittenItem[]) => Promise<void>,
): Write {
  return async (folder, items, perShard) => {
    await mkdir(folder, { recursive: true });
    for (const [shard, part] of cut(items, perShard).entries())
      await write(join(folder, `${shardNumber(shard)}.${ending}`), part);
    return { format: 'captions', path: folder };
  };
}

const table = (delimiter: string) => (path: string, items: readonly WrittenItem[]) =>
  writeFile(
    path,
    [['', 'Caption', 'URL'], ...items.map(({ caption, key }, i) => [`${i}`, caption, key])]
      .map((fields) => `${fields.map(quoted).join(delimiter)}\n`)
      .join(''),
  );

/** Every way in which a format that is read from files can be written, by "format" or "format: variant". */
export const writtenFormats: Readonly<Record<string, Write>> = {
  img2dataset: downloads(async (base, items) => {
    await writeFile(`${base}.tar`, await tarOf(items.flatMap(sampleEntries)));
    await writeDownloads(base, items);
  }),
  'img2dataset: files': downloads(async (base, items) => {
    await writePictures(base, items);
    await writeDownloads(base, items);
  }),
  'img2dataset: parquet': downloads((base, items) =>
    writeDownloads(base, items, endingOf(items[0]!.bytes).slice(1)),
  ),
  webdataset: async (folder, items, perShard) => {
    await mkdir(folder, { recursive: true });
    for (const [shard, part] of cut(items, perShard).entries())
      await writeFile(
        join(folder, `part-${shardNumber(shard)}.tar`),
        await tarOf(part.flatMap(sampleEntries)),
      );
    return { format: 'webdataset', path: folder };
  },
  'webdataset: json': async (folder, items, perShard) => {
    await mkdir(folder, { recursive: true });
    for (const [shard, part] of cut(items, perShard).entries())
      await writeFile(
        join(folder, `part-${shardNumber(shard)}.tar`),
        await tarOf(part.flatMap(sampleEntries).filter(({ name }) => !name.endsWith('.txt'))),
      );
    return { format: 'webdataset', path: folder };
  },
  parquet: async (folder, items, perShard) => {
    for (const [shard, part] of cut(items, perShard).entries())
      await writeParquet(
        join(folder, `train-${shardNumber(shard)}.parquet`),
        '{bytes: from_base64(bytes), path: path} AS image, text',
        'bytes, path, text',
        part.map(({ key, caption, bytes }) => [base64(bytes), textLiteral(key), textLiteral(caption)]),
      );
    return { format: 'parquet', path: folder };
  },
  'parquet: names': async (folder, items, perShard) => {
    const names = await writePictures(join(folder, 'pictures'), items);
    const rows = names.map((name, i) => [textLiteral(`pictures/${name}`), textLiteral(items[i]!.caption)]);
    for (const [shard, part] of cut(rows, perShard).entries())
      await writeParquet(
        join(folder, `train-${shardNumber(shard)}.parquet`),
        'image, text',
        'image, text',
        part,
      );
    return { format: 'parquet', path: folder };
  },
  'image-folder': imageFolder((path, rows) => writeFile(`${path}.jsonl`, json(rows))),
  'image-folder: csv': imageFolder((path, rows) =>
    writeFile(
      `${path}.csv`,
      `file_name,text\n${rows.map(({ file_name, text }) => `${quoted(file_name)},${quoted(text)}\n`).join('')}`,
    ),
  ),
  'image-folder: parquet': imageFolder((path, rows) =>
    writeParquet(
      `${path}.parquet`,
      'file_name, text',
      'file_name, text',
      rows.map(({ file_name, text }) => [textLiteral(file_name), textLiteral(text)]),
    ),
  ),
  embeddings: async (folder, items, perShard) => {
    const images = join(folder, '..', `${folder.split('/').at(-1)} pictures`);
    const names = await writePictures(images, items);
    for (const [shard, part] of cut(items, perShard).entries()) {
      await writeNpy(join(folder, `img_emb/img_emb_${shard}.npy`), toFloat16(vectorsOf(part)), 8);
      await writeNpy(join(folder, `text_emb/text_emb_${shard}.npy`), vectorsOf(part), 8);
      await writeParquet(
        join(folder, `metadata/metadata_${shard}.parquet`),
        'image_path, caption',
        'image_path, caption',
        part.map(({ caption }, i) => [textLiteral(names[shard * perShard + i]!), textLiteral(caption)]),
      );
    }
    return { format: 'embeddings', path: folder, images };
  },
  captions: captions('csv', table(';')),
  'captions: tsv': captions('tsv', table('\t')),
  'captions: jsonl': captions('jsonl', (path, items) =>
    writeFile(path, json(items.map(({ caption, key }) => ({ Prompt: caption, url: key })))),
  ),
  'captions: parquet': captions('parquet', (path, items) =>
    writeParquet(
      path,
      'TEXT, url',
      'TEXT, url',
      items.map(({ caption, key }) => [textLiteral(caption), textLiteral(key)]),
    ),
  ),
};

/**
 * Writes items as a dataset of a format ("format", or "format: variant" of `writtenFormats`) into a new folder, cut into
 * shards of `perShard` where the format has any. Returns what `openDataset` takes.
 */
export async function writeFormat(
  format: string,
  folder: string,
  items: readonly WrittenItem[],
  { perShard = 4 } = {},
): Promise<Record<string, unknown>> {
  const write = writtenFormats[format];
  if (write === undefined) throw new RangeError(`no way to write "${format}"`);
  return write(folder, items, perShard);
}
