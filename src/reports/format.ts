import type { Rule } from '../labels/index.ts';

/** Numbers and texts as the page shows them. Plain functions of their argument: no locale, no clock. */

/** 1234567 → '1,234,567'. */
export function integer(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** '1 caption', '2 captions'. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${integer(count)} ${count === 1 ? one : many}`;
}

/** .9634 → '96.3%'; shares that are not quite 0 or 1 never read as such. */
export function percentage(share: number): string {
  const text = (share * 100).toFixed(1).replace(/\.0$/, '');
  if (text === '0' && share > 0) return '< 0.1%';
  if (text === '100' && share < 1) return '> 99.9%';
  return `${text}%`;
}

/** An area under a curve: three digits, four where three would hide the difference from 1. */
export function area(value: number): string {
  return value < 1 && value > 0.9995 ? value.toFixed(4) : value.toFixed(3);
}

/** Seconds as a reader wants them: '0.4 s', '83 s', '12 min 5 s', '2 h 3 min'. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 120) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A score with four significant digits, never in exponents between 1e-4 and 1e7. */
export function score(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2).replace('-', '−');
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(digits, 6)).replace('-', '−');
}

/** A distance in its rule's unit: whole sums of squares at 256×256, four digits of what lies between 0 and 1. */
export function distance(value: number, rule: Rule): string {
  return rule === 'reference' ? integer(value) : value.toFixed(4);
}

/** A ratio: '4,400 times', '3.2 times'. */
export function times(ratio: number): string {
  return `${ratio >= 10 ? integer(ratio) : ratio.toFixed(1)} times`;
}

/** 'a', 'a and b', 'a, b and c'. */
export function list(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

const longestCaption = 220;
/** More marks on one letter than any script needs: they would climb over the lines around. */
const stackedMarks = /(\p{M}{4})\p{M}+/gu;

/**
 * A caption for the page: control characters (NUL, line feeds, and the direction overrides that could turn
 * the text around it) become visible or blanks, marks that pile up on one letter end after four, and what is longer than 220 characters is cut with its
 * length (with `readAtMost`, a text that has so many characters may have been cut before). With a smaller `longest` it is cut there, without its length. Escaping is the template's work, not this function's.
 */
export function captionText(
  caption: string,
  readAtMost = Number.POSITIVE_INFINITY,
  longest = longestCaption,
): string {
  const visible = [...caption.slice(0, 4 * longestCaption)]
    .map(visibleCharacter)
    .join('')
    .replace(stackedMarks, '$1');
  const characters = [...visible];
  if (characters.length <= longest && caption.length <= 4 * longestCaption)
    return visible.trim() === '' ? '(empty caption)' : visible;
  const { length } = [...caption];
  if (longest < longestCaption) return `${characters.slice(0, longest).join('')}…`;
  return `${characters.slice(0, longest).join('')}… (${length >= readAtMost ? `${integer(length)} characters or more` : counted(length, 'character')})`;
}

function visibleCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  if (code === 9 || code === 10 || code === 13) return ' ';
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code === 127) return '␡';
  if (code >= 0x80 && code < 0xa0) return '�';
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) return '�';
  if (code >= 0xd800 && code < 0xe000) return '�';
  return character;
}
