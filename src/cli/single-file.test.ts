import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeCheckpoint } from '../models/testing/single-file.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { packageRoot } from './package.ts';
import { run } from './testing/in-process.ts';

const fixtures = join(packageRoot, 'src/models/fixtures');
const folder = temporaryFolder('cli-single-file');

describe('a single-file checkpoint on the command line', () => {
  it('makes the pictures of its folder form', async () => {
    const path = join(folder, 'fine-tune.safetensors');
    await writeCheckpoint(path, 'sdxl');
    const made = async (model: string, ...more: string[]) => {
      const output = join(folder, `pictures-${model.length}`);
      const flags = ['--caption', 'a red bus', '--steps', '2', '--threads', '1', '-o', output, '-q'];
      const end = await run('generate', '--model', model, ...more, ...flags);
      expect(end.stderr).toBe('');
      expect(end.code).toBe(0);
      return readFile(join(output, '00000-0.png'));
    };
    const [whole, single] = [
      await made(join(fixtures, 'sdxl')),
      await made(path, '--tokenizer', join(fixtures, 'tokenizer')),
    ];
    expect(Buffer.compare(whole, single)).toBe(0);
  });

  it('is audited by a config whose paths are its own folder’s', async () => {
    await writeCheckpoint(join(folder, 'audited.safetensors'), 'sd2v');
    await writeFile(
      join(folder, 'lab.yaml'),
      'seed: 3\nplanted: { uniques: 6, heldOut: 6, copyCounts: [5], groupsPerCopyCount: 1, familiesPerTwin: 0 }\n',
    );
    const config = join(folder, 'audit.yaml');
    const tokenizer = join(fixtures, 'tokenizer');
    await writeFile(
      config,
      `model: audited.safetensors\ntokenizer: ${JSON.stringify(tokenizer)}\ndataset: { format: lab, path: lab.yaml, twin: A }\noutput: ${JSON.stringify(join(folder, 'run'))}\n`,
    );
    const end = await run('score', config, '--limit', '2', '--threads', '1', '-q');
    expect(end.stderr).toBe('');
    expect(end.code).toBe(0);
    const { model } = JSON.parse(await readFile(join(folder, 'run', 'run.json'), 'utf8')) as {
      model: { name: string };
    };
    expect(model.name).toBe('audited');
  });

  it.each([
    ['a pickle', 'model.ckpt', 'a pickle can run any program'],
    ['something else', 'notes.txt', 'expected a model folder or a .safetensors checkpoint'],
  ])('%s ends with 2 and one line', async (_, name, message) => {
    const path = join(folder, name);
    await writeFile(path, 'x');
    const end = await run('generate', '--model', path, '--caption', 'x', '-o', join(folder, 'none'));
    expect(end.code).toBe(2);
    expect(end.stderr).toContain(message);
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
  });
});
