import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { writeFormat } from '../datasets/testing/write-formats.ts';
import { encodePng, type Picture } from '../images/index.ts';
import { createRandom } from '../math/index.ts';
import { candidateColumns } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { run } from './testing/in-process.ts';

/** `verbatim index` and `verbatim search` as a user types them. */

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const folder = temporaryFolder('search');
const pictures = join(folder, 'pictures');
const index = join(folder, 'index');

/** Blocks of colour: what phash, dhash and thumbnails can tell apart. */
function drawing(seed: number): Picture {
  const random = createRandom(seed);
  const colours = Array.from({ length: 36 * 3 }, () => random.integer(256));
  const data = new Uint8Array(48 * 48 * 3);
  for (let y = 0; y < 48; y++)
    for (let x = 0; x < 48; x++)
      for (let c = 0; c < 3; c++) data[(y * 48 + x) * 3 + c] = colours[((y >> 3) * 6 + (x >> 3)) * 3 + c]!;
  return { width: 48, height: 48, data };
}

beforeAll(async () => {
  await mkdir(pictures);
  for (let i = 0; i < 20; i++)
    await writeFile(join(pictures, `${String(i).padStart(2, '0')}.png`), await encodePng(drawing(i)));
  await writeFile(join(pictures, '07.png'), 'no picture');
});

describe('an index of what is not whole', () => {
  it('tells the problems of the dataset, keeps its error rows, and takes --format', async () => {
    const path = join(folder, 'downloads');
    const items = await Promise.all(
      [0, 1, 2, 3].map(async (seed) => ({
        bytes: await encodePng(drawing(seed)),
        caption: `caption ${seed}`,
        key: `00000000${seed}`,
      })),
    );
    await writeFormat('img2dataset', path, items, { perShard: 2 });
    await rm(join(path, '00001_stats.json'));
    const tar = await readFile(join(path, '00000.tar'));
    // In the middle of the second picture.
    await writeFile(join(path, '00000.tar'), tar.subarray(0, tar.indexOf('000000001.png') + 600));
    const made = await run('index', path, '-o', join(folder, 'downloads index'), '--threads', '1');
    expect(made.code).toBe(0);
    expect(made.stdout).toContain('indexed  1 pictures, 1 could not be read');
    expect(made.stderr).toMatch(/problem {2}.*00001: .*is not finished/);
    expect(made.stderr).toMatch(/problem {2}.*00000\.tar: is cut short/);
    const tars = await run(
      ...['index', path, '--format', 'webdataset', '-o', join(folder, 'tars index'), '--threads', '1', '-q'],
    );
    expect(tars.stdout).toContain('indexed  3 pictures');
    const captions = await run('index', path, '--format', 'captions', '-o', join(folder, 'none'), '-q');
    expect(captions).toMatchObject({ code: 2, stdout: '' });
    expect(captions.stderr).toContain('holds captions without pictures, and an index needs pictures');
    const unknown = await run('index', path, '--format', 'tars', '-o', join(folder, 'none'), '-q');
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toContain('unknown format "tars"; did you mean');
  });
});

