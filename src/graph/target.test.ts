import { expect, it } from 'vitest';
import { createRandom, elementCount, floatTensor } from '../math/index.ts';
import {
  addAll,
  conv2d,
  createGraph,
  gradients,
  input,
  model,
  mul,
  reduceSum,
  type Target,
} from './index.ts';
import { run } from './testing/run.ts';

const random = createRandom(5);
const normal = (shape: number[]) =>
  floatTensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
/** 768 pixels: more than one stretch. */
const feeds = { x: normal([3, 4, 16, 16]), w: normal([5, 4, 3, 3]) };

async function weightGradient(target: Target) {
  const graph = createGraph({ target });
  const x = input(graph, 'x', 'float32', feeds.x.shape);
  const w = input(graph, 'w', 'float32', feeds.w.shape);
  const y = conv2d(x, w, { padding: 1 });
  // Three uses, so that three gradients are added up.
  const loss = reduceSum(addAll([mul(y, y), y, y]));
  const [dw] = gradients(loss, [w]);
  const built = model(graph, { dw: dw! });
  const result = (await run(built, feeds))['dw']!.data as Float32Array;
  return { result, kinds: new Set(built.graph.nodes.map((node) => node.op)) };
}

it('a graph for a GPU has the same gradients, without the operators that would go to the CPU', async () => {
  const [cpu, gpu] = [await weightGradient('cpu'), await weightGradient('gpu')];
  expect(cpu.kinds.has('Sum')).toBe(true);
  expect(gpu.kinds.has('Sum')).toBe(false);
  expect(cpu.kinds.has('MatMul')).toBe(false);
  expect(gpu.kinds.has('MatMul')).toBe(true);
  const largest = Math.max(...cpu.result.map(Math.abs));
  gpu.result.forEach((value, i) => {
    expect(Math.abs(value - cpu.result[i]!)).toBeLessThan(1e-5 * largest);
  });
});
