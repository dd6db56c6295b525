import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ENDING_OPS, GRADIENT_OPS, GRAPH_OPS } from './index.ts';

it('docs/graph.md lists every operator under what it can do', () => {
  const page = readFileSync(new URL('../../docs/graph.md', import.meta.url), 'utf8');
  const section = (title: string) =>
    page.split(`### ${title}\n`)[1]!.split(/\n##|\nLimits|Anything else/)[0]!;
  const listed = (title: string) =>
    [...section(title).matchAll(/`([\w.]+)`/g)].map((match) => match[1]!).sort();
  expect(listed('Operators with gradients')).toEqual(GRADIENT_OPS);
  expect(listed('Operators at which gradients end with zero')).toEqual(ENDING_OPS);
  const rest = GRAPH_OPS.filter((op) => !GRADIENT_OPS.includes(op) && !ENDING_OPS.includes(op));
  expect(listed('Operators without gradients')).toEqual(rest);
});