describe('index and search', () => {
  for (const descriptor of ['pixels', 'phash', 'dhash'])
    it(`finds the picture itself first, by ${descriptor}`, async () => {
      const output = join(folder, descriptor);
      const made = await run(
        ...['index', pictures, '-o', output, '--descriptor', descriptor, '--dtype', 'float16'],
        ...['--approximate', '--shard-size', '6', '--threads', '1', '--quiet'],
      );
      expect(made).toMatchObject({ code: 0, stderr: '' });
      expect(made.stdout).toContain('indexed  19 pictures, 1 could not be read');
      expect(made.stdout).toMatch(/approximate search finds \d+\.\d% of the 10 nearest of 19/);
      for (const flags of [[], ['--approximate']]) {
        const wanted = ['03', '12'].map((name) => join(pictures, `${name}.png`));
        const asked = await run(
          ...['search', ...wanted, '--index', output, '-k', '3', '--json', '--quiet', '--threads', '1'],
          ...flags,
        );
        expect(asked).toMatchObject({ code: 0, stderr: '' });
        const rows = JSON.parse(asked.stdout) as {
          image: string;
          neighbours: { similarity: number; key: string; dataset_index: number }[];
        }[];
        expect(rows.map(({ image }) => image)).toEqual(wanted);
        // What could not be read has no vector, and those behind it keep their places.
        expect(rows.map(({ neighbours }) => neighbours[0]!.dataset_index)).toEqual([3, 12]);
        for (const { neighbours } of rows) {
          expect(neighbours).toHaveLength(3);
          expect(neighbours[0]!.similarity).toBeCloseTo(1, 2);
        }
      }
    });

  it('finds the same with --int8, by the codes beside the vectors', async () => {
    const output = join(folder, 'int8');
    const made = await run('index', pictures, '-o', output, '--int8', '--shard-size', '6', '--quiet');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const ask = (from: string) =>
      run(
        ...['search', join(pictures, '03.png'), join(pictures, '12.png'), '--index', from],
        ...['-k', '4', '--json', '--quiet', '--threads', '1'],
      );
    const plain = join(folder, 'float32');
    expect((await run('index', pictures, '-o', plain, '--shard-size', '6', '--quiet')).code).toBe(0);
    expect(await ask(output)).toEqual(await ask(plain));
    const without = await run('index', pictures, '-o', output, '--shard-size', '6', '--quiet');
    expect(without).toMatchObject({ code: 2 });
    expect(without.stderr).toContain('config.int8 is true there and not set here');
    await rm(join(output, 'int8', '00002.codes.npy'));
    const incomplete = await ask(output);
    expect(incomplete).toMatchObject({ code: 1 });
    expect(incomplete.stderr).toContain('00002.codes.npy: no such file');
  });

  it('does not go on with an index of another version', async () => {
    const output = join(folder, 'versions');
    const make = () => run('index', pictures, '-o', output, '--shard-size', '6', '--quiet');
    expect((await make()).code).toBe(0);
    const path = join(output, 'run.json');
    const description = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...description, verbatim: '0.0.1' }));
    const outcome = await make();
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/verbatim is "0\.0\.1" there and "\d+\.\d+\.\d+" here/);
  });

  it('goes on with what is there and ends with the same bytes', async () => {
    const make = () => run('index', pictures, '-o', index, '--int8', '--shard-size', '6', '--quiet');
    expect((await make()).code).toBe(0);
    const bytes = (name: string) => readFile(join(index, name));
    const names = [
      'tables/index/00001.parquet',
      'vectors/00001.npy',
      'vectors/00003.npy',
      'int8/00001.codes.npy',
    ];
    const before = await Promise.all(names.map(bytes));
    await rm(join(index, names[0]!));
    await rm(join(index, names[1]!));
    await rm(join(index, names[3]!));
    const unfinished = await run('search', join(pictures, '03.png'), '--index', index);
    expect(unfinished).toMatchObject({ code: 1 });
    expect(unfinished.stderr).toContain('holds 14 of 20 pictures; run "verbatim index" again, it goes on');
    expect((await make()).code).toBe(0);
    expect(await Promise.all(names.map(bytes))).toEqual(before);
  });

  it('prints a line per neighbour, and says which picture cannot be read', async () => {
    const outcome = await run(
      ...['search', join(pictures, '00.png'), join(pictures, '07.png'), join(folder, 'none.png')],
      ...['--index', index, '-k', '1', '--quiet'],
    );
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/00\.png\n {3}1\.0000 {9}0 {2}".*"\n$/);
    expect(outcome.stderr).toMatch(
      /^verbatim: .*07\.png.*not a picture.*\nverbatim: .*none\.png: no such file\n$/,
    );
  });

  it('refuses in one line what does not fit', async () => {
    const one = join(pictures, '00.png');
    const damaged = join(folder, 'damaged');
    await cp(index, damaged, { recursive: true });
    const vectors = join(damaged, 'vectors', '00000.npy');
    await writeFile(vectors, (await readFile(vectors)).subarray(0, 1000));
    const description = join(folder, 'net.json');
    await writeFile(description, '{"name": "mine", "size": 1}');
    const cases: [string[], number, RegExp][] = [
      [['search', one, '--index', join(folder, 'none')], 2, /is not a run folder: it has no run\.json/],
      [['search', one, '--index', damaged], 1, /00000\.npy: is 1000 bytes, but an array float32/],
      [
        ['search', one, '--index', index, '--descriptor', 'phash'],
        2,
        /made with descriptor pixels-16, not with phash-8; vectors of two descriptors cannot be compared/,
      ],
      [['search', one, '--index', index, '--approximate'], 1, /approximate\.usearch: no such file; make/],
      [['search', one, '--index', index, '-k', '0'], 2, /whole number of at least 1/],
      [['index', pictures, '-o', index, '--descriptor', 'phash'], 2, /holds another run: /],
      [['index', pictures, '--descriptor', 'phahs'], 2, /there is no descriptor "phahs"; known are pixels/],
      [['index', pictures, '--descriptor', 'sscd'], 2, /sscd is a network; name its exported file/],
      [['index', pictures, '--descriptor', 'pixels', '--network', 'a.onnx'], 2, /pixels takes no network/],
      [['index', pictures, '--descriptor', description, '--network', 'a.onnx'], 2, /net\.json: size: /],
      [['index', join(folder, 'nothing')], 2, /nothing/],
    ];
    for (const [args, code, message] of cases) {
      const outcome = await run(...args, '--quiet');
      expect(outcome.stderr).toMatch(message);
      expect(outcome).toMatchObject({ code, stdout: '' });
    }
  });
});

