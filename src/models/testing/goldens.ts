import { fileURLToPath } from 'node:url';
import { createGraph, type Graph, model, type Value } from '../../graph/index.ts';
import type { Tensor } from '../../math/index.ts';
import { openSession } from '../../runtime/index.ts';
import { openSafetensors } from '../safetensors.ts';

/** Small random-weight models by diffusers and transformers with what they compute; see bench/peers. */
export const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
export const variants = ['sd1', 'sd2'] as const;

/** The golden tensors of a variant, by name. */
export function goldens(variant: string): (name: string) => Tensor {
  const file = openSafetensors(`${fixtures}${variant}/goldens.safetensors`);
  const tensors = new Map([...file.entries.keys()].map((name) => [name, file.read(name)]));
  file.close();
  return (name) => tensors.get(name)!;
}

/** Runs a graph once on the CPU. */
export async function runOnce(
  build: (graph: Graph) => Record<string, Value>,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const graph = createGraph();
  const session = await openSession(model(graph, build(graph)), { provider: 'cpu', threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

/** Largest absolute difference over the largest absolute golden value. */
export function relativeError(found: Tensor, golden: Tensor): number {
  if (found.shape.join() !== golden.shape.join())
    throw new Error(`[${found.shape}] against [${golden.shape}]`);
  const [a, b] = [found.data as Float32Array, golden.data as Float32Array];
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    const gap = Math.abs(a[i]! - b[i]!);
    if (Number.isNaN(gap)) return Number.NaN;
    difference = Math.max(difference, gap);
    size = Math.max(size, Math.abs(b[i]!));
  }
  return difference / size;
}
