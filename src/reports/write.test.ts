import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { decodePicture } from '../images/index.ts';
import { runFolder } from '../stages/index.ts';
import { contentPath } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import type { ReportData } from './data.ts';
import { type SyntheticOptions, syntheticRun } from './testing/synthetic-run.ts';
import { writeReport } from './write.ts';

const root = temporaryFolder('report');

let count = 0;
async function reportOf(options: SyntheticOptions, change: (data: ReportData) => ReportData = (d) => d) {
  const path = join(root, `run-${count++}`);
  const data = change(await syntheticRun(options, path));
  const { page, summary } = await writeReport(path, data);
  const text = await readFile(page, 'utf8');
  return { path, text, summary, document: parseHTML(text).document as unknown as Page };
}

/** The little of the DOM that these tests use; the compiler knows no browser here. */
interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Element>;
}
interface Page {
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}
const all = (page: Page, selector: string) => [...page.querySelectorAll(selector)];

describe('writeReport', () => {
  it('writes a page with every section, a chart beside each table, and its figures in summary.json', async () => {
    const { path, document, summary, text } = await reportOf({ side: 16, synthesized: 40, nulls: 500 });
    expect(document.querySelector('h1')!.textContent).toBe(
      `Found ${summary.found.images} training images among ${summary.captions} captions; 0 false positives among ${summary.neverSeen.captions} captions that the model never saw.`,
    );
    expect(all(document, 'section').map((section) => section.getAttribute('id'))).toEqual([
      'funnel',
      'gallery',
      'recall',
      'roc',
      'precision',
      'sure',
      'copies',
      'rules',
      'spent',
      'cost',
      'reproduce',
    ]);
    for (const id of ['recall', 'roc', 'precision', 'sure', 'copies', 'rules', 'spent']) {
      const chart = document.querySelector(`#${id} .pair svg.chart`)!;
      expect(chart.getAttribute('aria-label')).toBeTruthy();
      expect([...chart.querySelectorAll('text')].length).toBeGreaterThan(5);
      expect(document.querySelector(`#${id} .pair table`)).not.toBeNull();
    }
    expect(all(document, '.empty')).toEqual([]);
    expect(JSON.parse(await readFile(join(path, 'report/summary.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(summary)),
    );
    // Nothing that was not computed reaches the reader.
    expect(text).not.toMatch(/\b(NaN|undefined|Infinity|\[object Object\])\b/);
  });

  // One report for both of these: it takes long.
  let asked: ReturnType<typeof reportOf> | undefined;
  const withNulls = () => {
    asked ??= reportOf({ side: 8, synthesized: 30, nulls: 1900 });
    return asked;
  };

  it('has the data of every chart beside the page, and links no others', async () => {
    const { path, document, summary } = await withNulls();
    const links = all(document, 'a[href$=".csv"]').map((link) => link.getAttribute('href')!);
    const files = (await readdir(join(path, 'report/data'))).map((name) => `data/${name}`);
    expect([...links].sort()).toEqual(files.sort());
    expect(links).toHaveLength(all(document, 'svg.chart').length + 1);
    const rows = async (name: string) => {
      const text = await readFile(join(path, `report/data/${name}.csv`), 'utf8');
      const [header, ...lines] = text.trimEnd().split('\r\n');
      return lines.map((line) => {
        const cells = line.split(',');
        return Object.fromEntries(header!.split(',').map((column, i) => [column, cells[i]]));
      });
    };
    expect((await rows('recall')).map(({ copies, found }) => [Number(copies), Number(found)])).toEqual(
      summary.recall.map(({ copies, found }) => [copies, found]),
    );
    const [dcs] = summary.attacks;
    const precision = (await rows('precision')).filter(({ attack }) => attack === dcs!.name);
    expect(precision.map((row) => [row['precision'], row['low'], row['high']].map(Number))).toEqual(
      dcs!.precision.map((point) => [point.precision, point.low, point.high]),
    );
    expect((await rows('significance')).map(({ p_value }) => Number(p_value))).toEqual(
      summary.significance!.ranked.map(({ p }) => p),
    );
    expect(await rows('verbatims')).toHaveLength(summary.rules.length);
    // Of a report that has fewer charts nothing of the older one stays.
    const data = await syntheticRun({ side: 8, synthesized: 0 });
    await writeReport(path, data);
    expect(await readdir(join(path, 'report/data'))).toEqual(['roc.csv']);
  });

  it('says how sure it is, in words that follow from the figures', async () => {
    const { document, summary } = await withNulls();
    const sure = document.querySelector('#sure')!.textContent;
    const { discoveries, falseDiscoveries, tested, findings, top } = summary.significance!;
    expect(discoveries).toBeGreaterThan(2);
    expect(sure).toContain(
      `The seed-variance scores of ${tested} captions were held against those of 1,900 captions`,
    );
    expect(sure).toContain(`At a rate of false discoveries of 5%, ${discoveries} are discoveries`);
    expect(sure).toMatch(/on average at most 5 in 100 were never trained on/);
    expect(sure).toMatch(/1,900 are few/);
    expect(sure).toContain(
      `${falseDiscoveries} of the ${discoveries} ${falseDiscoveries === 1 ? 'was' : 'were'} never seen`,
    );
    expect(all(document, '#sure tbody tr')).toHaveLength(Math.min(10, findings));
    expect(top.map(({ p }) => p)).toEqual([...top.map(({ p }) => p)].sort((a, b) => a - b));
    const facts = [...document.querySelector('#gallery .item')!.querySelectorAll('dt')];
    expect(facts.map((term) => term.textContent)).toEqual(expect.arrayContaining(['p', 'q']));
  });

  it('is a folder of its own: every picture lies in it, and nothing points outside', async () => {
    const { path, document, text } = await reportOf({ side: 16, synthesized: 40 });
    const sources = all(document, 'img').map((image) => image.getAttribute('src')!);
    expect(sources.length).toBeGreaterThan(20);
    for (const source of new Set(sources)) {
      if (source.startsWith('evidence/')) {
        expect(source).toMatch(/^evidence\/\d{3}-(TV|MV|RV|none)-[0-9a-f]{12}\/[a-z]+\.png$/);
        await decodePicture(await readFile(join(path, 'report', source)), { where: source });
        continue;
      }
      expect(source).toMatch(/^images\/[0-9a-f]{2}\/[0-9a-f]{64}\.png$/);
      const [copy, original] = await Promise.all([
        readFile(join(path, 'report', source)),
        readFile(join(path, source)),
      ]);
      expect(copy.equals(original)).toBe(true);
    }
    expect(text).not.toMatch(/(src|href)="(https?:|\/|\.\.)/);
    expect(text).not.toContain('@import');
  });

  it('writes the same bytes again', async () => {
    const first = await reportOf({ side: 8, synthesized: 30 });
    const again = await writeReport(first.path);
    expect(await readFile(again.page, 'utf8')).toBe(first.text);
  });

  it('shows found captions before near misses, each as a pair with its difference, and all rules to unfold', async () => {
    const { document } = await reportOf({ side: 8, synthesized: 30 });
    const headings = all(document, '#gallery h3').map((h) => h.textContent.replace(/ \(\d.*/, ''));
    expect(headings).toEqual(['Matching verbatim (MV)', 'Near misses', 'Highest scores not found']);
    const first = document.querySelector('#gallery .item')!;
    const captions = (selector: string) =>
      [...first.querySelectorAll(`${selector} figcaption`)].map((c) => c.textContent);
    expect(captions('.pictures').slice(0, 4)).toEqual([
      'training image',
      expect.stringMatching(/^sample [01]$/),
      'overlay',
      'difference',
    ]);
    expect(captions('details .pictures')).toEqual([
      'one step',
      expect.stringMatching(/^sample 0/),
      expect.stringMatching(/^sample 1/),
    ]);
    expect([...first.querySelectorAll('.match')].length).toBeGreaterThan(0);
    expect([...first.querySelectorAll('dt')].map((term) => term.textContent)).toEqual([
      'distance',
      'copies',
      'kind',
      'dcs',
      'dcs-antithetic',
      'noise-difference',
      'seed-variance',
      'ecs',
    ]);
    const rows = [...first.querySelectorAll('details tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].slice(0, 2).map((cell) => cell.textContent),
    );
    expect(rows).toEqual([
      ['0', 'calibrated'],
      ['0', 'reference'],
      ['1', 'calibrated'],
      ['1', 'reference'],
    ]);
  });

  it('says which rule decided, and shows its matches and distances', async () => {
    const both = await reportOf({ side: 8, synthesized: 30 });
    expect(both.document.querySelector('.lead')!.textContent).toContain('by the calibrated rule');
    expect(both.document.querySelector('#rules')!.textContent).toContain('are the calibrated rule’s');
    const { document, summary, text } = await reportOf({ side: 8, synthesized: 30 }, (data) => ({
      ...data,
      labels: data.labels.filter((row) => row.rule === 'reference'),
      calibration: null,
    }));
    expect(summary.found.images).toBeGreaterThan(0);
    expect(document.querySelector('h1')!.textContent).toMatch(/^Found [1-9]/);
    expect(document.querySelector('.lead')!.textContent).toContain('by the reference rule');
    const rules = document.querySelector('#rules')!;
    expect(rules.textContent).toContain('are the reference rule’s');
    expect(rules.textContent).toContain('threshold 2,500');
    expect(rules.textContent).not.toMatch(/calibrated rule’s|RMS/);
    expect([...document.querySelectorAll('#gallery .match')].length).toBeGreaterThan(0);
    expect(document.querySelector('#recall')!.textContent).toContain('by the reference rule');
    expect(text).not.toMatch(/\b(NaN|undefined|Infinity|\[object Object\])\b/);
  });

  it('puts false positives first', async () => {
    const { document, summary } = await reportOf({}, (data) => {
      const unseen = new Set(data.truth.filter((row) => !row.member).map((row) => row.key));
      return {
        ...data,
        labels: data.labels.map((row) => (unseen.has(row.key) ? { ...row, verdict: 'MV' } : row)),
      };
    });
    expect(summary.falsePositives).toBeGreaterThan(0);
    expect(document.querySelector('#gallery h3')!.textContent).toBe(
      `False positives (${summary.falsePositives})`,
    );
    expect(document.querySelector('h1')!.textContent).toContain(`${summary.falsePositives} false positive`);
  });
});

describe('hostile content', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '</bdi></article><iframe src="https://example.com">',
    '../../../../etc/passwd',
    'NUL \0 and \u202e reversed',
    '',
    `${'long '.repeat(2000)}`,
    '😀 שלום',
  ];

  it('never becomes markup, whatever stands in captions, keys, names and errors', async () => {
    const { document, text } = await reportOf({ captions: hostile, seed: 2, synthesized: 200 }, (data) => ({
      ...data,
      run: {
        ...data.run,
        model: { ...data.run.model, name: hostile[0]! },
        dataset: { ...data.run.dataset, name: hostile[1]! },
        config: { prompt: hostile[3]! },
      },
      // The hostile captions score highest, so that the gallery shows them.
      scores: data.scores.map(({ step, rows }) => ({
        step,
        rows: rows.map((row) => ({
          ...row,
          score:
            step === 1 && data.candidates.slice(0, hostile.length).some(({ key }) => key === row.key)
              ? 1e6
              : row.score,
          error: row.error === null ? null : hostile[1]!,
        })),
      })),
      generations: data.generations.map((row) => ({ ...row, image: row.image && '../../../etc/passwd' })),
    }));
    for (const tag of ['script', 'iframe', 'object', 'embed', 'link', 'base', 'form', 'img'])
      expect([tag, all(document, tag).length]).toEqual([tag, 0]);
    for (const element of all(document, '*'))
      for (const name of ['onerror', 'onmouseover', 'onclick', 'onload'])
        expect(element.getAttribute(name)).toBeNull();
    const captions = all(document, '.caption bdi').map((caption) => caption.textContent);
    expect(captions).toContain(hostile[0]);
    expect(captions).toContain(hostile[3]);
    expect(captions).toContain('(empty caption)');
    expect(captions.some((caption) => caption.endsWith('… (10,000 characters)'))).toBe(true);
    expect(text).not.toContain('\0');
    expect(text).not.toContain('\u202e');
  });

  it('forbids scripts and foreign sources by policy', async () => {
    const { document } = await reportOf({ synthesized: 0 });
    const policy = document
      .querySelector('meta[http-equiv="Content-Security-Policy"]')!
      .getAttribute('content')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('script-src');
    expect(policy).not.toContain('http');
  });
});

describe('empty states', () => {
  const emptyTexts = (document: Page) => all(document, '.empty').map((element) => element.textContent);

  it('without truth', async () => {
    const { document } = await reportOf({ truth: false });
    expect(document.querySelector('h1')!.textContent).toMatch(
      /^Found \d+ training images? among \d+ captions\.$/,
    );
    expect(emptyTexts(document).join(' ')).toMatch(/recall can only be stated[\s\S]*cannot be compared/);
    expect(document.querySelector('#precision svg.chart')).not.toBeNull();
  });

  it('with nothing found', async () => {
    const { document } = await reportOf({ nothingFound: true });
    expect(document.querySelector('h1')!.textContent).toMatch(/^Found no training image among/);
    expect(emptyTexts(document).join(' ')).toMatch(/What came nearest follows[\s\S]*no precision to plot/);
    expect(document.querySelector('#recall svg.chart')).not.toBeNull();
  });

  it('before any synthesis', async () => {
    const { document } = await reportOf({ synthesized: 0 });
    expect(document.querySelector('h1')!.textContent).toMatch(/^No verdict yet/);
    expect(document.querySelector('#roc svg.chart')).not.toBeNull();
    expect(document.querySelector('#recall svg.chart')).toBeNull();
    expect(emptyTexts(document)).toHaveLength(7);
    // A caption without any picture is a line of figures, not a row of empty frames.
    expect(document.querySelector('#gallery .missing')).toBeNull();
    const plain = all(document, '#gallery .item.plain');
    expect(plain.length).toBeGreaterThan(4);
    for (const item of plain) expect(item.textContent).toMatch(/copies\d+[\s\S]*dcs\d/);
  });

  it('with empty tables', async () => {
    const { document, text } = await reportOf({}, (data) => ({
      ...data,
      candidates: [],
      scores: [],
      selections: [],
      generations: [],
      labels: [],
      truth: [],
      calibration: null,
    }));
    expect(emptyTexts(document)).toHaveLength(8);
    expect(text).not.toMatch(/\b(NaN|undefined|Infinity)\b/);
  });

  it('with pictures that are missing or damaged', async () => {
    const path = join(root, 'damaged');
    const data = await syntheticRun({ side: 8, synthesized: 30 }, path);
    const { images } = runFolder(path);
    const shown = data.labels.find((row) => row.verdict === 'MV')!;
    await writeFile(join(images, contentPath(shown.training_image!, 'png')), 'not a picture');
    await rm(join(images, contentPath(shown.image!, 'png')));
    const { page } = await writeReport(path);
    const text = await readFile(page, 'utf8');
    expect(text).not.toContain(shown.training_image!);
    expect(text).not.toContain(shown.image!);
    expect(text).toContain('not stored');
  });
});

describe('a folder that is no run', () => {
  it('is refused and stays as it was', async () => {
    const path = await mkdtemp(join(root, 'empty-'));
    await expect(writeReport(path)).rejects.toThrow(/has no run.json/);
    expect(await readdir(path)).toEqual([]);
  });

  it('says which file is not a calibration', async () => {
    const path = join(root, 'calibration');
    await syntheticRun({ synthesized: 0 }, path);
    await writeFile(join(path, 'calibration.json'), '{"threshold": "low"}');
    await expect(writeReport(path)).rejects.toThrow(/calibration.json is not a calibration/);
  });
});
