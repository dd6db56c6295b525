import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { VerbatimError } from '../errors.ts';
import { refuseStandIn } from '../graph/index.ts';
import { type DType, elementCount, type Tensor, TYPED_ARRAYS, toFloat16, toFloat32 } from '../math/index.ts';
import { writeFileAtomic } from '../tables/index.ts';

/** Bytes per element of safetensors' dtypes; those that we can read are `readable`, and BF16. */
const sizes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** safetensors' names of the element types that we hold. */
const dtypeNames: Readonly<Record<DType, string>> = {
  float32: 'F32',
  float16: 'F16',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
const readable = new Map(Object.entries(dtypeNames).map(([dtype, name]) => [name, dtype as DType]));

/** A header is names and numbers: the format itself limits it to 100 MB. */
const headerLimitBytes = 100_000_000;

/** What a file's header says of one tensor, checked; offsets count from the start of the file. */
export interface TensorEntry {
  readonly name: string;
  /** safetensors' own name of the element type: 'F32', 'F16', 'BF16', … */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** An opened file: the header in memory, the tensors on disk until they are asked for. */
export interface SafetensorsFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** One positioned read. bfloat16 comes as float32 (exactly), float16 as raw bits. */
  read(name: string): Tensor;
  /** The same for an entry of this file, or for a slice of one along dimension 0. */
  readEntry(entry: TensorEntry): Tensor;
  /** Lets go of the file; what is read later opens it for that read alone. */
  close(): void;
}

/**
 * Opens a safetensors file (https://github.com/huggingface/safetensors, format section): 8 bytes of
 * header length, a JSON header, the data. Throws a VerbatimError that names the file and the tensor when
 * the file is cut short, its header is no such header, or offsets overlap, leave holes or lie outside.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openForReading(path);
  let closed = false;
  const readBytes = ({ offsetBytes, lengthBytes }: TensorEntry) => {
    const own = closed ? openForReading(path) : descriptor;
    try {
      return readAt(path, own, offsetBytes, lengthBytes);
    } finally {
      if (own !== descriptor) closeSync(own);
    }
  };
  const close = () => {
    if (!closed) closeSync(descriptor);
    closed = true;
  };
  try {
    const fileBytes = fstatSync(descriptor).size;
    const { header, dataStart } = readHeader(path, descriptor, fileBytes);
    const entries = checkEntries(path, header, dataStart, fileBytes);
    const metadata = (header['__metadata__'] ?? {}) as Record<string, string>;
    const readEntry = (entry: TensorEntry): Tensor => decode(path, entry, readBytes(entry));
    const read = (name: string): Tensor => {
      const entry = entries.get(name);
      if (!entry) throw new VerbatimError(`${path}: tensor "${name}" is missing.`);
      return readEntry(entry);
    };
    return { path, entries, metadata, read, readEntry, close };
  } catch (error) {
    close();
    throw error;
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new VerbatimError(`${path}: cannot be opened (${(cause as NodeJS.ErrnoException).code}).`, {
      cause,
    });
  }
}

/** Reads exactly so many bytes; a copy, so that typed arrays over it are aligned. */
function readAt(path: string, descriptor: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  // One read call transfers at most 2^31 − 1 bytes.
  for (let done = 0; done < length; ) {
    const count = readSync(descriptor, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
    if (count === 0)
      throw new VerbatimError(`${path}: the file ends ${length - done} bytes early; copy it again.`);
    done += count;
  }
  return bytes;
}

function readHeader(path: string, descriptor: number, fileBytes: number) {
  if (fileBytes < 8)
    throw new VerbatimError(`${path}: ${fileBytes} bytes are too few for a safetensors file; copy it again.`);
  const length = new DataView(readAt(path, descriptor, 0, 8).buffer).getBigUint64(0, true);
  if (length > headerLimitBytes) {
    // Text read as a number is larger than any header.
    refuseStandIn(path);
    throw new VerbatimError(
      `${path}: a header of ${length} bytes is over the limit of ${headerLimitBytes}; this is no safetensors file, or it is damaged.`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > fileBytes)
    throw new VerbatimError(
      `${path}: cut short: the header should end at byte ${dataStart}, the file has ${fileBytes}; copy it again.`,
    );
  const bytes = readAt(path, descriptor, 8, Number(length));
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw new VerbatimError(
      `${path}: the header is not JSON; this is no safetensors file, or it is damaged.`,
      { cause },
    );
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw new VerbatimError(`${path}: the header is not a JSON object; this is no safetensors file.`);
  const repeated = repeatedKey(text);
  if (repeated !== undefined)
    throw new VerbatimError(`${path}: tensor "${repeated}" stands twice in the header.`);
  return { header: header as Record<string, unknown>, dataStart };
}

/** JSON.parse keeps the last of equal keys and says nothing; this finds the first repeated outer one. */
function repeatedKey(json: string): string | undefined {
  const seen = new Set<string>();
  const colon = /\s*:/y;
  let depth = 0;
  // Not by a pattern of whole strings, which overflows the stack on long ones. The text is known to be JSON.
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    if (char !== '"') continue;
    const start = at++;
    for (; json[at] !== '"'; at++) if (json[at] === '\\') at++;
    colon.lastIndex = at + 1;
    if (depth !== 1 || !colon.test(json)) continue;
    const key = JSON.parse(json.slice(start, at + 1)) as string;
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return undefined;
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function checkEntries(path: string, header: Record<string, unknown>, dataStart: number, fileBytes: number) {
  const found: TensorEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    const bytes = typeof dtype === 'string' && Object.hasOwn(sizes, dtype) ? sizes[dtype] : undefined;
    if (bytes === undefined)
      throw new VerbatimError(`${path}: tensor "${name}" has the unknown dtype ${JSON.stringify(dtype)}.`);
    if (!Array.isArray(shape) || !shape.every(isSize))
      throw new VerbatimError(
        `${path}: tensor "${name}" has the shape ${JSON.stringify(shape)}, not a list of sizes.`,
      );
    const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
    if (!isSize(begin) || !isSize(end) || begin > end)
      throw new VerbatimError(
        `${path}: tensor "${name}" has data_offsets ${JSON.stringify(offsets)}, not [begin, end].`,
      );
    if (end - begin !== elementCount(shape) * bytes)
      throw new VerbatimError(
        `${path}: tensor "${name}" [${shape.join(', ')}] of ${dtype} needs ${elementCount(shape) * bytes} bytes, its offsets give ${end - begin}.`,
      );
    if (dataStart + end > fileBytes)
      throw new VerbatimError(
        `${path}: cut short: tensor "${name}" ends at byte ${dataStart + end}, the file has ${fileBytes}; copy it again.`,
      );
    found.push({
      name,
      dtype: dtype as string,
      shape,
      offsetBytes: dataStart + begin,
      lengthBytes: end - begin,
    });
  }
  checkCovering(path, found, dataStart, fileBytes);
  return new Map(found.map((entry) => [entry.name, entry]));
}

/** The tensors must cover the data exactly, as the reference implementation demands. */
function checkCovering(path: string, entries: TensorEntry[], dataStart: number, fileBytes: number): void {
  const ordered = [...entries].sort((a, b) => a.offsetBytes - b.offsetBytes || a.lengthBytes - b.lengthBytes);
  let position = dataStart;
  let before = 'the header';
  for (const entry of ordered) {
    if (entry.offsetBytes !== position) {
      const fault = entry.offsetBytes < position ? 'overlaps' : 'leaves unused bytes after';
      throw new VerbatimError(`${path}: tensor "${entry.name}" ${fault} ${before}; the file is damaged.`);
    }
    position += entry.lengthBytes;
    before = `tensor "${entry.name}"`;
  }
  if (position !== fileBytes)
    throw new VerbatimError(`${path}: ${fileBytes - position} bytes follow ${before}; the file is damaged.`);
}

function decode(path: string, entry: TensorEntry, { buffer }: Uint8Array<ArrayBuffer>): Tensor {
  const { shape } = entry;
  if (entry.dtype === 'BF16')
    return { dtype: 'float32', shape, data: bfloatToFloat(new Uint16Array(buffer)) };
  const dtype = readable.get(entry.dtype);
  if (dtype === undefined)
    throw new VerbatimError(
      `${path}: tensor "${entry.name}" has dtype ${entry.dtype}, which cannot be read; convert it to F32.`,
    );
  return { dtype, shape, data: new TYPED_ARRAYS[dtype](buffer) };
}

/** bfloat16 bits → float32, exactly: they are the upper half of the same number. */
function bfloatToFloat(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

/** Any floating-point tensor as float32. Throws a VerbatimError on integers, with `where` for the message. */
export function asFloat32(tensor: Tensor, where: string): Float32Array {
  switch (tensor.dtype) {
    case 'float32':
      return tensor.data as Float32Array;
    case 'float16':
      return toFloat32(tensor.data as Uint16Array);
    case 'float64':
      return Float32Array.from(tensor.data as Float64Array);
    default:
      throw new VerbatimError(`${where}: expected floating-point numbers, found ${tensor.dtype}.`);
  }
}

export interface SafetensorsWriteOptions {
  /** Stores float32 tensors in half precision. Default 'float32'. */
  readonly dtype?: 'float32' | 'float16';
  /** Default {format: 'pt'}, without which transformers refuses a file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A tensor that is made when its turn to be written comes: of a large file only one is in memory at a time. */
export interface DeferredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  read(): Tensor['data'];
}
export type WritableTensor = Tensor | DeferredTensor;

/**
 * The bytes of a safetensors file, part by part: tensors by element size (so that each is aligned), then by name,
 * the header padded to 8 bytes; equal tensors give equal bytes.
 */
export function* encodeSafetensors(
  tensors: Readonly<Record<string, WritableTensor>>,
  options: SafetensorsWriteOptions = {},
): Generator<Uint8Array> {
  const narrow = (dtype: DType) => options.dtype === 'float16' && dtype === 'float32';
  const stored = Object.entries(tensors).map(([name, tensor]) => {
    const dtype = narrow(tensor.dtype) ? 'float16' : tensor.dtype;
    return { name, tensor, dtype, bytesPerElement: TYPED_ARRAYS[dtype].BYTES_PER_ELEMENT };
  });
  stored.sort(
    (a, b) => b.bytesPerElement - a.bytesPerElement || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  // Without a prototype any name is a key of its own, `__proto__` too.
  const header = Object.create(null) as Record<string, unknown>;
  header['__metadata__'] = options.metadata ?? { format: 'pt' };
  let position = 0;
  for (const { name, tensor, dtype, bytesPerElement } of stored) {
    const end = position + elementCount(tensor.shape) * bytesPerElement;
    header[name] = { dtype: dtypeNames[dtype], shape: tensor.shape, data_offsets: [position, end] };
    position = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  yield padded;
  for (const { name, tensor } of stored) {
    const values = 'read' in tensor ? tensor.read() : tensor.data;
    if (values.length !== elementCount(tensor.shape))
      throw new RangeError(`${name}: ${values.length} values do not fill [${tensor.shape}]`);
    const { buffer, byteOffset, byteLength } = narrow(tensor.dtype)
      ? toFloat16(values as Float32Array)
      : values;
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/** Writes a safetensors file, whole or not at all (see `atomically`); equal tensors give equal bytes. */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, WritableTensor>>,
  options: SafetensorsWriteOptions = {},
): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(tensors, options));
}
