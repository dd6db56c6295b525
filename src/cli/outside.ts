import { resolve, sep } from 'node:path';
import { VerbatimError } from '../errors.ts';

/**
 * Refuses an output folder inside a dataset: results among the pictures would be pictures of the dataset the next time.
 *
 * @throws VerbatimError (exit code 2)
 */
export async function requireOutside(dataset: string, output: string): Promise<void> {
  const { isFile } = await import('../tables/index.ts');
  if (!resolve(output).startsWith(resolve(dataset) + sep) || (await isFile(dataset))) return;
  throw new VerbatimError(
    `--output: ${output} lies inside ${dataset}, and would be part of it the next time; name a folder beside it`,
    { exitCode: 2 },
  );
}
