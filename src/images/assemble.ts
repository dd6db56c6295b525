/**
 * Just enough of WebAssembly's binary format (W3C, WebAssembly Core Specification 2.0, chapter 5) to write one function with 128-bit
 * vectors by hand: integer sums of products, which JavaScript computes one at a time.
 */
export type Code = readonly (number | Code)[];

/** An unsigned number in LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/** A signed number in LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (; value < -64 || value > 63; value >>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value & 127];
}

const vector = (operation: number) => [0xfd, ...unsigned(operation)];

/** Instructions by their names in the specification; those that read or write memory take an offset in bytes. */
export const op = {
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  constant: (value: number) => [0x41, ...signed(value)],
  /** Runs its body again while that leaves a number other than 0. */
  loop: (body: Code): Code => [0x03, 0x40, body, 0x0d, 0, 0x0b],
  select: [0x1b],
  load: [0x28, 0, 0],
  store8: [0x3a, 0, 0],
  less: [0x48],
  more: [0x4a],
  add: [0x6a],
  multiply: [0x6c],
  shiftLeft: [0x74],
  shiftRight: [0x75],
  v128: {
    load: [...vector(0), 0, 0],
    constant: (bytes: readonly number[]) => [...vector(12), ...bytes],
    /** Bytes by position; 0 where that is none of the 16. */
    swizzle: vector(14),
    /** The lower 8 bytes. */
    storeHalf: [...vector(91), 0, 0, 0],
  },
  i32x4: {
    lane: (lane: number) => [...vector(27), lane],
    shiftLeft: vector(171),
    shiftRight: vector(173),
    add: vector(174),
    /** Sums of two products of signed 16-bit neighbours each. */
    dot: vector(186),
    /** To the lower 4 of 8 signed 16-bit numbers, and the second vector's to the upper 4. */
    narrow: vector(133),
  },
} as const;

export const types = { i32: 0x7f, v128: 0x7b } as const;

/**
 * The module that imports `environment.memory` and exports `run`, a function of `parameters` 32-bit numbers that gives nothing.
 * Locals after the parameters have the types that are listed.
 */
export function assemble(parameters: number, locals: readonly number[], body: Code): Uint8Array<ArrayBuffer> {
  const text = (name: string) => [...unsigned(name.length), ...new TextEncoder().encode(name)];
  const sized = (bytes: readonly number[]) => [...unsigned(bytes.length), ...bytes];
  const section = (id: number, bytes: readonly number[]) => [id, ...sized(bytes)];
  const declared = locals.flatMap((type) => [1, type]);
  const code = [...unsigned(locals.length), ...declared, ...flat(body), 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, ...sized(Array.from({ length: parameters }, () => types.i32)), 0]),
    ...section(2, [1, ...text('environment'), ...text('memory'), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('run'), 0, 0]),
    ...section(10, [1, ...sized(code)]),
  ]);
}

function flat(code: Code): number[] {
  return code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)));
}
