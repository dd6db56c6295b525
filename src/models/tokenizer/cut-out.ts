/** A stretch of a text: one of the tokens that were looked for, or what lies between them. */
export interface TextPart {
  readonly text: string;
  readonly special: boolean;
}

/** Cuts texts at the given tokens: the leftmost first, of several at one place the longest. Empty parts are left out. */
export function createCutter(tokens: readonly string[]): (text: string) => TextPart[] {
  const known = tokens.filter((token) => token !== '').sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    known.map((token) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'),
    'g',
  );
  return (text) => {
    const parts: TextPart[] = [];
    let rest = 0;
    const plain = (to: number) => {
      if (to > rest) parts.push({ text: text.slice(rest, to), special: false });
    };
    if (known.length > 0)
      for (const match of text.matchAll(pattern)) {
        plain(match.index);
        parts.push({ text: match[0], special: true });
        rest = match.index + match[0].length;
      }
    plain(text.length);
    return parts;
  };
}
