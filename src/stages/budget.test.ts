import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BudgetQuestion, partOf, planBudget, type Rung, roundsFor } from './budget.ts';

const rung = fc.record<Rung>({
  perCaption: fc.integer({ min: 1, max: 70 }),
  shared: fc.integer({ min: 0, max: 8 }),
});
const questions = fc.record<BudgetQuestion>({
  captions: fc.integer({ min: 1, max: 100_000 }),
  budget: fc.integer({ min: 0, max: 1_000_000 }),
  rungs: fc.array(rung, { minLength: 2, maxLength: 4 }),
  batch: fc.integer({ min: 1, max: 64 }),
});

const cost = (rungs: readonly Rung[], counts: readonly number[]) =>
  rungs.reduce((sum, { perCaption, shared }, i) => sum + shared + perCaption * counts[i]!, 0);
const leastOf = ({ rungs, batch, captions }: BudgetQuestion) =>
  cost(
    rungs,
    rungs.map((_, i) => (i === 0 ? Math.min(batch, captions) : 1)),
  );

describe('a planned budget', () => {
  it('never exceeds the budget, and takes fewer captions from rung to rung', () => {
    fc.assert(
      fc.property(questions, (question) => {
        fc.pre(question.budget >= leastOf(question));
        const { counts, evaluations, spare } = planBudget(question);
        expect(evaluations).toBe(cost(question.rungs, counts));
        expect(evaluations + spare).toBe(question.budget);
        expect(spare).toBeGreaterThanOrEqual(0);
        expect(counts[0]).toBeLessThanOrEqual(question.captions);
        for (const [i, count] of counts.entries()) {
          expect(count).toBeGreaterThanOrEqual(1);
          if (i > 0) expect(count).toBeLessThanOrEqual(counts[i - 1]!);
        }
      }),
    );
  });

  it('leaves less than one more picture, unless every caption that came has one', () => {
    fc.assert(
      fc.property(questions, (question) => {
        fc.pre(question.budget >= leastOf(question));
        const { counts, spare } = planBudget(question);
        const [before, last] = counts.slice(-2);
        if (last! < before!) expect(spare).toBeLessThan(question.rungs.at(-1)!.perCaption);
      }),
    );
  });

  it('gives no caption fewer to more evaluations', () => {
    fc.assert(
      fc.property(questions, fc.integer({ min: 1, max: 100_000 }), (question, more) => {
        fc.pre(question.budget >= leastOf(question));
        const [few, many] = [0, more].map((extra) =>
          planBudget({ ...question, budget: question.budget + extra }),
        );
        expect(many!.counts[0]).toBeGreaterThanOrEqual(few!.counts[0]!);
      }),
    );
  });

  it('is refused below one batch and a picture, with the least that would do', () => {
    fc.assert(
      fc.property(questions, (question) => {
        const least = leastOf(question);
        expect(() => planBudget({ ...question, budget: least - 1 })).toThrow(`the least is ${least},`);
        expect(planBudget({ ...question, budget: least }).counts[0]).toBeGreaterThanOrEqual(
          Math.min(question.batch, question.captions),
        );
      }),
    );
  });

  it('keeps one in four where there are captions enough', () => {
    const ladder = [1, 1, 16].map((perCaption) => ({ perCaption, shared: 0 }));
    expect(planBudget({ captions: 1e6, budget: 9000, rungs: ladder, batch: 16 })).toEqual({
      counts: [4000, 1000, 250],
      evaluations: 9000,
      spare: 0,
    });
    const rungs = [
      { perCaption: 1, shared: 1 },
      { perCaption: 4, shared: 0 },
    ];
    expect(planBudget({ captions: 1e6, budget: 2000, rungs, batch: 16 })).toEqual({
      counts: [999, 250],
      evaluations: 2000,
      spare: 0,
    });
    // All are scored, and what is left goes down the ranking.
    expect(planBudget({ captions: 300, budget: 1300, rungs, batch: 16 }).counts).toEqual([300, 249]);
    expect(planBudget({ captions: 300, budget: 3000, rungs, batch: 16 })).toMatchObject({
      counts: [300, 300],
      spare: 1499,
    });
  });
});

describe('the parts of rounds', () => {
  it('have a batch of pictures each', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 64 }), (pictures, batch) => {
        const rounds = roundsFor(pictures, batch);
        expect(rounds).toBeGreaterThanOrEqual(1);
        expect(rounds === 1 || Math.floor(pictures / rounds) >= batch).toBe(true);
      }),
    );
  });

  it('are as good as equal and follow each other', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 40 }), (total, count) => {
        let end = 0;
        for (let index = 0; index < count; index++) {
          const { from, to } = partOf(total, { index, count });
          expect(from).toBe(end);
          expect(Math.abs(to - from - total / count)).toBeLessThan(1);
          end = to;
        }
        expect(end).toBe(total);
      }),
    );
  });
});
