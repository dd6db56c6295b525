import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { fileDigest } from '../../tables/index.ts';
import { createFileReader, createRecent, type StoredFile, scanFile, storedFile } from '../storage/files.ts';
import { filesOf, type Look } from '../storage/look.ts';
import { captionOf, type Sample, type SampleIndex, samplesOf } from '../storage/samples.ts';
import { datasetOf, type StoredRow, type StoredShard, shardsOfKey } from '../storage/store.ts';
import { copyTar, indexTar, type TarMember } from '../storage/tar.ts';
import type { Dataset, DatasetProblem } from '../types.ts';
import { type DatasetFormat, shardName } from './format.ts';

const schema = z.strictObject({
  format: z.literal('webdataset'),
  /** A .tar file, or a folder of them (read in the order of their paths). */
  path: z.string().min(1),
  /** Key of the captions in .json members. Default: caption, text or prompt. */
  captionKey: z.string().min(1).optional(),
  /** Pictures with more pixels are refused. */
  maxPixels: z.number().int().positive().optional(),
});

type WebdatasetSpec = z.infer<typeof schema>;

interface Shard extends StoredShard {
  readonly file: string;
  readonly stored: StoredFile;
}

/** So many shards have their index in memory. */
const indexedShards = 4;
/** Captions are read this many at a time. */
const listedTogether = 256;
const compressed = /\.(tar\.(gz|bz2|xz|zst)|tgz)$/i;

/**
 * Tars as the webdataset library reads them: members whose names are equal up to the first dot of the file name are
 * one sample, with a picture and a caption (.txt, or a key of .json). Opening steps through the headers of every tar;
 * pictures are then read where they lie, and the indexes of a few tars are kept.
 */
async function openWebdataset(spec: WebdatasetSpec): Promise<Dataset> {
  const { files, at } = await filesOf(spec.path, (name) => name.endsWith('.tar') || compressed.test(name));

  const problems: DatasetProblem[] = [];
  const shards: Shard[] = [];
  const index = async (stored: StoredFile) => {
    const { members, problems } = await indexTar(stored);
    return { ...samplesOf(members, stored.path), tarProblems: problems };
  };
  for (const file of files) {
    const path = at(spec.path, file);
    if (compressed.test(file)) {
      const what =
        'is a compressed tar, in which no picture can be looked up; unpack it to a .tar (gunzip, zstd -d …)';
      if (files.length === 1) throw new VerbatimError(`${path}: ${what}.`, { exitCode: 2 });
      problems.push({ where: path, what: `${what}; it is left out`, rows: null });
      continue;
    }
    const stored = await storedFile(path);
    const { samples, problems: ofSamples, tarProblems } = await index(stored);
    problems.push(...tarProblems, ...ofSamples);
    if (samples.length === 0) {
      problems.push({ where: path, what: 'holds no samples; it is left out', rows: 0 });
      continue;
    }
    shards.push({
      name: shardName(file),
      size: samples.length,
      digest: await fileDigest(path),
      file,
      stored,
    });
  }
  if (shards.length === 0)
    throw new VerbatimError(
      `${spec.path}: ${files.length === 0 ? 'holds no .tar file' : `none of its tars holds a sample (${problems[0]!.where}: ${problems[0]!.what})`}.`,
    );

  const reader = createFileReader();
  const indexes = createRecent<Shard, SampleIndex>(indexedShards, (shard) => index(shard.stored));
  const where = (shard: Shard, row: number) => `${shard.stored.path}, sample ${row}`;
  const sampleAt = async (shard: Shard, row: number): Promise<Sample> =>
    (await indexes.get(shard)).samples[row]!;
  const caption = (
    shard: Shard,
    sample: Sample,
    read: (member: TarMember) => Uint8Array | Promise<Uint8Array>,
  ) => captionOf(sample, spec.captionKey, `${shard.stored.path}, member`, read);
  const errorOf = (shard: Shard, { key, error }: Sample) =>
    error && `${shard.stored.path}, sample ${key}: ${error}.`;

  return datasetOf<Shard>({
    format: 'webdataset',
    path: spec.path,
    options: [spec.captionKey],
    shards,
    problems,
    maxPixels: spec.maxPixels,
    async *rows(shard, from, to): AsyncGenerator<StoredRow> {
      const { samples } = await indexes.get(shard);
      for (let at = from; at < to; at += listedTogether) {
        const rows = await scanFile(shard.stored, async (scan) => {
          const rows: StoredRow[] = [];
          for (const sample of samples.slice(at, Math.min(to, at + listedTogether))) {
            const { text, fault } = await caption(shard, sample, ({ offset, sizeBytes }) =>
              scan.read(offset, sizeBytes),
            );
            const error = errorOf(shard, sample) ?? fault;
            rows.push({ key: `${shard.name}/${sample.key}`, caption: text, error });
          }
          return rows;
        });
        yield* rows;
      }
    },
    async encoded(shard, row) {
      const sample = await sampleAt(shard, row);
      const read = ({ offset, sizeBytes }: TarMember) => reader.read(shard.stored, offset, sizeBytes);
      // A caption that cannot be read is the row's error, as in rows().
      const fault = errorOf(shard, sample) ?? (await caption(shard, sample, read)).fault;
      if (fault !== undefined) throw new VerbatimError(fault);
      return read(sample.picture!);
    },
    where,
    async find(key) {
      for (const { shard, rest } of shardsOfKey(shards, key)) {
        const row = (await indexes.get(shard)).rows.get(rest);
        if (row !== undefined) return { shard, row };
      }
      return undefined;
    },
    async copy(shard, mask, output, signal) {
      const { samples } = await indexes.get(shard);
      const members = samples.flatMap(({ members }, row) => (mask[row] === 0 ? [] : members));
      await copyTar(shard.stored, members, at(output, shard.file), signal);
    },
    async close() {
      indexes.clear();
      await reader.close();
    },
  });
}

async function detect(look: Look): Promise<boolean> {
  const isTar = (name: string) => name.endsWith('.tar') || compressed.test(name);
  return look.isFile ? isTar(look.path) : (await look.files()).some(isTar);
}

export const webdatasetFormat: DatasetFormat<typeof schema> = {
  name: 'webdataset',
  schema,
  detect,
  open: openWebdataset,
};
