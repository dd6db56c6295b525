/**
 * SentencePiece's `precompiled_charsmap`: which strings a normalisation rule (such as nmt_nfkc) replaces by which.
 * Little-endian: the trie's size in bytes (uint32), a double-array trie as the darts-clone library writes it
 * (uint32 units), and the replacements, each ended by a NUL, to whose places the trie's values point.
 */
export interface Charsmap {
  /** The replaced text. Invalid UTF-16 becomes U+FFFD, as SentencePiece has it for invalid UTF-8. */
  replace(text: string): string;
}

/**
 * Reads such a map. Throws an Error that says what is wrong with it; places that lead out of it are found only when
 * a text leads there, and count as no replacement.
 */
export function readCharsmap(bytes: Uint8Array): Charsmap {
  if (bytes.length < 4) throw new Error('is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const trieBytes = view.getUint32(0, true);
  if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length)
    throw new Error(`gives its trie ${trieBytes} bytes of ${bytes.length - 4}`);
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const pool = bytes.subarray(4 + trieBytes);
  if (pool.length > 0 && pool[pool.length - 1] !== 0) throw new Error('ends within a replacement');
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();

  const replacement = (at: number): string | undefined => {
    if (at >= pool.length) return undefined;
    return decoder.decode(pool.subarray(at, pool.indexOf(0, at)));
  };
  return {
    replace(text) {
      const source = encoder.encode(text);
      let out = '';
      let plainFrom = 0;
      for (let from = 0; from < source.length; ) {
        const found = longestMatch(units, source, from);
        const to = found && replacement(found.value);
        if (found === undefined || to === undefined) {
          from += sequenceLength(source[from]!);
          continue;
        }
        out += decoder.decode(source.subarray(plainFrom, from)) + to;
        from += found.length;
        plainFrom = from;
      }
      return out + decoder.decode(source.subarray(plainFrom));
    },
  };
}

/** The longest key of the trie that starts at `from`, with its value. */
function longestMatch(
  units: Uint32Array,
  source: Uint8Array,
  from: number,
): { length: number; value: number } | undefined {
  let found: { length: number; value: number } | undefined;
  let node = offsetOf(units[0]!);
  for (let at = from; at < source.length; at++) {
    node = (node ^ source[at]!) >>> 0;
    const unit = units[node];
    // Label and the mark of a value's unit: a value is never a step.
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== source[at]) break;
    node = (node ^ offsetOf(unit)) >>> 0;
    const value = units[node];
    if (((unit >>> 8) & 1) === 1 && value !== undefined)
      found = { length: at + 1 - from, value: value & 0x7fffffff };
  }
  return found;
}

/** Where the children of a unit are, relative to it: 21 bits, in steps of 256 where bit 9 says so. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** Bytes of the UTF-8 sequence that starts with this byte. */
function sequenceLength(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}
