import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Dataset, openDataset } from '../src/datasets/index.ts';
import { pixelDescriptor } from '../src/descriptors/index.ts';
import { encodeJpeg, type Picture, resize } from '../src/images/index.ts';
import { dedupConfigSchema, findDuplicates, type MemberRow, memberColumns } from '../src/stages/index.ts';
import { readTable } from '../src/tables/index.ts';
import { root } from './program.ts';

const help = `npm run bench -- cifar-duplicates [--data FOLDER] [--sheet FILE.jpg]
  --data   folder with train*.parquet and test*.parquet (CIFAR-10 in the Hugging Face layout): ../shared/data/cifar10
  --sheet  writes the twenty largest groups as one picture
`;

const classes = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const radii = [0, 2, 4, 6, 8, 10];
const cosines = [0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92, 0.9];
/** What the sheet shows, as the page in docs/results says. */
const shown = 0.95;

/** The near-duplicates of CIFAR-10 at several thresholds, also between its training and test pictures. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean' },
      data: { type: 'string', default: join(root, '..', 'shared', 'data', 'cifar10') },
      sheet: { type: 'string' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const dataset = await openDataset({ path: values.data, classes });
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-bench-'));
  const descriptor = pixelDescriptor();
  // The parts come in the order of their names: test, then train.
  const testPictures = dataset.shards[0]!.to;
  try {
    const run = async (level: 'perceptual' | 'descriptor', config: Record<string, unknown>) => {
      const output = join(folder, level);
      const summary = await findDuplicates({
        dataset,
        config: dedupConfigSchema.parse({ levels: ['file', level], ...config }),
        descriptor: level === 'descriptor' ? descriptor : undefined,
        output,
        verbatim: 'bench',
        versions: {},
      });
      return { summary, members: await readTable(join(output, 'groups.parquet'), memberColumns) };
    };
    process.stdout.write(
      `| level | threshold | pairs | groups | pictures in them | of the largest | chained | test pictures with a training picture |\n|---|---|---|---|---|---|---|---|\n`,
    );
    const line = (
      level: string,
      threshold: number,
      { summary, members }: Awaited<ReturnType<typeof run>>,
    ) => {
      const trained = new Set(
        members.filter((row) => row.dataset_index >= testPictures).map(({ group }) => group),
      );
      const crossing = members.filter((row) => row.dataset_index < testPictures && trained.has(row.group));
      process.stdout.write(
        `| ${level} | ${threshold} | ${summary.byLevel[level]!.pairs} | ${summary.groups} | ${summary.grouped} | ${members[0]?.rate ?? 0} | ${summary.chained} | ${crossing.length} |\n`,
      );
    };
    for (const radius of radii) line('perceptual', radius, await run('perceptual', { radius }));
    for (const threshold of cosines) {
      const result = await run('descriptor', { threshold });
      line('descriptor', threshold, result);
      if (threshold === shown && values.sheet !== undefined)
        await writeFile(values.sheet, await encodeJpeg(await sheet(dataset, result.members), 85));
    }
  } finally {
    await dataset.close();
    await rm(folder, { recursive: true });
  }
}

const groupsShown = 20;
const across = 16;
const side = 40;
const gap = 4;

/** A row of pictures for each of the largest groups. */
async function sheet(dataset: Dataset, members: readonly MemberRow[]): Promise<Picture> {
  const width = across * (side + gap) + gap;
  const height = groupsShown * (side + gap) + gap;
  const data = new Uint8Array(width * height * 3).fill(255);
  for (let group = 0; group < groupsShown; group++) {
    const rows = members.filter((row) => row.group === group).slice(0, across);
    for (const [column, { dataset_index }] of rows.entries()) {
      const picture = resize(await dataset.picture(dataset_index), side, side, 'bicubic');
      const left = gap + column * (side + gap);
      const top = gap + group * (side + gap);
      for (let y = 0; y < side; y++)
        data.set(picture.data.subarray(y * side * 3, (y + 1) * side * 3), ((top + y) * width + left) * 3);
    }
  }
  return { width, height, data };
}
