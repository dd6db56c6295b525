import { type ChildProcess, spawn } from 'node:child_process';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compiled } from '../testing/compiled.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { schemaText } from './commands/schema.ts';
import { packageRoot, packageVersion } from './package.ts';
import { runCommandLine } from './run.ts';
import { type Outcome, run } from './testing/in-process.ts';

let main: string;
/** A real Stable Diffusion in miniature with random weights. */
const model = join(packageRoot, 'src/models/fixtures/sd1');

const folder = temporaryFolder('cli');
const workingFolder = process.cwd();
beforeAll(async () => {
  main = await compiled('cli/main.ts');
  await writeFile(
    join(folder, 'lab.yaml'),
    `seed: 3
planted: { uniques: 12, heldOut: 6, copyCounts: [5], groupsPerCopyCount: 1, familiesPerTwin: 0 }
`,
  );
  await writeFile(
    join(folder, 'audit.yaml'),
    `# An audit of random weights: nothing can be found.
model: ${JSON.stringify(model)}
dataset: { format: lab, path: lab.yaml, twin: A }
cascade: [{ attack: dcs, keep: 6 }, { attack: ecs, keep: 3 }]
synthesis: { steps: 2, samples: 2 }
output: runs/a
batch: 4
shardSize: 4
`,
  );
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(workingFolder);
});

/** The program as its user starts it. */
function start(args: readonly string[]): { child: ChildProcess; end: Promise<Outcome> } {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (said.stdout += data));
  child.stderr.on('data', (data) => (said.stderr += data));
  const end = new Promise<Outcome>((resolve) =>
    child.once('close', (code, signal) => resolve({ code: code ?? signal, ...said })),
  );
  return { child, end };
}

async function tables(path: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(join(path, 'tables'), { recursive: true, withFileTypes: true }))
    if (entry.isFile())
      files[join(entry.parentPath, entry.name).slice(path.length)] = (
        await readFile(join(entry.parentPath, entry.name))
      ).toString('base64');
  return files;
}

