import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Picture } from '../picture.ts';
import type { PlainJpeg } from './header.ts';

/** What libjpeg-turbo's WebAssembly build gives us: addresses and sizes in bytes. */
interface Turbo {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(at: number): void;
  tjInitDecompress(): number;
  tjDestroy(handle: number): number;
  /** 0, or another number after an error and after any warning. */
  tjDecompress2(
    handle: number,
    source: number,
    size: number,
    target: number,
    width: number,
    stride: number,
    height: number,
    format: number,
    flags: number,
  ): number;
}

/** What is used of WebAssembly, as in ../narrow.ts. */
interface WebAssemblyTypes {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Turbo };
}

/** TJPF_RGB. No flags: the exact transform, smooth upsampling of colours, as Pillow and libvips have them. */
const [RGB, NO_FLAGS] = [0, 0];
/** An instance whose memory has grown beyond this is dropped: memory never shrinks. */
const MOST_MEMORY_BYTES = 2 ** 25;

let module: object | undefined;
let turbo: Turbo | undefined;

function start(): Turbo {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyTypes };
  module ??= new WebAssembly.Module(
    readFileSync(createRequire(import.meta.url).resolve('@cwasm/jpeg-turbo/jpeg-turbo.wasm')),
  );
  const refuse = () => {
    throw new Error('libjpeg-turbo gave up');
  };
  // There is no jumping back in WebAssembly: where libjpeg-turbo would, the call ends, and its instance with it.
  return new WebAssembly.Instance(module, {
    env: { setjmp: () => 0, longjmp: refuse },
    wasi_snapshot_preview1: {
      environ_sizes_get: () => 0,
      environ_get: refuse,
      proc_exit: refuse,
      fd_close: refuse,
      fd_seek: refuse,
      fd_write: refuse,
    },
  }).exports;
}

/**
 * The pixels of a plain JPEG, its sides divided by `shrink` (1, 2, 4 or 8) and rounded up; undefined where libjpeg-turbo finds
 * anything wrong with it. It decodes on the thread that calls, by libjpeg-turbo in WebAssembly: for small pictures in a quarter
 * of the time that sharp takes, which has the same decoder but spends a millisecond around it.
 */
export function decodePlainJpeg(
  bytes: Uint8Array,
  header: PlainJpeg,
  shrink: 1 | 2 | 4 | 8 = 1,
): Picture | undefined {
  const width = Math.ceil(header.width / shrink);
  const height = Math.ceil(header.height / shrink);
  const size = 3 * width * height;
  try {
    turbo ??= start();
    // One for each picture: it remembers tables, and a file that lacks them must not be decoded by those of another.
    const handle = turbo.tjInitDecompress();
    const target = turbo.malloc(size + bytes.length);
    if (handle === 0 || target === 0) throw new Error('no memory');
    // The file after the pixels.
    const source = target + size;
    new Uint8Array(turbo.memory.buffer).set(bytes, source);
    const stride = 3 * width;
    const status = turbo.tjDecompress2(
      handle,
      source,
      bytes.length,
      target,
      width,
      stride,
      height,
      RGB,
      NO_FLAGS,
    );
    // The memory may have grown, and its old buffer with it be gone.
    const data = status === 0 ? new Uint8Array(turbo.memory.buffer).slice(target, target + size) : undefined;
    turbo.free(target);
    turbo.tjDestroy(handle);
    if (data === undefined || turbo.memory.buffer.byteLength > MOST_MEMORY_BYTES) turbo = undefined;
    return data && { width, height, data };
  } catch {
    turbo = undefined;
    return undefined;
  }
}
