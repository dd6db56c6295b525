import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromParquet, sql, tableFiles } from '../src/tables/index.ts';
import { png } from './damage.ts';
import { buildProgram, copyModel, expectOneLine, type Program, snapshot } from './program.ts';

/** Hostile captions and broken pictures in a data set: the audit goes on, the rest of the disk stays as it was. */

const captions = [
  'x'.repeat(10_000),
  '',
  '../../../../etc/passwd',
  '/etc/shadow',
  'C:\\Windows\\..\\..\\x',
  '<script>alert("caption")</script>',
  '"><img src=x onerror=alert(1)>',
  "</title></style></textarea>'`--><svg onload=alert(1)>",
  'javascript:alert(1)',
  'a\0b',
  '😀👩‍👩‍👧 🇫🇷 ﷽ Z̴̡͠a̵l̶g̷o̸',
  '\u202eevil \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627',
  "'); DROP TABLE candidates; --",
  '$(touch pwned) `touch pwned` %n $(exit 9) {{7*7}}',
  'two\nlines\r\nand\ta tab',
  '__proto__',
  ' ',
];
/** Pictures that cannot be read, and what their rows must say. */
const broken: readonly (readonly [string, Buffer | null, RegExp])[] = [
  ['cut.png', png(64, 64, 9).subarray(0, 60), /cut\.png.*damaged/],
  ['text.png', Buffer.from('<html>404 not found</html>'), /text\.png.*not a picture/],
  ['huge.png', png(50_000, 50_000, 0, 2), /huge\.png.*50000 × 50000 pixels exceed the limit/],
  ['empty.png', Buffer.alloc(0), /empty\.png.*0 bytes/],
  ['gone.png', null, /gone\.png.*no such file/],
];

// Every test starts processes, some several; a busy machine takes its time.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
  await copyModel(join(program.folder, 'model'));
  await writeFile(
    join(program.folder, 'audit.yaml'),
    `model: model
dataset: { format: image-folder, path: data }
cascade: [{ attack: dcs }]
synthesis: { steps: 1, samples: 1 }
labels: { rules: [reference] }
threads: 1
output: runs/a
`,
  );
});
afterAll(() => program.remove());

/** A folder of pictures with the metadata file that is given, or none. */
async function dataset(files: Record<string, string | Uint8Array>): Promise<void> {
  const path = join(program.folder, 'data');
  await rm(path, { recursive: true, force: true });
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
}

const jsonLines = (rows: readonly object[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;

describe('an audit over hostile captions and broken pictures', () => {
  /** The files of the working folder, and the names around it. */
  const look = async () => ({
    inside: await snapshot(program.folder),
    around: await readdir(join(program.folder, '..')),
  });
  let before: Awaited<ReturnType<typeof look>>;
  beforeAll(async () => {
    const rows = [
      ...captions.map((text, i) => ({ file_name: `${i}.png`, text })),
      ...broken.map(([file_name]) => ({ file_name, text: `broken ${file_name}` })),
    ];
    await dataset({
      ...Object.fromEntries(captions.map((_, i) => [`${i}.png`, png(64, 64, 10 * i)])),
      ...Object.fromEntries(broken.flatMap(([name, bytes]) => (bytes === null ? [] : [[name, bytes]]))),
      'metadata.jsonl': jsonLines(rows),
    });
    before = await look();
    const { code, stdout, stderr } = await program.run(['audit', 'audit.yaml', '-q']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`report   ${join('runs', 'a', 'report', 'index.html')}`);
  });

  it('keeps every caption as it is', async () => {
    const files = await tableFiles(join(program.folder, 'runs/a/tables/candidates'));
    const kept = await sql<{ caption: string }>(
      `SELECT caption FROM ${fromParquet(files)} ORDER BY dataset_index`,
    );
    expect(kept.map(({ caption }) => caption).slice(0, captions.length)).toEqual(captions);
  });

  it('writes nothing outside the run folder, and inside it only names of our own', async () => {
    const { inside, around } = await look();
    const run = 'runs/a/';
    const outside = Object.entries(inside).filter(([path]) => !path.startsWith(run));
    expect({ inside: Object.fromEntries(outside), around }).toEqual(before);
    for (const path of Object.keys(inside).filter((path) => path.startsWith(run)))
      expect(path.slice(run.length)).toMatch(
        /^(run\.json|log\.jsonl|tables\/[a-z0-9/-]+\/\d{5}\.parquet|(report\/)?images\/[0-9a-f]{2}\/[0-9a-f]{64}\.png|report\/(index\.html|summary\.json|data\/[a-z-]+\.csv)|report\/evidence\/(README\.txt|\d{3}-(TV|MV|RV|none)-[0-9a-f]{12}\/((sample|training|aligned|overlay|difference|mask)\.png|finding\.json)))$/,
      );
  });

  it('shows captions in the report as text and never as markup', async () => {
    const html = await readFile(join(program.folder, 'runs/a/report/index.html'), 'utf8');
    expect(html).not.toMatch(/<script[^>]*>\s*alert/i);
    const { document } = parseHTML(html);
    for (const element of document.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on/i);
        if (name === 'src' || name === 'href') expect(value).not.toMatch(/^(x|javascript:.*)$/i);
      }
      if (/^(script|style|title)$/i.test(element.tagName)) expect(element.textContent).not.toContain('alert');
    }
    expect(document.body.textContent).toContain('<script>alert("caption")</script>');
    expect(document.body.textContent).toContain('"><img src=x onerror=alert(1)>');
  });

  it('counts the broken pictures, says why, and judges all the others', async () => {
    const summary = JSON.parse(
      await readFile(join(program.folder, 'runs/a/report/summary.json'), 'utf8'),
    ) as {
      captions: number;
      judged: number;
      stages: { name: string; items: number; failed: number }[];
      failures: { stage: string; reason: string; count: number }[];
    };
    const all = captions.length + broken.length;
    expect(summary).toMatchObject({ captions: all, judged: captions.length });
    expect(summary.stages.map(({ name, items, failed }) => [name, items, failed])).toEqual([
      ['candidates', all, 0],
      ['scores/1', all, 0],
      ['generations', 2 * all, 0],
      ['labels', all, broken.length],
    ]);
    expect(summary.failures).toHaveLength(broken.length);
    for (const [, , reason] of broken)
      expect(summary.failures).toContainEqual({
        stage: 'labels',
        reason: expect.stringMatching(reason),
        count: 1,
      });
  });
});

