import { VerbatimError } from '../../errors.ts';

/** A key out of the environment: for one header of one host, and for no text at all. */
export interface Secret {
  /** The value of the Authorization header; undefined where there is no key. */
  readonly header: string | undefined;
  /** A text of the service with the key taken out, on one line, without control characters, at most 200 characters. */
  readonly clean: (text: string) => string;
  /** Whether a text holds the key or a part of it, as it is or as an address writes it. */
  readonly isIn: (text: string) => boolean;
}

/**
 * The key that a variable holds. A value with a colon is user and password (HTTP Basic, as AUTOMATIC1111's --api-auth),
 * any other a bearer token.
 *
 * @throws VerbatimError (exit code 2) when the variable is not set or cannot stand in a header
 */
export function readSecret(variable: string | undefined): Secret {
  if (variable === undefined) return { header: undefined, clean: plain, isIn: () => false };
  const key = process.env[variable]?.trim();
  if (key === undefined || key === '')
    throw new VerbatimError(
      `generator.keyVariable: the environment variable ${variable} is not set; export it before the command`,
      { exitCode: 2 },
    );
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new VerbatimError(
      `generator.keyVariable: the value of ${variable} has characters that no key has; copy it again`,
      { exitCode: 2 },
    );
  const encoded = Buffer.from(key).toString('base64');
  // Shorter parts would take words out of every text.
  const parts = [key, encoded, ...key.split(':')].filter((part) => part.length >= 4);
  return {
    header: key.includes(':') ? `Basic ${encoded}` : `Bearer ${key}`,
    isIn: (text) => parts.some((part) => text.includes(part) || text.includes(encodeURIComponent(part))),
    clean: (text) => plain(parts.reduce((rest, part) => rest.replaceAll(part, '…'), text)),
  };
}

function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 200);
}