describe('the command line', () => {
  it('prints its version and its commands, and loads nothing heavy for that', async () => {
    expect(await start(['--version']).end).toEqual({
      code: 0,
      stdout: `${packageVersion()}\n`,
      stderr: '',
    });
    const { code, stdout } = await run();
    expect(code).toBe(0);
    for (const command of ['audit', 'demo', 'score', 'generate', 'label', 'report', 'review', 'doctor'])
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('ends with its exit code', async () => {
    const { code, stderr } = await start(['report', 'nowhere']).end;
    expect(stderr).toBe('verbatim: nowhere is not a run folder: it has no run.json\n');
    expect(code).toBe(2);
  });

  it('shows a defect as one, with its stack', async () => {
    const broken = vi.spyOn(process.stdout, 'write').mockImplementation(() => {
      throw new TypeError('a bug of ours');
    });
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      expect(await runCommandLine(['schema', 'audit'])).toBe(1);
      expect(stderr.mock.calls.join('')).toMatch(
        /TypeError: a bug of ours\n {4}at [\s\S]*this is a defect in verbatim/,
      );
    } finally {
      broken.mockRestore();
      stderr.mockRestore();
    }
  });

  it.each([
    [['adit'], "unknown command 'adit'\n(Did you mean audit?)"],
    [['audit'], "missing required argument 'config'"],
    [['audit', 'a.yaml', '--fial-above', '1'], "unknown option '--fial-above'\n(Did you mean --fail-above?)"],
    [['audit', 'a.yaml', '--limit', '0'], 'Expected a whole number of at least 1.'],
    [['audit', 'a.yaml', '--provider', 'tpu'], 'Allowed choices are auto, cpu, webgpu, cuda'],
  ])('%j is wrong usage: what, how, exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^verbatim: /);
    expect(stderr).toContain(message);
    expect(stderr).toContain('usage: verbatim');
    expect(stderr).not.toContain('    at ');
  });

  it('explains an audit with an example', async () => {
    const { code, stdout } = await run('audit', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('verbatim audit audit.yaml --fail-above 0');
    expect(stdout).toContain('Exit codes:');
  });

  it.each([
    [['audit', 'nowhere.yaml'], 'nowhere.yaml: no such file'],
    [
      ['audit', 'audit.yaml', '--set', 'cascde=[]'],
      "--set cascde=[]: unknown key 'cascde'; did you mean 'cascade'?",
    ],
    [['audit', 'audit.yaml', '--model', 'nowhere'], 'nowhere'],
    [['audit', 'audit.yaml', '--set', 'dataset.path=none.yaml'], 'none.yaml: no such lab config'],
    [['audit', 'audit.yaml', '--max-evaluations', '9'], 'and maxEvaluations is 9'],
    [
      ['audit', 'audit.yaml', '--budget', '100'],
      'cascade: budget plans what each step keeps; leave out its keep and budget (and a step of cliques), or budget\n',
    ],
    [
      ['audit', 'audit.yaml', '--budget', '5', '--set', 'cascade=[{attack: dcs-antithetic}]'],
      'budget: 5 evaluations are too few; the least is ',
    ],
    [['report', 'nowhere'], 'nowhere is not a run folder'],
    [['score'], 'give a config, a run folder, or --model with --caption'],
    [
      ['score', '--model', model, '--caption', 'x', '--attack', 'dsc'],
      '--attack dsc: attack: expected "dcs", "ecs"',
    ],
    [['score', '--model', model, '--caption', 'x', '--attack', 'dsc'], "did you mean 'dcs'?"],
    [['score', '--model', model, '--caption', 'x', '--attack', '[dcs]'], 'got a list'],
    [
      ['score', 'audit.yaml', '--attack', 'ecs'],
      '--attack goes with --model and captions; for a config use --set alsoScore=[NAME]',
    ],
    [['score', 'audit.yaml', '--caption', 'x'], '--caption goes with --model'],
    [['generate', 'audit.yaml', '--captions', 'x.txt'], '--captions goes with --model'],
    [['score', '--model', model, '--caption', 'x', '--set', 'seed=3'], '--set goes with a config'],
    [['score', '--model', model, '--caption', 'x', '-o', 'x'], '--output goes with a config'],
    [['generate', '--model', model, '--caption', 'x', '--limit', '1'], '--limit goes with a config'],
    [['score', '--model', model, '--captions', '.'], '--captions .: is a folder; expected a text file'],
  ])('%j ends in one line and leaves no folder behind', async (args, message) => {
    const { code, stderr } = await run(...args, ...(args[0] === 'audit' ? ['-o', 'runs/none', '-q'] : []));
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^verbatim: /);
    expect([1, 2]).toContain(code);
    expect(await readdir(join(folder, 'runs')).catch(() => [])).not.toContain('none');
  });

  it.each(['audit', 'lab'] as const)(
    'publishes the JSON Schema of the %s config that it reads',
    async (name) => {
      const published = await readFile(join(packageRoot, `schema/${name}.schema.json`), 'utf8');
      // When this fails: npm run --silent verbatim -- schema NAME > schema/NAME.schema.json
      expect(published).toBe(await schemaText(name));
    },
  );

  it('publishes a schema of labs that knows both kinds', async () => {
    const { anyOf } = JSON.parse(await schemaText('lab')) as {
      anyOf: { properties: { kind: { const: string } }; required?: string[] }[];
    };
    expect(anyOf.map(({ properties, required }) => [properties.kind.const, required])).toEqual([
      ['twins', undefined],
      ['ddpm', ['kind']],
    ]);
  });
});

