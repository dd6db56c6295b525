import { spawn } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A file of src/ as compiled JavaScript, for tests that start processes: it starts three times as fast as from the
 * sources, and the program is then what users start. Everything is compiled as `npm run build` does, the helpers of
 * tests too, by the first test of a run that asks, for all of them (compiled-setup.ts has the folder).
 *
 * @param path below src/, e.g. 'cli/main.ts'.
 * @returns the absolute path of its .js, in a folder with package.json and node_modules as the package has them.
 */
export async function compiled(path: string): Promise<string> {
  const home = inject('compiled');
  const is = (name: string) =>
    access(join(home, name)).then(
      () => true,
      () => false,
    );
  try {
    await mkdir(join(home, 'begun'));
    await compile(home).then(
      () => writeFile(join(home, 'done'), ''),
      async (error: Error) => {
        await writeFile(join(home, 'failed'), '');
        throw error;
      },
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Another file's test was first.
    while (!(await is('done'))) {
      if (await is('failed')) throw new Error('the sources did not compile; another test file says why');
      await sleep(50);
    }
  }
  return join(home, 'dist', path.replace(/\.ts$/, '.js'));
}

async function compile(home: string): Promise<void> {
  const config = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: {
      ...{ rootDir: join(root, 'src'), outDir: join(home, 'dist') },
      ...{ declaration: false, sourceMap: false, incremental: false, tsBuildInfoFile: null },
    },
    include: [join(root, 'src')],
    exclude: [join(root, 'src/**/*.test.ts')],
  };
  await writeFile(join(home, 'tsconfig.json'), JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const child = spawn(process.execPath, [compiler, '-p', home], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0 || said !== '') throw new Error(`tsc ended with ${code}: ${said}`);
}
