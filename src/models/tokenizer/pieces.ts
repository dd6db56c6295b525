/**
 * How CLIP's tokenizer cuts a caption into words before byte-pair encoding, as the `tokenizers` library
 * does it for transformers' CLIPTokenizer (that is, without ftfy's mojibake repair).
 */

/** GPT-2's table of bytes to printable characters: printable Latin-1 stands for itself, the rest from U+0100 on. */
function byteAlphabet(): readonly string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** Byte → character. */
const byteToChar = byteAlphabet();

/** Character → byte. */
export const charToByte: ReadonlyMap<string, number> = new Map(byteToChar.map((char, byte) => [char, byte]));

/** All 256 characters in CLIP's order: first those that stand for themselves, then the others. */
export const orderedAlphabet: readonly string[] = [
  ...byteToChar.filter((char, byte) => char.charCodeAt(0) === byte),
  ...byteToChar.filter((char, byte) => char.charCodeAt(0) !== byte),
];

/**
 * NFC, runs of white space to one space, lower case. Lowering goes code point by code point, as in Rust's
 * `char::to_lowercase`: a Greek final sigma gets no special form.
 */
export function normalizeCaption(text: string): string {
  let lowered = '';
  for (const char of text.normalize('NFC').replace(/\p{White_Space}+/gu, ' ')) lowered += char.toLowerCase();
  return lowered;
}

const clipPattern =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
/** GPT-2's own pattern, which the byte-level step applies to each piece once more. */
const bytePattern = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}+|[^\p{White_Space}\p{L}\p{N}]+/gu;

const encoder = new TextEncoder();

/** A normalized caption's words, each spelled in the byte alphabet; white space is dropped. */
export function words(normalized: string): string[] {
  const found: string[] = [];
  for (const [piece] of normalized.matchAll(clipPattern))
    for (const [word] of piece.matchAll(bytePattern)) {
      let spelled = '';
      for (const byte of encoder.encode(word)) spelled += byteToChar[byte]!;
      found.push(spelled);
    }
  return found;
}
