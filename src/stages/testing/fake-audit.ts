/**
 * A whole audit of the fake model as a process of its own, so that tests can kill it:
 *   node --import tsx fake-audit.ts FOLDER DELAY_MS [CONFIG]
 * CONFIG is JSON: keys that differ from the fake config. Prints the evaluations that it spent.
 */
import { dataOfPlanted, runAudit } from '../index.ts';
import { fakeConfig } from './fake-config.ts';
import { fakeModel, fakePlantedSet } from './fake-model.ts';

const [output, delayMs, patch = '{}'] = process.argv.slice(2);
const { pipeline, meter } = fakeModel({ delayMs: Number(delayMs) });
await runAudit({
  config: fakeConfig({ ...(JSON.parse(patch) as object), output }),
  data: dataOfPlanted(fakePlantedSet(), 'A'),
  pipeline,
  meter,
  verbatim: '0.0.0',
  versions: {},
});
