import { describe, expect, it } from 'vitest';
import * as g from './index.ts';
import { elementwiseCases, inputsOf, reductionCases, shapeCases } from './testing/cases.ts';
import { contractionCases, normalizationCases } from './testing/layers.ts';
import { checkGradient } from './testing/run.ts';

const families = {
  elementwise: elementwiseCases,
  'shapes and pieces': shapeCases,
  reductions: reductionCases,
  'products and convolutions': contractionCases,
  'normalisation, softmax and pooling': normalizationCases,
};

describe('gradients against central differences', () => {
  const seen = new Set<string>();
  for (const [family, cases] of Object.entries(families))
    describe(family, () => {
      for (const one of cases)
        it(one.name, async () => {
          const { worst, operators } = await checkGradient({
            graph: g.createGraph(one.opset),
            inputs: inputsOf(one),
            build: (graph, x) => one.build(x, graph),
            step: 5e-3,
          });
          for (const op of operators) seen.add(op);
          expect(worst).toBeLessThan(1e-2);
        });
    });

  it('cover every operator that has a gradient', () => {
    expect(g.GRADIENT_OPS.filter((op) => !seen.has(op))).toEqual([]);
  });
});
