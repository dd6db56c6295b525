import { afterAll } from 'vitest';
import { type Dataset, openDataset } from '../index.ts';

/** Opens datasets as `openDataset` does, and closes them when the tests of the file have ended. */
export function closingDatasets(): typeof openDataset {
  const opened: Dataset[] = [];
  afterAll(() => Promise.all(opened.map((dataset) => dataset.close())));
  return async (spec) => {
    const dataset = await openDataset(spec);
    opened.push(dataset);
    return dataset;
  };
}
