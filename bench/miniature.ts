import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { labConfigSchema, textConfig, unetConfig } from '../src/lab/index.ts';

/** Threads of both sides: the cores that the numbers in docs/benchmarks.md are for. */
export const threads = 2;

/** The configs of the shipped miniature's networks, as their own files say them. */
export async function miniature() {
  const lab = labConfigSchema.parse(
    parse(await readFile(new URL('../models/lab.yaml', import.meta.url), 'utf8')),
  );
  return {
    lab,
    unet: unetConfig(lab, 16),
    text: textConfig(lab, lab.tokenizer.vocabularySize),
    tokens: lab.tokenizer.maxLength,
  };
}
