import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openPipeline, type Pipeline, type SamplerName } from '../diffusion/index.ts';
import { localGenerator } from '../generators/index.ts';
import {
  type Asked,
  type LocalService,
  markedExample,
  type ServiceOptions,
  startService,
} from '../generators/testing/server.ts';
import { allPictures, encodePng } from '../images/index.ts';
import { createMeter } from '../runtime/index.ts';
import { type GenerationRow, generationColumns, labelColumns, runFolder, runTable } from '../stages/index.ts';
import { readTable } from '../tables/index.ts';
import { compiled } from '../testing/compiled.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { openLabConfig } from './open.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

/**
 * The shipped miniature behind each protocol, on a server that drops every tenth request, audited by a client that is
 * killed twice, against the same audit of the same miniature on this machine.
 */

// Every audit is a process that a busy machine takes its time to start.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const folder = temporaryFolder('http-audit');
const key = 'sk-not-to-be-found-anywhere';
let pipeline: Pipeline;

/** Both audits, but for where pictures come from. */
const common = `
dataset: { format: image-folder, path: training }
labels: { rules: [reference] }
threads: 1
shardSize: 4
`;
const scored = `${common}
cascade: [{ attack: ecs, options: { seeds: [0, 1] }, keep: 6 }]
synthesis: { steps: 4, samples: 2, guidance: 1 }
`;
const unscored = `${common}
candidates: { limit: 8 }
cascade: []
synthesis: { steps: 4, samples: 1, guidance: 1 }
`;

/** What was drawn already: both protocols with seeds ask for the same. */
const drawn = new Map<string, Promise<Uint8Array>>();
function draw(asked: Asked): Promise<Uint8Array> {
  const id = JSON.stringify([asked.prompt, asked.seed, asked.steps, asked.cfg]);
  const known = drawn.get(id) ?? drawAnew(asked);
  drawn.set(id, known);
  return known;
}

async function drawAnew({ prompt, seed = 0, steps, cfg, sampler }: Asked): Promise<Uint8Array> {
  const generator = localGenerator(pipeline, { meter: createMeter() });
  // What OpenAI's API has no field for is the service's own: as the audit on this machine has it.
  const settings = {
    steps: steps || 4,
    sampler: (sampler || 'heun') as SamplerName,
    guidance: cfg,
    firstSeed: 0,
  };
  const made = await generator.pictures([{ caption: prompt, seed }], settings);
  return encodePng(allPictures(made.map(({ picture }) => picture))[0]!);
}

/** A part of what the miniature was trained on: pictures that it has memorized, and others. */
async function writeTraining(path: string): Promise<void> {
  await mkdir(path);
  const { truth, picture } = await openLabConfig(join(packageRoot, 'models/lab.yaml'));
  const often = truth.filter(({ kind, twin, copies }) => kind === 'duplicate' && twin === 'A' && copies > 20);
  const once = truth.filter(({ kind, twin }) => kind === 'unique' && twin !== 'B');
  const lines = [];
  for (const row of [...often.slice(0, 6), ...once.slice(0, 5)]) {
    await writeFile(join(path, `${row.key}.png`), await encodePng(await picture(row.pictureIndex)));
    lines.push(JSON.stringify({ file_name: `${row.key}.png`, text: row.caption }));
  }
  await writeFile(join(path, 'metadata.jsonl'), lines.join('\n'));
}

