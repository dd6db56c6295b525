import { VerbatimError } from '../../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A JSON object out of an answer. @throws VerbatimError for anything else */
export function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new VerbatimError(`${name}: answers with JSON of another kind; is generator.kind right?`);
}

/** A list out of an answer. @throws VerbatimError naming the key */
export function listOf(value: unknown, key: string, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new VerbatimError(`${name}: its answer has no list "${key}"; is generator.kind right?`);
}

/** The bytes of base64 text, with or without the head of a data URL. @throws VerbatimError for anything else */
export function base64Of(value: unknown, name: string): Uint8Array {
  const text = typeof value === 'string' ? value.replace(/^data:[^,]{0,100},/, '') : '';
  // One class, looked for once: a pattern of the whole takes quadratic time for white space.
  if (text.trim() === '' || /[^A-Za-z0-9+/=\s]/.test(text))
    throw new VerbatimError(`${name}: a picture in its answer is not base64`);
  return Buffer.from(text, 'base64');
}

/** The error inside of an answer, as services write it: {error: {message}}, {error: text, errors: text}, {detail}. */
export function errorIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Fields;
  const error = fields['error'] ?? fields['detail'];
  if (error === undefined || error === null || error === '' || error === false) return undefined;
  if (typeof error !== 'string') {
    const { message } = error as { message?: unknown };
    return typeof message === 'string' ? message : JSON.stringify(error);
  }
  const { errors } = fields;
  return typeof errors === 'string' && errors !== '' ? `${error}: ${errors}` : error;
}
