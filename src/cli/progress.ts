import type { DatasetProblem } from '../datasets/index.ts';

/** What a progress line says; a StageProgress of the stages fits. */
export interface ProgressState {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** Part of `done` that was there before this process began: it does not count for the rate. */
  readonly resumed: number;
  readonly failed: number;
  readonly evaluations: number;
  /** What else is worth watching: a loss. */
  readonly detail?: string;
}

export interface ProgressOptions {
  readonly stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  /** Write nothing. */
  readonly quiet?: boolean;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

export interface Progress {
  readonly update: (state: ProgressState) => void;
  /** A line that stays: what is planned, what was found. */
  readonly note: (text: string) => void;
  /** Ends an open progress line. */
  readonly end: () => void;
}

/** On a terminal the line is redrawn at most this often; elsewhere (a log file) a line at most every 5 s. */
const redrawMs = 100;
const logMs = 5000;

/**
 * Live progress on one line: percentage, count, rate, evaluations, time left. Each stage ends
 * with a line whatever the interval, so that a log shows every stage.
 */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, quiet = false } = options;
  const now = options.now ?? (() => performance.now());
  const terminal = stream.isTTY === true;
  let stage: string | undefined;
  let startedMs = 0;
  let writtenMs = 0;
  let open = false;
  let finished = false;

  const clear = () => {
    if (open) stream.write('\r\x1b[K');
    open = false;
  };
  return {
    update(state) {
      if (quiet) return;
      const time = now();
      if (state.stage !== stage) {
        if (open) stream.write('\n');
        open = false;
        stage = state.stage;
        startedMs = time;
        writtenMs = terminal ? Number.NEGATIVE_INFINITY : time;
        finished = false;
      }
      if (finished) return;
      finished = state.done >= state.total;
      if (!finished && time - writtenMs < (terminal ? redrawMs : logMs)) return;
      writtenMs = time;
      const line = formatProgress(state, (time - startedMs) / 1000);
      if (!terminal) {
        stream.write(`${line}\n`);
        return;
      }
      clear();
      stream.write(line.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
      open = true;
    },
    note(text) {
      if (quiet) return;
      clear();
      stream.write(`${text}\n`);
    },
    end() {
      if (open) stream.write('\n');
      open = false;
      stage = undefined;
    },
  };
}

/**
 * One progress line, e.g. `scores/1   42%  1,680/4,000  212/s  3,360 evaluations  11 s left`.
 *
 * @param seconds since this process began with the stage.
 */
export function formatProgress(state: ProgressState, seconds: number): string {
  const { stage, done, total, resumed, failed, evaluations } = state;
  // Rounded down: 100% means that nothing is left.
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const parts = [stage.padEnd(15), `${percent}%`.padStart(4), `${count(done)}/${count(total)}`];
  const fresh = done - resumed;
  if (resumed > 0 && fresh === 0) parts.push('already there');
  const rate = seconds > 0 ? fresh / seconds : 0;
  if (fresh > 0 && rate > 0) parts.push(`${rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1)}/s`);
  if (evaluations > 0) parts.push(`${count(evaluations)} evaluations`);
  if (failed > 0) parts.push(`${count(failed)} failed`);
  if (state.detail !== undefined) parts.push(state.detail);
  if (done < total && rate > 0) parts.push(`${formatDuration((total - done) / rate)} left`);
  if (done >= total && fresh > 0) parts.push(formatDuration(seconds));
  return parts.join('  ');
}

/** 1234567 → '1,234,567', the same in every locale. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** 75 → '1 min 15 s'; 4000 → '1 h 07 min'; 3.2 → '4 s': rounded up, so nothing is promised too early. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  const minutes = Math.ceil(whole / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** So many problems of a dataset are told one by one. */
const toldProblems = 20;

/** What of a dataset was left out, a line each: `problem  a/00003.tar: is cut short …`. */
export function problemLines(problems: readonly DatasetProblem[]): string[] {
  const lines = problems
    .slice(0, toldProblems)
    // Names come out of archives: no control sequence of theirs reaches a terminal.
    .map(({ where, what }) => `problem  ${where}: ${what}`.replace(/\p{Cc}/gu, '?'));
  if (problems.length > toldProblems)
    lines.push(`problem  and ${count(problems.length - toldProblems)} more`);
  return lines;
}
