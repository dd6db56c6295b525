import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodePicture, encodePng, maskPicture, type Picture } from '../images/index.ts';
import { type LabelRow, runFolder } from '../stages/index.ts';
import { putFile } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import type { ReportData } from './data.ts';
import {
  checkerboard,
  differenceColours,
  differenceMap,
  differenceOf,
  fullDifference,
  outlineColour,
  outlined,
  uncoveredColour,
} from './evidence-pictures.ts';
import { alignedRun, plantedOverlap } from './testing/aligned-run.ts';
import { writeRun } from './testing/synthetic-run.ts';
import { labelWords } from './words.ts';
import { writeReport } from './write.ts';

const root = temporaryFolder('evidence');
const path = join(root, 'run');
const evidence = join(path, 'report/evidence');
const side = 32;
let data: ReportData;
let folders: string[];

interface Finding {
  readonly key: string;
  readonly caption: string;
  readonly verdict: string;
  readonly words: string;
  readonly seed: number;
  readonly files: readonly string[];
  readonly difference: { readonly rms: number } | null;
  readonly labels: readonly {
    readonly rule: string;
    readonly distance: number;
    readonly transform: unknown;
  }[];
}
const findingOf = async (folder: string) =>
  JSON.parse(await readFile(join(evidence, folder, 'finding.json'), 'utf8')) as Finding;
async function folderOf(key: string): Promise<{ folder: string; finding: Finding }> {
  for (const folder of folders) {
    const finding = await findingOf(folder);
    if (finding.key === key) return { folder, finding };
  }
  throw new Error(`no evidence of ${key}`);
}
const pictureIn = async (folder: string, name: string) =>
  decodePicture(await readFile(join(evidence, folder, name)), { where: name });
const foldersIn = async () => (await readdir(evidence)).filter((name) => /^\d/.test(name)).sort();

const grey = (value: number, width = 16, height = 16): Picture => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(value),
});

beforeAll(async () => {
  data = await alignedRun({ side, synthesized: 40, captions: ['../../../etc/passwd', '<b>'] }, path);
  await writeReport(path);
  folders = await foldersIn();
});