describe('verbatim audit', { timeout: 240_000 }, () => {
  it('shows what it may cost and stops', async () => {
    const { code, stdout } = await run('audit', 'audit.yaml', '--dry-run', '-o', 'runs/dry');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^plan {5}at most \d+ evaluations\n {2}scores\/1 +dcs for every caption/);
    expect(await readdir(folder)).not.toContain('runs');
  });

  it('stops at Ctrl-C with 130, goes on, and ends like an undisturbed one', async () => {
    const whole = await run('audit', 'audit.yaml');
    expect(whole.stderr).toContain('generations      100%');
    expect(whole.stdout).toContain(`report   ${join('runs', 'a', 'report', 'index.html')}`);
    expect(whole.code).toBe(0);

    const { child, end } = start(['audit', 'audit.yaml', '-o', 'runs/b']);
    const scores = join(folder, 'runs/b/tables/scores/1');
    while (child.exitCode === null && (await readdir(scores).catch(() => [])).length === 0) await sleep(2);
    child.kill('SIGINT');
    const stopped = await end;
    expect(stopped.stderr).toContain('verbatim: interrupted; the same command goes on from here');
    expect(stopped.code).toBe(130);
    expect(await readdir(join(folder, 'runs/b'))).not.toContain('lock.json');

    const resumed = await run('audit', 'audit.yaml', '-o', 'runs/b', '--json');
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain('going on with it');
    const summary = JSON.parse(resumed.stdout) as { evaluations: number; labels: Record<string, number> };
    expect(summary.evaluations).toBeGreaterThan(0);
    expect(await tables(join(folder, 'runs/b'))).toEqual(await tables(join(folder, 'runs/a')));
  });

  it('goes on from the run folder alone, and is gated by --fail-above', async () => {
    // Random weights find nothing; a threshold above every distance makes all of them findings.
    const everything = ['labels.rules=[reference]', 'labels.referenceThreshold=1e9'];
    const args = [
      'audit',
      'audit.yaml',
      '-o',
      'runs/gate',
      ...everything.flatMap((key) => ['--set', key]),
      '-q',
    ];
    expect((await run(...args)).code).toBe(0);
    const gated = await run('audit', 'runs/gate', '-q', '--fail-above', '0');
    expect(gated.stdout).toMatch(/^found {4}[1-9]/);
    expect(gated.stderr).toMatch(/^verbatim: \d+ images were found, more than --fail-above 0\n$/);
    expect(gated.code).toBe(100);
    expect((await run('audit', 'runs/gate', '-q', '--fail-above', '1000')).code).toBe(0);
    // What somebody has rejected does not fail it.
    const findings = JSON.parse((await run('review', 'runs/gate', '--json')).stdout) as { key: string }[];
    for (const { key } of findings) await run('review', 'runs/gate', key, '--reject', '--reason', 'noise');
    const opened = await run('audit', 'runs/gate', '-q', '--fail-above', '0');
    expect(opened.stdout).toMatch(
      new RegExp(`^found {4}0 training images.*; ${findings.length} rejected by hand\\)\n`),
    );
    expect(opened.code).toBe(0);
  });

  it('says what a budget is planned for, and stops', async () => {
    const args = ['--dry-run', '--budget', '40', '--set', 'cascade=[{attack: dcs-antithetic}]', '-q'];
    const { code, stdout } = await run('audit', 'audit.yaml', ...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^plan {5}at most \d+ evaluations\n {2}scores\/1 +dcs-antithetic for 16 of 20 captions, drawn: at most \d+ evaluations\n {2}generations +1 picture of 2 dpmpp-2m steps, guidance 1, for the top \d+ by dcs-antithetic, in 1 round/,
    );
    expect(Number(/at most (\d+)/.exec(stdout)![1])).toBeLessThanOrEqual(40);
  });

  it("refuses another config's folder in one line that names the key", async () => {
    const { code, stderr } = await run('audit', 'audit.yaml', '-q', '--set', 'cascade.1.keep=2');
    expect(code).toBe(2);
    expect(stderr).toBe(
      `verbatim: runs/a holds another run: config.cascade.1.keep is 3 there and 2 here; choose another output folder or delete this one\n`,
    );
  });
});

