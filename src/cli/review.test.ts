import { spawn } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { joinCaptions, readReportData, type Summary } from '../reports/index.ts';
import { syntheticRun } from '../reports/testing/synthetic-run.ts';
import {
  addReview,
  auditConfigSchema,
  dataOfPlanted,
  readReviews,
  runAudit,
  runFolder,
} from '../stages/index.ts';
import { fakeAuditConfig } from '../stages/testing/fake-config.ts';
import { fakeModel, fakePlantedSet } from '../stages/testing/fake-model.ts';
import { compiled } from '../testing/compiled.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { run } from './testing/in-process.ts';

const root = temporaryFolder('review');
const path = join(root, 'run');
let hostile: string;

interface Listed {
  readonly key: string;
  readonly sample: number;
  readonly verdict: string;
  readonly distance: number;
  readonly review: string | null;
  readonly reason: string | null;
  readonly caption: string;
  readonly image: string;
}
const list = async () => JSON.parse((await run('review', path, '--json')).stdout) as Listed[];
const summary = async () => JSON.parse(await readFile(join(path, 'report/summary.json'), 'utf8')) as Summary;
const page = () => readFile(join(path, 'report/index.html'), 'utf8');

async function reviewFiles(folder = path): Promise<Record<string, string>> {
  const at = join(folder, 'tables/reviews');
  const files: Record<string, string> = {};
  for (const name of await readdir(at).catch(() => []))
    files[name] = (await readFile(join(at, name))).toString('base64');
  return files;
}

beforeAll(async () => {
  await syntheticRun({ side: 8, synthesized: 40 }, path);
  hostile = '<img src=x onerror=alert(1)>';
  await run('report', path);
});

describe('verbatim review', () => {
  it('lists the findings, the nearest first, with their state', async () => {
    const rows = await list();
    expect(rows).toHaveLength((await summary()).found.captions);
    expect(rows.map(({ distance }) => distance)).toEqual(
      rows.map(({ distance }) => distance).sort((a, b) => a - b),
    );
    for (const row of rows) expect(row).toMatchObject({ verdict: 'MV', review: null, reason: null });
    const { stdout } = await run('review', path);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(rows.length);
    const first = rows[0]!;
    expect(lines[0]).toBe(
      `open      MV  ${first.distance.toPrecision(4).padStart(8)}  ${first.sample}  "${first.key}"  ${JSON.stringify(first.caption)}`,
    );
  });

  it('rejects a finding: not counted, shown apart with the reason, said in the line of what was found', async () => {
    const before = await summary();
    const [target] = await list();
    const rejected = await run('review', path, target!.key, '--reject', '--reason', ` plain\nsky ${hostile}`);
    expect(rejected.code).toBe(0);
    expect(rejected.stdout).toMatch(
      /^rejected "[^"]+", all samples\nfound .*judged; 1 rejected by hand\)\nreport /,
    );
    const after = await summary();
    expect(after.found.captions).toBe(before.found.captions - 1);
    expect(after.reviews).toEqual({ accepted: 0, rejected: 1, outdated: 0 });
    const text = await page();
    expect(text).toContain('Rejected by hand <span class="note">(1)</span>');
    expect(text).toContain('Rejected: <bdi>plain sky &lt;img src=x onerror=alert(1)&gt;</bdi>');
    expect(await list()).toContainEqual(
      expect.objectContaining({ key: target!.key, review: 'reject', reason: `plain sky ${hostile}` }),
    );
    expect((await run('review', path)).stdout).toMatch(/^rejected {2}MV /m);
  });

  it('accepts it again: the newest review counts, and the older one stays in the table', async () => {
    const [target] = (await list()).filter(({ review }) => review === 'reject');
    const before = await reviewFiles();
    const { stdout } = await run('review', path, target!.key, '--accept', '--reason', 'same lamp', '--json');
    const row = JSON.parse(stdout) as Record<string, unknown>;
    expect(row).toEqual({
      key: target!.key,
      sample: null,
      decision: 'accept',
      reason: 'same lamp',
      image: expect.stringMatching(/^[0-9a-f]{64},[0-9a-f]{64}$/),
      error: null,
      file: join(path, 'tables/reviews/00001.parquet'),
    });
    expect((await summary()).reviews).toEqual({ accepted: 1, rejected: 0, outdated: 0 });
    expect(await reviewFiles()).toMatchObject(before);
    expect(Object.keys(await reviewFiles())).toEqual(['00000.parquet', '00001.parquet']);
    expect((await readReviews(runFolder(path))).map(({ decision }) => decision)).toEqual([
      'reject',
      'accept',
    ]);
  });

  it('is about one sample with --sample, and the caption stays found by the other', async () => {
    const captions = joinCaptions(await readReportData(path));
    const found = captions.find(
      ({ neverSeen, samples }) =>
        !neverSeen &&
        samples.length === 2 &&
        samples.every(({ labels, review }) => labels.calibrated?.verdict === 'MV' && !review),
    )!;
    const before = (await summary()).found.captions;
    for (const [sample, less] of [
      [0, 0],
      [1, 1],
    ] as const) {
      const args = ['--reject', '--reason', 'no', '--sample', String(sample)];
      expect((await run('review', path, found.key, ...args)).stderr).toBe('');
      expect((await summary()).found.captions).toBe(before - less);
    }
  });

  it('keeps a gate shut or opens it', async () => {
    const few = join(root, 'few');
    const { code } = await (async () => {
      await syntheticRun({ side: 8, synthesized: 40 }, few);
      return run('report', few);
    })();
    expect(code).toBe(0);
    for (const { key } of JSON.parse((await run('review', few, '--json')).stdout) as Listed[])
      await addReview(runFolder(few), {
        key,
        sample: null,
        decision: 'reject',
        reason: 'no',
        image: joinCaptions(await readReportData(few))
          .find((caption) => caption.key === key)!
          .samples.flatMap(({ image }) => image ?? [])
          .join(','),
        error: null,
      });
    const { stdout } = await run('report', few, '--json');
    expect((JSON.parse(stdout) as Summary).found).toMatchObject({ captions: 0, images: 0 });
  });

  it.each([
    [
      ['no-such-key', '--accept', '--reason', 'x'],
      'has no caption "no-such-key"; the findings are listed by',
    ],
    [['KEY', '--accept'], 'a review needs a reason'],
    [['KEY', '--reject', '--reason', ' \n '], 'a review needs a reason'],
    [['KEY', '--reason', 'x'], 'say one of --accept and --reject'],
    [['KEY', '--accept', '--reject', '--reason', 'x'], 'say one of --accept and --reject'],
    [['KEY', '--reject', '--reason', 'x', '--sample', '9'], 'has no sample 9; those that match are: '],
    [['held-out-00000', '--reject', '--reason', 'x'], 'is not among the findings'],
    [['--reject', '--reason', 'x'], 'goes with the key of a finding'],
  ])('%j is refused in one line with exit code 2, and nothing is written', async (args, message) => {
    const [target] = await list();
    const before = await reviewFiles();
    const named = args.map((arg) => (arg === 'KEY' ? target!.key : arg));
    const { code, stdout, stderr } = await run('review', path, ...named);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(await reviewFiles()).toEqual(before);
  });

  it('says what to do where there are no labels, and where there is no run', async () => {
    const early = join(root, 'early');
    await syntheticRun({ synthesized: 0 }, early);
    const { code, stderr } = await run('review', early);
    expect(stderr).toBe(
      `verbatim: ${early} has no labels, so there is nothing to review; run first: verbatim label ${early}\n`,
    );
    expect(code).toBe(2);
    expect((await run('review', join(root, 'nowhere'))).code).toBe(2);
  });

  it('says so where nothing was found', async () => {
    const nothing = join(root, 'nothing');
    await syntheticRun({ synthesized: 20, nothingFound: true }, nothing);
    expect(await run('review', nothing)).toEqual({
      code: 0,
      stdout: 'nothing was found, so there is nothing to review\n',
      stderr: '',
    });
  });
});

