import { type AuditConfig, auditConfigSchema } from '../index.ts';

/** A small audit of the fake model, with every stage and several shards of each. */
export const fakeAuditConfig = {
  model: 'fake',
  dataset: { format: 'lab', path: 'fake.yaml', twin: 'A' },
  cascade: [
    { attack: 'dcs', keep: 20 },
    { attack: 'ecs', keep: 10 },
  ],
  alsoScore: ['dcs-antithetic', 'seed-variance'],
  synthesis: { steps: 4, samples: 2 },
  batch: 4,
  shardSize: 8,
} as const;

/** That audit with every default filled in and some keys changed. */
export function fakeConfig(patch: Record<string, unknown>): AuditConfig {
  return auditConfigSchema.parse({ ...fakeAuditConfig, ...patch });
}