describe('a data set', () => {
  it('as CSV gives the same captions', async () => {
    // NUL is no character of a CSV file.
    const texts = captions.filter((text) => !text.includes('\0'));
    const quoted = texts.map((text, i) => `${i}.png,"${text.replaceAll('"', '""')}"`);
    await dataset({ 'metadata.csv': `file_name,text\n${quoted.join('\n')}\n` });
    const { code, stderr } = await program.here(['score', 'audit.yaml', '--set', 'output=runs/csv', '-q']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const files = await tableFiles(join(program.folder, 'runs/csv/tables/candidates'));
    const kept = await sql<{ caption: string }>(
      `SELECT caption FROM ${fromParquet(files)} ORDER BY dataset_index`,
    );
    expect(kept.map(({ caption }) => caption)).toEqual(texts);
  });

  it.each([
    [
      'with a path that leads out',
      { 'metadata.jsonl': jsonLines([{ file_name: '../x.png', text: 'x' }]) },
      'row 0',
    ],
    [
      'with a broken line',
      { 'metadata.jsonl': '{"file_name": "a.png", "text": "x"}\n{"file_na\n' },
      'metadata.jsonl',
    ],
    [
      'without captions',
      { 'metadata.csv': 'file_name,title\na.png,x\n' },
      'has no captions; there is nothing to audit',
    ],
    ['with empty metadata', { 'metadata.jsonl': ' \n' }, 'metadata.jsonl: is empty'],
    [
      'with a short line',
      { 'metadata.csv': 'file_name,text,more\na.png,"x, y",1\nb.png\nc.png,z,3\n' },
      'metadata.csv: line 3 has 1 of 3 columns',
    ],
    ['of random bytes', { 'metadata.parquet': Buffer.alloc(5000, '\x00\xfe\x07') }, 'metadata.parquet'],
    ['without pictures', { 'readme.txt': 'x' }, 'holds no pictures'],
  ])('%s ends in one line that names the place', async (_, files, says) => {
    await dataset(files);
    expectOneLine(await program.here(['audit', 'audit.yaml', '-q', '-o', 'runs/none']), 1, says);
    expect(await readdir(join(program.folder, 'runs')).catch(() => [])).not.toContain('none');
  });

  it('of which no picture can be read opens no gate', async () => {
    await dataset({ 'a.png': 'x', 'b.png': png(64, 64, 7).subarray(0, 50) });
    const args = ['audit', 'audit.yaml', '-q', '-o', 'runs/unread', '--fail-above', '0'];
    const { code, stderr } = await program.here(args);
    expect(stderr).toMatch(/^verbatim: nothing could be judged: labels: [^\n]*(a|b)\.png[^\n]*\n$/);
    expect(code).toBe(1);
  });

  it('of which one cannot be read opens no gate that it could have closed, and says so', async () => {
    await dataset({
      'metadata.csv': 'file_name,text\na.png,one\nb.png,two\n',
      'a.png': png(64, 64, 7),
      'b.png': png(64, 64, 7).subarray(0, 50),
    });
    const args = ['audit', 'audit.yaml', '-q', '-o', 'runs/half'];
    const gated = await program.run([...args, '--fail-above', '0']);
    expect(gated.stdout).toContain('failed   1 of 2 captions could not be judged');
    expect(gated.stderr).toMatch(
      /^verbatim: --fail-above 0 cannot be decided: 0 images found, but 1 caption could not be judged \(labels: .*b\.png/,
    );
    expect(gated.code).toBe(1);
    expect((await program.here([...args, '--fail-above', '1'])).code).toBe(0);
  });
});
