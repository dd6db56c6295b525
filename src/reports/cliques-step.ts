import type { ReportData } from './data.ts';

type Step = { readonly attack?: unknown; readonly as?: unknown; readonly options?: unknown };

/** The steps of the cascade, as run.json has them. */
export function stepsOf({ config }: ReportData['run']): readonly Step[] {
  const cascade = config['cascade'];
  return Array.isArray(cascade) ? cascade : [];
}

/** Whether a step generates and filters. */
export const isCliques = ({ attack }: Step) => attack === 'cliques';

/** Which step of the cascade generates and filters, from 1 on, and what it is called; undefined without one. */
export function cliquesOfRun(
  run: ReportData['run'],
): { readonly step: number; readonly name: string } | undefined {
  const steps = stepsOf(run);
  const at = steps.findIndex(isCliques);
  const name = steps[at]?.as;
  return at < 0 ? undefined : { step: at + 1, name: typeof name === 'string' ? name : 'cliques' };
}
