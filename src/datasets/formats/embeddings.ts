import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import {
  atomically,
  fileDigest,
  npyHeader,
  npyItemBytes,
  readNpyHeader,
  sha256,
} from '../../tables/index.ts';
import { requireUnchanged, type StoredFile, storedFile } from '../storage/files.ts';
import type { Look } from '../storage/look.ts';
import {
  asText,
  captionColumnOf,
  filterParquet,
  parquetRows,
  parquetShape,
  parquetStretches,
  quotedNames,
} from '../storage/parquet-file.ts';
import { readPicture } from '../storage/paths.ts';
import { datasetOf, type StoredRow, type StoredShard, shardsOfKey } from '../storage/store.ts';
import type { Dataset, DatasetProblem } from '../types.ts';
import type { DatasetFormat } from './format.ts';

const schema = z.strictObject({
  format: z.literal('embeddings'),
  /** The output folder of clip-retrieval's inference: img_emb/, metadata/ and perhaps text_emb/. */
  path: z.string().min(1),
  /** Column of the metadata with the captions. Default: caption, text or prompt; without one all captions are empty. */
  captionColumn: z.string().min(1).optional(),
  /** Folder in which image_path is looked for; without it the dataset has no pictures. */
  images: z.string().min(1).optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

type EmbeddingsSpec = z.infer<typeof schema>;

/** Vectors in a file. */
interface Vectors {
  readonly stored: StoredFile;
  readonly rows: number;
  readonly dimension: number;
  readonly dtype: 'float16' | 'float32';
  readonly offsetBytes: number;
}

interface Shard extends StoredShard {
  readonly number: string;
  readonly images: Vectors;
  readonly texts: Vectors | undefined;
  readonly metadata: StoredFile;
  /** SQL of the caption, and of the picture's file name. */
  readonly caption: string;
  readonly file: string;
}

/** `number` is the number in a file's name as it stands there: clip-retrieval pads it with zeros. */
const imageFile = (number: string) => `img_emb/img_emb_${number}.npy`;
const textFile = (number: string) => `text_emb/text_emb_${number}.npy`;
const metadataFile = (number: string) => `metadata/metadata_${number}.parquet`;

async function readVectors(path: string): Promise<Vectors> {
  const file = await open(path).catch((cause: unknown) => {
    throw new VerbatimError(`${path}: is missing`, { cause });
  });
  try {
    const { dtype, shape, offsetBytes } = await readNpyHeader(file, path);
    if (dtype !== 'float16' && dtype !== 'float32')
      throw new VerbatimError(`${path}: holds ${dtype}; vectors are float16 or float32`);
    const [rows, dimension] = shape;
    if (shape.length !== 2 || rows === undefined || !dimension)
      throw new VerbatimError(`${path}: has shape [${shape.join(', ')}]; vectors are [rows, dimension]`);
    return { stored: await storedFile(path), rows, dimension, dtype, offsetBytes };
  } finally {
    await file.close();
  }
}

/** Numbers of the shards of which anything is there, ascending. */
async function numbersIn(path: string): Promise<string[]> {
  const numbers = new Set<string>();
  for (const [folder, pattern] of [
    ['img_emb', /^img_emb_(\d+)\.npy$/],
    ['metadata', /^metadata_(\d+)\.parquet$/],
  ] as const) {
    const names = await readdir(join(path, folder)).catch(() => [] as string[]);
    for (const name of names) {
      const number = pattern.exec(name)?.[1];
      if (number !== undefined) numbers.add(number);
    }
  }
  return [...numbers].sort((a, b) => Number(a) - Number(b) || a.length - b.length);
}

async function openShard(
  path: string,
  number: string,
  spec: EmbeddingsSpec,
  dimension: number | undefined,
): Promise<{ shard: Shard; problems: DatasetProblem[] }> {
  const images = await readVectors(join(path, imageFile(number)));
  const metadataPath = join(path, metadataFile(number));
  const { columns, rows } = await parquetShape(metadataPath);
  if (rows !== images.rows)
    throw new VerbatimError(
      `${images.stored.path}: has ${images.rows} vectors, but ${metadataPath} has ${rows} rows; vector i belongs to row i, so neither is used`,
    );
  if (dimension !== undefined && images.dimension !== dimension)
    throw new VerbatimError(
      `${images.stored.path}: has vectors of ${images.dimension} values, the shards before of ${dimension}; they are of another model`,
    );
  const names = columns.map(({ name }) => name);
  const caption = captionColumnOf(names, spec.captionColumn);
  if (caption === undefined && spec.captionColumn !== undefined)
    throw new VerbatimError(
      `${metadataPath}: no column "${spec.captionColumn}"; the columns are ${quotedNames(names)}.`,
    );
  if (spec.images !== undefined && !names.includes('image_path'))
    throw new VerbatimError(
      `${metadataPath}: no column "image_path"; the columns are ${quotedNames(names)}.`,
    );

  const problems: DatasetProblem[] = [];
  let texts: Vectors | undefined;
  if (await stat(join(path, textFile(number))).catch(() => undefined)) {
    try {
      texts = await readVectors(join(path, textFile(number)));
      if (texts.rows !== rows)
        throw new VerbatimError(`${texts.stored.path}: has ${texts.rows} vectors for ${rows} rows`);
    } catch (error) {
      if (!(error instanceof VerbatimError)) throw error;
      texts = undefined;
      problems.push({
        where: join(path, textFile(number)),
        what: `${error.message}; text vectors are left out`,
        rows: 0,
      });
    }
  }
  const digests = await Promise.all([images.stored.path, metadataPath].map(fileDigest));
  return {
    problems,
    shard: {
      name: `img_emb_${number}`,
      number,
      size: rows,
      digest: sha256(digests.join(' ')),
      images,
      texts,
      metadata: await storedFile(metadataPath),
      caption: caption === undefined ? "''" : asText(caption),
      file: names.includes('image_path') ? asText('image_path') : 'NULL',
    },
  };
}

/**
 * What clip-retrieval's inference leaves: img_emb/img_emb_N.npy and metadata/metadata_N.parquet, row i of one belongs
 * to row i of the other. A shard that does not fit is left out, as a problem. With `images` the pictures are looked
 * for by their image_path; without, the dataset has captions and vectors alone.
 */
async function openEmbeddings(spec: EmbeddingsSpec): Promise<Dataset> {
  const { path } = spec;
  const numbers = await numbersIn(path);
  if (numbers.length === 0)
    throw new VerbatimError(`${path}: holds no img_emb/img_emb_N.npy and metadata/metadata_N.parquet.`, {
      exitCode: (await stat(path).catch(() => undefined)) ? 1 : 2,
    });
  const root = spec.images === undefined ? undefined : await realpath(spec.images).catch(() => undefined);
  if (spec.images !== undefined && root === undefined)
    throw new VerbatimError(`images: ${spec.images}: no such folder; give the folder of the pictures.`, {
      exitCode: 2,
    });

  const problems: DatasetProblem[] = [];
  const shards: Shard[] = [];
  for (const number of numbers) {
    try {
      const opened = await openShard(path, number, spec, shards[0]?.images.dimension);
      shards.push(opened.shard);
      problems.push(...opened.problems);
    } catch (error) {
      if (!(error instanceof VerbatimError)) throw error;
      problems.push({
        where: `${path}, shard ${number}`,
        what: `${error.message}; the shard is left out`,
        rows: null,
      });
    }
  }
  if (shards.length === 0)
    throw new VerbatimError(
      `${path}: none of its ${numbers.length} shards can be read (${problems[0]!.what})`,
    );

  const where = ({ metadata }: Shard, row: number) => `${metadata.path}, row ${row}`;
  /** An absolute image_path that lies in the folder of the pictures is taken as relative to it. */
  const within = (file: string) =>
    root !== undefined && file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file;

  return datasetOf<Shard>({
    format: 'embeddings',
    path,
    options: [spec.captionColumn],
    shards,
    problems,
    maxPixels: spec.maxPixels,
    embeddings: { paths: shards.map(({ images }) => images.stored.path) },
    async *rows(shard, from, to): AsyncGenerator<StoredRow> {
      let row = from;
      await requireUnchanged(shard.images.stored);
      const select = `${shard.caption} AS caption`;
      for await (const { caption } of parquetStretches<{ caption: string | null }>(
        shard.metadata,
        select,
        from,
        to,
      ))
        yield { key: `${shard.name}/${row++}`, caption: caption ?? '' };
    },
    encoded:
      root === undefined
        ? undefined
        : async (shard, row) => {
            const [found] = await parquetRows<{ file: string | null }>(
              shard.metadata,
              `${shard.file} AS file`,
              row,
              row + 1,
            );
            const file = found?.file ?? null;
            if (file === null) throw new VerbatimError(`${where(shard, row)}: has no image_path.`);
            return readPicture(root, within(file), `${where(shard, row)} (${file})`, spec.images!);
          },
    where,
    async find(key) {
      for (const { shard, rest } of shardsOfKey(shards, key)) {
        const row = Number(rest);
        if (String(row) === rest && Number.isInteger(row) && row >= 0 && row < shard.size)
          return { shard, row };
      }
      return undefined;
    },
    async copy(shard, mask, output, signal) {
      await copyVectors(shard.images, mask, join(output, imageFile(shard.number)), signal);
      if (shard.texts) await copyVectors(shard.texts, mask, join(output, textFile(shard.number)), signal);
      await filterParquet(shard.metadata, mask, join(output, metadataFile(shard.number)));
    },
    close: async () => {},
  });
}

/** Writes the vectors of the rows that `mask` chooses, stretch by stretch. */
async function copyVectors(
  { stored, dimension, dtype, offsetBytes }: Vectors,
  mask: Uint8Array,
  output: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await requireUnchanged(stored);
  const rowBytes = dimension * npyItemBytes(dtype);
  const kept = mask.reduce((sum, value) => sum + value, 0);
  const together = Math.max(1, Math.floor(2 ** 20 / rowBytes));
  await atomically(output, async (temporary) => {
    const source = await open(stored.path);
    const target = await open(temporary, 'w');
    try {
      await target.writeFile(npyHeader(dtype, [kept, dimension]));
      const buffer = Buffer.alloc(together * rowBytes);
      for (let from = 0; from < mask.length; from += together) {
        signal?.throwIfAborted();
        const rows = Math.min(together, mask.length - from);
        const { bytesRead } = await source.read(buffer, 0, rows * rowBytes, offsetBytes + from * rowBytes);
        if (bytesRead < rows * rowBytes)
          throw new VerbatimError(`${stored.path}: changed while it was read; run again.`);
        const parts: Buffer[] = [];
        for (let row = 0; row < rows; row++)
          if (mask[from + row] !== 0) parts.push(buffer.subarray(row * rowBytes, (row + 1) * rowBytes));
        await target.writeFile(Buffer.concat(parts));
      }
    } finally {
      await source.close();
      await target.close();
    }
  });
}

async function detect(look: Look): Promise<boolean> {
  const folders = new Set(look.top.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  return folders.has('img_emb') && folders.has('metadata');
}

export const embeddingsFormat: DatasetFormat<typeof schema> = {
  name: 'embeddings',
  schema,
  detect,
  open: openEmbeddings,
};
