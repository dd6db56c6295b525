import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, VerbatimError } from '../src/errors.ts';
import type { Precision } from '../src/graph/index.ts';
import { createRandom, type Tensor } from '../src/math/index.ts';
import { openModel, openUnet } from '../src/models/index.ts';
import { type Provider, probeProviders } from '../src/runtime/index.ts';
import { median } from './compare.ts';
import { ensureFullSizeModel, fullSizeFlops, fullSizeUnet } from './fullSizeModel.ts';
import { difference, normalTensor } from './tensors.ts';

const help = `usage: npm run bench -- providers [OPTIONS]

Evaluations per second of Stable Diffusion 1.5's UNet with every provider that works here.

  --providers LIST  of cpu, webgpu, cuda (all that work)
  --batches LIST    samples of one call (1,8)
  --seconds N       how long each is measured (10)
  --peak TFLOPS     the graphics card's float32 peak: adds the share of it that is reached
  --peak16 TFLOPS   the same for float16
  --folder PATH     where the random weights lie (${join(tmpdir(), 'verbatim-full-size')}; 4.3 GB)
`;

/** Every provider that works here, in float32 and, where it is no CPU, in float16; the outputs are held against the CPU's. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      providers: { type: 'string' },
      batches: { type: 'string', default: '1,8' },
      seconds: { type: 'string', default: '10' },
      peak: { type: 'string' },
      peak16: { type: 'string' },
      folder: { type: 'string', default: join(tmpdir(), 'verbatim-full-size') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const wanted = values.providers?.split(',') ?? ['cpu', 'webgpu', 'cuda'];
  const batches = values.batches.split(',').map(Number);
  const model = join(values.folder, 'float32');
  await ensureFullSizeModel(model, 'float32');
  const folder = await openModel(model, {});
  let reference: Tensor<'float32'> | undefined;
  for (const { provider, works, detail } of (await probeProviders()).reverse()) {
    if (!wanted.includes(provider)) continue;
    if (!works) {
      process.stdout.write(`${provider.padEnd(8)} does not work here: ${detail}\n`);
      continue;
    }
    for (const precision of provider === 'cpu' ? (['float32'] as const) : (['float32', 'float16'] as const)) {
      const peak = Number(precision === 'float16' ? values.peak16 : values.peak);
      try {
        reference = await measure({
          provider,
          precision,
          batches,
          seconds: Number(values.seconds),
          peak,
          folder,
          reference,
        });
      } catch (error) {
        process.stdout.write(`${provider.padEnd(8)} ${precision} failed: ${messageOf(error)}\n`);
        if (!(error instanceof VerbatimError)) throw error;
      }
    }
  }
}

interface Task {
  readonly provider: Provider;
  readonly precision: Precision;
  readonly batches: readonly number[];
  readonly seconds: number;
  /** Teraflops; NaN where none was given. */
  readonly peak: number;
  readonly folder: Awaited<ReturnType<typeof openModel>>;
  /** What the first of all gave for one sample. */
  readonly reference: Tensor<'float32'> | undefined;
}

async function measure(task: Task): Promise<Tensor<'float32'>> {
  const { provider, precision, folder, peak } = task;
  const start = performance.now();
  const unet = await openUnet(folder, { provider, precision });
  const loadSeconds = (performance.now() - start) / 1000;
  process.stdout.write(`${provider.padEnd(8)} ${precision}  loaded in ${loadSeconds.toFixed(1)} s\n`);
  try {
    let first: Tensor<'float32'> | undefined;
    for (const batch of task.batches) {
      const random = createRandom(1);
      const sample = normalTensor(random, [batch, fullSizeUnet.in_channels, 64, 64]);
      const states = normalTensor(random, [1, 77, fullSizeUnet.cross_attention_dim as number]);
      const warm = performance.now();
      const output = await unet.predict(sample, 500, states);
      const firstSeconds = (performance.now() - warm) / 1000;
      if (batch === task.batches[0]) first = output;
      const seconds: number[] = [];
      for (const until = performance.now() + task.seconds * 1000; performance.now() < until; ) {
        const began = performance.now();
        await unet.predict(sample, 500, states);
        seconds.push((performance.now() - began) / 1000);
      }
      const teraflops = (batch * fullSizeFlops) / 1e12 / median(seconds);
      const share = Number.isNaN(peak) ? '' : `, ${((100 * teraflops) / peak).toFixed(1)}% of peak`;
      process.stdout.write(
        `${provider.padEnd(8)} ${precision}  batch ${batch}: ${(batch / median(seconds)).toFixed(2)} evaluations/s, ${teraflops.toFixed(2)} TFLOP/s${share} (${seconds.length} calls; the first took ${firstSeconds.toFixed(1)} s)\n`,
      );
    }
    const against = task.reference;
    if (against !== undefined && first !== undefined) {
      const { worst, largest } = difference(first.data, against.data);
      process.stdout.write(
        `${provider.padEnd(8)} ${precision}  differs from the first provider by ${(worst / largest).toExponential(1)} of the largest output\n`,
      );
    }
    return task.reference ?? first!;
  } finally {
    await unet.close();
  }
}
