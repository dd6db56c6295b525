import type { CommandModule } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** All commands in the order of `verbatim --help`. A new one is a file beside this one and a line here. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'audit the shipped miniature over its training set and write a report',
    load: () => import('./demo.ts'),
  },
  {
    name: 'audit',
    summary: 'find the training images that a model repeats: the whole flow, from a config',
    load: () => import('./audit.ts'),
  },
  {
    name: 'score',
    summary: 'score captions with attacks, without generating pictures',
    load: () => import('./score.ts'),
  },
  {
    name: 'generate',
    summary: 'generate pictures for captions or for what a run has selected',
    load: () => import('./generate.ts'),
  },
  {
    name: 'label',
    summary: "compare a run's generated pictures with the training set",
    load: () => import('./label.ts'),
  },
  {
    name: 'report',
    summary: "write a run's report and summary.json",
    load: () => import('./report.ts'),
  },
  {
    name: 'review',
    summary: "list a run's findings, accept or reject them",
    load: () => import('./review.ts'),
  },
  {
    name: 'compare',
    summary: 'say what several models repeat of one list of candidates, and what they share',
    load: () => import('./compare.ts'),
  },
  {
    name: 'verify',
    summary: 'make the pictures of findings again, and say whether they are still verbatim',
    load: () => import('./verify.ts'),
  },
  {
    name: 'extract',
    summary: 'find the training images that a model without captions repeats',
    load: () => import('./extract.ts'),
  },
  {
    name: 'membership',
    summary: 'measure how well pictures can be told from those that a model was trained on',
    load: () => import('./membership.ts'),
  },
  {
    name: 'dedup',
    summary: 'find duplicates in a dataset, what to keep, and the captions to audit first',
    load: () => import('./dedup.ts'),
  },
  {
    name: 'index',
    summary: 'describe every picture of a dataset, for searching',
    load: () => import('./index-dataset.ts'),
  },
  {
    name: 'search',
    summary: 'find the pictures of an index that are most similar to given ones',
    load: () => import('./search.ts'),
  },
  {
    name: 'outliers',
    summary: 'list the pictures of an index that lie farthest from all others',
    load: () => import('./outliers.ts'),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of a config',
    load: () => import('./schema.ts'),
  },
  {
    name: 'lab',
    summary: 'train models whose truth is known (twins), to measure attacks on them',
    load: () => import('./lab.ts'),
  },
  {
    name: 'doctor',
    summary: 'say what runs here: providers, threads, memory, versions',
    load: () => import('./doctor.ts'),
  },
];
