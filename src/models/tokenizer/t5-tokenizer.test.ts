import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../testing/folder.ts';
import { fixtures } from '../testing/goldens.ts';
import { readCharsmap } from './charsmap.ts';
import { parseSentencePiece } from './sentencepiece.ts';
import { loadT5Tokenizer } from './t5-files.ts';
import { createT5Tokenizer } from './t5-tokenizer.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';
import { createUnigram } from './unigram.ts';

/** By bench/peers/make_if_fixtures.py. */
interface Golden {
  readonly text: string;
  readonly normalized: string;
  readonly sentencepiece: readonly number[];
  readonly transformers: readonly number[];
  readonly padded: readonly number[];
  readonly mask: number;
  readonly bytes: readonly number[];
}
const goldens = JSON.parse(readFileSync(`${fixtures}t5/goldens.json`, 'utf8')) as Golden[];
const folder = `${fixtures}if/tokenizer`;
const spiece = readFileSync(join(folder, 'spiece.model'));
const root = temporaryFolder('t5-tokenizer');
const json = () =>
  JSON.parse(readFileSync(`${fixtures}t5/tokenizer.json`, 'utf8')) as Record<string, unknown>;

/** A folder with transformers' tokenizer.json, given back the map that the fixture leaves to spiece.model. */
function withTokenizerJson(name: string, change: Record<string, unknown> = {}): string {
  const { charsmap } = parseSentencePiece(spiece, 'spiece.model');
  const precompiled_charsmap = Buffer.from(charsmap!).toString('base64');
  const path = join(root, name);
  mkdirSync(path);
  const whole = { ...json(), normalizer: { type: 'Precompiled', precompiled_charsmap }, ...change };
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(whole));
  return path;
}

/** A folder with a spiece.model and a tokenizer_config.json. */
function withModel(name: string, bytes: Uint8Array, config: Record<string, unknown> = {}): string {
  const path = join(root, name);
  mkdirSync(path);
  writeFileSync(join(path, 'spiece.model'), bytes);
  writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify(config));
  return path;
}

/** Where transformers' library departs from SentencePiece: U+0085, and marks stacked on one letter. */
const apart = (text: string) => text.includes('\u0085') || text.startsWith('a\u0300\u0301');
const hasAdded = (text: string) => /<pad>|<\/s>|<unk>|<extra_id_/.test(text);

describe.each([
  ['spiece.model', async () => folder],
  ['tokenizer.json', async () => withTokenizerJson('whole')],
] as const)('a tokenizer out of %s', async (_, place) => {
  const tokenizer = await loadT5Tokenizer(await place());

  it('has the ids and the padding of T5Tokenizer', () => {
    expect(tokenizer).toMatchObject({ vocabSize: 600, maxId: 599, eosId: 1, padId: 0 });
    for (const { text, transformers, padded, mask } of goldens.filter((row) => !apart(row.text))) {
      expect([text, tokenizer.tokenize(text)]).toEqual([text, transformers]);
      const { ids, count } = tokenizer.encode(text, 77);
      expect([text, [...ids], count]).toEqual([text, padded, mask]);
    }
  });

  it('normalises and segments as SentencePiece does', () => {
    for (const { text, normalized, sentencepiece } of goldens) {
      expect([text, tokenizer.normalize(text)]).toEqual([text, normalized]);
      if (!hasAdded(text)) expect([text, tokenizer.tokenize(text)]).toEqual([text, sentencepiece]);
    }
  });

  it('takes any string', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), (text) => {
        const { ids, count } = tokenizer.encode(text, 20);
        expect(ids).toHaveLength(20);
        expect(ids[count - 1]).toBe(1);
        expect([...ids.slice(count)].every((id) => id === 0)).toBe(true);
      }),
      { numRuns: 60 },
    );
    expect(tokenizer.tokenize('a\ud800b')).toEqual(tokenizer.tokenize('a\ufffdb'));
  });
});

it('the goldens hold texts in which transformers departs from SentencePiece', () => {
  const differ = goldens.filter((row) => row.transformers.join() !== row.sentencepiece.join());
  expect(differ.filter(({ text }) => !hasAdded(text)).map(({ text }) => apart(text))).toEqual([true, true]);
});

