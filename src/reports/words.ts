import type { Region, Transform } from '../labels/index.ts';
import type { LabelRow } from '../stages/index.ts';
import { percentage } from './format.ts';

/** The transform of a label; undefined where there is none, or it is not one of ours. */
export function transformOf({ transform }: LabelRow): Transform | undefined {
  const value = parsed(transform);
  const { flip, scale, x, y } = value;
  if (typeof flip !== 'boolean' || !isNumber(scale) || !isNumber(x) || !isNumber(y)) return undefined;
  return scale > 0 ? { flip, scale, x, y } : undefined;
}

/** The region of a label; undefined where it is the whole picture. */
export function regionOf({ region }: LabelRow): Region | undefined {
  const { share, box } = parsed(region);
  if (!isNumber(share) || !Array.isArray(box) || box.length !== 4 || !box.every(isNumber)) return undefined;
  return { share, box: box as unknown as Region['box'] };
}

/** Whether a transform changes anything that can be seen. */
export function isMoved(transform: Transform | undefined): boolean {
  return transform !== undefined && movements(transform).length > 0;
}

/**
 * What a label measured, in words: 'mirrored, scaled by 1.25, moved 12% right; 86% of the picture agrees'. Empty where
 * there is nothing to say beyond verdict and distance.
 */
export function labelWords(label: LabelRow): string {
  const { similarity, level } = parsed(label.evidence);
  const transform = transformOf(label);
  const region = regionOf(label);
  const said = [
    transform === undefined ? '' : movements(transform).join(', '),
    region === undefined ? '' : regionWords(region, label),
    isNumber(similarity)
      ? `similarity ${similarity.toFixed(3)}${typeof level === 'string' ? ` (${level})` : ''}`
      : '',
  ];
  return said.filter((text) => text !== '').join('; ');
}

/** The region of a template is what was compared, whatever came of it there. */
function regionWords({ share }: Region, { verdict, mask }: LabelRow): string {
  return verdict === 'TV' && mask !== null
    ? `compared on ${percentage(share)} of the picture, the rest varies`
    : `${percentage(share)} of the picture agrees`;
}

function movements({ flip, scale, x, y }: Transform): string[] {
  const words: string[] = [];
  if (flip) words.push('mirrored');
  if (Math.abs(scale - 1) >= 0.005) words.push(`scaled by ${Number(scale.toFixed(2))}`);
  const moves = [
    [x, 'right', 'left'],
    [y, 'down', 'up'],
  ] as const;
  const moved = moves.flatMap(([share, ahead, back]) => {
    const percent = Math.round(Math.abs(share) * 100);
    return percent === 0 ? [] : `${percent}% ${share > 0 ? ahead : back}`;
  });
  if (moved.length > 0) words.push(`moved ${moved.join(' and ')}`);
  return words;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A cell of JSON; an empty object where it is null, no JSON or no object. */
export function parsed(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
