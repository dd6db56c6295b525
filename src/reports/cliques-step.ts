import type { ReportData } from './data.ts';

type Step = { readonly attack?: unknown; readonly as?: unknown; readonly options?: unknown };

/** The steps of the cascade, as run.json has them. */
function stepsOf({ config }: ReportData['run']): readonly Step[] {
  const cascade = config['cascade'];
  return Array.isArray(cascade) ? cascade : [];
}

/** The step of the cascade that generates and filters. */
export interface CliquesOfRun {
  /** From 1 on. */
  readonly step: number;
  readonly name: string;
  readonly options: unknown;
  /** Whether no step comes after it. */
  readonly last: boolean;
}

/** Undefined where no step generates and filters. */
export function cliquesOfRun(run: ReportData['run']): CliquesOfRun | undefined {
  const steps = stepsOf(run);
  const at = steps.findIndex(({ attack }) => attack === 'cliques');
  if (at < 0) return undefined;
  const { as, options } = steps[at]!;
  const name = typeof as === 'string' ? as : 'cliques';
  return { step: at + 1, name, options, last: at === steps.length - 1 };
}
