import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as entry from '../src/index.ts';

/** The rooms of src/, ground floor first: a room imports only from those before it. */
const rooms = [
  'math',
  'noise',
  'graph',
  'runtime',
  'images',
  'tables',
  'models',
  'diffusion',
  'datasets',
  'descriptors',
  'search',
  'dedup',
  'generators',
  'training',
  'attacks',
  'labels',
  'stages',
  'lab',
  'reports',
  'cli',
];
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  exports: Record<string, string>;
};
const source = fileURLToPath(new URL('../src/', import.meta.url));

/** Every relative import of a text: static, dynamic, of types, and what is exported from elsewhere. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*(['"])(\.[^'"]*)\1/g)].map((match) => match[2]!);
}

const roomOf = (path: string) => path.split('/', 1)[0]!;
const isTesting = (path: string) => /\.test\.ts$|(^|\/)testing\//.test(path);

/** What is wrong with the imports of one file, `path` being relative to src/. */
function faultsOf(path: string, text: string): string[] {
  const room = roomOf(path);
  return importsOf(text).flatMap((specifier) => {
    const target = posix.join(posix.dirname(path), specifier);
    const other = roomOf(target);
    const fault = (what: string) => [`${path} imports ${target}: ${what}`];
    if (isTesting(target) && !isTesting(path)) return fault('the program imports no test helpers');
    if (target.startsWith('testing/')) return [];
    if (other === room || target === 'errors.ts') return [];
    // The package's own door stands in no room and opens all of them.
    if (path !== 'index.ts') {
      if (!rooms.includes(other)) return fault(`"${other}" is no room`);
      if (rooms.indexOf(other) > rooms.indexOf(room)) return fault(`${other} stands above ${room}`);
    }
    const allowed = target === `${other}/index.ts` || isTesting(target);
    return allowed ? [] : fault(`another room is entered by its index.ts`);
  });
}

describe('rooms', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'));

  it('are all in the list', () => {
    const folders = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(
      folders.map(({ name }) => name).filter((name) => name !== 'testing' && !rooms.includes(name)),
    ).toEqual([]);
  });

  it('import only from rooms that stand lower, by their doors', () => {
    expect(files.length).toBeGreaterThan(200);
    expect(files.flatMap((path) => faultsOf(path, readFileSync(`${source}${path}`, 'utf8')))).toEqual([]);
  });

  it('are open to users of the package, but for the command line', () => {
    const doors = files.filter((path) => /^[^/]+\/index\.ts$/.test(path)).map(roomOf);
    const wanted = doors
      .filter((room) => room !== 'cli')
      .map((room) => [`./${room}`, `./dist/${room}/index.js`]);
    expect(manifest.exports).toMatchObject({ '.': './dist/index.js', ...Object.fromEntries(wanted) });
    expect(typeof entry.openPipeline).toBe('function');
    expect(typeof entry.runAudit).toBe('function');
  });

  it.each([
    ['graph/a.ts', "import { x } from '../models/index.ts';", 'models stands above graph'],
    ['models/b/a.ts', "import type { X } from '../../graph/value.ts';", 'by its index.ts'],
    ['cli/a.ts', "const { x } = await import('../stages/run.ts');", 'by its index.ts'],
    ['lab/a.ts', "export * from '../../bench/run.ts';", 'is no room'],
    ['labels/a.ts', "import { x } from './testing/pictures.ts';", 'no test helpers'],
    ['math/a.ts', "type X = typeof import('../noise/index.ts').x;", 'noise stands above math'],
  ])('would be caught: %s with %s', (path, text, fault) => {
    expect(faultsOf(path, text)).toEqual([expect.stringContaining(fault)]);
  });

  it.each([
    ['models/b/a.ts', "import { x } from '../../graph/index.ts';\nimport { y } from '../c.ts';"],
    ['math/a.ts', "import { VerbatimError } from '../errors.ts';"],
    ['attacks/a.test.ts', "import { x } from '../diffusion/testing/toy.ts';"],
    ['math/a.test.ts', "import { x } from '../testing/folder.ts';"],
  ])('may: %s with %s', (path, text) => {
    expect(faultsOf(path, text)).toEqual([]);
  });
});
