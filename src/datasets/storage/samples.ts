import type { DatasetProblem } from '../types.ts';
import { pictureEndings } from './paths.ts';
import type { TarMember } from './tar.ts';

/** Members of a tar that belong together. */
export interface Sample {
  /** Their common name up to the first dot, folders included; unique in its tar. */
  readonly key: string;
  readonly picture?: TarMember;
  /** A .txt member. */
  readonly text?: TarMember;
  /** A .json member. */
  readonly json?: TarMember;
  readonly members: readonly TarMember[];
  /** Why it has no picture. */
  readonly error?: string;
}

export interface SampleIndex {
  readonly samples: readonly Sample[];
  /** The row of each key. */
  readonly rows: ReadonlyMap<string, number>;
  readonly problems: readonly DatasetProblem[];
}

/** A caption file larger than this is refused. */
const maxCaptionBytes = 2 ** 20;

/** 'a/0001.seg.png' is 'a/0001' and 'seg.png'; undefined for a name without ending. */
export function splitName(name: string): { readonly key: string; readonly ending: string } | undefined {
  const slash = name.lastIndexOf('/');
  const dot = name.indexOf('.', slash + 1);
  if (dot <= slash + 1) return undefined;
  return { key: name.slice(0, dot), ending: name.slice(dot + 1).toLowerCase() };
}

interface Collected {
  readonly key: string;
  readonly base: string;
  picture?: TarMember;
  text?: TarMember;
  json?: TarMember;
  readonly endings: Set<string>;
  readonly members: TarMember[];
}

/**
 * The samples of a tar, in the order of their first members. A second sample of the same name is a row with an
 * error: the first counts.
 */
export function samplesOf(members: readonly TarMember[], path: string): SampleIndex {
  const collected: Collected[] = [];
  /** The latest sample of each name: later members join it until an ending comes again. */
  const latest = new Map<string, Collected>();
  const rows = new Map<string, number>();
  let unnamed = 0;
  for (const member of members) {
    const split = splitName(member.name);
    if (split === undefined) {
      unnamed++;
      continue;
    }
    const { key: base, ending } = split;
    let sample = latest.get(base);
    if (sample === undefined || sample.endings.has(ending)) {
      let key = base;
      while (rows.has(key)) key = `${key}#${collected.length}`;
      sample = { key, base, endings: new Set(), members: [] };
      rows.set(key, collected.length);
      latest.set(base, sample);
      collected.push(sample);
    }
    sample.endings.add(ending);
    sample.members.push(member);
    if (ending === 'txt') sample.text = member;
    else if (ending === 'json') sample.json = member;
    else if (pictureEndings.has(`.${ending}`)) sample.picture ??= member;
  }
  const problems: DatasetProblem[] =
    unnamed === 0
      ? []
      : [
          {
            where: path,
            what: `${unnamed} members have names without an ending and belong to no sample`,
            rows: null,
          },
        ];
  const samples = collected.map(({ endings, base, ...sample }): Sample => {
    const error =
      sample.key !== base
        ? `stands in the tar again under the name ${base}; the first one counts`
        : sample.picture === undefined
          ? `has no picture (members: ${[...endings].map((ending) => `.${ending}`).join(', ')})`
          : undefined;
    return { ...sample, ...(error && { error }) };
  });
  return { samples, rows, problems };
}

const captionKeys = ['caption', 'text', 'prompt'];

/** A sample's caption, empty where it has none; `fault` when it cannot be read. `where` goes before the member's name. */
export async function captionOf(
  { text, json }: Sample,
  captionKey: string | undefined,
  where: string,
  read: (member: TarMember) => Uint8Array | Promise<Uint8Array>,
): Promise<{ readonly text: string; readonly fault?: string }> {
  const member = captionKey === undefined ? (text ?? json) : (json ?? text);
  if (member === undefined) return { text: '' };
  const fault = (what: string) => ({ text: '', fault: `${where} ${member.name}: ${what}` });
  if (member.sizeBytes > maxCaptionBytes) return fault(`${member.sizeBytes} bytes are no caption.`);
  const content = Buffer.from(await read(member)).toString('utf8');
  if (member === text) return { text: content.replace(/\r?\n$/, '') };
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    return fault(`not valid JSON (${(error as Error).message}).`);
  }
  const fields = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  const value = (captionKey === undefined ? captionKeys : [captionKey])
    .map((key) => (Object.hasOwn(fields, key) ? fields[key] : undefined))
    .find((value) => value !== undefined && value !== null);
  return { text: value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value) };
}
