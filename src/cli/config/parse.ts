import { closest, distance } from 'fastest-levenshtein';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { messageOf, VerbatimError } from '../../errors.ts';

/** One value that the command line puts into a config, e.g. from `--set synthesis.samples=8` or `--output runs/x`. */
export interface Override {
  /** Keys from the root: ['synthesis', 'samples']. */
  readonly path: readonly string[];
  readonly value: unknown;
  /** What the user typed, for error messages. */
  readonly origin: string;
  /** A text that stands where the path leads through becomes a map with the text under this key: `dataset: a` is `dataset: {path: a}`. */
  readonly under?: string;
}

type Path = readonly PropertyKey[];

/**
 * Reads a YAML config, puts the command line's overrides in, and checks it against a zod schema.
 *
 * @param where the file's name as the user knows it: begins every message.
 * @throws VerbatimError (exit code 2), one line, with file, line and column, for bad YAML, unknown keys
 *   (naming the nearest known one), wrong types and values out of range.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  text: string,
  where: string,
  overrides: readonly Override[] = [],
): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) throw configError(at(where, lines, broken.pos[0]), `bad YAML: ${broken.message}`);
  if (document.contents !== null && !isMap(document.contents) && !isEmptyScalar(document.contents))
    throw configError(where, 'expected keys and values at the top level, as in "model: models/a"');

  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    throw configError(where, `bad YAML: ${messageOf(error)}`);
  }
  for (const override of overrides) value = setIn(value, override, 0);

  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(innermost);
  // A misspelt key usually causes the other complaints.
  const first = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  // The last one wins, so it is the one to blame.
  const origin = overrides.findLast(({ path }) => concerns(path, first));
  const typed = isSecret(first) ? origin?.origin.split('=', 1)[0] : origin?.origin;
  const place = typed ?? at(where, lines, offsetOf(document, first));
  throw configError(place, `${describe(first, value, schema)}${alsoWrong(issues, first)}`);
}

function configError(place: string, what: string): VerbatimError {
  // Whatever is wrong, the user and the password of an address among it are not repeated.
  return new VerbatimError(`${place}: ${what}`.replace(/\/\/.*@/gs, '//…@'), { exitCode: 2 });
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null;
}

/**
 * Reads `a.b=c`: the value is YAML, so numbers, true, lists and quoted text work.
 *
 * @throws VerbatimError (exit code 2) when there is no `=` or the value is not YAML.
 */
export function parseOverride(text: string): Override {
  const equals = text.indexOf('=');
  const path = text.slice(0, equals).split('.');
  const origin = `--set ${text}`;
  if (equals < 1 || path.includes(''))
    throw configError(origin, 'expected KEY=VALUE with dots between keys, as in --set synthesis.samples=8');
  const document = parseDocument(text.slice(equals + 1), { prettyErrors: false });
  if (document.errors[0] !== undefined)
    throw configError(origin, `the value is not YAML: ${document.errors[0].message}`);
  return { path, value: document.toJS(), origin };
}

function setIn(target: unknown, override: Override, depth: number): unknown {
  if (depth === override.path.length) return override.value;
  const key = override.path[depth]!;
  if (typeof target === 'string' && override.under !== undefined)
    return setIn({ [override.under]: target }, override, depth);
  if (Array.isArray(target)) return setInList(target, override, depth);
  if (target !== undefined && target !== null && typeof target !== 'object')
    throw configError(
      override.origin,
      `${override.path.slice(0, depth).join('.')} is a value and has no key '${key}'`,
    );
  if (/^\d+$/.test(key) && (target === undefined || target === null))
    throw configError(
      override.origin,
      `the config has no list ${override.path.slice(0, depth).join('.')}; give all of it, as in --set "cascade=[{attack: dcs, keep: 200}]"`,
    );
  const entries = new Map(Object.entries(target ?? {}));
  entries.set(key, setIn(entries.get(key), override, depth + 1));
  return Object.fromEntries(entries);
}

/** Sets an entry of a list, or something in it: `cascade.0.keep`. Entries are counted from 0. */
function setInList(list: readonly unknown[], override: Override, depth: number): unknown[] {
  const key = override.path[depth]!;
  if (!/^\d+$/.test(key) || Number(key) >= list.length)
    throw configError(
      override.origin,
      `${override.path.slice(0, depth).join('.')} is a list of ${list.length} and has no entry '${key}'; entries are counted from 0`,
    );
  return list.with(Number(key), setIn(list[Number(key)], override, depth + 1));
}

/**
 * Of a union's alternatives the one that comes nearest: whose complaint lies deepest, and at the same depth one
 * that knows the value's other keys.
 */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const alternatives = issue.errors
    .filter((errors) => errors.length > 0)
    .map((errors) => errors.find(({ code }) => code === 'unrecognized_keys') ?? errors[0]!)
    .map((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }));
  const depth = ({ code, path }: z.core.$ZodIssue) => path.length + (code === 'unrecognized_keys' ? 0.5 : 0);
  const best = alternatives.sort((a, b) => depth(b) - depth(a))[0];
  return best === undefined || depth(best) === issue.path.length ? issue : best;
}

/** What is wrong besides the issue that is described: ' (also wrong: selct, dataset.twin)', or how many where that is long. */
function alsoWrong(issues: readonly z.core.$ZodIssue[], described: z.core.$ZodIssue): string {
  const names = (issue: z.core.$ZodIssue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => nameOf([...issue.path, key]))
      : [nameOf(issue.path)];
  const others = issues.flatMap((issue) => (issue === described ? names(issue).slice(1) : names(issue)));
  if (others.length === 0) return '';
  const list = others.join(', ');
  return list.length <= 100 ? ` (also wrong: ${list})` : ` (and ${others.length} more)`;
}

