import { expect, it } from 'vitest';
import { candidateOrder } from './candidates.ts';
import type { CandidateRow } from './columns.ts';
import { type BudgetedAudit, budgetedCaptions } from './rounds.ts';
import { fakeConfig } from './testing/fake-config.ts';

const rows = Array.from(
  { length: 40 },
  (_, i): CandidateRow => ({
    key: `k${i}`,
    caption: `caption ${i}`,
    dataset_index: i,
    copies: null,
    role: null,
    error: null,
  }),
);

it.each([
  [{}, 'drawn'],
  [{ from: 'runs/dedup' }, 'the most duplicated first'],
  [{ outliers: 'runs/index' }, 'the most outlying first'],
] as const)('a budget takes the candidates of %j %s', (candidates, order) => {
  const config = { ...fakeConfig({ candidates }), budget: 100 };
  expect(candidateOrder(config)).toBe(order);
  const audit = { config, plan: { counts: [10] } } as unknown as BudgetedAudit;
  const first = budgetedCaptions(rows, audit);
  expect(first).toHaveLength(10);
  if (order === 'drawn') expect(first).not.toEqual(rows.slice(0, 10));
  else expect(first).toEqual(rows.slice(0, 10));
});
