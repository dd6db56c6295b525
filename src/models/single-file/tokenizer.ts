import { dirname, join, resolve } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { isFile } from '../../tables/index.ts';

const hasVocabulary = (folder: string): Promise<boolean> => isFile(join(folder, 'vocab.json'));

/**
 * The folder with CLIP's vocabulary for a checkpoint, which holds none: the named one (or `tokenizer/` in it, so that any
 * diffusers folder will do), else `STEM.tokenizer/`, `tokenizer/` or the files themselves beside the checkpoint.
 */
export async function findTokenizer(checkpoint: string, named: string | undefined): Promise<string> {
  if (named !== undefined) {
    for (const folder of [named, join(named, 'tokenizer')]) if (await hasVocabulary(folder)) return folder;
    throw new VerbatimError(
      `${named}: no CLIP tokenizer here; expected vocab.json, merges.txt and tokenizer_config.json, or a model folder with tokenizer/.`,
      { exitCode: 2 },
    );
  }
  const beside = dirname(resolve(checkpoint));
  const stem = checkpoint.replace(/\.safetensors$/i, '');
  for (const folder of [`${stem}.tokenizer`, join(beside, 'tokenizer'), beside])
    if (await hasVocabulary(folder)) return folder;
  throw new VerbatimError(
    `${checkpoint}: a single-file checkpoint holds no tokenizer; put CLIP's vocab.json, merges.txt and tokenizer_config.json (the folder tokenizer/ of any Stable Diffusion model) into ${join(beside, 'tokenizer')}, or name a folder that has them with --tokenizer, or "tokenizer" in a config.`,
    { exitCode: 2 },
  );
}
