import { vi } from 'vitest';
import { runCommandLine } from '../run.ts';

/** What a command line ended with. */
export interface Outcome {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, which is quicker than to start the program. */
export async function run(...args: string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  try {
    return { code: await runCommandLine(args), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
