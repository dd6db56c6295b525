import { z } from 'zod';
import { fact } from '../figure.ts';
import { counted, integer, percentage } from '../format.ts';
import { empty, html, type Markup } from '../markup.ts';
import type { DedupPageData } from './data.ts';

/** What the stage writes; an older folder may say it otherwise, or not at all. */
const completenessSchema = z.object({
  method: z.string(),
  vectors: z.number(),
  cells: z.number().nullable(),
  probes: z.number().nullable(),
  /** Share of the vectors of which no pair can be missing. */
  certified: z.number(),
  recall: z
    .object({
      pairs: z.number(),
      found: z.number(),
      recall: z.number().nullable(),
      interval: z.tuple([z.number(), z.number()]).nullable(),
    })
    .nullable(),
});

/** How sure it is that level `descriptor` misses no pair. Null where that level was not asked for. */
export function completenessSection({ summary }: DedupPageData): Markup | null {
  if (!summary.levels.includes('descriptor')) return null;
  return html`<section id="completeness"><h2>Completeness of the descriptor level</h2>
${completenessWords(summary.completeness)}</section>`;
}

function completenessWords(value: unknown): Markup {
  const parsed = completenessSchema.safeParse(value);
  if (!parsed.success) return empty('The folder does not say how many pairs may be missing.');
  const { method, vectors, cells, probes, certified, recall } = parsed.data;
  if (method !== 'cells')
    return html`<p>Each of ${counted(vectors, 'vector')} was compared with all others: no pair is missed.</p>`;
  return html`<p>Vectors were cut into cells and compared within each and across near ones. Of a certified vector no pair can be missing; recall is the share of the pairs of a sample, sought among all vectors, that were found, with Wilson’s 95% interval.</p>
<dl class="figures">${fact('vectors', integer(vectors))}${cells === null ? null : fact('cells', integer(cells))}${probes === null ? null : fact('cells looked into for each vector, at most', integer(probes))}
${fact('certified vectors', percentage(certified))}${fact('recall', recallWords(recall))}</dl>`;
}

function recallWords(recall: z.output<typeof completenessSchema>['recall']): string {
  if (recall === null) return 'not measured';
  const { pairs, found, recall: share, interval } = recall;
  if (share === null || interval === null) return 'the sample has no pair';
  const [low, high] = interval;
  return `${percentage(share)} [${percentage(low)}, ${percentage(high)}], ${integer(found)} of ${counted(pairs, 'pair')}`;
}
