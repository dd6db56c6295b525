import { spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { png } from './damage.ts';
import { buildProgram, copyModel, expectOneLine, type Program, snapshot } from './program.ts';

/** Disks that are full or closed, and output folders that are not ours: one line, nothing half-written. */

// Every test starts processes, some several; a busy machine takes its time.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

let program: Program;
/** Every file of an undisturbed run. */
let whole: Record<string, string>;
beforeAll(async () => {
  program = await buildProgram();
  const at = (path: string) => join(program.folder, path);
  await copyModel(at('model'));
  await mkdir(at('data'));
  for (let i = 0; i < 6; i += 1) await writeFile(at(`data/picture ${i}.png`), png(64, 64, 40 * i));
  await writeFile(
    at('audit.yaml'),
    `model: model
dataset: { format: image-folder, path: data }
cascade: [{ attack: dcs }]
synthesis: { steps: 1, samples: 1 }
labels: { rules: [reference] }
threads: 1
shardSize: 4
output: runs/whole
`,
  );
  await writeFile(at('lab.yaml'), 'planted: { uniques: 8, heldOut: 500 }\n');
  await writeFile(at('file'), 'a file of the user\n');
  const { code, stderr } = await program.run(['audit', 'audit.yaml', '-q']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  whole = await snapshot(at('runs/whole'));
});
afterAll(() => program.remove());

const audit = (output: string, ...more: string[]) => ['audit', 'audit.yaml', '-q', '-o', output, ...more];

/** What may stand in an unfinished run: files of the undisturbed one, byte for byte, and what tells the time. */
async function expectWholeFiles(output: string): Promise<void> {
  for (const [path, base64] of Object.entries(await snapshot(join(program.folder, output)))) {
    const text = Buffer.from(base64, 'base64').toString();
    if (path === 'log.jsonl') continue;
    else if (path === 'report/summary.json') expect(JSON.parse(text)).toHaveProperty('failures');
    else if (path === 'report/index.html') expect(text.trimEnd()).toMatch(/<\/html>$/);
    else if (path === 'run.json') expect(JSON.parse(text)).toHaveProperty('config.shardSize', 4);
    else expect({ [path]: base64 }).toEqual({ [path]: whole[path] });
  }
}

async function expectGoesOn(output: string): Promise<void> {
  const { code, stderr } = await program.here(audit(output));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const files = await snapshot(join(program.folder, output));
  const tables = (all: Record<string, string>) =>
    Object.fromEntries(Object.entries(all).filter(([path]) => /^(tables|images)\//.test(path)));
  expect(tables(files)).toEqual(tables(whole));
}

describe.skipIf(process.platform === 'win32')('a limit on the size of files', () => {
  // In units of 512 bytes: the first file that is made, a page of the report.
  it.each([0, 8])('of %i blocks ends in one line; without it the run goes on', async (blocks) => {
    const limited = await program.run(audit('runs/limit'), { shell: `ulimit -f ${blocks}; exec "$@"` });
    expectOneLine(limited, 1, 'cannot write runs/limit', 'file size limit');
    await expectWholeFiles('runs/limit');
    if (blocks > 0) await expectGoesOn('runs/limit');
  });
});

/**
 * Runs a program with a disk of its own at the folder `disk`, which is gone with it: what it holds is copied
 * to `kept` first. Needs Linux and user namespaces, but not root.
 */
const onDisk = (options: string, kept: string) => `exec unshare --mount --map-root-user sh -c '
  options=$1 kept=$2; shift 2
  mkdir -p disk "\${kept%/*}" && mount -t tmpfs -o "$options" tmpfs disk || exit 99
  "$@"; code=$?; cp -R disk "$kept"; exit $code' sh ${options} ${kept} "$@"`;
const hasDisks =
  spawnSync('unshare', ['--mount', '--map-root-user', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

describe.skipIf(!hasDisks)('a disk', () => {
  // 6 training pictures, 12 generated ones and the tables take 100 KiB and more, in pages of 4 KiB.
  it.each([8, 80])('of %i KiB that fills up ends in one line; with room the run goes on', async (size) => {
    const kept = `runs/full-${size}`;
    const full = await program.run(audit('disk'), { shell: onDisk(`size=${size}k`, kept) });
    expectOneLine(full, 1, 'cannot write disk', 'no space left on the disk');
    await expectWholeFiles(kept);
    if (size === 80) await expectGoesOn(kept);
  });

  it('that is read-only is named', async () => {
    const shell = onDisk('ro', 'runs/closed');
    expectOneLine(await program.run(audit('disk'), { shell }), 1, 'cannot write disk', 'read-only');
  });
});

it.skipIf(process.platform !== 'linux')(
  'a full standard output is said, and the exit code is 1',
  async () => {
    const outcome = await program.run(['schema', 'audit'], { shell: 'exec "$@" >/dev/full' });
    expectOneLine(outcome, 1, 'cannot write to standard output');
  },
);

describe('an output folder', () => {
  const aFile = 'a part of its path is a file';
  const refused: readonly (readonly [string, readonly string[], number, string, string])[] = [
    ['that is a file', audit('file'), 1, 'cannot write file', aFile],
    ['without a name', audit(''), 1, 'cannot write', 'an empty name'],
    ['with a name of 300 letters', audit('x'.repeat(300)), 1, 'cannot write xxx', 'too long'],
    ['with files of others', audit('data'), 2, 'data is not empty and no run folder', 'picture 0.png'],
    ['of report that is a file', ['report', 'file'], 2, 'file is not a run folder', 'run.json'],
    [
      'of generate that is a file',
      ['generate', '--model', 'model', '--caption', 'x', '-q', '-o', 'file'],
      1,
      'cannot write file',
      aFile,
    ],
    [
      'of lab train that is a file',
      ['lab', 'train', 'lab.yaml', '-q', '-o', 'file'],
      1,
      'cannot write file',
      aFile,
    ],
  ];
  it.each(refused)('%s is refused, and left as it was', async (_, args, code, what, why) => {
    const before = await snapshot(program.folder);
    expectOneLine(await program.here(args), code, what, why);
    expect(await snapshot(program.folder)).toEqual(before);
  });

  it('that is a link to nowhere is refused', async () => {
    await symlink(join(program.folder, 'nowhere', 'at', 'all'), join(program.folder, 'link'));
    expectOneLine(await program.here(audit('link')), 1, 'cannot write link', 'a link that leads nowhere');
    await rm(join(program.folder, 'link'));
  });

  it('of another config is refused by the first key that differs, and stays as it is', async () => {
    const before = await snapshot(join(program.folder, 'runs/whole'));
    const other = await program.here(audit('runs/whole', '--set', 'synthesis.samples=2', '--seed', '5'));
    expectOneLine(other, 2, 'runs/whole holds another run: config.seed is 0 there and 5 here');
    await writeFile(join(program.folder, 'data/one more.png'), png(64, 64, 3));
    expectOneLine(
      await program.here(audit('runs/whole')),
      2,
      'runs/whole holds another run: dataset.digest is',
    );
    await rm(join(program.folder, 'data/one more.png'));
    expect(await snapshot(join(program.folder, 'runs/whole'))).toEqual(before);
  });

  it('that a living process holds is refused', async () => {
    await mkdir(join(program.folder, 'runs/held'), { recursive: true });
    const holder = { pid: process.pid, host: hostname(), started: '' };
    await writeFile(join(program.folder, 'runs/held/lock.json'), JSON.stringify(holder));
    expectOneLine(await program.run(audit('runs/held')), 1, `runs/held is in use by process ${process.pid}`);
  });

  const root = process.getuid?.() === 0;
  it.skipIf(process.platform === 'win32')('without permission to write is named', async (context) => {
    const closed = join(program.folder, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o555);
    // Root may write everywhere: another user tries, where the checkout can be read by others.
    const options = root ? { uid: 65_534 } : {};
    if ((await program.run(['--version'], options)).code !== 0) context.skip();
    expectOneLine(
      await program.run(audit('closed/run'), options),
      1,
      'cannot write closed/run',
      'no permission',
    );
    expect(await snapshot(closed)).toEqual({});
  });
});

describe('a run folder in which', () => {
  const report = ['report', 'runs/damaged'];
  const notOurs = 'run.json is not a description of a run';
  const damages: readonly (readonly [
    string,
    (run: string) => Promise<void>,
    readonly string[],
    number,
    readonly string[],
  ])[] = [
    [
      'a table is cut short',
      (run) => truncate(join(run, 'tables/labels/00000.parquet'), 100),
      audit('runs/damaged'),
      1,
      ['tables/labels/00000.parquet: not a readable Parquet file', 'delete it'],
    ],
    [
      'a table is another one',
      (run) => cp(join(run, 'tables/labels/00000.parquet'), join(run, 'tables/candidates/00000.parquet')),
      report,
      1,
      ['tables/candidates/00000.parquet: column', 'is missing'],
    ],
    [
      'calibration.json is no JSON',
      (run) => writeFile(join(run, 'calibration.json'), '{"threshold": '),
      report,
      1,
      ['calibration.json'],
    ],
    [
      'run.json is cut short',
      (run) => truncate(join(run, 'run.json'), 40),
      audit('runs/damaged'),
      2,
      [notOurs],
    ],
    [
      'run.json is of another kind',
      (run) => writeFile(join(run, 'run.json'), '{"config": {}, "model": {"digest": "x"}}'),
      report,
      2,
      [notOurs],
    ],
  ];
  it.each(damages)('%s is refused by the name of the file', async (_, damage, args, code, says) => {
    const run = join(program.folder, 'runs/damaged');
    await cp(join(program.folder, 'runs/whole'), run, { recursive: true });
    await damage(run);
    expectOneLine(await program.here(args), code, ...says);
    await rm(run, { recursive: true });
  });
});