describe('verbatim outliers', () => {
  it('lists the pictures of an index that are farthest from all others, as CSV and as JSON', async () => {
    const path = join(folder, 'pairs');
    await mkdir(path);
    // The last one's caption would be a formula in a spreadsheet.
    for (const [i, seed] of [0, 0, 1, 1, 2].entries())
      await writeFile(join(path, `${i < 4 ? i : '=4'}, "${seed}".png`), await encodePng(drawing(seed)));
    const to = join(folder, 'pairs index');
    await run('index', path, '-o', to, '-q', '--threads', '1');
    const { code, stdout } = await run('outliers', to, '--top', '2', '-q', '--threads', '1');
    expect(code).toBe(0);
    const [header, first, second, ...rest] = stdout.trimEnd().split('\r\n');
    expect(header).toBe('rank,outlierness,dataset_index,nearest_index,key,caption');
    expect(first).toMatch(/^1,[01]\.\d+,4,\d,"'=4, ""2""\.png","'=4, ""2"""$/);
    expect(second).toMatch(/^2,/);
    expect(rest).toEqual([]);
    const json = JSON.parse((await run('outliers', to, '-q', '--json', '--threads', '1')).stdout) as {
      rank: number;
      dataset_index: number;
      outlierness: number;
    }[];
    expect(json).toHaveLength(5);
    expect(json[0]).toMatchObject({ rank: 1, dataset_index: 4 });
    for (const { outlierness } of json.slice(1)) expect(Math.abs(outlierness)).toBeLessThan(1e-6);
  });

  it('refuses what is no index', async () => {
    const { code, stderr } = await run('outliers', pictures, '-q');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^verbatim: .* is not a run folder/),
    });
  });

  it('order the captions of an audit, from the folder of its config', async () => {
    const models = fileURLToPath(new URL('../models/fixtures/', import.meta.url));
    const path = join(folder, 'audited');
    await mkdir(path);
    for (let i = 0; i < 5; i++) await writeFile(join(path, `${i}.png`), await encodePng(drawing(i >> 1)));
    await run('index', path, '-o', join(folder, 'audited index'), '-q', '--threads', '1');
    const config = join(folder, 'audit.yaml');
    const text = (from: string) => `model: ${models}sd1
dataset: { format: image-folder, path: audited }
candidates: { outliers: audited index, neighbours: 1, limit: 2${from} }
cascade: [{ attack: noise-difference, keep: 100 }]
labels: { rules: [reference] }
output: ${join(folder, 'audit run')}
threads: 1
`;
    await writeFile(config, text(''));
    const { code, stdout, stderr } = await run('score', config, '-q');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = await readTable(join(folder, 'audit run/tables/candidates/00000.parquet'), candidateColumns);
    expect(stdout).toContain('audit run');
    expect(rows.map(({ key }) => key)).toEqual(['4.png', '0.png']);
    await writeFile(config, text(', from: runs/dedup'));
    expect(await run('audit', config, '-q')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/audit\.yaml:3:\d+: .*stands beside from; leave one of the two out/),
    });
  });
});
