import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../datasets/index.ts';
import { decodePicture, encodePng } from '../../images/index.ts';
import { drawing, fakeDataset } from '../../stages/dedup/testing/fake-dataset.ts';
import { putFile, writeJsonAtomic } from '../../tables/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { type TestFolder, writeDedupFolder } from './testing/dedup-folder.ts';
import { writeDedupReport } from './write.ts';

const root = temporaryFolder('dedup-report');
let count = 0;

/** The little of the DOM that these tests use; the compiler knows no browser here. */
interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

async function reportOf(folder: TestFolder & { readonly dataset: Dataset }, path = join(root, `${count++}`)) {
  const summary = await writeDedupFolder(path, folder);
  const { page } = await writeDedupReport(path, folder.dataset);
  const text = await readFile(page, 'utf8');
  const document = parseHTML(text).document as unknown as Element;
  // Nothing that was not computed reaches the reader.
  expect(text).not.toMatch(/\b(NaN|undefined|Infinity|\[object Object\])\b/);
  return { path, page, summary, text, document };
}
const all = (of: Element, selector: string) => [...of.querySelectorAll(selector)];
const texts = (of: Element, selector: string) => all(of, selector).map(({ textContent }) => textContent);
const facts = (of: Element) =>
  Object.fromEntries(
    all(of, 'dl div').map((line) => [
      line.querySelector('dt')!.textContent,
      line.querySelector('dd')!.textContent,
    ]),
  );

const pictures = (size: number, side = 48) =>
  fakeDataset({
    a: Array.from({ length: Math.ceil(size / 2) }, (_, i) => ({ caption: '', picture: drawing(i, side) })),
    b: Array.from({ length: Math.floor(size / 2) }, (_, i) => ({
      caption: '',
      picture: drawing(50 + i, side),
    })),
  });
const words = (size: number) =>
  fakeDataset({ a: Array.from({ length: size }, () => ({ caption: '' })) }, { hasPictures: false });

