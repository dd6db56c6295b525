import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPipeline } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import { allPictures, encodePng, isPicture, type Picture } from '../images/index.ts';
import { createMeter } from '../runtime/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { type Generator, generatorSchema, localGenerator, openGenerator } from './index.ts';
import { drawing, drawingService, markedExample, side } from './testing/drawing.ts';
import type { LocalService } from './testing/server.ts';

/** What every source must do, whatever stands behind it. */

const folder = temporaryFolder('generators');
const captions = ['a red bus (1:2) [old|new] <lora:x> \\ "quoted"', '../../etc/passwd', 'Ein Bild, groß'];
let service: LocalService;

beforeAll(async () => {
  service = await drawingService();
  await writeFile(join(folder, 'workflow.json'), JSON.stringify(markedExample));
  const made = join(folder, 'made');
  await mkdir(made);
  const lines: string[] = [];
  for (const [c, caption] of captions.entries())
    for (const sample of [0, 1, 2]) {
      const name = `${c}-${sample}.png`;
      await writeFile(join(made, name), await encodePng(drawing(`${caption} ${sample}`)));
      lines.push(JSON.stringify({ file_name: name, prompt: caption }));
    }
  await writeFile(join(made, 'metadata.jsonl'), lines.join('\n'));
});
afterAll(() => service.close());

const size = { width: side, height: side };
const sources: Readonly<Record<string, () => Promise<Generator>>> = {
  async local() {
    const meter = createMeter();
    const model = new URL('../models/fixtures/sd1', import.meta.url).pathname;
    return localGenerator(await openPipeline(model, { meter, threads: 1 }), { meter, batch: 4 });
  },
  automatic1111: () => open({ kind: 'automatic1111', url: service.url, ...size }),
  'automatic1111 in batches': () => open({ kind: 'automatic1111', url: service.url, batch: 3, ...size }),
  comfyui: () =>
    open({ kind: 'comfyui', url: service.url, workflow: join(folder, 'workflow.json'), ...size }),
  openai: () => open({ kind: 'openai', url: `${service.url}/v1`, model: 'm', batch: 2, ...size }),
  folder: () => open({ kind: 'folder', path: join(folder, 'made'), ...size }),
};

function open(spec: Record<string, unknown>): Promise<Generator> {
  return openGenerator(generatorSchema.parse(spec));
}

const settings = { steps: 2, sampler: 'heun', guidance: 3, firstSeed: 0 } as const;
const same = (a: Picture, b: Picture) => Buffer.from(a.data).equals(Buffer.from(b.data));

describe.each(Object.keys(sources))('%s', (name) => {
  let generator: Generator;
  beforeAll(async () => {
    generator = await sources[name]!();
  });
  afterAll(() => generator.close());

  async function pictures(tasks: readonly { caption: string; seed: number }[], patch = {}) {
    const made = await generator.pictures(tasks, { ...settings, ...patch });
    expect(made).toHaveLength(tasks.length);
    return allPictures(made.map(({ picture }) => picture));
  }

  it('names itself by a digest, and is the same when it is opened again', async () => {
    expect(generator.digest).toMatch(/^[0-9a-f]{64}$/);
    const again = await sources[name]!();
    expect([again.digest, again.name, again.kind]).toEqual([
      generator.digest,
      generator.name,
      generator.kind,
    ]);
    await again.close();
  });

  it('brings pictures of its size in the order of the tasks, equal ones for equal tasks', async () => {
    const tasks = [2, 0, 1].flatMap((seed) => captions.map((caption) => ({ caption, seed })));
    const made = await pictures(tasks);
    for (const { width, height } of made) expect([height, width]).toEqual(generator.pictureSize);
    const [first] = await pictures([tasks[4]!]);
    expect(same(first!, made[4]!)).toBe(true);
    expect(same(made[0]!, made[1]!)).toBe(false);
  });

  it('knows whether seeds decide', async () => {
    const [a, b] = await pictures([
      { caption: captions[0]!, seed: 0 },
      { caption: captions[0]!, seed: 1 },
    ]);
    // A service without seeds brings what it likes; the test's brings the same again.
    expect(same(a!, b!)).toBe(!generator.capabilities.seeds && name !== 'folder');
    expect(generator.noise === 'not reproducible').toBe(!generator.capabilities.seeds);
  });

  it('takes what it says that it takes', async () => {
    const task = [{ caption: captions[0]!, seed: 1 }];
    const [plain] = await pictures(task);
    const [longer] = await pictures(task, { steps: 3 });
    const [stronger] = await pictures(task, { guidance: 5 });
    expect(same(plain!, longer!)).toBe(!generator.capabilities.steps);
    expect(same(plain!, stronger!)).toBe(!generator.capabilities.guidance);
  });

  it('brings nothing for no tasks, and stops when it is told to', async () => {
    expect(await generator.pictures([], settings)).toEqual([]);
    const ended = AbortSignal.abort(new Error('enough'));
    const task = [{ caption: 'not asked yet', seed: 9 }];
    if (generator.together === undefined)
      await expect(generator.pictures(task, settings, ended)).rejects.toThrow('enough');
  });
});

