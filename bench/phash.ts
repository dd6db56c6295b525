import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { dhash, phash } from '../src/descriptors/index.ts';
import { resize } from '../src/images/index.ts';
import { readPictures } from './labels/pairs.ts';
import { ensurePeers, peerFolder, python } from './peer.ts';
import { root } from './program.ts';

const help = `npm run bench -- phash [--data FILE] [--photographs 10000]
  --data         a Parquet file with photographs of one size: ../shared/data/cifar10/test-00000-of-00001.parquet
`;

/** Photographs of CIFAR's 32×32 pixels are enlarged to this, so that both hashes have something to shrink. */
const width = 96;
const height = 80;
const kinds = { phash, dhash };

/** Hashes of many photographs against imagehash: how many are equal bit for bit, and how long one thread takes. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: `${root}../shared/data/cifar10/test-00000-of-00001.parquet` },
      photographs: { type: 'string', default: '10000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  await ensurePeers();
  const photographs = (await readPictures(values.data))
    .slice(0, Number(values.photographs))
    .map((picture) => resize(picture, width, height, 'bicubic'));
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-phash-'));
  try {
    const raw = join(folder, 'pictures');
    await writeFile(raw, Buffer.concat(photographs.map(({ data }) => data)));
    const peer = await promisify(execFile)(
      python,
      [`${peerFolder}hash_photographs.py`, raw, String(width), String(height)],
      { maxBuffer: 2 ** 26 },
    );
    const theirs = JSON.parse(peer.stdout) as Record<string, unknown>;
    for (const [name, hash] of Object.entries(kinds)) {
      const started = performance.now();
      const ours = photographs.map((picture) => Buffer.from(hash(picture)).toString('hex'));
      const seconds = (performance.now() - started) / 1000;
      const expected = theirs[name] as string[];
      const equal = ours.filter((value, i) => value === expected[i]).length;
      const rate = (time: number) => (photographs.length / time).toFixed(0);
      const theirSeconds = theirs[`${name}Seconds`] as number;
      process.stdout.write(
        `${name}: ${equal} of ${photographs.length} equal to imagehash ${String(theirs['imagehash'])} (${((100 * equal) / photographs.length).toFixed(2)}%), one thread each\n` +
          `${name}: ratio ${(theirSeconds / seconds).toFixed(2)} (ours ${rate(seconds)} pictures/s, imagehash ${rate(theirSeconds)} pictures/s)\n`,
      );
      if (equal < 0.999 * photographs.length) process.exitCode = 1;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