describe('writeDedupReport', () => {
  it('says how much is repeated, and what of it, as the tables do', async () => {
    const { document, summary } = await reportOf({
      dataset: await pictures(40),
      groups: [
        {
          captions: [...Array(12).fill('a lamp'), ...Array(3).fill('A  LAMP'), 'another', 'third'],
          files: [...Array(9).fill('x'), ...Array(6).fill('y'), 'z', 'w'],
          keep: [10],
          modality: 'mixed',
          mostBits: 9,
        },
        { captions: ['p', 'q', 'r'], modality: 'image-only', mostBits: 2 },
        { captions: ['same', 'same'], files: ['s', 's'], mostBits: 0 },
      ],
      candidates: ['a lamp', 'another', 'third', 'p'].map((caption, i) => ({
        rank: i + 1,
        key: `k${i}`,
        caption,
        dataset_index: i,
        copies: i < 3 ? 17 : 3,
        caption_copies: 1,
        rows: '[]',
        group: i < 3 ? 0 : 1,
        modality: 'mixed',
      })),
      summary: { chained: 1 },
    });
    expect(document.querySelector('h1')!.textContent).toBe(
      '3 groups hold 22 of 40 items (55%); keeping one of each removes 19.',
    );
    expect(document.querySelector('.lead')!.textContent).toContain('in 1 of them the worst pair lies beyond');
    expect(facts(document.querySelector('#figures')!)).toMatchObject({
      rows: '40',
      'items that stay': String(summary.kept),
      'items that go': String(summary.removed),
    });
    expect(texts(document, '#rates tbody tr').map((row) => row.trim())).toEqual([
      '21' + '25%',
      '31' + '37.5%',
      '10–191' + '1742.5%',
    ]);
    expect(texts(document, '#captions tbody td:nth-child(2)')).toEqual(['1', '1', '1']);
    const [first, second, third] = all(document, '#groups article');
    expect(texts(document, '#groups h3')).toEqual([
      '17 items, 4 different files group 0',
      '3 items, 3 different files group 1',
      '2 items, all the same file group 2',
    ]);
    // What stays comes first, then what comes most often.
    expect(texts(first!, 'figcaption').map((text) => text.replace('48 × 48', ' '))).toEqual([
      'stays · 6× key 10',
      '9× key 0',
      ' key 15',
      ' key 16',
    ]);
    // Spellings of one caption are counted together.
    expect(texts(first!, '.captions li')).toEqual(['15× a lamp', '1× another', '1× third']);
    expect(facts(first!)).toMatchObject({ stay: '1', go: '16', 'worst pair': '9 of 64 bits', kind: 'mixed' });
    expect(first!.textContent).toContain('A chain');
    expect(second!.textContent).not.toContain('A chain');
    expect(all(third!, 'img')).toHaveLength(1);
    expect(texts(document, '#candidates tbody tr').map((row) => row.replace(/mixed.*/, ''))).toEqual([
      '1a lamp171',
      '2another171',
      '3third171',
      '4p31',
    ]);
  });

  it('shows twelve files of a group, and says how many more there are', async () => {
    const { document } = await reportOf({
      dataset: await pictures(30),
      groups: [{ captions: Array.from({ length: 30 }, (_, i) => `caption ${i}`), modality: 'image-only' }],
    });
    const article = document.querySelector('#group-0')!;
    expect(all(article, 'img')).toHaveLength(12);
    expect(article.textContent).toContain('and 18 more in 18 further files');
    expect(article.textContent).toContain('and 25 further captions');
    expect(article.textContent).toContain('All captions hold: caption …');
  });

  it('escapes, cuts and tames captions, keys and reasons', async () => {
    const hostile = [
      '<script>alert(1)</script><img src=x onerror=alert(2)>',
      '\u202eright to left\u2066',
      `Z${'\u0300\u0301\u0302'.repeat(30)}algo`,
      'x'.repeat(100_000),
      '"><style>*{display:none}</style>',
    ];
    const { document, text } = await reportOf({
      dataset: await pictures(6),
      groups: [{ captions: hostile, key: (at) => `../../${hostile[at]}`, modality: 'image-only' }],
      candidates: hostile.map((caption, i) => ({
        rank: i + 1,
        key: caption,
        caption,
        dataset_index: i,
        copies: 5,
        caption_copies: 1,
        rows: '[]',
        group: null,
        modality: null,
      })),
      errors: new Map([[5, `row 5 (key 5): ${hostile[0]}`]]),
      summary: { skipped: [{ where: hostile[0]!, what: hostile[4]!, rows: null }] },
    });
    expect(all(document, 'script, [onerror]')).toEqual([]);
    expect(all(document, 'style')).toHaveLength(1);
    expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(text).not.toMatch(/\p{M}{5}/u);
    expect(text).not.toMatch(/x{300}/);
    // What was read of it is no statement of its length.
    expect(text).toContain('(2,000 characters or more)');
    expect(texts(document, '#left-out tbody td')).toContain(hostile[0]);
    for (const image of all(document, 'img'))
      expect(image.getAttribute('src')).toMatch(/^images\/[0-9a-f]{2}\/[0-9a-f]{64}\.(png|jpg)$/);
    for (const text of texts(document, '#groups bdi')) expect([...text].length).toBeLessThan(270);
  });

  it('says in words that there is nothing', async () => {
    const { document } = await reportOf({
      dataset: await pictures(6),
      families: [],
      config: { levels: ['file', 'perceptual', 'tiles'] },
    });
    expect(document.querySelector('h1')!.textContent).toBe(
      'No duplicates among 6 items at the levels file, perceptual and tiles.',
    );
    expect(all(document, '#groups, #rates, #captions')).toEqual([]);
    expect(texts(document, '.empty')).toEqual([
      'No picture was found in a part of another.',
      'No family of pictures was found that are the same outside a region.',
      'No caption stands in a group.',
      'Nothing: no row failed and no part of the dataset was skipped.',
    ]);
    // Each entry of the contents leads somewhere.
    for (const link of all(document, 'nav a'))
      expect(document.querySelector(link.getAttribute('href')!)).not.toBeNull();
  });

  it('shows captions as lists where there are no pictures, with what they have in common', async () => {
    const { document } = await reportOf({
      dataset: await words(20),
      config: { levels: ['caption'] },
      groups: [
        { captions: ['Shaw Floors Red Carpet', 'Shaw Floors Blue Carpet', 'Shaw Floors Red Carpet'] },
        { captions: Array(15).fill('photo') },
      ],
    });
    expect(all(document, 'img, #captions')).toEqual([]);
    const [first, second] = all(document, '#groups article');
    expect(first!.textContent).toContain('All captions hold: Shaw Floors … Carpet');
    expect(texts(first!, '.captions li')).toEqual([
      '2× Shaw Floors Red Carpet',
      '1× Shaw Floors Blue Carpet',
    ]);
    expect(texts(first!, '.keys li')).toEqual(['key 0stays', 'key 1', 'key 2']);
    expect(texts(second!, '.keys li').at(-1)).toBe('and 3 further rows');
  });

  it('says that groups without captions have none', async () => {
    const { document } = await reportOf({ dataset: await pictures(4), groups: [{ captions: ['', ' '] }] });
    expect(document.querySelector('#captions')!.textContent).toContain('No item of a group has a caption.');
    expect(all(document, '.captions')).toEqual([]);
  });

  it('shows why a picture cannot be read, without the path on this machine', async () => {
    const dataset = await pictures(4);
    const { document, text } = await reportOf({
      dataset: {
        ...dataset,
        picture: async (index) => {
          if (index === 1) throw new Error('/home/someone/set.tar: the member ends early');
          return dataset.picture(index);
        },
      },
      groups: [{ captions: ['a', 'a', 'a'] }],
    });
    expect(texts(document, '.missing')).toEqual(['set.tar: the member ends early']);
    expect(all(document, '#groups img')).toHaveLength(2);
    expect(text).not.toContain('/home/someone');
  });

  it('draws where pictures lie within others, at their place in the dataset as it is now', async () => {
    const part = { score: 0.991, bits: 3, x: 4, y: 6, width: 20, height: 30, area: 0.2 };
    const { document, path } = await reportOf({
      dataset: await pictures(10),
      config: { levels: ['file', 'tiles'] },
      gone: 3,
      parts: [
        { ...part, a: 3 + 2, b: 3 + 7 },
        { ...part, a: 3 + 1, b: 3 + 7, x: 26 },
        // Framed twice the same way: once is enough.
        { ...part, a: 3 + 1, b: 3 + 8, area: 0.8 },
        { ...part, a: 3 + 1, b: 3 + 9, area: 0.8 },
        { ...part, a: 3 + 1, b: 3 + 4, area: 0.95 },
      ],
      summary: { byLevel: { tiles: { pairs: 3, items: 5 }, file: { pairs: 0, items: 0 } } },
    });
    const [collage, framed, ...others] = all(document, '#parts article');
    expect(others).toEqual([]);
    expect(texts(collage!, '.id')).toEqual(['key 7', 'key 1', 'key 2']);
    expect(collage!.querySelector('.caption')!.textContent).toBe('caption 7');
    expect(collage!.querySelector('svg')!.getAttribute('viewBox')).toBe('0 0 48 48');
    expect(
      all(collage!, 'rect:not(.under)').map((rect) =>
        ['x', 'y', 'width', 'height'].map((side) => rect.getAttribute(side)),
      ),
    ).toEqual([
      ['26', '6', '20', '30'],
      ['4', '6', '20', '30'],
    ]);
    expect(texts(framed!, '.id')).toEqual(['key 8', 'key 1']);
    expect(document.querySelector('#parts p')!.textContent).toMatch(
      /^5 times .*: 3 times .*; 2 times it covers less/,
    );
    // The thumbnail is the picture of that place: small ones are kept as they are.
    const source = collage!.querySelector('img')!.getAttribute('src')!;
    const shown = await decodePicture(await readFile(join(path, 'report', source)), { where: source });
    expect(Buffer.from(shown.data).equals(Buffer.from(drawing(52).data))).toBe(true);
  });

  it('shows families with their seed first, and the mask', async () => {
    const path = join(root, 'families');
    const mask = await putFile(join(path, 'images'), await encodePng(drawing(9)), 'png');
    const { document } = await reportOf(
      {
        dataset: await pictures(8),
        families: Array.from({ length: 4 }, (_, i) => ({
          family: 0,
          item: i,
          dataset_index: i,
          key: `key ${i}`,
          caption: `Poster of ${['Rome', 'Oslo', 'Lima', 'Bonn'][i]}`,
          rate: 4,
          seed: i === 2,
          varying: 0.25,
          mask,
        })),
      },
      path,
    );
    const family = document.querySelector('#families article')!;
    expect(texts(family, 'figcaption')).toEqual(['seedkey 2', 'mask', 'key 0', 'key 1', 'key 3']);
    expect(all(family, 'img')).toHaveLength(5);
    expect(family.textContent).toContain('25% of the picture');
    expect(family.textContent).toContain('All captions hold: Poster of …');
  });

  it('lists of one group three captions, with their places', async () => {
    const { document } = await reportOf({
      dataset: await pictures(10),
      groups: [{ captions: ['a', 'b', 'c', 'd', 'e'] }, { captions: ['f', 'f'] }],
      candidates: ['a', 'b', 'c', 'd', 'e', 'f'].map((caption, i) => ({
        rank: i + 1,
        key: caption,
        caption,
        dataset_index: i,
        copies: i < 5 ? 5 : 2,
        caption_copies: 1,
        rows: '[]',
        group: i < 5 ? 0 : 1,
        modality: 'image-only',
      })),
    });
    expect(texts(document, '#candidates tbody td:first-child')).toEqual(['1', '2', '3', '6']);
    expect(document.querySelector('#candidates')!.textContent).toContain('2 further captions stand in');
  });

  it('counts failed rows by their reason', async () => {
    const reason = 'not a picture';
    const { document } = await reportOf({
      dataset: await pictures(10),
      errors: new Map([
        [1, 'HTTP 404'],
        [2, 'HTTP 500'],
        [3, `row 3 (key 3): ${reason}`],
        [8, `row 8 (key 8): ${reason}`],
      ]),
    });
    expect(all(document, '#left-out tbody tr').map((row) => texts(row, 'td'))).toEqual([
      [reason, '2', 'key 3'],
      ['HTTP 404', '1', 'key 1'],
      ['HTTP 500', '1', 'key 2'],
    ]);
  });

  it.each([
    [
      { method: 'exhaustive', vectors: 900, cells: 1, probes: null, certified: 1, recall: null },
      'Each of 900 vectors was compared with all others: no pair is missed.',
    ],
    [
      {
        method: 'cells',
        vectors: 60_000,
        cells: 240,
        probes: 16,
        certified: 0.9312,
        recall: { pairs: 800, found: 796, recall: 0.995, interval: [0.9872, 0.9981] },
      },
      '99.5% [98.7%, 99.8%], 796 of 800 pairs',
    ],
    [null, 'The folder does not say how many pairs may be missing.'],
    [{ method: 7 }, 'The folder does not say how many pairs may be missing.'],
  ])('says how complete the descriptor level is (%#)', async (completeness, said) => {
    const { document } = await reportOf({
      dataset: await pictures(4),
      config: { levels: ['descriptor'] },
      summary: { completeness },
    });
    expect(document.querySelector('#completeness')!.textContent).toContain(said);
  });

  it('writes the same bytes again, and takes away the pictures of an older page only', async () => {
    const dataset = await pictures(8, 200);
    const folder = { dataset, groups: [{ captions: ['a', 'a'] }] };
    const { path, page, text } = await reportOf(folder);
    const before = await filesIn(path);
    await writeDedupReport(path, dataset);
    expect(await readFile(page, 'utf8')).toBe(text);
    expect(await filesIn(path)).toEqual(before);
    expect(before.filter((name) => name.endsWith('.jpg'))).toHaveLength(2);
    const foreign = join(path, 'report/images/00');
    await mkdir(foreign, { recursive: true });
    await writeFile(join(foreign, 'mine.jpg'), '');
    await writeDedupFolder(path, { dataset });
    await writeDedupReport(path, dataset);
    expect(await filesIn(path)).toEqual(['images/00/mine.jpg', 'index.html']);
  });

  it('keeps thumbnails within 160 pixels, whatever the shape', async () => {
    const wide = { width: 1200, height: 3, data: new Uint8Array(1200 * 3 * 3).fill(90) };
    const { document } = await reportOf({
      dataset: await fakeDataset({
        a: [
          { caption: 'wide', picture: wide },
          { caption: 'wide', picture: drawing(3, 400) },
        ],
      }),
      groups: [{ captions: ['wide', 'wide'] }],
    });
    const sizes = all(document, '#groups img').map((image) => [
      image.getAttribute('width'),
      image.getAttribute('height'),
    ]);
    expect(sizes).toEqual([
      ['160', '1'],
      ['160', '160'],
    ]);
  });

  it('stops when told to, and leaves no page', async () => {
    const path = join(root, 'stopped');
    const dataset = await pictures(4);
    await writeDedupFolder(path, { dataset, groups: [{ captions: ['a', 'a'] }] });
    const stopped = new AbortController();
    stopped.abort();
    await expect(writeDedupReport(path, dataset, { signal: stopped.signal })).rejects.toThrow(/abort/);
    expect(await filesIn(path)).toEqual([]);
  });

  it('refuses folders that are none, are of another command, or are not finished', async () => {
    const dataset = await pictures(4);
    await expect(writeDedupReport(join(root, 'nowhere'), dataset)).rejects.toThrow('is not a run folder');
    const path = join(root, 'unfinished');
    await writeDedupFolder(path, { dataset });
    await rm(join(path, 'groups.parquet'));
    await expect(writeDedupReport(path, dataset)).rejects.toThrow(
      /groups\.parquet: no such file; run "verbatim dedup"/,
    );
    await rm(join(path, 'summary.json'));
    await expect(writeDedupReport(path, dataset)).rejects.toThrow(
      /summary\.json: is missing; run "verbatim dedup"/,
    );
    const run = JSON.parse(await readFile(join(path, 'run.json'), 'utf8'));
    await writeJsonAtomic(join(path, 'run.json'), { ...run, command: 'audit' });
    await expect(writeDedupReport(path, dataset)).rejects.toThrow('is the folder of "verbatim audit"');
  });
});

async function filesIn(path: string): Promise<string[]> {
  const folder = join(path, 'report');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
