import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { column, readTable } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { fingerprint } from '../testing/fingerprint.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { ended, killAsItGrows } from '../testing/kills.ts';
import {
  cutShards,
  errorText,
  openRun,
  type RunDescription,
  readLog,
  readRun,
  runFolder,
  runStage,
  runTable,
  type StageProgress,
  stageCosts,
} from './index.ts';
import { lockFolder } from './lock.ts';

const root = temporaryFolder('stages');

let fakeRun: string;
beforeAll(async () => {
  fakeRun = await compiled('stages/testing/fake-run.ts');
});
function startFakeRun(path: string, delayMs: number): ChildProcess {
  const args = [fakeRun, path, '60', '4', String(delayMs)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

const description = (config: RunDescription['config']): RunDescription => ({
  command: 'audit',
  verbatim: '0.1.0',
  versions: { duckdb: '1' },
  model: { name: 'm', digest: 'aa' },
  dataset: { name: 'd', digest: 'bb', size: 3 },
  heldOut: null,
  config,
});

describe('a killed run', { timeout: 240_000 }, () => {
  it('goes on from its shards and ends with the bytes of an undisturbed one', async () => {
    const undisturbed = join(root, 'undisturbed');
    expect(await ended(startFakeRun(undisturbed, 0))).toBe(0);
    const expected = await fingerprint(undisturbed);
    expect(Object.keys(expected).filter((file) => file.startsWith('tables/'))).toHaveLength(30);
    expect(expected).not.toHaveProperty('lock.json');

    const killed = join(root, 'killed');
    const start = () => startFakeRun(killed, 2);
    const kills = await killAsItGrows(start, killed, (before) => 9 + ((before * 11) % 23));
    expect(kills).toBeGreaterThan(1);
    expect(await fingerprint(killed)).toEqual(expected);

    // Every shard was logged at most once more than it was written, so what was paid is what was needed
    // and at most a shard per kill.
    const log = (await readLog(join(killed, 'log.jsonl'))).filter(({ stage }) => stage === 'generations');
    const paid = log.reduce((sum, { evaluations }) => sum + evaluations, 0);
    expect(paid).toBeLessThanOrEqual(120 + kills * 8);
  });

  it('keeps a failed item as a row', async () => {
    const path = join(root, 'failed');
    expect(await ended(startFakeRun(path, 0))).toBe(0);
    const rows = await readTable(await runTable(runFolder(path), 'generations'), {
      key: column('VARCHAR'),
      error: { type: 'VARCHAR', nullable: true },
    } as const);
    expect(rows).toHaveLength(60);
    expect(rows.filter(({ error }) => error !== null).map(({ key, error }) => [key, error])).toEqual(
      ['3', '13', '23', '33', '43', '53'].map((n) => [`item-${n}`, `no picture for item-${n}`]),
    );
  });
});

describe('runStage', () => {
  const columns = { key: column('VARCHAR') } as const;

  it('stops between shards when its signal fires and keeps what is whole', async () => {
    const folder = runFolder(join(root, 'aborted'));
    const controller = new AbortController();
    const stage = (signal?: AbortSignal) =>
      runStage({
        folder,
        name: 'scores/1',
        columns,
        shards: cutShards(['a', 'b', 'c', 'd', 'e'], 2),
        items: (shard) => shard.length,
        signal,
        process: async (shard, { index }) => {
          if (index === 1 && signal !== undefined) controller.abort(new Error('stop'));
          return shard.map((key) => ({ key }));
        },
      });
    await expect(stage(controller.signal)).rejects.toThrow('stop');
    expect(await runTable(folder, 'scores')).toHaveLength(2);
    expect(await stage()).toEqual({ shards: 3, computed: 1 });
    expect(await stage()).toEqual({ shards: 3, computed: 0 });
    const rows = await readTable(await runTable(folder, 'scores'), columns);
    expect(rows.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('tells how far it is, with what was there already', async () => {
    const folder = runFolder(join(root, 'progress'));
    const meter = { evaluations: 100 };
    const seen: StageProgress[] = [];
    let fail = true;
    const stage = () =>
      runStage({
        folder,
        name: 'scores',
        columns,
        shards: cutShards(['a', 'b', 'c'], 2),
        items: (shard) => shard.length,
        meter,
        onProgress: (progress) => seen.push(progress),
        process: async (shard, { index, advance }) => {
          if (index === 1 && fail) throw new Error('broken');
          for (const _ of shard) {
            meter.evaluations += 2;
            advance(1);
          }
          return shard.map((key) => ({ key }));
        },
      });
    await expect(stage()).rejects.toThrow('broken');
    expect(seen.map(({ done, evaluations }) => [done, evaluations])).toEqual([
      [0, 0],
      [1, 2],
      [2, 4],
    ]);
    fail = false;
    seen.length = 0;
    await stage();
    expect(seen[0]).toEqual({
      stage: 'scores',
      done: 2,
      total: 3,
      resumed: 2,
      failed: 0,
      evaluations: 0,
    });
    expect(seen.at(-1)).toMatchObject({ done: 3, evaluations: 2 });
  });

  it('makes an empty table for no items, so that a later stage can read it', async () => {
    const folder = runFolder(join(root, 'empty'));
    await runStage({
      folder,
      name: 'labels',
      columns,
      shards: cutShards<string>([], 10),
      items: (shard) => shard.length,
      process: async () => [],
    });
    const files = await runTable(folder, 'labels');
    expect(files).toHaveLength(1);
    expect(await readTable(files, columns)).toEqual([]);
  });

  it('refuses a name that could leave the folder', async () => {
    const stage = runStage({
      folder: runFolder(root),
      name: '../x',
      columns,
      shards: [],
      items: () => 0,
      process: async () => [],
    });
    await expect(stage).rejects.toThrow("'../x' is no name for a stage");
  });
});

describe('a run folder', () => {
  it("refuses another run's configuration and names the first key that differs", async () => {
    const path = join(root, 'other');
    const first = await openRun(path, description({ seed: 1, select: { dcs: 10 }, threads: 1 }));
    await first.release();
    const same = await openRun(path, description({ seed: 1, select: { dcs: 10 }, threads: 2 }));
    expect(same.resumed).toBe(true);
    await same.release();
    await expect(openRun(path, description({ seed: 1, select: { dcs: 11 }, threads: 1 }))).rejects.toThrow(
      `${path} holds another run: config.select.dcs is 10 there and 11 here; choose another output folder`,
    );
    const model = { ...description({}), model: { name: 'm', digest: 'cc' } };
    await expect(openRun(path, model)).rejects.toThrow('model.digest is "aa" there and "cc" here');
    await expect(openRun(path, description({ seed: 1 }))).rejects.toThrow(
      'config.select is {"dcs":10} there and not set here',
    );
    // A refusal lets go of the folder.
    expect(await readdir(path)).toEqual(['run.json']);
  });

  it('is never made of a folder that holds something else', async () => {
    const path = join(root, 'foreign');
    await mkdir(path);
    await writeFile(join(path, 'thesis.tex'), '');
    await expect(openRun(path, description({}))).rejects.toThrow('is not empty and no run folder');
    expect(await readdir(path)).toEqual(['thesis.tex']);
    await writeFile(join(path, 'run.json'), '{"config": 1');
    await expect(openRun(path, description({}))).rejects.toThrow('is not a description of a run');
    await expect(readRun(join(root, 'nowhere'))).rejects.toThrow('has no run.json');
  });

  it('loses the temporary files of a killed process when it is opened', async () => {
    const path = join(root, 'temporary');
    await (await openRun(path, description({}))).release();
    await mkdir(join(path, 'tables/scores'), { recursive: true });
    await writeFile(join(path, 'tables/scores/.00000.parquet.99-1.tmp'), 'half');
    await (await openRun(path, description({}))).release();
    expect(await readdir(join(path, 'tables/scores'))).toEqual([]);
  });
});

describe('the lock', () => {
  it('keeps a second process out and is gone afterwards', async () => {
    const path = join(root, 'locked');
    const release = await lockFolder(path);
    await expect(lockFolder(path)).rejects.toThrow(`${path} is in use by process ${process.pid}`);
    await release();
    expect(await readdir(path)).toEqual([]);
    await (await lockFolder(path))();
  });

  it.each([
    ['a process that has ended', { pid: 2 ** 22 + 1, host: hostname(), started: '1' }],
    ['an earlier process with our number', { pid: process.pid, host: hostname(), started: '1' }],
    ['nobody: cut short', '{"pid": 1'],
  ])('of %s is taken over', async (_, content) => {
    const path = join(root, 'stale');
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'lock.json'), typeof content === 'string' ? content : JSON.stringify(content));
    const release = await lockFolder(path);
    expect(JSON.parse(await readFile(join(path, 'lock.json'), 'utf8')).pid).toBe(process.pid);
    await release();
    expect(await readdir(path)).toEqual([]);
  });

  it('of another host is respected, since nobody can ask it', async () => {
    const path = join(root, 'elsewhere');
    await mkdir(path, { recursive: true });
    await writeFile(
      join(path, 'lock.json'),
      JSON.stringify({ pid: 1, host: `${hostname()}-2`, started: '1' }),
    );
    await expect(lockFolder(path)).rejects.toThrow(`in use by ${hostname()}-2`);
  });

  it('has one holder when several find the same stale one', async () => {
    const path = join(root, 'raced');
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'lock.json'), '{}');
    const script = `import { lockFolder } from ${JSON.stringify(pathToFileURL(await compiled('stages/lock.ts')).href)};
      try { await lockFolder(${JSON.stringify(path)}); console.log('got it'); setInterval(() => {}, 1000); }
      catch { process.exit(3); }`;
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' }),
    );
    let holders = 0;
    for (const child of children) child.stdout.on('data', () => (holders += 1));
    const ends = children.map(ended);
    // All but the holder give up by themselves.
    let left = children.length;
    await new Promise<void>((resolve) => {
      for (const end of ends)
        void end.then(() => {
          left -= 1;
          if (left === 1) resolve();
        });
    });
    for (const child of children) child.kill('SIGKILL');
    expect((await Promise.all(ends)).sort()).toEqual([3, 3, 'SIGKILL']);
    expect(holders).toBe(1);
  });
});

