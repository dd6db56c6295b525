/**
 * Run as a process of its own by `probeProviders`: opens a session with the provider named on the command
 * line, multiplies two matrices, compares with sums made here, and reports to the parent.
 */
import { messageOf, VerbatimError } from '../errors.ts';
import { createGraph, input, type Model, matmul, model } from '../graph/index.ts';
import { floatTensor } from '../math/index.ts';
import { openSession } from './session.ts';
import type { Provider } from './session.types.ts';

const SIZE = 16;

/** A MatMul of two square inputs. */
function matMulModel(): Model {
  const graph = createGraph();
  const a = input(graph, 'a', 'float32', [SIZE, SIZE]);
  const b = input(graph, 'b', 'float32', [SIZE, SIZE]);
  return model(graph, { y: matmul(a, b) });
}

async function test(provider: Provider): Promise<{ works: boolean; detail: string }> {
  try {
    const a = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i));
    const b = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.cos(i));
    const session = await openSession(matMulModel(), { provider, threads: 1 });
    const shape = [SIZE, SIZE];
    const { y } = await session.run({ a: floatTensor(shape, a), b: floatTensor(shape, b) });
    await session.close();
    let worst = 0;
    for (let row = 0; row < SIZE; row++)
      for (let column = 0; column < SIZE; column++) {
        let sum = 0;
        for (let k = 0; k < SIZE; k++) sum += a[row * SIZE + k]! * b[k * SIZE + column]!;
        worst = Math.max(worst, Math.abs(sum - Number(y?.data[row * SIZE + column])));
      }
    // tf32 on recent GPUs keeps 10 bits of each factor: 16 products of ≤ 1 are then off by < 16 · 2⁻¹⁰.
    if (!(worst < SIZE * 2 ** -10)) return { works: false, detail: `a matrix product is wrong by ${worst}` };
    return { works: true, detail: `a ${SIZE}×${SIZE} matrix product is right to ${worst.toExponential(1)}` };
  } catch (error) {
    const cause = error instanceof VerbatimError && error.cause instanceof Error ? error.cause : error;
    return {
      works: false,
      detail: messageOf(cause)
        .replace(/^graph: /, '')
        .trim(),
    };
  }
}

process.send?.(await test(process.argv[2] as Provider), () => process.disconnect());
