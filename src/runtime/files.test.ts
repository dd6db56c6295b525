import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeModel, readModel } from '../graph/index.ts';
import { type DType, type Tensor, TYPED_ARRAYS } from '../math/index.ts';
import { openSession } from './index.ts';

const FIXTURES = join(import.meta.dirname, '../graph/onnx/fixtures');

interface StoredTensor {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: number[];
}

function tensor({ dtype, shape, data }: StoredTensor): Tensor {
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(data, BigInt) };
  return { dtype, shape, data: TYPED_ARRAYS[dtype].from(data) } as Tensor;
}

function golden(name: string): Record<'inputs' | 'outputs', Record<string, Tensor>> {
  const stored = JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as Record<
    'inputs' | 'outputs',
    Record<string, StoredTensor>
  >;
  const tensors = (group: Record<string, StoredTensor>) =>
    Object.fromEntries(Object.entries(group).map(([key, value]) => [key, tensor(value)]));
  return { inputs: tensors(stored.inputs), outputs: tensors(stored.outputs) };
}

function expectClose(found: Tensor | undefined, expected: Tensor, name: string): void {
  expect(found?.dtype, name).toBe(expected.dtype);
  expect(found?.shape, name).toEqual(expected.shape);
  if (expected.dtype !== 'float32') {
    expect(found?.data, name).toEqual(expected.data);
    return;
  }
  (expected.data as Float32Array).forEach((value, at) => {
    const other = Number(found?.data[at]);
    if (value !== other)
      expect(Math.abs(other - value), `${name}[${at}]`).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  });
}

// Files by PyTorch's exporter and onnx.helper; expected outputs by PyTorch and onnx's reference evaluator.
describe('files that other tools wrote', () => {
  it.each([
    ['torch_13', 'torch'],
    ['torch_17', 'torch'],
    ['torch_20', 'torch'],
    ['external/model', 'torch'],
    ['typed', 'typed'],
    ['old_forms', 'old_forms'],
  ])('%s, as the file and as our reading of it, gives the expected outputs', async (name, expectation) => {
    const { inputs, outputs } = golden(expectation);
    const path = join(FIXTURES, `${name}.onnx`);
    for (const source of [{ path }, readModel(path), encodeModel(readModel(path))]) {
      const session = await openSession(source);
      const results = await session.run(inputs);
      await session.close();
      expect(Object.keys(results).sort()).toEqual(Object.keys(outputs).sort());
      for (const [key, expected] of Object.entries(outputs)) expectClose(results[key], expected, key);
    }
  });
});
