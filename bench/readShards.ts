import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Dataset, openDataset, sceneSource } from '../src/datasets/index.ts';
import { writeFormat } from '../src/datasets/testing/write-formats.ts';
import { openPictureThreads, type PictureThreads } from '../src/descriptors/index.ts';
import { encodeJpeg, resize } from '../src/images/index.ts';
import { mapConcurrently } from '../src/runtime/index.ts';
import { compare } from './compare.ts';
import { startPeer } from './peer.ts';

const help = `npm run bench -- read-shards [--pictures 2000] [--rounds 5]
`;

/** Pixels of the stored pictures, and of what they are decoded to. */
const storedSide = 256;
const side = 64;
const perShard = 250;
const workers = 2;
/** Pictures that are read and decoded at a time. */
const together = 64;
const formats = ['webdataset', 'parquet'] as const;

/** Reads and decodes every picture; the mean of all values, to be compared with the peer's. */
async function readAll(dataset: Dataset, threads: PictureThreads): Promise<number> {
  let sum = 0;
  const rows = dataset.rows();
  const pictures = mapConcurrently(rows, together, async ({ index, key }) =>
    threads.thumbnail(await dataset.encoded!(index), side, { where: key }),
  );
  for await (const { data } of pictures) for (const value of data) sum += value;
  return sum / (dataset.size * side * side * 3);
}

/**
 * JPEGs in tars and in Parquet files decoded to small squares, pictures per second, against PyTorch's DataLoader with
 * Pillow and two workers: once as it is mostly written (decode, then resize), and once with Pillow's own shrinking while
 * it decodes (draft), which is what ours does. The ratio is the one against the faster of the two.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pictures: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-read-shards-'));
  try {
    const scenes = sceneSource(1);
    const items: { bytes: Uint8Array; caption: string; key: string }[] = [];
    for (let index = 0; index < Number(values.pictures); index++) {
      const picture = resize(await scenes.picture(index), storedSide, storedSide, 'bicubic');
      items.push({
        bytes: await encodeJpeg(picture),
        caption: scenes.describe(index).caption,
        key: String(index).padStart(9, '0'),
      });
    }
    const bytes = items.reduce((sum, item) => sum + item.bytes.length, 0);
    process.stdout.write(
      `${items.length} JPEGs of ${storedSide}×${storedSide}, ${(bytes / items.length / 1000).toFixed(1)} kB each, to ${side}×${side}; ${cpus().length} cores\n`,
    );
    const threads = openPictureThreads({ threads: workers });
    for (const format of formats) {
      const path = join(folder, format);
      const dataset = await openDataset(await writeFormat(format, path, items, { perShard }));
      const ourMean = await readAll(dataset, threads);
      for (const draft of [false, true]) {
        const peer = await startPeer('read-shards', { format, path, side, workers, draft }, 'read_shards.py');
        const { count, mean } = peer.results as { count: number; mean: number };
        if (count !== items.length || Math.abs(mean - ourMean) > 1)
          throw new Error(`the peer saw ${count} pictures of mean ${mean}, ours is ${ourMean}`);
        const { ratio, ourSeconds, theirSeconds } = await compare(
          async () => void (await readAll(dataset, threads)),
          peer,
          { rounds: Number(values.rounds), runs: 1, warmup: 1 },
        );
        peer.close();
        const rate = (seconds: number) => (items.length / seconds).toFixed(0);
        process.stdout.write(
          `read-shards ${format}: ratio ${ratio.toFixed(2)} (ours ${rate(ourSeconds)} pictures/s, ${peer.name}${draft ? ' draft' : ''} ${rate(theirSeconds)} pictures/s)\n`,
        );
      }
      await dataset.close();
    }
    await threads.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
