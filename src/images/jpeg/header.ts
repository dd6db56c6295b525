/** What is known of a JPEG file of the plain kind before it is decoded. */
export interface PlainJpeg {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
}

/** Second bytes of markers. */
const [SOF0, SOF1, SOF2, DHT, SOI, EOI, SOS, DQT, DRI] = [
  0xc0, 0xc1, 0xc2, 0xc4, 0xd8, 0xd9, 0xda, 0xdb, 0xdd,
];
const [APP0, APP1, APP2, APP14, APP15, COM] = [0xe0, 0xe1, 0xe2, 0xee, 0xef, 0xfe];
/** More scans than any encoder writes: each costs a pass over the picture. */
const MOST_SCANS = 64;

interface Frame extends PlainJpeg {
  /** By component: the lowest bit that the scans so far have given of each of 64 coefficients; 14 where none has. */
  readonly known: ReadonlyMap<number, Uint8Array>;
}

/** Stands for a coefficient of which nothing is known. */
const NOTHING = 14;

/**
 * The header of a JPEG that needs nothing but decoding, or undefined for every other file, be it unusual or damaged. Plain are grey and
 * YCbCr pictures of 8 bits, sequential or progressive with Huffman codes, upright, without a colour profile, whose segments are whole,
 * whose scans give every coefficient to its last bit, and which end with the end marker.
 *
 * Source: ITU-T T.81, annex B; Exif 2.3, 4.6; Adobe's APP14 as in libjpeg's jdmarker.c.
 */
export function readPlainJpeg(bytes: Uint8Array): PlainJpeg | undefined {
  const end = bytes.length - 2;
  if (end < 2 || bytes[0] !== 0xff || bytes[1] !== SOI || bytes[end] !== 0xff || bytes[end + 1] !== EOI)
    return undefined;
  let frame: Frame | undefined;
  let scans = 0;
  for (let at = 2; at < end; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff || at + 4 > end) return undefined;
    const next = at + 2 + uint16(bytes, at + 2);
    const segment = bytes.subarray(at + 4, next);
    if (next < at + 4 || next > end) return undefined;
    at = next;
    if (marker === SOF0 || marker === SOF1 || marker === SOF2) {
      if (frame !== undefined) return undefined;
      frame = readFrame(segment, marker === SOF2);
      if (frame === undefined) return undefined;
    } else if (marker === SOS) {
      if (frame === undefined || ++scans > MOST_SCANS || !addScan(frame, segment)) return undefined;
      at = endOfScan(bytes, next);
    } else if (!isHarmless(marker, segment)) return undefined;
  }
  if (frame === undefined || [...frame.known.values()].some((bits) => bits.some((bit) => bit !== 0)))
    return undefined;
  return { width: frame.width, height: frame.height, progressive: frame.progressive };
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

function readFrame(segment: Uint8Array, progressive: boolean): Frame | undefined {
  const components = segment[5];
  if (segment[0] !== 8 || (components !== 1 && components !== 3)) return undefined;
  if (segment.length !== 6 + 3 * components) return undefined;
  const [height, width] = [uint16(segment, 1), uint16(segment, 3)];
  if (width === 0 || height === 0) return undefined;
  const known = new Map<number, Uint8Array>();
  for (let i = 0; i < components; i++) known.set(segment[6 + 3 * i]!, new Uint8Array(64).fill(NOTHING));
  // Components called R, G and B are no YCbCr; any other names are, as libjpeg reads them.
  if (known.size !== components || (components === 3 && known.has(0x52))) return undefined;
  return { width, height, progressive, known };
}

/** Takes note of what a scan gives; false where it cannot be, or gives again what is known. */
function addScan({ known, progressive }: Frame, segment: Uint8Array): boolean {
  const count = segment[0]!;
  if (segment.length !== 4 + 2 * count) return false;
  const [first, last, steps] = segment.subarray(1 + 2 * count);
  const [before, low] = [steps! >> 4, steps! & 15];
  if (last! > 63 || first! > last! || (!progressive && (first !== 0 || last !== 63 || steps !== 0)))
    return false;
  if (progressive && (first === 0 ? last !== 0 : count !== 1)) return false;
  if (before !== 0 ? before !== low + 1 : low >= NOTHING) return false;
  for (let i = 0; i < count; i++) {
    const bits = known.get(segment[1 + 2 * i]!);
    // The first coefficient comes before all others, as libjpeg warns where it does not.
    if (bits === undefined || (first !== 0 && bits[0] === NOTHING)) return false;
    for (let k = first!; k <= last!; k++) {
      if (bits[k] !== (before === 0 ? NOTHING : before)) return false;
      bits[k] = low;
    }
  }
  return count > 0;
}

/** Where the marker stands that ends a scan's coded data: any but restart markers. */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = from; ; at += 2) {
    at = bytes.indexOf(0xff, at);
    const next = bytes[at + 1]!;
    if (next !== 0 && (next < 0xd0 || next > 0xd7)) return at;
  }
}

function isHarmless(marker: number, segment: Uint8Array): boolean {
  switch (marker) {
    case DHT:
    case DQT:
    case DRI:
    case COM:
      return true;
    case APP1:
      return !startsWith(segment, 'Exif\0') || isUpright(segment.subarray(6));
    case APP2:
      return !startsWith(segment, 'ICC_PROFILE');
    // Its last byte says how colours are coded: 1 is YCbCr.
    case APP14:
      return !startsWith(segment, 'Adobe') || (segment.length === 12 && segment[11] === 1);
    default:
      return marker >= APP0 && marker <= APP15;
  }
}

function startsWith(segment: Uint8Array, text: string): boolean {
  return [...text].every((letter, i) => segment[i] === letter.charCodeAt(0));
}

const ORIENTATION = 0x0112;

/** Whether an Exif segment's first directory can be read and says of the orientation nothing, or that it is upright. */
function isUpright(tiff: Uint8Array): boolean {
  const little = startsWith(tiff, 'II*\0');
  if (tiff.length < 8 || !(little || startsWith(tiff, 'MM\0*'))) return false;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const first = view.getUint32(4, little);
  if (first + 2 > tiff.length) return false;
  const count = view.getUint16(first, little);
  if (first + 2 + 12 * count > tiff.length) return false;
  for (let at = first + 2; at < first + 2 + 12 * count; at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const [type, values] = [view.getUint16(at + 2, little), view.getUint32(at + 4, little)];
    if (type !== 3 || values !== 1 || view.getUint16(at + 8, little) !== 1) return false;
  }
  return true;
}
