import { rocCurve } from '../math/index.ts';

export interface RocPoint {
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

/** The corners of a ROC curve, rates in [0, 1]: points on a straight horizontal or vertical run draw nothing, and are left out. */
export function rocCorners(positives: ArrayLike<number>, negatives: ArrayLike<number>): RocPoint[] {
  const { falsePositiveRates, truePositiveRates } = rocCurve(positives, negatives);
  const points = Array.from(
    falsePositiveRates,
    (falsePositiveRate, i): RocPoint => ({ falsePositiveRate, truePositiveRate: truePositiveRates[i]! }),
  );
  return points.filter((point, i) => {
    const [before, after] = [points[i - 1], points[i + 1]];
    if (before === undefined || after === undefined) return true;
    const straight = (rate: keyof RocPoint) => before[rate] === point[rate] && point[rate] === after[rate];
    return !straight('falsePositiveRate') && !straight('truePositiveRate');
  });
}
