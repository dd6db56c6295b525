import type { DecodeOptions, Picture } from '../images/index.ts';
import { openThreads, scriptUrl } from '../runtime/index.ts';
import type { EncodedHash } from './hashes.ts';
import type { PictureFile, PictureReply, PictureTask } from './picture-tasks.ts';

/** Threads that decode and hash pictures, each call on one of them. A file is its bytes, which are copied, or its path. */
export interface PictureThreads {
  readonly count: number;
  /** As `decodePicture`. */
  picture(file: PictureFile, options: DecodeOptions): Promise<Picture>;
  /** As `decodeThumbnail`. */
  thumbnail(file: PictureFile, side: number, options: DecodeOptions): Promise<Picture>;
  /** As `phashOfEncoded`. */
  phash(file: PictureFile, options: DecodeOptions & { readonly side?: number }): Promise<EncodedHash>;
  /** Rejects what is under way; resolves when the threads are gone. */
  close(): Promise<void>;
}

/**
 * Starts threads (default: as many as there are cores) for many pictures: JPEGs are decoded on the thread that asks for them, so
 * one alone keeps one core busy. Keep several calls under way for each thread, with `mapConcurrently`. Results and errors are those of the
 * functions themselves. For a handful of pictures call those: a thread takes some .1 s to start.
 *
 * @throws VerbatimError (exit code 2) when `threads` is no whole number from 1 on
 */
export function openPictureThreads(options: { readonly threads?: number } = {}): PictureThreads {
  const script = scriptUrl('picture-thread', import.meta.url);
  const threads = openThreads<PictureTask, PictureReply<PictureTask>>(script, {
    label: 'pictures',
    threads: options.threads,
  });
  const run = <Task extends PictureTask>(task: Task) => {
    const { file } = task;
    if (typeof file === 'string') return threads.run(task) as Promise<PictureReply<Task>>;
    // A view goes with its whole buffer, which may be that of a shard.
    const copy = Uint8Array.from(file);
    return threads.run({ ...task, file: copy }, [copy.buffer]) as Promise<PictureReply<Task>>;
  };
  return {
    count: threads.count,
    picture: (file, options) => run({ kind: 'picture', file, options }),
    thumbnail: (file, side, options) => run({ kind: 'thumbnail', file, side, options }),
    phash: (file, { side, ...options }) => run({ kind: 'phash', file, side, options }),
    close: threads.close,
  };
}