describe('the stages alone', { timeout: 240_000 }, () => {
  it('run up to where they are asked', async () => {
    const scored = await run('score', 'audit.yaml', '--set', 'output=runs/steps', '-q');
    expect(scored.code).toBe(0);
    expect(await readdir(join(folder, 'runs/steps/tables'))).not.toContain('generations');
    expect((await run('generate', 'runs/steps', '-q')).code).toBe(0);
    expect(await readdir(join(folder, 'runs/steps/tables'))).not.toContain('labels');
    expect((await run('label', 'runs/steps', '-q')).code).toBe(0);
    expect(await tables(join(folder, 'runs/steps'))).toEqual(await tables(join(folder, 'runs/a')));
    const report = await run('report', 'runs/steps');
    expect(report.stdout).toBe(`${join('runs', 'steps', 'report', 'index.html')}\n`);
  });

  it('labels a run anew with other thresholds, and generates nothing for it', async () => {
    const path = join(folder, 'runs/steps');
    const before = await tables(path);
    expect((await run('label', 'runs/steps', '--again', '-q')).code).toBe(0);
    expect(await tables(path)).toEqual(before);
    const rules = ['--set', 'labels.rules=[reference]', '--set', 'labels.referenceThreshold=1e9'];
    const refused = await run('label', 'runs/steps', ...rules, '-q');
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('holds another run: config.labels'),
    });
    expect(await tables(path)).toEqual(before);
    expect(await run('label', 'runs/steps', '--again', ...rules, '-q')).toMatchObject({
      code: 0,
      stderr: '',
    });
    const after = await tables(path);
    const others = (all: Record<string, string>) =>
      Object.entries(all).filter(([name]) => !/labels|copies|families/.test(name));
    expect(others(after)).toEqual(others(before));
    expect(after).not.toEqual(before);
    const other = await run('label', 'runs/steps', '--again', ...rules, '--set', 'synthesis.steps=3', '-q');
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('config.synthesis.steps') });
    expect(await tables(path)).toEqual(after);
  });

  it('take the flags that stand for keys, and say as JSON where the tables are', async () => {
    const flags = ['--samples', '1', '--steps', '1', '--seed', '7', '--sampler', 'euler', '--limit', '4'];
    const made = await run('generate', 'audit.yaml', ...flags, '-o', 'runs/flags', '--json', '-q');
    expect({ ...made, stdout: JSON.parse(made.stdout) }).toEqual({
      code: 0,
      stdout: { tables: join('runs', 'flags', 'tables') },
      stderr: '',
    });
    const { config } = JSON.parse(await readFile(join(folder, 'runs/flags/run.json'), 'utf8')) as {
      config: Record<string, unknown>;
    };
    expect(config).toMatchObject({
      seed: 0,
      candidates: { limit: 4 },
      synthesis: { samples: 1, steps: 1, seed: 7, sampler: 'euler' },
    });
  });

  it('score and generate for captions from the command line', async () => {
    const captions = ['../<b>\u202e', 'x'.repeat(10_000)];
    await writeFile(join(folder, 'captions.txt'), `${captions.join('\n\n')}\n`);
    const scored = await run('score', '--model', model, '--captions', 'captions.txt', '--json', '-q');
    const rows = JSON.parse(scored.stdout) as { caption: string; attack: string; score: number }[];
    expect(rows.map(({ caption, attack }) => [caption, attack])).toEqual(captions.map((c) => [c, 'dcs']));
    expect(rows.every(({ score }) => Number.isFinite(score))).toBe(true);
    const made = await run(
      'generate',
      '--model',
      model,
      '--caption',
      captions[0]!,
      '--steps',
      '1',
      '-o',
      'p',
      '-q',
    );
    expect(made.stdout).toBe(`${join('p', '00000-0.png')}\n`);
    expect((await readFile(join(folder, 'p/00000-0.png'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it('makes pictures anew after Ctrl-C, and says so', async () => {
    const many = ['--caption', 'a', '--samples', '5000', '--steps', '4', '--batch', '4', '-o', 'anew', '-q'];
    const { child, end } = start(['generate', '--model', model, ...many]);
    const made = join(folder, 'anew');
    while (child.exitCode === null && (await readdir(made).catch(() => [])).length === 0) await sleep(2);
    child.kill('SIGINT');
    const { code, stderr } = await end;
    expect(stderr).toMatch(/^verbatim: interrupted; [^\n]*the same command makes all of them anew\n$/m);
    expect(stderr).not.toContain('goes on from here');
    expect(code).toBe(130);
  });

  /** A copy of the model whose weights of one part are no numbers. */
  const damaged = async (name: string, part: string) => {
    await cp(model, join(folder, name), { recursive: true });
    const path = join(folder, name, part, 'diffusion_pytorch_model.safetensors');
    const bytes = await readFile(path);
    // Behind the header, whose length stands in front of it: every bit set is not a number.
    bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE(0)));
    await writeFile(path, bytes);
  };

  it('says which scores are not numbers, and ends with 1', async () => {
    await damaged('no-numbers', 'unet');
    const args = ['score', '--model', 'no-numbers', '--caption', 'a', '--caption', 'b', '-q'];
    const json = await run(...args, '--json');
    const error = 'the model returned values that are not finite';
    expect(JSON.parse(json.stdout)).toMatchObject([
      { caption: 'a', score: null, error },
      { caption: 'b', score: null, error },
    ]);
    const says = `verbatim: 2 of 2 scores could not be had; the first, dcs of "a": ${error}\n`;
    expect(json).toMatchObject({ code: 1, stderr: says });
    expect(await run(...args)).toEqual({ code: 1, stdout: '', stderr: says });
  });

  it('says which pictures are not numbers, and ends with 1', async () => {
    await damaged('damaged', 'vae');
    const captions = ['--caption', 'a', '--caption', 'b'];
    const made = await run(
      'generate',
      '--model',
      'damaged',
      ...captions,
      '--steps',
      '1',
      '-o',
      'n',
      '-q',
      '--json',
    );
    const rows = JSON.parse(made.stdout) as { file: string | null; error: string | null }[];
    for (const { file, error } of rows) {
      expect(file).toBeNull();
      expect(error).toMatch(/^the model's output is not a number at channel 0, row 0/);
    }
    expect(rows).toHaveLength(2);
    expect(made.stderr).toMatch(/^verbatim: 2 of 2 pictures could not be made; the first, "a" with seed 0: /);
    expect(made.code).toBe(1);
    expect(await readdir(join(folder, 'n'))).toEqual([]);
  });
});