beforeAll(async () => {
  process.env['SERVICE_KEY'] = key;
  await writeTraining(join(folder, 'training'));
  pipeline = await openPipeline(join(packageRoot, 'models/twin-a'), { threads: 1 });
  await writeFile(join(folder, 'workflow.json'), JSON.stringify(markedExample));
  const model = `model: ${JSON.stringify(join(packageRoot, 'models/twin-a'))}\n`;
  for (const [name, config] of Object.entries({ scored, unscored })) {
    const path = join(folder, `${name}.yaml`);
    await writeFile(path, model + config);
    const { code, stderr } = await run('audit', path, '-o', join(folder, name), '-q');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
});
afterAll(async () => {
  delete process.env['SERVICE_KEY'];
  await pipeline.close();
});

/** What an audit made and found, without what a service cannot say. */
async function outcome(name: string) {
  const files = (table: string) => runTable(runFolder(join(folder, name)), table);
  const generations = await readTable(await files('generations'), generationColumns);
  const labels = await readTable(await files('labels'), labelColumns);
  const picture = ({ key, sample, image, error }: GenerationRow) => ({ key, sample, image, error });
  return {
    pictures: generations.filter(({ sample }) => sample >= 0).map(picture),
    found: labels
      .filter(({ verdict }) => verdict !== 'none')
      .map(({ key, sample, image }) => [key, sample, image]),
  };
}

/** An audit by a process of its own, which the service kills. */
async function killedAudit(args: readonly string[], service: { kill?: () => void }) {
  const main = await compiled('cli/main.ts');
  const child = spawn(process.execPath, [main, ...args], { stdio: 'inherit' });
  service.kill = () => child.kill('SIGKILL');
  return new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
}

const sources = {
  automatic1111: (url: string) =>
    `{ kind: automatic1111, url: ${url}, width: 64, height: 64, keyVariable: SERVICE_KEY }`,
  comfyui: (url: string) =>
    `{ kind: comfyui, url: ${url}, workflow: workflow.json, width: 64, height: 64, keyVariable: SERVICE_KEY }`,
  openai: (url: string) =>
    `{ kind: openai, url: ${url}/v1, model: twin-a, width: 64, height: 64, keyVariable: SERVICE_KEY, responseFormat: url, pricePerPicture: 0.04, moneyLimit: 10 }`,
} as const;

describe.each([
  ['automatic1111', scored, 'scored'],
  ['comfyui', scored, 'scored'],
  ['openai', unscored, 'unscored'],
] as const)('an audit through %s', (kind, config, local) => {
  let service: LocalService;
  let kills = 0;
  const control: { kill?: () => void } = {};
  beforeAll(async () => {
    const killAfter = [3, 7];
    const options: ServiceOptions = {
      draw,
      fault: ({ number, path }, response) => {
        if (number % 10 === 0) return Boolean(response.destroy());
        // Between the answer that was paid for and the download of its picture.
        if (!path.startsWith('/files/')) return false;
        downloads += 1;
        if (downloads < killAfter[kills]! || control.kill === undefined) return false;
        kill();
        return true;
      },
      onAnswered: (count) => {
        if (kind !== 'openai' && count === killAfter[kills] && control.kill !== undefined) kill();
      },
    };
    let downloads = 0;
    const kill = () => {
      kills += 1;
      control.kill?.();
      delete control.kill;
    };
    service = await startService(options);
    await writeFile(join(folder, `${kind}.yaml`), `generator: ${sources[kind](service.url)}\n${config}`);
  });
  afterAll(() => service.close());

  it('finds what the audit on this machine finds, though it is killed twice and a tenth of the requests are dropped', async () => {
    const args = ['audit', join(folder, `${kind}.yaml`), '-o', join(folder, kind), '-q'];
    for (const _ of [1, 2]) expect(await killedAudit(args, control)).toBe('SIGKILL');
    expect(await run(...args)).toMatchObject({ code: 0, stderr: '' });
    const expected = await outcome(local);
    expect(expected.found.length).toBeGreaterThan(2);
    expect(await outcome(kind)).toEqual(expected);
  });

  it('has asked for nothing again that was stored', () => {
    const counts = [...service.asked.values()];
    const distinct = counts.length;
    expect(distinct).toBeGreaterThan(7);
    // A kill between the answer and the disk may cost that one picture, and no more; none where what came is an address.
    const answered = counts.reduce((sum, entry) => sum + entry.answered, 0);
    expect(answered).toBeGreaterThanOrEqual(distinct);
    expect(answered - distinct).toBeLessThanOrEqual(kind === 'openai' ? 0 : 2);
    // Every tenth request of any kind was dropped before it was drawn, so what was drawn was answered.
    const asked = counts.reduce((sum, entry) => sum + entry.asked, 0);
    expect(asked - answered).toBeLessThanOrEqual(2);
    expect(service.headers.authorization).toBe(`Bearer ${key}`);
  });

  it('asks for nothing when it is run again, and has written its key nowhere', async () => {
    const before = service.requests;
    const again = await run('audit', join(folder, kind), '--json');
    expect(again.code).toBe(0);
    expect(service.requests).toBe(before);
    expect(again.stdout + again.stderr).not.toContain(key);
    for (const entry of await readdir(join(folder, kind), { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        expect((await readFile(join(entry.parentPath, entry.name))).includes(key), entry.name).toBe(false);
  });

  it('says in run.json whether its pictures can be made again', async () => {
    const text = await readFile(join(folder, kind, 'run.json'), 'utf8');
    const { model } = JSON.parse(text) as { model: { reproducible?: boolean } };
    expect(model.reproducible).toBe(kind === 'openai' ? false : undefined);
  });
});