describe('tables/reviews', () => {
  it('loses no review of calls that come at once, nor leaves it out of the report', {
    timeout: 60_000,
  }, async () => {
    const shared = join(root, 'at-once');
    await syntheticRun({ side: 8, synthesized: 12 }, shared);
    const rows = (JSON.parse((await run('review', shared, '--json')).stdout) as Listed[]).slice(0, 3);
    // Processes, since within one there is one database: all of them look for the next number at nearly the same time.
    const main = await compiled('cli/main.ts');
    const codes = await Promise.all(
      rows.map(
        ({ key }) =>
          new Promise((resolve) =>
            spawn(process.execPath, [
              main,
              ...['review', shared, key, '--reject', '--reason', `not ${key}`],
            ]).once('close', resolve),
          ),
      ),
    );
    expect(codes).toEqual([0, 0, 0]);
    expect(Object.keys(await reviewFiles(shared))).toEqual([
      '00000.parquet',
      '00001.parquet',
      '00002.parquet',
    ]);
    const reviews = await readReviews(runFolder(shared));
    expect(reviews.map(({ reason }) => reason).sort()).toEqual(rows.map(({ key }) => `not ${key}`).sort());
    const written = JSON.parse(await readFile(join(shared, 'report/summary.json'), 'utf8')) as Summary;
    expect(written.reviews.rejected).toBe(3);
  });

  it('numbers a review after the newest one, also where older ones are gone', async () => {
    const folder = runFolder(join(root, 'gap'));
    const row = {
      key: 'a',
      sample: null,
      decision: 'reject',
      reason: 'x',
      image: 'f'.repeat(64),
      error: null,
    };
    const files = [];
    for (let i = 0; i < 3; i++) files.push(await addReview(folder, row));
    await rm(files[0]!);
    await rm(files[1]!);
    expect(await addReview(folder, row)).toBe(join(folder.tables, 'reviews/00003.parquet'));
  });

  it('outlives labels that are made anew, and a report; a review of another picture is outdated', async () => {
    const output = join(root, 'audit');
    const audit = async () => {
      const { pipeline, meter } = fakeModel();
      await runAudit({
        config: auditConfigSchema.parse({ ...fakeAuditConfig, labels: { rules: ['calibrated'] }, output }),
        data: dataOfPlanted(fakePlantedSet(), 'A'),
        pipeline,
        meter,
        verbatim: '0.0.0',
        versions: {},
      });
    };
    await audit();
    const [first, second] = JSON.parse((await run('review', output, '--json')).stdout) as Listed[];
    await run('review', output, first!.key, '--reject', '--reason', 'no');
    const other = { decision: 'reject', reason: 'no', image: 'a'.repeat(64), error: null };
    await addReview(runFolder(output), { key: second!.key, sample: null, ...other });
    await writeFile(join(output, 'tables/reviews/note.txt'), 'mine');
    const before = await reviewFiles(output);
    await rm(join(output, 'tables/labels'), { recursive: true });
    await audit();
    const { stdout } = await run('report', output, '--json');
    expect((JSON.parse(stdout) as Summary).reviews).toEqual({ accepted: 0, rejected: 1, outdated: 1 });
    expect(await reviewFiles(output)).toEqual(before);
  });
});
