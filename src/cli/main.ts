#!/usr/bin/env node
import { runCommandLine } from './run.ts';

let outputLost = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `verbatim … | head` has read all it wants; the command goes on and ends with its own exit code.
  if (error.code === 'EPIPE' || outputLost) return;
  outputLost = true;
  process.stderr.write(`verbatim: cannot write to standard output (${error.code})\n`);
  process.exitCode ||= 1;
});
// Nobody is left to be told.
process.stderr.on('error', () => {});

const code = await runCommandLine(process.argv.slice(2));
process.exitCode = outputLost ? code || 1 : code;
