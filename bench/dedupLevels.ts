import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ExportedRow, openDataset, sceneSource, writeImg2dataset } from '../src/datasets/index.ts';
import { pixelDescriptor } from '../src/descriptors/index.ts';
import { decodePicture, encodeJpeg, type Picture, resize } from '../src/images/index.ts';
import { wilsonInterval } from '../src/math/index.ts';
import { dedupConfigSchema, findDuplicates } from '../src/stages/index.ts';
import { fromParquet, sql, tableFiles } from '../src/tables/index.ts';

const help = `npm run bench -- dedup-levels [--pictures 2000] [--copies 60]
  --pictures  drawn pictures of 64×64, each once
  --copies    how many of them stand there once more, for each kind of change
`;

interface Change {
  readonly name: string;
  readonly apply: (picture: Picture, at: number) => Promise<Picture>;
}

const compressed = async (picture: Picture, quality: number) =>
  decodePicture(await encodeJpeg(picture, quality), { where: 'a copy' });

function levelled(picture: Picture, change: (value: number) => number): Picture {
  return {
    ...picture,
    data: picture.data.map((value) => Math.max(0, Math.min(255, Math.round(change(value))))),
  };
}

function cropped(picture: Picture, share: number): Picture {
  const cut = Math.round(picture.width * share);
  const [width, height] = [picture.width - 2 * cut, picture.height - 2 * cut];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y + cut) * picture.width + cut) * 3;
    data.set(picture.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, data };
}

function laid(
  picture: Picture,
  width: number,
  height: number,
  left: number,
  top: number,
  level: number,
): Picture {
  const data = new Uint8Array(width * height * 3).fill(level);
  for (let y = 0; y < picture.height; y++)
    data.set(
      picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3),
      ((top + y) * width + left) * 3,
    );
  return { width, height, data };
}

const changes: readonly Change[] = [
  { name: 'the same file', apply: async (picture) => picture },
  { name: 'JPEG, quality 60', apply: (picture) => compressed(picture, 60) },
  { name: 'JPEG, quality 20', apply: (picture) => compressed(picture, 20) },
  {
    name: 'enlarged to 200%, JPEG 80',
    apply: (picture) => compressed(resize(picture, 128, 128, 'bicubic'), 80),
  },
  { name: 'shrunk to 50%', apply: async (picture) => resize(picture, 32, 32, 'bicubic') },
  { name: 'brighter by a quarter', apply: async (picture) => levelled(picture, (value) => 1.25 * value) },
  {
    name: 'less contrast',
    apply: async (picture) => levelled(picture, (value) => 128 + 0.6 * (value - 128)),
  },
  { name: '3% cut off on each side', apply: async (picture) => cropped(picture, 0.03) },
  { name: '10% cut off on each side', apply: async (picture) => cropped(picture, 0.1) },
  {
    name: 'framed, JPEG 85',
    apply: (picture, at) => compressed(laid(picture, 84, 80, 8 + (at % 5), 7, (at * 37) % 256), 85),
  },
  {
    name: 'in a collage, JPEG 85',
    apply: (picture, at) => compressed(laid(picture, 128, 128, 64 * (at % 2), 64, 250), 85),
  },
];

const levelsRun: readonly { readonly name: string; readonly config: Record<string, unknown> }[] = [
  { name: 'file', config: { levels: ['file'] } },
  { name: 'perceptual, radius 4', config: { levels: ['perceptual'], radius: 4 } },
  { name: 'perceptual, radius 8', config: { levels: ['perceptual'], radius: 8 } },
  { name: 'descriptor pixels, .95', config: { levels: ['descriptor'], threshold: 0.95 } },
  { name: 'descriptor pixels, .9', config: { levels: ['descriptor'], threshold: 0.9 } },
  { name: 'tiles', config: { levels: ['tiles'] } },
];

/** Recall of each level per kind of change, and how many of its pairs are of different pictures, on drawn pictures. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean' },
      pictures: { type: 'string', default: '2000' },
      copies: { type: 'string', default: '60' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const [pictures, copies] = [Number(values.pictures), Number(values.copies)];
  const source = sceneSource(31);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-bench-'));
  const rows: (ExportedRow & { of: number; change: number })[] = [];
  for (let of = 0; of < pictures; of++)
    rows.push({ of, change: -1, caption: `${of}`, picture: () => source.picture(of) });
  for (const [change, { apply }] of changes.entries())
    for (let copy = 0; copy < copies; copy++) {
      // Each picture has one copy at most: a group is a pair.
      const of = change * copies + copy;
      rows.push({ of, change, caption: `${of}`, picture: async () => apply(await source.picture(of), copy) });
    }
  if (changes.length * copies > pictures) throw new RangeError('there are more copies than pictures');
  try {
    await writeImg2dataset(join(folder, 'set'), 'levels', rows);
    const dataset = await openDataset(join(folder, 'set'));
    process.stdout.write(
      `| level | ${changes.map(({ name }) => name).join(' | ')} | pairs | false | precision |\n|${'---|'.repeat(changes.length + 4)}\n`,
    );
    for (const { name, config } of levelsRun) {
      const output = join(folder, name.replace(/\W+/g, '-'));
      const parsed = dedupConfigSchema.parse(config);
      await findDuplicates({
        dataset,
        config: parsed,
        descriptor: parsed.levels!.includes('descriptor') ? pixelDescriptor() : undefined,
        output,
        verbatim: 'bench',
        versions: {},
      });
      const edges = await tableFiles(join(output, 'tables', `edges-${parsed.levels![0]!}`));
      const pairs = await sql<{ a: number; b: number }>(`SELECT a, b FROM ${fromParquet(edges)}`);
      const right = new Set<number>();
      let wrong = 0;
      for (const { a, b } of pairs)
        if (rows[a]!.of === rows[b]!.of) right.add(Math.max(a, b));
        else wrong += 1;
      const recall = changes.map((_, change) => {
        const found = [...right].filter((at) => rows[at]!.change === change).length;
        return (found / copies).toFixed(2);
      });
      const precision = pairs.length === 0 ? 1 : 1 - wrong / pairs.length;
      const { low, high } = wilsonInterval(pairs.length - wrong, Math.max(1, pairs.length));
      process.stdout.write(
        `| ${name} | ${recall.join(' | ')} | ${pairs.length} | ${wrong} | ${precision.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}] |\n`,
      );
    }
    await dataset.close();
  } finally {
    await rm(folder, { recursive: true });
  }
}