describe('the log', () => {
  it('is read around a line that was cut short, and summed by stage', async () => {
    const path = join(root, 'log.jsonl');
    const entry = { stage: 'scores/1', shard: 0, rows: 4, failed: 0, evaluations: 8, seconds: 1.5 };
    await appendFile(path, `${JSON.stringify(entry)}\n{"stage":"scores/1","sha\n`);
    await appendFile(path, `${JSON.stringify({ ...entry, shard: 1 })}\n`);
    const entries = await readLog(path);
    expect(entries).toHaveLength(2);
    expect(stageCosts(entries).get('scores/1')).toEqual({ evaluations: 16, seconds: 3 });
    expect(await readLog(join(root, 'nowhere'))).toEqual([]);
  });
});

it('an error becomes one bounded line', () => {
  expect(errorText(new Error('a\n  b'))).toBe('a b');
  expect(errorText("/home/me/data/0001.png: cut short at '/x/y/z.tar', see images/ab/1.png")).toBe(
    "0001.png: cut short at 'z.tar', see images/ab/1.png",
  );
  expect(errorText('C:\\Users\\me\\x.png is damaged, 1/2 read, https://a.b/c')).toBe(
    'x.png is damaged, 1/2 read, https://a.b/c',
  );
  expect(errorText('x'.repeat(1000))).toHaveLength(500);
  expect(errorText(new Error(''))).toBe('unknown error');
});