describe('report/evidence', () => {
  it('has a folder for each judged caption of the gallery, named by number, verdict and digest alone', async () => {
    expect(folders.length).toBeGreaterThan(20);
    folders.forEach((name, i) => {
      expect(name).toMatch(/^\d{3}-(TV|MV|RV|none)-[0-9a-f]{12}$/);
      expect(Number(name.slice(0, 3))).toBe(i + 1);
    });
    for (const name of folders) {
      const finding = await findingOf(name);
      expect(name.split('-')[1]).toBe(finding.verdict);
      const present = (await readdir(join(evidence, name))).sort();
      expect(present).toEqual([...finding.files, 'finding.json'].sort());
    }
    expect(await readFile(join(evidence, 'README.txt'), 'utf8')).toContain('difference.png');
  });

  it('holds all numbers of all rules, the caption, the key and the seed', async () => {
    const { finding } = await folderOf('moved-0');
    expect(finding).toMatchObject({
      caption: 'Lamp moved-0 by Larkmoor',
      verdict: 'MV',
      seed: 0,
      sampler: 'heun',
      words: 'mirrored, scaled by 1.25, moved 12% right; 86% of the picture agrees',
    });
    const rows = data.labels.filter(({ key }) => key === 'moved-0');
    expect(finding.labels.map(({ rule, distance }) => [rule, distance])).toEqual(
      rows.map(({ rule, distance }) => [rule, distance]),
    );
    expect(finding.labels[0]!.transform).toEqual({ flip: true, scale: 1.25, x: 0.12, y: 0 });
  });

  it('lays the training picture over the sample by the label’s transform', async () => {
    const { folder, finding } = await folderOf('moved-0');
    const [sample, aligned, training] = await Promise.all(
      ['sample.png', 'aligned.png', 'training.png'].map((name) => pictureIn(folder, name)),
    );
    // The sample is the moved picture with 6% of another one: that moves a value by 15 levels at most.
    const worst = Math.max(...differenceOf(sample!, aligned!));
    expect(worst).toBeLessThan(0.065);
    expect(Math.max(...differenceOf(sample!, training!))).toBeGreaterThan(0.2);
    expect(finding.difference!.rms).toBeLessThan(worst);
  });

  it('stores the mask of a template, and measures where it is set', async () => {
    const { folder, finding } = await folderOf('template-1-2');
    expect(finding.words).toMatch(/^compared on \d+(\.\d)?% of the picture, the rest varies$/);
    expect(finding.files).toContain('mask.png');
    const [mask, sample, training] = await Promise.all(
      ['mask.png', 'sample.png', 'training.png'].map((name) => pictureIn(folder, name)),
    );
    const differences = differenceOf(sample!, training!);
    const inside = differences.filter((_, pixel) => mask!.data[pixel * 3] === 255);
    const rms = Math.sqrt(inside.reduce((sum, d) => sum + d * d, 0) / inside.length);
    expect(finding.difference!.rms).toBeCloseTo(rms, 12);
  });

  it('is the same again, keeps files of other names, and removes folders that the report has no use for', async () => {
    const read = async () =>
      Promise.all(
        (await foldersIn()).map(async (name) => [
          name,
          (await readFile(join(evidence, name, 'finding.json'))).toString('base64'),
          (await readFile(join(evidence, name, 'sample.png'))).toString('base64'),
        ]),
      );
    const before = await read();
    const stale = join(evidence, '007-MV-000000000000');
    await mkdir(stale);
    await writeFile(join(evidence, 'my-notes.txt'), 'mine');
    await writeReport(path);
    expect(await read()).toEqual(before);
    expect(await stat(stale).catch(() => 'gone')).toBe('gone');
    expect(await readFile(join(evidence, 'my-notes.txt'), 'utf8')).toBe('mine');
  });

  it('has every finding, also those for which the page has no place, after those that it shows', async () => {
    const { page } = await writeReport(path, undefined, { found: 2, others: 2 });
    const { document } = parseHTML(await readFile(page, 'utf8'));
    const verdicts = (await foldersIn()).map((name) => name.split('-')[1]);
    const shown = document.querySelectorAll('#gallery .item details.rows').length;
    const found = (await writeReport(path)).summary.found.byVerdict;
    expect(verdicts.slice(shown).sort()).toEqual([
      ...new Array(found.MV - 2).fill('MV'),
      ...new Array(found.TV - 2).fill('TV'),
    ]);
    expect(verdicts.slice(0, shown)).toContain('none');
  });

  it('is bounded, and the page still shows what has none', async () => {
    const { page } = await writeReport(path, undefined, { evidence: 3 });
    expect(await foldersIn()).toEqual(folders.slice(0, 3));
    const { document } = parseHTML(await readFile(page, 'utf8'));
    const sources = [...document.querySelectorAll('img')].map((image) => String(image.getAttribute('src')));
    for (const source of sources) await stat(join(path, 'report', source));
    expect(document.querySelectorAll('.item').length).toBeGreaterThan(20);
    await writeReport(path);
  });

  it('does without a training picture that is not stored or a mask that is damaged', async () => {
    const other = join(root, 'damaged');
    const rows = await alignedRun({ side: 8, synthesized: 20 }, other);
    const label = rows.labels.find(({ key, rule }) => key === 'template-1-1' && rule === 'aligned')!;
    const file = (digest: string) => join(other, 'images', digest.slice(0, 2), `${digest}.png`);
    await rm(file(label.training_image!));
    await writeFile(file(label.mask!), 'no picture');
    const { summary } = await writeReport(other);
    expect(summary.families[1]).toMatchObject({ found: 4, overlap: null });
    const at = join(other, 'report/evidence');
    const name = (await readdir(at)).find((folder) => folder.endsWith(label.image!.slice(0, 12)))!;
    expect((await readdir(join(at, name))).sort()).toEqual(['finding.json', 'sample.png']);
  });

  it('brings a mask of another size to that of the pictures', async () => {
    const other = join(root, 'sizes');
    const rows = await alignedRun({ side: 16, synthesized: 20 }, other);
    const { width, height, data: set } = [...rows.masks.values()][0]!;
    const double = {
      width: 2 * width,
      height: 2 * height,
      data: Uint8Array.from({ length: 4 * set.length }, (_, i) => {
        const [x, y] = [i % (2 * width), Math.floor(i / (2 * width))];
        return set[(y >> 1) * width + (x >> 1)]!;
      }),
    };
    const mask = await putFile(runFolder(other).images, await encodePng(maskPicture(double)), 'png');
    await writeRun(other, {
      ...rows,
      labels: rows.labels.map((row) => (row.mask === null ? row : { ...row, mask })),
    });
    const { summary } = await writeReport(other);
    expect(summary.families.map(({ overlap }) => overlap)).toEqual([plantedOverlap, plantedOverlap, null]);
  });

  it('takes no picture by a digest that is none', async () => {
    const other = join(root, 'hostile');
    const rows = await alignedRun({ side: 8, synthesized: 20 }, other);
    const labels = rows.labels.map((row) => ({ ...row, training_image: '../../run', mask: '../mask' }));
    const generations = rows.generations.map((row) => ({ ...row, image: '../../../etc/passwd' }));
    await writeReport(other, { ...rows, labels, generations });
    expect(await readdir(join(other, 'report')).then((names) => names.sort())).toEqual([
      'data',
      'index.html',
      'summary.json',
    ]);
  });
});

