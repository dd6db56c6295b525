import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type ClipTokenizerFiles,
  clipTokenizerTexts,
  loadClipTokenizer,
  trainClipBpe,
  writeClipTokenizer,
} from './index.ts';

const folder = fileURLToPath(new URL('../fixtures/tokenizer/', import.meta.url));
const captions = (await readFile(`${folder}captions.txt`, 'utf8')).trim().split('\n');

interface Golden {
  readonly text?: string;
  readonly repeat?: readonly [string, number];
  readonly ids: readonly number[];
  readonly decoded: string;
}
const tokenizer = await loadClipTokenizer(folder);
const goldens = JSON.parse(await readFile(`${folder}goldens.json`, 'utf8')) as {
  vocab_size: number;
  bos: number;
  eos: number;
  pad: number;
  rows: Golden[];
};

const made: string[] = [];
afterEach(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true });
});
async function temporary(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'verbatim-tokenizer-'));
  made.push(path);
  return path;
}

describe('against transformers', () => {
  it.each(goldens.rows.map((row) => [JSON.stringify(row.text ?? row.repeat).slice(0, 40), row] as const))(
    '%s',
    (_, row) => {
      const text = row.text ?? row.repeat![0].repeat(row.repeat![1]);
      const ids = tokenizer.encode(text);
      expect([...ids]).toEqual(row.ids);
      expect(tokenizer.decode(ids)).toBe(row.decoded);
    },
  );

  it('special ids', () => {
    expect([tokenizer.vocabSize, tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([
      goldens.vocab_size,
      goldens.bos,
      goldens.eos,
      goldens.pad,
    ]);
  });
});

describe('trainClipBpe', () => {
  it('gives the committed files again, from the captions in any order', async () => {
    for (const order of [captions, [...captions].reverse()])
      for (const [name, text] of Object.entries(
        clipTokenizerTexts(trainClipBpe(order, { vocabSize: 640 }).files),
      ))
        expect(text, name).toBe(await readFile(folder + name, 'utf8'));
  });

  it('puts end of text last and start of text before it, whatever was learned', () => {
    for (const vocabSize of [514, 600, 4096]) {
      const tokenizer = trainClipBpe(captions, { vocabSize });
      expect(tokenizer.vocabSize).toBeLessThanOrEqual(vocabSize);
      expect(tokenizer.eosId).toBe(tokenizer.vocabSize - 1);
      expect(tokenizer.bosId).toBe(tokenizer.vocabSize - 2);
      expect(new Set(Object.values(tokenizer.files.vocab)).size).toBe(tokenizer.vocabSize);
    }
  });

  it('merges the most frequent pair first', () => {
    const { merges } = trainClipBpe(['abab abab', 'ab'], { vocabSize: 516 }).files;
    // 'ab' inside words twice, 'ab' at a word's end three times.
    expect(merges).toEqual([
      ['a', 'b</w>'],
      ['a', 'b'],
    ]);
  });

  it('refuses a vocabulary without room for the bytes', () => {
    expect(() => trainClipBpe(captions, { vocabSize: 513 })).toThrow(/513/);
  });
});

describe('any text', () => {
  it('encodes to a full row of known ids, and decoding keeps the words', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const ids = tokenizer.encode(text);
        expect(ids.length).toBe(77);
        expect(ids[0]).toBe(tokenizer.bosId);
        expect(ids.includes(tokenizer.eosId)).toBe(true);
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
        const inner = tokenizer.tokenize(text);
        // What was decoded encodes to the same ids again: only spacing and case were lost.
        expect(tokenizer.tokenize(tokenizer.decode(inner))).toEqual(inner);
      }),
      { numRuns: 300 },
    );
  });
});

describe('bad files', () => {
  const break_ = async (name: string, content: string | ((text: string) => string)) => {
    const path = await temporary();
    await writeClipTokenizer(path, trainClipBpe(captions, { vocabSize: 530 }).files);
    const file = join(path, name);
    await writeFile(file, typeof content === 'string' ? content : content(await readFile(file, 'utf8')));
    return loadClipTokenizer(path);
  };

  it('are named with the place', async () => {
    await expect(break_('vocab.json', '{"a": 1')).rejects.toThrow(/vocab\.json: not valid JSON/);
    await expect(break_('vocab.json', '{"a": 1, "b": 1}')).rejects.toThrow(/"a" and "b" share the id 1/);
    await expect(break_('vocab.json', '{"a": "x"}')).rejects.toThrow(/vocab\.json: token "a" has the id "x"/);
    await expect(break_('vocab.json', '{}')).rejects.toThrow(/vocab\.json: the vocabulary is empty/);
    await expect(break_('merges.txt', (text) => `${text}only-one\n`)).rejects.toThrow(
      /merges\.txt: line 18 is "only-one"/,
    );
    await expect(break_('merges.txt', (text) => `${text}zz qq\n`)).rejects.toThrow(
      /line 18 needs the token "zz"/,
    );
    await expect(break_('tokenizer_config.json', '{"tokenizer_class": "T5Tokenizer"}')).rejects.toThrow(
      /T5Tokenizer/,
    );
    await expect(break_('tokenizer_config.json', '{"model_max_length": 1e30}')).rejects.toThrow(
      /model_max_length/,
    );
    await expect(break_('tokenizer_config.json', '{"bos_token": "[CLS]"}')).rejects.toThrow(
      /bos_token "\[CLS\]"/,
    );
    await expect(loadClipTokenizer(await temporary())).rejects.toThrow(/tokenizer_config\.json: is missing/);
  });

  it('work without special_tokens_map.json, and round trip', async () => {
    const path = await temporary();
    const { files } = trainClipBpe(captions, { vocabSize: 530, maxLength: 24 });
    await writeClipTokenizer(path, files);
    await rm(join(path, 'special_tokens_map.json'));
    const again = await loadClipTokenizer(path);
    expect(again.files).toEqual(files satisfies ClipTokenizerFiles);
    expect(again.encode('a lake').length).toBe(24);
  });
});