/** Whether an override set the value that an issue is about, a part of it, or what it lies in. */
function concerns(path: readonly string[], issue: z.core.$ZodIssue): boolean {
  const keys = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const full = [...issue.path, ...keys.slice(0, 1)].map(String);
  const length = Math.min(path.length, full.length);
  return length > 0 && path.slice(0, length).every((key, i) => key === full[i]);
}

function describe(issue: z.core.$ZodIssue, value: unknown, schema: z.ZodType): string {
  const name = nameOf(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = knownKeys(schema, issue.path);
    const inside = issue.path.length === 0 ? '' : ` in ${name}`;
    return `unknown key '${key}'${inside}; ${suggestion(key, known)}`;
  }
  const got = valueAt(value, issue.path);
  if (got === undefined) {
    const choices = choicesAt(schema, issue.path);
    return `${name} is missing${choices.length > 0 ? `; give one of ${choices.join(', ')}` : ''}`;
  }
  const shown = shownValue(got);
  if (issue.code === 'invalid_type') return `${name}: expected ${plainType(issue.expected)}, got ${shown}`;
  if (issue.code === 'invalid_value') {
    const values = issue.values.map((value) => JSON.stringify(value));
    return `${name}: expected ${values.join(' or ')}, got ${shown}${nearestValue(got, issue.values)}`;
  }
  if (issue.code === 'invalid_union') {
    const expected = alternativesAt(schema, issue.path);
    const choices = valuesAt(schema, issue.path);
    return `${name}: ${expected === '' ? 'not a value that fits' : `expected ${expected}`}, got ${shown}${nearestValue(got, choices)}`;
  }
  const message = `${name}: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
  // A whole part of the config is in sight at the place that is named.
  return isSecret(issue) || typeof got === 'object' ? message : `${message}, got ${shown}`;
}

/** Whether what an issue refuses may hold a key or a password: an address, or what a check says so of (`params`). */
function isSecret(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_format') return issue.format === 'url';
  return issue.code === 'custom' && issue.params?.['secret'] === true;
}

function shownValue(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'keys' : JSON.stringify(value);
}

const plainTypes: Readonly<Record<string, string>> = {
  int: 'a whole number',
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
};
function plainType(type: string): string {
  return plainTypes[type] ?? type;
}

function nameOf(path: Path): string {
  return path.length === 0 ? 'the config' : path.map(String).join('.');
}

function suggestion(key: string, known: readonly string[]): string {
  if (known.length === 0) return 'remove it';
  const nearest = near(key, known);
  return nearest === undefined ? `known keys: ${known.join(', ')}` : `did you mean '${nearest}'?`;
}

/** The name that was probably meant; undefined where none comes near. */
function near(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(name, known as string[]);
  return distance(name, nearest) <= Math.max(2, Math.floor(nearest.length / 2)) ? nearest : undefined;
}

function nearestValue(got: unknown, values: readonly unknown[]): string {
  if (typeof got !== 'string') return '';
  const nearest = near(
    got,
    values.filter((value) => typeof value === 'string'),
  );
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`;
}

interface JsonSchema {
  readonly title?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
}

/** The schemas that may stand at a path, unions spread out. */
function schemasAt(schema: z.ZodType, path: Path): JsonSchema[] {
  const spread = (node: JsonSchema): JsonSchema[] => {
    const alternatives = node.anyOf ?? node.oneOf;
    return alternatives === undefined ? [node] : alternatives.flatMap(spread);
  };
  let nodes = spread(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema);
  for (const key of path) {
    nodes = nodes
      .flatMap((node) => (typeof key === 'number' ? node.items : node.properties?.[String(key)]) ?? [])
      .flatMap(spread);
  }
  return nodes;
}

function knownKeys(schema: z.ZodType, path: Path): string[] {
  return [...new Set(schemasAt(schema, path).flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** The values that are listed for a path. */
function valuesAt(schema: z.ZodType, path: Path): unknown[] {
  return schemasAt(schema, path).flatMap(listedValues);
}

function listedValues(node: JsonSchema): readonly unknown[] {
  return node.const === undefined ? (node.enum ?? []) : [node.const];
}

function choicesAt(schema: z.ZodType, path: Path): string[] {
  return [...new Set(valuesAt(schema, path).map((value) => JSON.stringify(value)))];
}

/** What may stand at a path, in words: 'one of "A", "B"', 'a path or {format, …}'; empty where nothing can be said. */
function alternativesAt(schema: z.ZodType, path: Path): string {
  const choices = choicesAt(schema, path);
  const others = schemasAt(schema, path)
    .filter((node) => listedValues(node).length === 0)
    .flatMap((node) => {
      const [key] = Object.keys(node.properties ?? {});
      if (key !== undefined) return [`{${key}, …}`];
      return node.title ?? (node.type === undefined ? [] : plainType(node.type));
    });
  if (others.length === 0) return choices.length === 0 ? '' : `one of ${choices.join(', ')}`;
  const all = [...new Set([...choices, ...others])];
  return all.length === 1 ? all[0]! : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) => (typeof node === 'object' && node !== null ? (node as never)[key] : undefined),
    value,
  );
}

/** Where in the text an issue lies: the unknown key itself, else the value, else its nearest parent that stands there. */
function offsetOf(document: Document, issue: z.core.$ZodIssue): number {
  if (issue.code === 'unrecognized_keys') {
    const map = issue.path.length === 0 ? document.contents : document.getIn(issue.path, true);
    const pair = isMap(map)
      ? map.items.find(({ key }) => isScalar(key) && key.value === issue.keys[0])
      : undefined;
    if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0;
  }
  for (let length = issue.path.length; length > 0; length -= 1) {
    const node = document.getIn(issue.path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function at(where: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${where}:${line}:${col}`;
}
