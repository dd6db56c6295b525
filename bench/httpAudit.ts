import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openPipeline, type SamplerName } from '../src/diffusion/index.ts';
import { VerbatimError } from '../src/errors.ts';
import { localGenerator } from '../src/generators/index.ts';
import { type Asked, markedExample, startService } from '../src/generators/testing/server.ts';
import { allPictures, encodePng } from '../src/images/index.ts';
import { createMeter } from '../src/runtime/index.ts';
import { root, startProgram } from './program.ts';

const help = `npm run bench -- http-audit [--others N] [--steps N]
  --others N   audited captions of each kind beside the planted duplicates (default 40)
  --steps N    steps of the full syntheses (default 16)
`;

/**
 * The shipped miniature audited on this machine and through each HTTP protocol, served by this process, a tenth of whose
 * requests are dropped: distinct training images found, per protocol, against the local audit of the same captions.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      others: { type: 'string', default: '40' },
      steps: { type: 'string', default: '16' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const steps = Number(values.steps);
  const others = Number(values.others);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-http-audit-'));
  const pipeline = await openPipeline(join(root, 'models/twin-a'));
  const generator = localGenerator(pipeline, { meter: createMeter() });
  const drawn = new Map<string, Promise<Uint8Array>>();
  const drawAnew = async ({ prompt, seed = 0, steps: asked, cfg, sampler }: Asked) => {
    const settings = {
      steps: asked || steps,
      sampler: (sampler || 'heun') as SamplerName,
      guidance: cfg,
      firstSeed: 0,
    };
    const made = await generator.pictures([{ caption: prompt, seed }], settings);
    return encodePng(allPictures(made.map(({ picture }) => picture))[0]!);
  };
  const service = await startService({
    fault: ({ number }, response) => number % 10 === 0 && Boolean(response.destroy()),
    draw: (asked) => {
      const key = JSON.stringify(asked);
      const known = drawn.get(key) ?? drawAnew(asked);
      drawn.set(key, known);
      return known;
    },
  });
  try {
    await writeFile(join(folder, 'workflow.json'), JSON.stringify(markedExample));
    const common = (scored: boolean) => `
dataset: { format: lab, path: ${JSON.stringify(join(root, 'models/lab.yaml'))}, twin: A }
candidates: { roles: { template: ${others}, unique: ${others}, held-out: ${others}, other-twin: ${others} } }
cascade: ${scored ? '[{ attack: ecs, keep: 120 }]' : '[]'}
synthesis: { steps: ${steps}, samples: ${scored ? 2 : 1}, guidance: 1 }
`;
    const size = 'width: 64, height: 64';
    const model = `model: ${JSON.stringify(join(root, 'models/twin-a'))}`;
    const runs = {
      'local, scored': [model, true],
      automatic1111: [`generator: { kind: automatic1111, url: ${service.url}, ${size} }`, true],
      comfyui: [`generator: { kind: comfyui, url: ${service.url}, workflow: workflow.json, ${size} }`, true],
      'local, all': [model, false],
      openai: [`generator: { kind: openai, url: ${service.url}/v1, model: twin-a, ${size} }`, false],
    } as const;
    const found = new Map<string, number>();
    // Two protocols ask for the same pictures: what counts is how often one of them does.
    const before = new Map<string, number>();
    for (const [name, [source, scored]] of Object.entries(runs)) {
      const slug = name.replace(/\W+/g, '-');
      const config = join(folder, `${slug}.yaml`);
      await writeFile(config, `${source}\n${common(scored)}`);
      const output = join(folder, slug);
      const { status, seconds, stderr } = await startProgram(['audit', config, '-o', output, '-q']).ended;
      if (status !== 0) throw new VerbatimError(`the audit "${name}" ended with ${status}: ${stderr}`);
      const summary = JSON.parse(await readFile(join(output, 'report', 'summary.json'), 'utf8')) as {
        found: { images: number };
        falsePositives: number;
        captions: number;
      };
      found.set(name, summary.found.images);
      let [asked, again] = [0, 0];
      for (const [key, { answered }] of service.asked) {
        const answers = answered - (before.get(key) ?? 0);
        if (answers > 0) asked += 1;
        if (answers > 1) again += 1;
        before.set(key, answered);
      }
      process.stdout.write(
        `${name.padEnd(14)} ${summary.found.images} images found, ${summary.falsePositives} false, of ${summary.captions} captions, ${seconds.toFixed(0)} s; ${asked} pictures asked for, ${again} again after an answer\n`,
      );
    }
    for (const [name, local] of [
      ['automatic1111', 'local, scored'],
      ['comfyui', 'local, scored'],
      ['openai', 'local, all'],
    ] as const)
      process.stdout.write(
        `http-audit: ratio ${(found.get(name)! / found.get(local)!).toFixed(2)} (${name} ${found.get(name)} images, local ${found.get(local)} images)\n`,
      );
  } finally {
    await service.close();
    await generator.close();
    await rm(folder, { recursive: true, force: true });
  }
}