describe('the page’s items', () => {
  it('show the laid picture only where it moved, and unfold every rule without a script', async () => {
    const { document } = parseHTML(await readFile(join(path, 'report/index.html'), 'utf8'));
    const items = [...document.querySelectorAll('#gallery .item')];
    const of = (key: string) => items.find(({ textContent }) => textContent?.includes(`key ${key}`))!;
    const captions = (key: string) =>
      [...of(key).querySelector('.pictures')!.querySelectorAll('figcaption')].map((c) => c.textContent);
    expect(captions('moved-0')).toEqual([
      'training image',
      'sample 0',
      'laid over the sample',
      'overlay',
      'difference',
    ]);
    expect(captions('template-0-1')).toEqual(['training image 5001', 'sample 0', 'overlay', 'difference']);
    const cells = [...of('another-0').querySelectorAll('details tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].map((cell) => cell.textContent),
    );
    expect(cells.map(([, rule, verdict]) => [rule, verdict])).toEqual([
      ['aligned', 'RV'],
      ['calibrated', 'none'],
      ['reference', 'none'],
      ['local', 'none'],
      ['descriptor', 'none'],
    ]);
    expect(cells[0]).toEqual([
      '0',
      'aligned',
      'RV',
      '0.2200',
      '1.0000',
      '5202',
      expect.stringContaining('mirrored'),
    ]);
    expect(cells[4]![6]).toBe('similarity 0.830 (copy)');
    expect(document.querySelector('#recall')!.textContent).toMatch(/2 of 3 audited families were found/);
  });
});

describe('the pictures', () => {
  it('checkerboard: every other tile is the second picture’s', () => {
    const { data: board } = checkerboard(grey(10), grey(200));
    const at = (x: number, y: number) => board[(y * 16 + x) * 3];
    expect([at(0, 0), at(1, 1), at(2, 0), at(0, 2), at(2, 2)]).toEqual([10, 10, 200, 200, 10]);
  });

  it('difference map: the ends of the scale, beyond it, and what is not covered', () => {
    const covered = { width: 4, height: 1, data: Uint8Array.of(1, 1, 1, 0) };
    const map = differenceMap(Float64Array.of(0, fullDifference, 1, 1), covered);
    const last = differenceColours.at(-1)!;
    expect([...map.data]).toEqual([...differenceColours[0], ...last, ...last, ...uncoveredColour]);
    expect([...differenceOf(grey(255, 1, 1), grey(0, 1, 1))]).toEqual([1]);
  });

  it('gets lighter with every step of the difference', () => {
    const light = Array.from({ length: 65 }, (_, i) => {
      const covered = { width: 1, height: 1, data: Uint8Array.of(1) };
      const [r, g, b] = differenceMap(Float64Array.of((i / 64) * fullDifference), covered).data;
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    });
    for (let i = 1; i < light.length; i++) expect(light[i]!).toBeGreaterThan(light[i - 1]!);
  });

  it('outline: on the inner side of the edge, for a mask of another size too', () => {
    const mask = { width: 2, height: 1, data: Uint8Array.of(1, 0) };
    const { data: drawn } = outlined(grey(0, 8, 1), mask);
    const marked = Array.from({ length: 8 }, (_, x) => drawn[x * 3 + 2] === outlineColour[2]);
    expect(marked).toEqual([false, false, false, true, false, false, false, false]);
    const whole = { width: 4, height: 4, data: new Uint8Array(16).fill(1) };
    const count = (picture: Picture) => picture.data.filter((value) => value === outlineColour[2]).length;
    expect(count(outlined(grey(0, 4, 4), whole))).toBe(0);
    expect(count(outlined(grey(0, 4, 4), whole, true))).toBe(12);
  });
});

describe('labelWords', () => {
  const label = (values: Partial<LabelRow>): LabelRow => ({
    ...data.labels[0]!,
    verdict: 'MV',
    evidence: null,
    ...values,
  });
  const moved = (transform: object) => labelWords(label({ transform: JSON.stringify(transform) }));

  it('says every movement, and none that cannot be seen', () => {
    expect(moved({ flip: false, scale: 0.8, x: -0.05, y: 0.1 })).toBe(
      'scaled by 0.8, moved 5% left and 10% down',
    );
    expect(moved({ flip: true, scale: 1.001, x: 0.004, y: -0.2 })).toBe('mirrored, moved 20% up');
    expect(moved({ flip: false, scale: 1, x: 0, y: 0 })).toBe('');
  });

  it('is silent about cells that are not ours', () => {
    for (const cell of ['no JSON', '[]', 'null', '{"flip":1}', '{"flip":true,"scale":0,"x":0,"y":0}'])
      expect(labelWords(label({ transform: cell, region: cell, evidence: cell }))).toBe('');
  });
});
