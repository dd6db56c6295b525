import { open } from 'node:fs/promises';
import { atomically } from '../../tables/index.ts';
import type { DatasetProblem } from '../types.ts';
import { type FileScan, problemList, requireUnchanged, type StoredFile, scanFile } from './files.ts';
import { maxPictureBytes } from './paths.ts';

/** A file in a tar. */
export interface TarMember {
  /** With forward slashes, without a leading "./". */
  readonly name: string;
  /** Where its bytes begin, and how many there are. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** The blocks [from, to) that hold it, its own headers and padding included. */
  readonly from: number;
  readonly to: number;
}

export interface TarIndex {
  readonly members: readonly TarMember[];
  readonly problems: readonly DatasetProblem[];
}

const block = 512;
/** Small members (captions) and the header after them are read together; a picture is stepped over. */
const windowBytes = 4096;
/** So many headers are read before other work is let in. */
const headersTogether = 1024;
/** No extended header of an honest archive comes near it. */
const maxExtendedBytes = 2 ** 20;
/** A tar of more members is not indexed further: its index is held in memory. */
const maxMembers = 2_000_000;

const padded = (bytes: number) => Math.ceil(bytes / block) * block;

/** Why a member's name is not taken, or undefined. Nothing is ever written under it; a name like this is told all the same. */
function refusedName(name: string): string | undefined {
  if (name.startsWith('/') || name.startsWith('\\') || /^[a-z]:/i.test(name)) return 'has an absolute name';
  if (name.split(/[/\\]/).includes('..')) return 'has ".." in its name';
  if (name.includes('\0')) return 'has a NUL character in its name';
  return undefined;
}

/**
 * Where the files of a tar lie, found by stepping from header to header (ustar, GNU long names, pax): the contents
 * are not read. Links, devices and names that lead out are left out, as problems; an archive that is cut short or
 * damaged gives what stands before the damage.
 */
export async function indexTar(file: StoredFile): Promise<TarIndex> {
  // Loaded on first use: the command line must start quickly.
  const { Header, Pax } = await import('tar');
  const members: TarMember[] = [];
  const problems = problemList(file.path);
  const { path, sizeBytes } = file;
  await scanFile(file, async (scan) => {
    const read = windowed(scan, sizeBytes);
    const text = (at: number, length: number) => read(at, length).toString('utf8');
    let headers = 0;
    let extended: InstanceType<typeof Pax> | undefined;
    let global: InstanceType<typeof Pax> | undefined;
    /** The name in a GNU header before the member. */
    let longName: string | undefined;
    let from = 0;
    let at = 0;
    let ended = false;
    for (; at + block <= sizeBytes; ) {
      if (++headers % headersTogether === 0) await scan.pause();
      const bytes = read(at, block);
      let header: InstanceType<typeof Header>;
      try {
        header = new Header(bytes, 0, extended, global);
      } catch {
        // Numbers that are none.
        header = new Header();
      }
      if (header.nullBlock) {
        ended = true;
        break;
      }
      const size = header.size ?? 0;
      const body = at + block;
      if (!header.cksumValid || !Number.isSafeInteger(size) || size < 0) {
        problems.add(path, `byte ${at}: no tar header; the archive is damaged, what follows is left out`);
        ended = true;
        break;
      }
      const name = (longName ?? header.path ?? '').replace(/^(\.\/)+/, '');
      if (body + size > sizeBytes) {
        problems.add(path, `is cut short in member ${name}; it and what followed are left out`);
        ended = true;
        break;
      }
      at = body + padded(size);
      const { type } = header;
      const isExtension = /Header$|LongPath$|LongLinkpath$/.test(type);
      if (isExtension && size > maxExtendedBytes) {
        problems.add(
          path,
          `byte ${from}: a header of ${size} bytes; no archive needs that, what follows is left out`,
        );
        ended = true;
        break;
      }
      if (type === 'ExtendedHeader' || type === 'OldExtendedHeader') {
        extended = Pax.parse(text(body, size), extended, false);
        continue;
      }
      if (type === 'GlobalExtendedHeader') {
        global = Pax.parse(text(body, size), global, true);
        continue;
      }
      if (type === 'NextFileHasLongPath' || type === 'OldGnuLongPath') {
        longName = text(body, size).replace(/\0.*/s, '');
        continue;
      }
      if (type === 'NextFileHasLongLinkpath') continue;
      const start = from;
      from = at;
      extended = undefined;
      longName = undefined;
      if (type === 'Directory' || type === 'GNUDumpDir') continue;
      if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile') {
        const what =
          type === 'Link' || type === 'SymbolicLink' ? 'is a link' : `is of type ${type}, not a file`;
        problems.add(`${path}, member ${name}`, `${what}; it is left out`);
        continue;
      }
      const refused = refusedName(name);
      if (refused !== undefined) {
        problems.add(`${path}, member ${name}`, `${refused}; it is left out`);
        continue;
      }
      if (size > maxPictureBytes) {
        problems.add(
          `${path}, member ${name}`,
          `is ${size} bytes, more than ${maxPictureBytes}; it is left out`,
        );
        continue;
      }
      if (members.length === maxMembers) {
        problems.add(
          path,
          `has more than ${maxMembers} members; the others are left out, cut it into smaller ones`,
        );
        ended = true;
        break;
      }
      members.push({ name, offset: body, sizeBytes: size, from: start, to: Math.min(at, sizeBytes) });
    }
    await scan.pause();
    if (!ended) problems.add(path, 'has no end mark; it may have been cut short between two members');
  });
  return { members, problems: problems.list() };
}

/** Reads a file front to back, a window at a time. */
function windowed(scan: FileScan, sizeBytes: number) {
  let held: Buffer = Buffer.alloc(0);
  let heldAt = 0;
  return (at: number, length: number): Buffer => {
    if (at < heldAt || at + length > heldAt + held.length) {
      held = scan.read(at, Math.min(Math.max(length, windowBytes), sizeBytes - at));
      heldAt = at;
    }
    return held.subarray(at - heldAt, at - heldAt + length);
  };
}

/** Writes a tar of some members of another, whole or not at all: their blocks as they stand, headers included. */
export async function copyTar(
  file: StoredFile,
  members: readonly TarMember[],
  output: string,
  signal?: AbortSignal,
): Promise<void> {
  await requireUnchanged(file);
  await atomically(output, async (temporary) => {
    const source = await open(file.path);
    const target = await open(temporary, 'w');
    try {
      const buffer = Buffer.allocUnsafe(2 ** 20);
      for (const { from, to } of [...members].sort((a, b) => a.from - b.from)) {
        signal?.throwIfAborted();
        for (let at = from; at < to; ) {
          const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, to - at), at);
          if (bytesRead === 0) throw new Error(`${file.path} ended while it was copied`);
          await target.writeFile(buffer.subarray(0, bytesRead));
          at += bytesRead;
        }
        // The last member of a file without padding.
        if ((to - from) % block > 0) await target.writeFile(Buffer.alloc(block - ((to - from) % block)));
      }
      await target.writeFile(Buffer.alloc(2 * block));
    } finally {
      await source.close();
      await target.close();
    }
  });
  await requireUnchanged(file);
}
