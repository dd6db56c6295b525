import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { parseConfig, parseOverride } from './parse.ts';

const schema = z.strictObject({
  model: z.string(),
  seed: z.int().nonnegative().default(0),
  select: z.strictObject({ first: z.int().positive().default(10), second: z.int().optional() }).prefault({}),
  attacks: z.array(z.enum(['dcs', 'ecs'])).default(['dcs']),
  dataset: z
    .discriminatedUnion('format', [
      z.strictObject({ format: z.literal('folder'), path: z.string() }),
      z.strictObject({ format: z.literal('lab'), twin: z.enum(['A', 'B']) }),
    ])
    .optional(),
  threshold: z.union([z.number(), z.literal('auto')]).default('auto'),
});

function messageOf(text: string, overrides: readonly string[] = []): string {
  try {
    parseConfig(schema, text, 'audit.yaml', overrides.map(parseOverride));
  } catch (error) {
    expect(error).toBeInstanceOf(VerbatimError);
    expect((error as VerbatimError).exitCode).toBe(2);
    expect((error as VerbatimError).message).not.toContain('\n');
    return (error as VerbatimError).message;
  }
  throw new Error('no error');
}

describe('a config', () => {
  it('gets its defaults', () => {
    expect(parseConfig(schema, '# nothing else\nmodel: models/a\n', 'audit.yaml')).toEqual({
      model: 'models/a',
      seed: 0,
      select: { first: 10 },
      attacks: ['dcs'],
      threshold: 'auto',
    });
  });

  it.each([
    ['model: a\nselct: {}', "audit.yaml:2:1: unknown key 'selct'; did you mean 'select'?"],
    [
      'model: a\nselect:\n  frist: 5\n',
      "audit.yaml:3:3: unknown key 'frist' in select; did you mean 'first'?",
    ],
    [
      'model: a\nselect:\n  colour: 5\n',
      "audit.yaml:3:3: unknown key 'colour' in select; known keys: first, second",
    ],
    [
      'model: a\ndataset:\n  format: lab\n  twn: A',
      "audit.yaml:4:3: unknown key 'twn' in dataset; did you mean 'twin'? (also wrong: dataset.twin)",
    ],
    [
      'model: a\nselct: {}\nseeed: 1\nseed: x',
      "audit.yaml:2:1: unknown key 'selct'; did you mean 'select'? (also wrong: seed, seeed)",
    ],
    [
      `model: a\n${Array.from({ length: 20 }, (_, i) => `unknown${i}: 1`).join('\n')}`,
      "audit.yaml:2:1: unknown key 'unknown0'; known keys: model, seed, select, attacks, dataset, threshold (and 19 more)",
    ],
    ['model: a\nseed: many', 'audit.yaml:2:7: seed: expected a number, got "many"'],
    ['model: 3', 'audit.yaml:1:8: model: expected text, got 3'],
    ['model: [a]', 'audit.yaml:1:8: model: expected text, got a list'],
    ['seed: 1', 'audit.yaml:1:1: model is missing'],
    ['', 'audit.yaml:1:1: model is missing'],
    [
      'model: a\nselect: {first: 0}',
      'audit.yaml:2:17: select.first: too small: expected number to be >0, got 0',
    ],
    [
      'model: a\nattacks: [dcs, eks]',
      `audit.yaml:2:16: attacks.1: expected "dcs" or "ecs", got "eks"; did you mean 'ecs'?`,
    ],
    [
      'model: a\ndataset: {format: tar}',
      'audit.yaml:2:19: dataset.format: expected one of "folder", "lab", got "tar"',
    ],
    ['model: a\nthreshold: often', 'audit.yaml:2:12: threshold: expected "auto" or a number, got "often"'],
    ['model: a\ndataset: null', 'audit.yaml:2:10: dataset: expected keys and values, got null'],
    ['- a\n- b', 'audit.yaml: expected keys and values at the top level'],
    ['just text', 'audit.yaml: expected keys and values at the top level'],
    ['model: "a', 'audit.yaml:1:10: bad YAML:'],
    ['model: a\nmodel: b', 'audit.yaml:2:1: bad YAML: Map keys must be unique'],
    ['model: a\n\tseed: 1', 'audit.yaml:2:1: bad YAML:'],
  ])('%j ends in one line that says where and what', (text, message) => {
    expect(messageOf(text)).toContain(message);
  });

  it('refuses a bomb of aliases', () => {
    const lines = ['a: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i += 1)
      lines.push(`b${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`);
    expect(messageOf(lines.join('\n'))).toContain('bad YAML: Excessive alias count');
  });
});

describe('--set', () => {
  const parse = (text: string, ...overrides: string[]) =>
    parseConfig(schema, text, 'audit.yaml', overrides.map(parseOverride));

  it('replaces and adds values at any depth, the last one winning', () => {
    const config = parse(
      'model: a\nselect: {first: 5}',
      'select.first=7',
      'select.second=3',
      'attacks=[ecs]',
      'seed=1',
      'seed=2',
      'dataset.format=lab',
      'dataset.twin=B',
    );
    expect(config).toMatchObject({
      model: 'a',
      seed: 2,
      select: { first: 7, second: 3 },
      attacks: ['ecs'],
      dataset: { format: 'lab', twin: 'B' },
    });
  });

  it('replaces one entry of a list', () => {
    expect(parse('model: a\nattacks: [dcs, dcs]', 'attacks.1=ecs').attacks).toEqual(['dcs', 'ecs']);
  });

  it('takes the value as YAML, with an = in it too', () => {
    expect(parse('', "model='007'").model).toBe('007');
    expect(parse('', 'model=a=b').model).toBe('a=b');
  });

  it.each([
    ['seed=x', '--set seed=x: seed: expected a number, got "x"'],
    ['selekt.first=1', "--set selekt.first=1: unknown key 'selekt'; did you mean 'select'?"],
    ['seed.x=1', "--set seed.x=1: seed is a value and has no key 'x'"],
    ['attacks.0=dsc', '--set attacks.0=dsc: attacks.0: expected'],
    ['attacks.2=dcs', "attacks is a list of 2 and has no entry '2'; entries are counted from 0"],
    ['attacks.first=dcs', "attacks is a list of 2 and has no entry 'first'"],
    ['steps.0.keep=3', 'the config has no list steps; give all of it'],
    ['seed', '--set seed: expected KEY=VALUE'],
    ['=1', '--set =1: expected KEY=VALUE'],
    ['a..b=1', '--set a..b=1: expected KEY=VALUE'],
    ['attacks=[dcs', '--set attacks=[dcs: the value is not YAML'],
  ])('%s is refused in its own words', (override, message) => {
    expect(messageOf('model: a\nseed: 3\nattacks: [dcs, ecs]', [override])).toContain(message);
  });

  it('that wins is the one that is blamed', () => {
    const blamed = (...overrides: string[]) => messageOf('model: a', overrides);
    expect(blamed('select.first=4', 'select.first=x')).toMatch(
      /^--set select\.first=x: select\.first: expected/,
    );
    expect(blamed('select.first=4', 'select={first: x}')).toMatch(
      /^--set select=\{first: x\}: select\.first:/,
    );
    expect(blamed('select={}', 'select.first=x', 'seed=1')).toMatch(/^--set select\.first=x:/);
  });

  it('cannot reach a prototype', () => {
    expect(messageOf('model: a', ['__proto__.polluted=1'])).toContain("unknown key '__proto__'");
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
