import type { StageProgress } from './stage.ts';

type Report = (progress: StageProgress) => void;

/**
 * The progress of all rounds as that of one stage: each of them runs the same few stages again, whose own lines would say
 * little. Counts what is scored and what is made; what is only sorted is left out.
 *
 * @param total captions and pictures of all rounds
 */
export function overRounds(total: number, report: Report | undefined): Report | undefined {
  if (report === undefined) return undefined;
  let before = { done: 0, resumed: 0, failed: 0, evaluations: 0 };
  return (progress) => {
    if (!/^(scores|generations)/.test(progress.stage)) return;
    const now = {
      done: before.done + progress.done,
      resumed: before.resumed + progress.resumed,
      failed: before.failed + progress.failed,
      evaluations: before.evaluations + progress.evaluations,
    };
    report({ stage: 'rounds', total, ...now });
    if (progress.done >= progress.total) before = now;
  };
}
