import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { trainClipBpe, writeClipTokenizer } from '../../src/models/index.ts';

/** Learns src/models/fixtures/tokenizer from its captions.txt: npx tsx bench/peers/make_tokenizer_fixture.ts */
const folder = fileURLToPath(new URL('../../src/models/fixtures/tokenizer/', import.meta.url));
const captions = readFileSync(`${folder}captions.txt`, 'utf8').trim().split('\n');
await writeClipTokenizer(folder, trainClipBpe(captions, { vocabSize: 640 }).files);