it('spells unknown characters in bytes, and takes the symbols of the user, where the model says so', () => {
  const model = parseSentencePiece(readFileSync(`${fixtures}t5/bytes.model`), 'bytes.model');
  expect(model).toMatchObject({ byteFallback: true, addDummyPrefix: false, removeExtraWhitespaces: false });
  const tokenizer = createT5Tokenizer({ model, added: new Map(), eos: '</s>', pad: '<pad>' }, 'bytes.model');
  for (const { text, bytes } of goldens) expect([text, tokenizer.tokenize(text)]).toEqual([text, bytes]);
});

it('takes of equally probable segmentations the one that SentencePiece takes', () => {
  const { model, rows } = JSON.parse(readFileSync(`${fixtures}t5/ties.json`, 'utf8')) as {
    model: string;
    rows: { text: string; ids: number[] }[];
  };
  const segment = createUnigram(parseSentencePiece(Buffer.from(model, 'hex'), 'ties'));
  for (const { text, ids } of rows) expect([text, segment(text)]).toEqual([text, ids]);
});

it('finds the most probable segmentation', () => {
  const letter = fc.constantFrom('a', 'b', '\u{1f600}');
  const pieces = fc.uniqueArray(
    fc.tuple(fc.string({ unit: letter, minLength: 1, maxLength: 4 }), fc.integer({ min: -9, max: 0 })),
    {
      selector: ([text]) => text,
      minLength: 1,
      maxLength: 8,
    },
  );
  fc.assert(
    fc.property(pieces, fc.string({ unit: letter, maxLength: 7 }), (vocabulary, text) => {
      const all = [
        { text: '<unk>', score: 0, kind: 'unknown' as const },
        ...vocabulary.map(([piece, score]) => ({ text: piece, score, kind: 'normal' as const })),
      ];
      const ids = createUnigram({ pieces: all, unkId: 0, byteFallback: false })(text);
      const least = Math.min(...vocabulary.map(([, score]) => score)) - 10;
      // Every way to cut the text, of whole scores, which float32 sums exactly.
      const best = (rest: readonly string[]): number => {
        if (rest.length === 0) return 0;
        const single = vocabulary.some(([piece]) => piece === rest[0]);
        let most = single ? Number.NEGATIVE_INFINITY : least + best(rest.slice(1));
        for (const [piece, score] of vocabulary) {
          const length = Array.from(piece).length;
          if (rest.slice(0, length).join('') === piece)
            most = Math.max(most, score + best(rest.slice(length)));
        }
        return most;
      };
      // Unknown characters side by side are one token, so what is known is taken away to count them.
      const known = ids.filter((id) => id !== 0).map((id) => all[id]!);
      const unknown =
        Array.from(text).length - known.reduce((sum, { text: piece }) => sum + Array.from(piece).length, 0);
      const score = known.reduce((sum, piece) => sum + piece.score, 0) + unknown * least;
      expect(score).toBe(best(Array.from(text)));
    }),
    { numRuns: 300 },
  );
});

