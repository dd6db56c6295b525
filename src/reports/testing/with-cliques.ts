import type { CliqueRow } from '../../stages/index.ts';
import type { ReportData } from '../data.ts';

/** The synthesized captions as if they had come through generate-and-filter: the even ones flagged. */
export function withCliques(data: ReportData): ReportData {
  const keys = [...new Set(data.generations.map(({ key }) => key))];
  const cliques = keys.map((key, i): CliqueRow => {
    const flagged = i % 2 === 0;
    const image = data.generations.find((row) => row.key === key && row.sample === 0)!.image;
    const mean = flagged ? 0.01 + i / 1000 : null;
    return {
      key,
      samples: flagged ? 10 : 55,
      failed: i === 1 ? 2 : 0,
      size: flagged ? 10 : 1,
      proven: i !== 4,
      mean_distance: mean,
      bottleneck: flagged ? 0.02 : 0.3,
      score: mean === null ? 0.7 : 2 - mean,
      decision: flagged ? 'clique' : 'futile',
      medoid: flagged ? 3 : null,
      seed: flagged ? 3n : null,
      image: flagged ? image : null,
      members: '[]',
      evaluations: flagged ? 160 : 880,
      error: null,
    };
  });
  const config = { ...data.run.config, cascade: [{ attack: 'cliques', keep: 50, options: {} }] };
  return { ...data, cliques, run: { ...data.run, config } };
}
