import { parseArgs } from 'node:util';
import { type Picture, resize } from '../src/images/index.ts';
import {
  calibrateCopies,
  calibrateOnNearest,
  copyCollection,
  findCopies,
  findFamilies,
  matchTemplates,
  nearestPictures,
  type PictureCollection,
  unrelatedPictures,
  workingPicture,
} from '../src/labels/index.ts';
import { createRandom, hashSeed } from '../src/math/index.ts';
import { changed, kinds } from './labels/kinds.ts';
import { readPictures } from './labels/pairs.ts';
import { threads } from './miniature.ts';
import { root, whole } from './program.ts';

const help = `npm run bench -- labelling [--data FOLDER] [--training 25000,50000,100000] [--generated 1000]
  --data       folder with train*.parquet and test*.parquet (CIFAR-10): ../shared/data/cifar10
  --training   sizes of the training set: photographs brought to 64×64, then the same ones mirrored
  --generated  pictures that are labelled: photographs that are not in it, every second one a changed copy of one that is
`;

const side = 64;
/** What "minutes, not hours" allows. */
const limitSeconds = 3600;

/**
 * How long it takes to label pictures against a training set, step by step, and how that grows with the training set. An
 * audit finds the nearest in place once more when it makes the labels; the rest of the labels takes no time beside these steps.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: `${root}../shared/data/cifar10` },
      training: { type: 'string', default: '25000,50000,100000' },
      generated: { type: 'string', default: '1000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const photographs = await readPictures(`${values.data}/train-00000-of-00001.parquet`);
  const unseen = await readPictures(`${values.data}/test-00000-of-00001.parquet`);
  const large = (picture: Picture) => resize(picture, side, side, 'bicubic');
  const random = createRandom(hashSeed('labelling'));
  let last = 0;
  for (const size of values.training.split(',').map(Number)) {
    const training: PictureCollection = {
      size,
      picture: async (index) => {
        const picture = large(photographs[index % photographs.length]!);
        return index < photographs.length ? picture : changed('flip', picture, picture, random);
      },
    };
    const generated: Picture[] = [];
    for (let i = 0; i < Number(values.generated); i++) {
      const other = large(unseen[i]!);
      const source = await training.picture(Math.floor((i * size) / Number(values.generated)));
      generated.push(
        i % 2 === 0 ? other : await changed(kinds[(i >> 1) % kinds.length]!, source, other, random),
      );
    }
    const heldOut = unseen.slice(-1000).map(large);
    last = await labelAll(training, generated, heldOut);
  }
  process.stdout.write(
    `labelling: ratio ${(limitSeconds / last).toFixed(2)} (ours ${whole(last)} s, limit ${limitSeconds} s)\n`,
  );
}

/** Prints the seconds of each step; returns their sum. */
async function labelAll(
  training: PictureCollection,
  generated: readonly Picture[],
  heldOut: readonly Picture[],
): Promise<number> {
  const steps: [string, number][] = [];
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    steps.push([name, (performance.now() - started) / 1000]);
    return result;
  };
  const collection = copyCollection(training);
  const unrelated = unrelatedPictures(heldOut);
  await timed('patches of the training set', async () => {
    for (let at = 0; at < collection.blocks; at++) await collection.block(at);
  });
  const nearest = await timed('calibration in place', async () => {
    const found = await nearestPictures(heldOut, training, { threads });
    calibrateOnNearest(found, training.size);
    return found;
  });
  await timed('calibration of copies', () =>
    calibrateCopies(unrelated, nearest.neighbours, collection, 0.001, { threads }),
  );
  const near = await timed('nearest in place', () => nearestPictures(generated, training, { threads }));
  const found = await timed('copies', () =>
    findCopies(
      generated.map((picture, i) => {
        const working = workingPicture(picture);
        const also = near.neighbours[i] === null ? [] : [near.neighbours[i]!.index];
        return { picture: working, background: unrelated.background.of(working), also };
      }),
      collection,
      { threads },
    ),
  );
  const seeds = found.flatMap(({ whole: best }) => (best === undefined ? [] : [best.index]));
  const families = await timed('families', () => findFamilies(seeds, collection, { threads }));
  await timed('templates', () =>
    matchTemplates(generated.map(workingPicture), families, collection, unrelated.pictures, { threads }),
  );
  const total = steps.reduce((sum, [, seconds]) => sum + seconds, 0);
  const mebibytes = process.memoryUsage().rss / 2 ** 20;
  process.stdout.write(
    `${whole(training.size)} training pictures, ${whole(generated.length)} labelled: ${total.toFixed(0)} s (${steps
      .map(([name, seconds]) => `${name} ${seconds.toFixed(0)}`)
      .join(', ')}); ${families.length} families; ${whole(mebibytes)} MiB resident, photographs included\n`,
  );
  return total;
}