describe('bad files', () => {
  it.each([
    ['cut within the pieces', 4000],
    ['cut within the map', 100_000],
    ['of nothing', 0],
  ])('a spiece.model %s is refused', async (name, length) => {
    const path = withModel(name, spiece.subarray(0, length));
    await expect(loadT5Tokenizer(path)).rejects.toThrow(/spiece\.model: .*cut short.*[Dd]ownload it again/);
  });

  it('a spiece.model cut anywhere is refused, or missing only what is not read', () => {
    const whole = parseSentencePiece(spiece, 'spiece.model');
    for (let length = 0; length < spiece.length; length += 997) {
      let found: unknown;
      try {
        found = parseSentencePiece(spiece.subarray(0, length), 'spiece.model');
      } catch (error) {
        expect((error as Error).message).toMatch(/^spiece\.model: /);
        continue;
      }
      expect(found).toEqual(whole);
    }
  });

  it('a map of characters whose places lead out of it replaces nothing there, and one of a wrong size is refused', () => {
    const { charsmap } = parseSentencePiece(spiece, 'spiece.model');
    const damaged = Uint8Array.from(charsmap!);
    for (let at = 4; at < damaged.length - 1; at += 7) damaged[at] = (at * 31) & 255;
    const map = readCharsmap(damaged);
    for (const { text } of goldens) expect(typeof map.replace(text)).toBe('string');
    expect(() => readCharsmap(charsmap!.subarray(0, 500))).toThrow('gives its trie');
    expect(() => readCharsmap(charsmap!.subarray(0, charsmap!.length - 1))).toThrow('within a replacement');
  });

  it('says what is wrong', async () => {
    const json = await rejection(
      loadT5Tokenizer(withModel('html', Buffer.from('<!doctype html><title>404'))),
    );
    expect(json).toMatch(/spiece\.model: is a web page, not a model/);
    const noise = await rejection(loadT5Tokenizer(withModel('noise', Buffer.from('no model at all'))));
    expect(noise).toMatch(/spiece\.model: .*no SentencePiece model/);
    const config = { tokenizer_class: 'CLIPTokenizer' };
    expect(await rejection(loadT5Tokenizer(withModel('clip', spiece, config)))).toContain(
      'tokenizer_class "CLIPTokenizer" is not supported, only T5Tokenizer',
    );
    expect(await rejection(loadT5Tokenizer(withModel('eos', spiece, { eos_token: '<end>' })))).toContain(
      'eos_token "<end>" is not in the vocabulary',
    );
    expect(await rejection(loadT5Tokenizer(withModel('extra', spiece, { extra_ids: -1 })))).toContain(
      'extra_ids = -1',
    );
    mkdirSync(join(root, 'none'));
    expect(await rejection(loadT5Tokenizer(join(root, 'none')))).toContain(
      'spiece.model: is missing, and so is tokenizer.json',
    );
  });

  it.each([
    [{ model: { type: 'BPE', vocab: {}, merges: [] } }, 'model.type = "BPE" is not supported'],
    [{ model: { type: 'Unigram', unk_id: 9, vocab: [['a', 0]] } }, 'unk_id is 9, but the vocabulary has 1'],
    [{ model: { type: 'Unigram', unk_id: 0, vocab: [['a', 'b']] } }, '"model.vocab.0.1"'],
    [{ normalizer: { type: 'Lowercase' } }, 'normalizer {"type":"Lowercase"} is not supported'],
    [
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AQAAAA==' } },
      'gives its trie 1 bytes of 0',
    ],
    [{ normalizer: { type: 'Precompiled', precompiled_charsmap: '?' } }, 'precompiled_charsmap is no base64'],
    [{ pre_tokenizer: { type: 'ByteLevel' } }, 'pre_tokenizer {"type":"ByteLevel"} is not supported'],
    [{ pre_tokenizer: null }, 'the pre_tokenizer keeps spaces as they are'],
  ])('a tokenizer.json with %j is refused', async (change, message) => {
    const path = withTokenizerJson(`bad-${message.replace(/\W/g, '')}`, change);
    const found = await rejection(loadT5Tokenizer(path));
    expect(found).toContain(message);
    expect(found).toContain('tokenizer.json: ');
  });

  it('reads the steps of older conversions', () => {
    const { charsmap } = parseSentencePiece(spiece, 'spiece.model');
    const precompiled_charsmap = Buffer.from(charsmap!).toString('base64');
    const steps = [
      { type: 'Precompiled', precompiled_charsmap },
      { type: 'Strip', strip_left: false, strip_right: true },
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '\u2581' },
    ];
    const old = {
      ...json(),
      normalizer: { type: 'Sequence', normalizers: steps },
      pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: true },
    };
    const { model, added } = parseTokenizerJson(old, 'tokenizer.json');
    const tokenizer = createT5Tokenizer({ model, added, eos: '</s>', pad: '<pad>' }, 'tokenizer.json');
    for (const { text, sentencepiece } of goldens.filter((row) => !hasAdded(row.text)))
      expect(tokenizer.tokenize(text)).toEqual(sentencepiece);
  });
});

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'nothing was refused',
    (error: Error) => error.message,
  );
}
