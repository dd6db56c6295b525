import type { Peer } from './peer.ts';

/** The middle value; the mean of the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Comparison {
  /** Median over rounds of (their seconds / our seconds): above 1 we are faster. */
  readonly ratio: number;
  readonly ourSeconds: number;
  readonly theirSeconds: number;
}

/**
 * Times us and the peer in turn, round by round, so that a machine whose speed drifts slows both;
 * each round gives one ratio of medians, and the median of those counts.
 */
export async function compare(
  ours: () => Promise<void>,
  peer: Peer,
  { rounds = 5, runs = 5, warmup = 3 } = {},
): Promise<Comparison> {
  const time = async (count: number) => {
    const seconds: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await ours();
      seconds.push((performance.now() - start) / 1000);
    }
    return seconds;
  };
  await time(warmup);
  await peer.run(warmup);
  const rows: { ours: number; theirs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const row = { ours: median(await time(runs)), theirs: median(await peer.run(runs)) };
    rows.push(row);
    process.stderr.write(
      `round ${round + 1}/${rounds}: ours ${(row.ours * 1e3).toFixed(1)} ms, peer ${(row.theirs * 1e3).toFixed(1)} ms\n`,
    );
  }
  return {
    ratio: median(rows.map((row) => row.theirs / row.ours)),
    ourSeconds: median(rows.map((row) => row.ours)),
    theirSeconds: median(rows.map((row) => row.theirs)),
  };
}
