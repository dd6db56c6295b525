import { chmod, copyFile, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of compiled.ts. */
    compiled: string;
  }
}

/** Before all tests: the folder in which compiled.ts compiles for all test files. It goes with the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const home = await realpath(await mkdtemp(join(tmpdir(), 'verbatim-compiled-')));
  // Another user may have to start it too.
  await chmod(home, 0o755);
  for (const name of ['node_modules', 'models', 'schema'])
    await symlink(join(root, name), join(home, name), 'junction');
  await copyFile(join(root, 'package.json'), join(home, 'package.json'));
  project.provide('compiled', home);
  return () => rm(home, { recursive: true, force: true });
}
