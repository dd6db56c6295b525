import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { floatTensor } from '../math/index.ts';
import { softwareGpu } from '../runtime/testing/software-gpu.ts';
import { compiled } from '../testing/compiled.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { relativeError } from './testing/goldens.ts';

/** What onnxruntime's profile says of one operator that ran. */
interface Event {
  readonly cat: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

const gpu = softwareGpu();
const folder = temporaryFolder('webgpu');

async function run(provider: 'cpu' | 'webgpu', env: Readonly<Record<string, string>>) {
  const script = await compiled('models/testing/webgpu-child.ts');
  const said = execFileSync(process.execPath, [script, provider, join(folder, provider)], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const { shape, data } = JSON.parse(said) as { shape: number[]; data: number[] };
  const file = readdirSync(folder).find((name) => name.startsWith(`${provider}_`))!;
  const events = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Event[];
  return { predicted: floatTensor(shape, Float32Array.from(data)), events };
}

/** Where the nodes of an operator ran, without repetition. */
function providersOf(events: readonly Event[], operators: readonly string[]): string[] {
  const nodes = events.filter(({ cat, args }) => cat === 'Node' && operators.includes(args?.op_name ?? ''));
  return [...new Set(nodes.map(({ args }) => args?.provider ?? 'unknown'))];
}

// .ci/run fails when this is skipped: it looks for the test by its name.
describe('WebGPU through a software Vulkan driver', () => {
  it('runs the convolutions and products of a UNet’s layers itself and agrees with the CPU', async (context) => {
    if ('missing' in gpu) return context.skip(gpu.missing);
    const here = await run('cpu', {});
    const there = await run('webgpu', gpu.env);
    for (const operators of [
      ['MatMul', 'FusedMatMul', 'Gemm'],
      ['Conv', 'FusedConv'],
    ]) {
      expect(providersOf(here.events, operators)).toEqual(['CPUExecutionProvider']);
      expect(providersOf(there.events, operators)).toEqual(['WebGpuExecutionProvider']);
    }
    // Both sum the same float32 products in other orders.
    expect(relativeError(there.predicted, here.predicted)).toBeLessThan(1e-4);
  });
});
