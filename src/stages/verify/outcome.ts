import type { VerificationRow } from './columns.ts';

/** What came of one finding. */
export interface FindingOutcome {
  readonly finding: string;
  readonly caption: string;
  readonly verdict: string;
  /** Of its pictures the one whose distance over the threshold is smallest; null where none could be judged. */
  readonly distance: number | null;
  readonly threshold: number | null;
  /** Whether any of its pictures is within the threshold; null where none could be judged. */
  readonly reproduces: boolean | null;
  /** The numbers of steps at which it is, ascending. */
  readonly verbatimSteps: readonly number[];
  readonly firstSteps: number | null;
}

export interface VerificationOutcome {
  readonly findings: readonly FindingOutcome[];
  readonly reproduced: number;
  readonly failed: number;
  /** Findings of which no picture could be judged. */
  readonly unjudged: number;
  /** Pictures that were made, those of them equal to the recorded ones, and the largest RMS to these. */
  readonly pictures: number;
  readonly equal: number;
  readonly largestRms: number | null;
  /** Ascending: at how many steps how many findings are verbatim. */
  readonly bySteps: readonly { readonly steps: number; readonly verbatim: number; readonly judged: number }[];
}

/** What rows of verifications say, finding by finding, in their order. */
export function verificationOutcome(rows: readonly VerificationRow[]): VerificationOutcome {
  const groups = new Map<string, VerificationRow[]>();
  for (const row of rows) groups.set(row.finding, [...(groups.get(row.finding) ?? []), row]);
  const findings = [...groups.values()].map(outcomeOf);
  const counts = [...new Set(rows.filter(({ image }) => image !== null).map(({ steps }) => steps))];
  const distances = rows.flatMap(({ rms }) => rms ?? []);
  return {
    findings,
    reproduced: findings.filter(({ reproduces }) => reproduces === true).length,
    failed: findings.filter(({ reproduces }) => reproduces === false).length,
    unjudged: findings.filter(({ reproduces }) => reproduces === null).length,
    pictures: rows.filter(({ image }) => image !== null).length,
    equal: distances.filter((rms) => rms === 0).length,
    largestRms: distances.length === 0 ? null : Math.max(...distances),
    bySteps: counts
      .sort((a, b) => a - b)
      .map((steps) => {
        const judged = new Set<string>();
        const verbatim = new Set<string>();
        for (const row of rows) {
          if (row.steps !== steps || row.verbatim === null) continue;
          judged.add(row.finding);
          if (row.verbatim) verbatim.add(row.finding);
        }
        return { steps, verbatim: verbatim.size, judged: judged.size };
      }),
  };
}

function outcomeOf(rows: readonly VerificationRow[]): FindingOutcome {
  const { finding, caption, verdict } = rows[0]!;
  const judged = rows.filter(({ verbatim }) => verbatim !== null);
  const share = ({ distance, threshold }: VerificationRow) => distance! / threshold!;
  const nearest = judged.length === 0 ? null : judged.reduce((a, b) => (share(b) < share(a) ? b : a));
  const within = judged.filter(({ verbatim }) => verbatim === true);
  const verbatimSteps = [...new Set(within.map(({ steps }) => steps))].sort((a, b) => a - b);
  return {
    finding,
    caption,
    verdict,
    distance: nearest?.distance ?? null,
    threshold: nearest?.threshold ?? null,
    reproduces: judged.length === 0 ? null : within.length > 0,
    verbatimSteps,
    firstSteps: verbatimSteps[0] ?? null,
  };
}
