import { expect, it } from 'vitest';
import {
  add,
  concat,
  createGraph,
  input,
  matmul,
  model,
  multiHeadAttention,
  peakActivationBytes,
  relu,
  reshape,
} from './index.ts';

const floatBytes = 4;

it('counts what is held at the worst moment: views are free, and operators that can write over what dies', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', ['n', 10]);
  const wide = matmul(x, input(graph, 'up', 'float32', [10, 100]));
  const active = relu(reshape(wide, [-1, 10, 10]));
  const narrow = matmul(reshape(active, ['n', 100]), input(graph, 'down', 'float32', [100, 10]));
  const sum = add(narrow, x);
  // While `narrow` is computed it stands beside the one array of 100 that `wide` and `active` share.
  expect(peakActivationBytes(model(graph, { sum }).graph, { n: 3 })).toBe(3 * 110 * floatBytes);
});

it('keeps what is used later, and counts branches that are held together', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [8]);
  const [a, b] = [add(x, 1), add(x, 2)];
  const joined = concat([a, b, x], 0);
  const out = add(joined, concat([a, a, a], 0));
  // a, b, joined at the first concat: 8 + 8 + 24; a, joined and the second concat afterwards: 8 + 24 + 24.
  expect(peakActivationBytes(model(graph, { out }).graph, {})).toBe(56 * floatBytes);
});

it('counts the copies that attention makes of its inputs', () => {
  const graph = createGraph({ runtimeOperators: true });
  const x = input(graph, 'x', 'float32', ['n', 5, 4]);
  const tokens = add(x, 1);
  const out = multiHeadAttention(tokens, tokens, tokens, 2, 1);
  expect(peakActivationBytes(model(graph, { out }).graph, { n: 2 })).toBe(3 * 2 * 20 * floatBytes);
});

it('refuses sizes that nobody gave', () => {
  const graph = createGraph();
  const out = add(input(graph, 'x', 'float32', ['batch', 2]), 1);
  expect(() => peakActivationBytes(model(graph, { out }).graph, {})).toThrow('the size "batch" is not known');
});
