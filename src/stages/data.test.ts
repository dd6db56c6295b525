import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../datasets/index.ts';
import { decodePicture, resize, rms } from '../images/index.ts';
import { pictureView } from '../labels/index.ts';
import { contentPath, readTable } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { remembered } from './data.ts';
import { dataOfDataset, labelColumns, listCandidates, readRun, runAudit, runTable } from './index.ts';
import { fakeConfig } from './testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from './testing/fake-model.ts';

const root = temporaryFolder('data');

describe('pictures in memory', () => {
  it('are read once, up to the bytes that are allowed', async () => {
    const read: number[] = [];
    const pictures = remembered(
      {
        size: 3,
        picture: async (index) => {
          read.push(index);
          return { width: 1, height: 1, data: Uint8Array.of(index, 0, 0) };
        },
      },
      6,
    );
    for (const index of [0, 1, 2, 0, 1, 2]) expect((await pictures.picture(index)).data[0]).toBe(index);
    expect(read).toEqual([0, 1, 2, 2]);
  });
});

describe('a training set without truth', () => {
  const captions = ['a', 'b', 'a', 'c', 'b', 'a'];
  const dataset: Dataset = {
    name: 'plain',
    digest: 'e'.repeat(64),
    size: captions.length,
    format: 'captions',
    shards: [{ name: 'plain', from: 0, to: captions.length, digest: 'e'.repeat(64) }],
    problems: [],
    hasPictures: true,
    find: async (key) => captions.findIndex((_, index) => key === `row-${index}`),
    async *rows() {
      for (const [index, caption] of captions.entries()) yield { index, key: `row-${index}`, caption };
    },
    picture: (index) => fakePlantedSet().picture(index),
    close: async () => {},
  };

  it('has its distinct captions as candidates, with their copies', async () => {
    const rows = await listCandidates(dataOfDataset(dataset), fakeConfig({}));
    expect(
      rows.map(({ key, caption, dataset_index, copies, role }) => [
        key,
        caption,
        dataset_index,
        copies,
        role,
      ]),
    ).toEqual([
      ['row-0', 'a', 0, 3, null],
      ['row-1', 'b', 1, 2, null],
      ['row-3', 'c', 3, 1, null],
    ]);
    await expect(
      listCandidates(dataOfDataset(dataset), fakeConfig({ candidates: { roles: { unique: 1 } } })),
    ).rejects.toThrow('candidates.roles.unique: the truth of this dataset is not known');
  });

  it('has the captions that were chosen, in their order, with their different pictures', async () => {
    const chosen = [
      { key: 'row-3', caption: 'c', dataset_index: 3, copies: 40, rows: [3] },
      { key: 'row-1', caption: 'b', dataset_index: 1, copies: 7, rows: [1, 4] },
    ];
    const data = dataOfDataset(dataset, undefined, chosen);
    const config = fakeConfig({ candidates: { from: 'runs/dedup' } });
    const rows = await listCandidates(data, config);
    expect(rows.map(({ key, copies, role }) => [key, copies, role])).toEqual([
      ['row-3', 40, null],
      ['row-1', 7, null],
    ]);
    expect(data.own(rows[1]!).map(({ index }) => index)).toEqual([1, 4]);
    // The first ones, not some that are drawn.
    const cut = await listCandidates(data, fakeConfig({ candidates: { from: 'runs/dedup', limit: 1 } }));
    expect(cut.map(({ key }) => key)).toEqual(['row-3']);
  });

  it('takes no row that is known to have no picture, and no dataset without pictures', async () => {
    const broken: Dataset = {
      ...dataset,
      async *rows() {
        for (const [index, caption] of captions.entries())
          yield { index, key: `row-${index}`, caption, ...(index % 3 === 0 && { error: 'gone' }) };
      },
    };
    const rows = await listCandidates(dataOfDataset(broken), fakeConfig({}));
    expect(rows.map(({ caption, dataset_index, copies }) => [caption, dataset_index, copies])).toEqual([
      ['b', 1, 2],
      ['a', 2, 2],
    ]);
    expect(() => dataOfDataset({ ...dataset, hasPictures: false })).toThrow(
      'plain (format captions) holds captions without pictures, and an audit needs pictures',
    );
  });

  it('compares a caption with the pictures of all rows that have it', async () => {
    const data = dataOfDataset(dataset);
    const [first] = await listCandidates(data, fakeConfig({}));
    expect(data.own(first!).map(({ index }) => index)).toEqual([0, 2, 5]);
  });

  it('has threshold and distances of one size, the model’s, whatever sizes its pictures have', async () => {
    // Held-out pictures at their own sizes would be two too many: the model's are 8×8.
    const sizes = [
      [24, 24],
      [40, 24],
      [9, 30],
    ] as const;
    const pictures = (texts: readonly string[]) => ({
      size: texts.length,
      picture: async (index: number) => {
        const [width, height] = sizes[index % sizes.length]!;
        return resize(await fakePlantedSet().picture(index), width, height, 'nearest');
      },
    });
    const texts = fakePlantedSet().truth.map(({ caption }) => caption);
    const training: Dataset = {
      ...dataset,
      ...pictures(texts.slice(0, 6)),
      async *rows() {
        for (const [index, caption] of texts.slice(0, 6).entries())
          yield { index, key: `row-${index}`, caption };
      },
    };
    const heldOut = {
      digest: 'held-out',
      size: 12,
      picture: (index: number) => pictures(texts).picture(20 + index),
    };
    const { pipeline, meter } = fakeModel();
    const folder = await runAudit({
      config: fakeConfig({ output: join(root, 'sizes') }),
      data: dataOfDataset(training, heldOut),
      pipeline,
      meter,
      verbatim: '0',
      versions: {},
    });
    const views = async (of: typeof heldOut) =>
      Promise.all(
        Array.from({ length: of.size }, async (_, i) =>
          pictureView(await of.picture(i), { width: 8, height: 8 }),
        ),
      );
    const [seen, unseen] = [await views(training), await views(heldOut)];
    const nearest = unseen.map((picture) => Math.min(...seen.map((other) => rms(picture, other))));
    const { threshold } = JSON.parse(await readFile(join(folder.path, 'calibration.json'), 'utf8'));
    expect(threshold).toBeCloseTo(Math.min(...nearest), 12);
    const labels = await readTable(await runTable(folder, 'labels'), labelColumns);
    const calibrated = labels.filter(({ rule }) => rule === 'calibrated');
    expect(calibrated).toHaveLength(6 * 2);
    for (const { image, distance, training_index, verdict } of calibrated) {
      const sample = await decodePicture(await readFile(join(folder.images, contentPath(image!, 'png'))), {
        where: 'sample',
      });
      expect(distance).toBeCloseTo(rms(sample, seen[training_index!]!), 12);
      // The first sizes are the model's picture enlarged; the last is cut to a third of it.
      if (training_index! % 3 === 0) expect(verdict).toBe('MV');
    }
  });

  it('needs held-out pictures for the calibrated rule, or goes without it', async () => {
    const run = (output: string, labels: Record<string, unknown>) => {
      const { pipeline, meter } = fakeModel();
      const config = fakeConfig({ output: join(root, output), labels });
      return runAudit({ config, data: dataOfDataset(dataset), pipeline, meter, verbatim: '0', versions: {} });
    };
    await expect(run('plain-1', {})).rejects.toThrow(
      'the rules calibrated, aligned, local need pictures that the model never saw, and there are none',
    );
    // Said before anything is computed, or written.
    await expect(access(join(root, 'plain-1'))).rejects.toThrow('ENOENT');
    const folder = await run('plain-2', { rules: ['reference'] });
    const labels = await readTable(await runTable(folder, 'labels'), labelColumns);
    expect(labels).toHaveLength(3 * 2);
    expect((await readRun(folder.path)).dataset).toEqual({ name: 'plain', digest: dataset.digest, size: 6 });
  });

  it('leaves out held-out pictures that cannot be read, counts them, and knows their set again', async () => {
    const run = (digest: string, broken: readonly number[]) => {
      const { pipeline, meter } = fakeModel();
      const heldOut = {
        digest,
        size: 5,
        picture: async (index: number) => {
          if (broken.includes(index)) throw new Error(`picture ${index} is corrupt`);
          return fakePlantedSet().picture(20 + index);
        },
      };
      const config = fakeConfig({ output: join(root, `unreadable-${broken.length}`) });
      const data = dataOfDataset(dataset, heldOut);
      return runAudit({ config, data, pipeline, meter, verbatim: '0', versions: {} });
    };
    const folder = await run('one', [1, 3]);
    const calibration = JSON.parse(await readFile(join(folder.path, 'calibration.json'), 'utf8'));
    expect(calibration).toMatchObject({ heldOut: 3, unreadable: 2 });
    await expect(run('other', [1, 3])).rejects.toThrow('holds another run: heldOut.digest is "one" there');
    await expect(run('one', [0, 1, 2, 3, 4])).rejects.toThrow(
      'labels.heldOut: none of the 5 pictures can be read (the first: picture 0 is corrupt)',
    );
  });
});
