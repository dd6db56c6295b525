import protobuf from 'protobufjs';
import { VerbatimError } from '../../errors.ts';
import { refuseStandIn } from '../../graph/index.ts';
import type { Piece, PieceKind } from './unigram.ts';

/**
 * The part of SentencePiece's schema (sentencepiece_model.proto) that segmenting with a unigram model needs, with the
 * official field numbers and defaults.
 */
const SCHEMA = `
syntax = "proto2";
package sentencepiece;
message SentencePiece {
  optional string piece = 1;
  optional float score = 2;
  optional int32 type = 3 [default = 1];
}
message TrainerSpec {
  optional int32 model_type = 3 [default = 1];
  optional bool treat_whitespace_as_suffix = 24 [default = false];
  optional bool byte_fallback = 35 [default = false];
}
message NormalizerSpec {
  optional string name = 1;
  optional bytes precompiled_charsmap = 2;
  optional bool add_dummy_prefix = 3 [default = true];
  optional bool remove_extra_whitespaces = 4 [default = true];
  optional bool escape_whitespaces = 5 [default = true];
}
message ModelProto {
  repeated SentencePiece pieces = 1;
  optional TrainerSpec trainer_spec = 2;
  optional NormalizerSpec normalizer_spec = 3;
}
`;

const modelType = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('sentencepiece.ModelProto');

const kinds: Readonly<Record<number, PieceKind>> = {
  1: 'normal',
  2: 'unknown',
  3: 'control',
  4: 'user',
  5: 'unused',
  6: 'byte',
};
const modelTypes: Readonly<Record<number, string>> = { 1: 'unigram', 2: 'bpe', 3: 'word', 4: 'char' };

/** How a text becomes what the pieces are matched with. */
export interface NormalizerSettings {
  /** SentencePiece's precompiled map (see `readCharsmap`); undefined: texts stay as they are. */
  readonly charsmap: Uint8Array | undefined;
  /** A space is put before the text, so that its first word is written as the others. */
  readonly addDummyPrefix: boolean;
  /** Spaces at the ends are dropped, and several become one. */
  readonly removeExtraWhitespaces: boolean;
}

/** A SentencePiece unigram model, whichever file it was read from. */
export interface SentencePieceModel extends NormalizerSettings {
  readonly pieces: readonly Piece[];
  readonly unkId: number;
  readonly byteFallback: boolean;
}

interface Decoded {
  readonly pieces: readonly { piece: string; score: number; type: number }[];
  readonly trainer_spec: {
    readonly model_type: number;
    readonly treat_whitespace_as_suffix: boolean;
    readonly byte_fallback: boolean;
  } | null;
  readonly normalizer_spec: {
    readonly precompiled_charsmap: Uint8Array | readonly number[];
    readonly add_dummy_prefix: boolean;
    readonly remove_extra_whitespaces: boolean;
    readonly escape_whitespaces: boolean;
  } | null;
}

/**
 * Reads the bytes of a `spiece.model` file; `where` names it. Throws a VerbatimError when it is damaged or cut short, no
 * unigram model, or uses what we do not compute.
 */
export function parseSentencePiece(bytes: Uint8Array, where: string): SentencePieceModel {
  refuseStandIn(where, bytes);
  let decoded: Decoded;
  try {
    decoded = modelType.decode(bytes) as unknown as Decoded;
  } catch (cause) {
    throw new VerbatimError(
      `${where}: is damaged or cut short, or no SentencePiece model (${(cause as Error).message}); download it again.`,
      { cause },
    );
  }
  const { trainer_spec: trainer, normalizer_spec: normalizer } = decoded;
  // Both are written behind the pieces, so a file cut between two pieces lacks them.
  if (decoded.pieces.length === 0 || trainer === null || normalizer === null)
    throw new VerbatimError(
      `${where}: holds ${decoded.pieces.length} pieces and not the settings that follow them; is it cut short? Download it again.`,
    );
  const refuse = (what: string) => new VerbatimError(`${where}: ${what} is not supported.`);
  if (trainer.model_type !== 1)
    throw refuse(
      `a SentencePiece model of the type "${modelTypes[trainer.model_type] ?? trainer.model_type}"`,
    );
  if (trainer.treat_whitespace_as_suffix) throw refuse('treat_whitespace_as_suffix = true');
  if (!normalizer.escape_whitespaces) throw refuse('escape_whitespaces = false');
  const pieces = decoded.pieces.map(({ piece, score, type }, id): Piece => {
    const kind = kinds[type];
    if (kind === undefined || piece === '' || !Number.isFinite(score))
      throw new VerbatimError(
        `${where}: piece ${id} is ${JSON.stringify(piece)} of type ${type} with the score ${score}; is the file damaged?`,
      );
    return { text: piece, score, kind };
  });
  const unkId = pieces.findIndex(({ kind }) => kind === 'unknown');
  if (unkId < 0) throw new VerbatimError(`${where}: no piece stands for unknown characters.`);
  const charsmap = Uint8Array.from(normalizer.precompiled_charsmap);
  return {
    pieces,
    unkId,
    byteFallback: trainer.byte_fallback,
    charsmap: charsmap.length === 0 ? undefined : charsmap,
    addDummyPrefix: normalizer.add_dummy_prefix,
    removeExtraWhitespaces: normalizer.remove_extra_whitespaces,
  };
}
