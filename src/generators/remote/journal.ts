import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentPath, explainWriteError, putFile, readTextIfThere } from '../../tables/index.ts';

/**
 * One line of answers/journal.jsonl. 'asked' stands there before a request leaves, 'answered' when a picture of it is on
 * the disk, 'refused' when the service has answered without pictures, 'ticket' when it has taken an order or given an address, from
 * which the picture is fetched later, 'expired' when it is not to be had by its ticket any more. Requests are named by
 * digests; no prompt and no key is written.
 */
type Entry =
  | { readonly event: 'asked' | 'refused'; readonly requests: readonly string[] }
  | { readonly event: 'answered'; readonly request: string; readonly answer: string }
  | { readonly event: 'ticket'; readonly request: string; readonly ticket: string }
  | { readonly event: 'expired'; readonly request: string };

/** What was asked of a service and what came back, on the disk before anything is made of it. */
export interface Journal {
  /** The bytes of an answer that is stored; undefined where there is none. */
  answer(request: string): Promise<Uint8Array | undefined>;
  /** With what a picture that was ordered may still be fetched: the service's number or address of it. */
  ticket(request: string): string | undefined;
  /** Pictures that were asked for and not refused: each may have been charged. */
  readonly charged: number;
  asked(requests: readonly string[]): Promise<void>;
  refused(requests: readonly string[]): Promise<void>;
  ordered(request: string, ticket: string): Promise<void>;
  /** The ticket brings nothing any more. */
  expired(request: string): Promise<void>;
  /** Stores the bytes under their digest, then says so. */
  answered(request: string, bytes: Uint8Array): Promise<void>;
}

interface Store {
  readonly get: (answer: string) => Promise<Uint8Array | undefined>;
  readonly put: (bytes: Uint8Array) => Promise<string>;
  readonly append: (entry: Entry) => Promise<void>;
  readonly entries: readonly Entry[];
}

/** A journal that lasts as long as the process, for pictures outside of a run. */
export function memoryJournal(): Journal {
  const answers = new Map<string, Uint8Array>();
  return journalOf({
    get: async (answer) => answers.get(answer),
    put: async (bytes) => {
      const name = String(answers.size);
      answers.set(name, bytes);
      return name;
    },
    append: async () => {},
    entries: [],
  });
}

/**
 * Opens the journal in a folder of a run. Each line is flushed to the disk before the work goes on. A killed process may
 * leave its last line cut short: that one is passed over, and what was asked and never answered is asked again.
 */
export async function openJournal(folder: string): Promise<Journal> {
  const path = join(folder, 'journal.jsonl');
  const text = (await readTextIfThere(path)) ?? '';
  let torn = text !== '' && !text.endsWith('\n');
  // One line after another, though requests run side by side.
  let last: Promise<void> = Promise.resolve();
  const write = async (entry: Entry) => {
    try {
      await mkdir(folder, { recursive: true });
      const file = await open(path, 'a');
      try {
        await file.writeFile(`${torn ? '\n' : ''}${JSON.stringify(entry)}\n`);
        torn = false;
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw explainWriteError(error, path);
    }
  };
  return journalOf({
    get: (answer) => readFile(join(folder, contentPath(answer, 'bin'))).catch(() => undefined),
    put: (bytes) => putFile(folder, bytes, 'bin'),
    append: (entry) => {
      const next = last.then(() => write(entry));
      last = next.catch(() => {});
      return next;
    },
    entries: text.split('\n').flatMap(parsed),
  });
}

const digest = /^[0-9a-f]{64}$/;

/** A line that is whole; a digest becomes a path, so it must be one. */
function parsed(line: string): Entry[] {
  try {
    const entry = JSON.parse(line) as Entry;
    if (entry.event === 'asked' || entry.event === 'refused')
      return Array.isArray(entry.requests) ? [entry] : [];
    if (entry.event === 'answered') return digest.test(entry.answer) ? [entry] : [];
    if (entry.event === 'ticket') return typeof entry.ticket === 'string' ? [entry] : [];
    return entry.event === 'expired' ? [entry] : [];
  } catch {
    return [];
  }
}

function journalOf({ get, put, append, entries }: Store): Journal {
  const answers = new Map<string, string>();
  const tickets = new Map<string, string>();
  let charged = 0;
  const note = (entry: Entry) => {
    switch (entry.event) {
      case 'asked':
        charged += entry.requests.length;
        break;
      case 'refused':
        charged -= entry.requests.length;
        break;
      case 'answered':
        answers.set(entry.request, entry.answer);
        break;
      case 'ticket':
        tickets.set(entry.request, entry.ticket);
        break;
      case 'expired':
        tickets.delete(entry.request);
    }
  };
  entries.forEach(note);
  const add = (entry: Entry) => {
    // Before it is written: what runs beside must already count it.
    note(entry);
    return append(entry);
  };
  return {
    async answer(request) {
      const name = answers.get(request);
      return name === undefined ? undefined : get(name);
    },
    ticket: (request) => tickets.get(request),
    get charged() {
      return charged;
    },
    asked: (requests) => add({ event: 'asked', requests }),
    refused: (requests) => add({ event: 'refused', requests }),
    expired: (request) => add({ event: 'expired', request }),
    ordered: (request, ticket) => add({ event: 'ticket', request, ticket }),
    answered: async (request, bytes) => add({ event: 'answered', request, answer: await put(bytes) }),
  };
}
