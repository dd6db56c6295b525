import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dhash, openPictureThreads, phash } from '../src/descriptors/index.ts';
import { encodeJpeg, type Picture, resize } from '../src/images/index.ts';
import { mapConcurrently } from '../src/runtime/index.ts';
import { compare } from './compare.ts';
import { readPictures } from './labels/pairs.ts';
import { type Peer, startPeer } from './peer.ts';
import { writePhotographs } from './photographs.ts';
import { root } from './program.ts';

const help = `npm run bench -- phash [--data FILE] [--files 1000] [--photographs 10000] [--rounds 3]
  --data         a Parquet file with photographs of one size: ../shared/data/cifar10/test-00000-of-00001.parquet
  --files        JPEGs of 256 to 1024 pixels a side that are hashed from the disk, and as many of 96 × 80
  --photographs  pictures of 96 × 80 that are hashed from memory
`;

/** Photographs of CIFAR's 32×32 pixels are enlarged to this, so that a hash has something to shrink. */
const [width, height] = [96, 80];
/** Both sides: threads here, processes there. They are there before the first run. */
const threads = 2;
/** Pictures under way: some for each thread, and as many that wait for it. */
const underWay = 64;

/** Hashes of files and of pictures in memory against imagehash: how many are equal, and how long they take. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: `${root}../shared/data/cifar10/test-00000-of-00001.parquet` },
      files: { type: 'string', default: '1000' },
      photographs: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const count = Number(values.files);
  const rounds = Number(values.rounds);
  const photographs = await readPictures(values.data);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-phash-'));
  try {
    const small = photographs
      .slice(0, Number(values.photographs))
      .map((picture) => resize(picture, width, height, 'bicubic'));
    await inMemory(small, join(folder, 'pictures'), rounds);
    await ofFiles('files of 96×80', await writeSmall(folder, small.slice(0, count)), rounds);
    await ofFiles('files', await writePhotographs(folder, photographs, count), rounds);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeSmall(folder: string, pictures: readonly Picture[]): Promise<string[]> {
  const paths: string[] = [];
  for (const [i, picture] of pictures.entries()) {
    const path = join(folder, `small-${i}.jpg`);
    await writeFile(path, await encodeJpeg(picture));
    paths.push(path);
  }
  return paths;
}

async function inMemory(pictures: readonly Picture[], raw: string, rounds: number): Promise<void> {
  await writeFile(raw, Buffer.concat(pictures.map(({ data }) => data)));
  for (const [name, hash] of Object.entries({ dhash, phash })) {
    const peer = await startPeer(name, { pixels: raw, width, height, hash: name }, 'hash_photographs.py');
    let ours: string[] = [];
    await report(`${name} from memory`, peer, pictures.length, rounds, async () => {
      ours = pictures.map((picture) => Buffer.from(hash(picture)).toString('hex'));
      return ours;
    });
  }
}

async function ofFiles(name: string, paths: readonly string[], rounds: number): Promise<void> {
  const peer = await startPeer('phash', { paths, processes: threads }, 'hash_photographs.py');
  const pictures = openPictureThreads({ threads });
  await report(`phash of ${name}`, peer, paths.length, rounds, async () => {
    const ours: string[] = [];
    const hashes = mapConcurrently(paths, underWay, (path) => pictures.phash(path, { where: path }));
    for await (const { hash } of hashes) ours.push(Buffer.from(hash).toString('hex'));
    return ours;
  });
  await pictures.close();
}

/** Prints how many hashes are equal and the ratio; the program fails where fewer than 99.9% are. */
async function report(
  name: string,
  peer: Peer,
  count: number,
  rounds: number,
  hashes: () => Promise<string[]>,
): Promise<void> {
  try {
    let ours: string[] = [];
    const run = async () => {
      ours = await hashes();
    };
    const { ratio, ourSeconds, theirSeconds } = await compare(run, peer, { rounds, runs: 1, warmup: 1 });
    const theirs = peer.results as { readonly rowsFirst: string[]; readonly plain: string[] };
    const equalTo = (expected: string[]) => ours.filter((value, i) => value === expected[i]).length;
    const equal = equalTo(theirs.rowsFirst);
    const rate = (seconds: number) => (count / seconds).toFixed(0);
    process.stdout.write(
      `${name}: ${equal} of ${count} equal to ${peer.name} (${((100 * equal) / count).toFixed(2)}%), ${equalTo(theirs.plain)} to the same with Pillow's newer order of passes\n` +
        `${name}: ratio ${ratio.toFixed(2)} (ours ${rate(ourSeconds)} pictures/s, ${peer.name} ${rate(theirSeconds)} pictures/s), ${peer.threads} each\n`,
    );
    if (equal < 0.999 * count) process.exitCode = 1;
  } finally {
    peer.close();
  }
}
