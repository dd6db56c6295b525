import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compiled } from '../testing/compiled.ts';

async function runChild(what: string): Promise<{ code: number | null; out: string; errors: string }> {
  const script = await compiled('runtime/testing/child.ts');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, what]);
    let out = '';
    let errors = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, errors }));
  });
}

// A thread that is stopped inside native code would abort the process (code null, "terminate called").
describe('a process with a session', () => {
  it.each([
    ['leave open', 0, ''],
    ['exit while running', 7, ''],
    ['exit while opening', 8, ''],
    ['close while running', 0, 'closed'],
  ])('%s: ends with code %i', async (what, code, out) => {
    expect(await runChild(what)).toEqual({ code, out, errors: '' });
  });

  it('throw while running: ends with code 1 and shows the error', async () => {
    const { code, errors } = await runChild('throw while running');
    expect(code).toBe(1);
    expect(errors).toMatch(/thrown on purpose/);
    expect(errors).not.toMatch(/terminate called/);
  });
});