describe('a folder of pictures made by hand', () => {
  it('reads prompt and seed from file names, and says which pictures it has not', async () => {
    const path = join(folder, 'named');
    await mkdir(path);
    const pictures = { 7: drawing('7'), 12: drawing('12', 16, 12) };
    for (const [seed, picture] of Object.entries(pictures))
      await writeFile(join(path, `a_red_bus_seed_${seed}.png`), await encodePng(picture));
    const generator = await open({ kind: 'folder', path, ...size });
    const tasks = ['A red bus', 'A red bus', 'A red bus', 'a ship'].map((caption, i) => ({
      caption,
      seed: 100 + Math.min(i, 2),
    }));
    const made = await generator.pictures(tasks, { ...settings, firstSeed: 100 });
    const errors = made.map(({ picture }) => (isPicture(picture) ? null : picture.message));
    expect(errors).toEqual([
      null,
      null,
      'the folder has only 2 pictures of this caption',
      'the folder has no picture of this caption',
    ]);
    const [seven, twelve] = allPictures(made.slice(0, 2).map(({ picture }) => picture));
    expect(same(seven!, pictures[7])).toBe(true);
    expect(same(twelve!, seven!)).toBe(false);
    expect([twelve!.width, twelve!.height]).toEqual([side, side]);
  });
});

describe('a workflow', () => {
  const openWith = async (change: (nodes: Record<string, unknown>) => unknown) => {
    const nodes = structuredClone(markedExample) as Record<string, unknown>;
    const path = join(folder, 'changed.json');
    await writeFile(path, JSON.stringify(change(nodes) ?? nodes));
    return open({ kind: 'comfyui', url: service.url, workflow: path, ...size });
  };
  type Nodes = Record<string, { _meta: { title: string }; inputs: Record<string, unknown> }>;
  const retitled = (id: string, title: string) => (nodes: Nodes) => {
    nodes[id]!._meta.title = title;
  };
  it.each<[string, (nodes: Nodes) => unknown, RegExp]>([
    ['another format', () => ({ nodes: [], links: [] }), /not a workflow in API format; export it/],
    ['no marked prompt', retitled('6', 'Prompt'), /no node is marked @prompt; add it to the title/],
    ['an unknown mark', retitled('3', 'KSampler @sed'), /node 3 is marked @sed; known marks: @prompt, @seed/],
    [
      'a mark where no input is for it',
      retitled('9', 'Save @seed'),
      /node 9 \(SaveImage\) is marked @seed and has no input for it/,
    ],
    [
      'a marked input that comes from another node',
      (nodes) => {
        nodes['3']!.inputs['seed'] = ['12', 0];
      },
      /input "seed" comes from another node; mark that one/,
    ],
  ])('with %s is refused', async (_, change, says) => {
    const refused = openWith(change as (nodes: Record<string, unknown>) => unknown);
    await expect(refused).rejects.toThrow(VerbatimError);
    await expect(refused).rejects.toThrow(says);
  });

  it('that marks no seed is not reproducible, and one without steps takes no one-step pictures', async () => {
    const { capabilities, noise } = await openWith((nodes) => {
      (nodes as Nodes)['3']!._meta.title = 'KSampler @cfg';
    });
    expect(capabilities).toMatchObject({ seeds: false, steps: false, oneStep: false, guidance: true });
    expect(noise).toBe('not reproducible');
  });
});
