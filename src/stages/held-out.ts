import { messageOf, VerbatimError } from '../errors.ts';
import type { PictureCollection } from '../labels/index.ts';
import { fewestScores } from '../math/index.ts';
import type { AuditConfig } from './config.ts';

type Labels = Pick<AuditConfig, 'labels'>;

/** Whether a rule goes by what held-out pictures say: all but the reference rule do. */
export function needsHeldOut({ labels }: Labels): boolean {
  return labels.rules.some((rule) => rule !== 'reference');
}

/**
 * Refuses rules that need held-out pictures where there are none: said when an audit begins, not when everything
 * before its labels is paid for.
 *
 * @throws VerbatimError (exit code 2)
 */
export function requireHeldOut({ labels }: Labels, heldOut: { readonly size: number } | undefined): void {
  if (!needsHeldOut({ labels })) return;
  const size = heldOut?.size ?? 0;
  const only = labels.rules.includes('reference') ? '[reference]' : 'reference alone';
  if (size === 0)
    throw new VerbatimError(
      `labels: the rules ${labels.rules.filter((rule) => rule !== 'reference').join(', ')} need pictures that the model never saw, and there are none; name a dataset of them in labels.heldOut, or set labels.rules to ${only}`,
      { exitCode: 2 },
    );
}

/**
 * Refuses rules that need held-out pictures where none can be read: tries them in order up to the first
 * that can, so that an audit ends before anything is computed and not when all before its labels is paid for.
 *
 * @throws VerbatimError (exit code 2)
 */
export async function requireReadableHeldOut(
  config: Labels,
  heldOut: PictureCollection | undefined,
  signal?: AbortSignal,
): Promise<void> {
  requireHeldOut(config, heldOut);
  if (heldOut === undefined || !needsHeldOut(config)) return;
  let first: unknown;
  for (let index = 0; index < heldOut.size; index += 1) {
    signal?.throwIfAborted();
    try {
      await heldOut.picture(index);
      return;
    } catch (error) {
      first ??= error;
    }
  }
  throw new VerbatimError(
    `labels.heldOut: none of the ${heldOut.size} pictures can be read (the first: ${messageOf(first)}); name pictures that the model never saw, or set labels.rules to [reference]`,
    { exitCode: 2, cause: first },
  );
}

/** What to say where held-out pictures are too few for the quantile; undefined where they suffice. */
export function heldOutWarning(
  { labels }: Labels,
  heldOut: { readonly size: number } | undefined,
): string | undefined {
  if (heldOut === undefined || !needsHeldOut({ labels })) return undefined;
  // The same margin for rounding as where the threshold is taken: 1 / .001 is 1,000 pictures.
  const needed = Math.ceil((1 / labels.quantile) * (1 - 1e-12));
  const copies = labels.rules.filter((rule) => rule === 'aligned' || rule === 'local');
  const count = (value: number) => value.toLocaleString('en-US');
  const warnings = [
    ...(heldOut.size < needed
      ? [
          `a quantile of ${labels.quantile} needs ${count(needed)}, so the threshold will be their smallest distance`,
        ]
      : []),
    ...(copies.length > 0 && heldOut.size < fewestScores
      ? [`${copies.join(' and ')} need ${fewestScores} and are left out`]
      : []),
  ];
  if (warnings.length === 0) return undefined;
  return [`${count(heldOut.size)} held-out ${heldOut.size === 1 ? 'picture' : 'pictures'}`, ...warnings].join(
    '; ',
  );
}
