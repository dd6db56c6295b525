export { type TrainedBpe, trainBpe } from './bpe.ts';
export {
  type ClipTokenizer,
  type ClipTokenizerFiles,
  clipSpecialTokens,
  createClipTokenizer,
  type SpecialToken,
} from './clip-tokenizer.ts';
export {
  clipTokenizerTexts,
  loadClipTokenizer,
  type Padding,
  type TrainClipBpeOptions,
  trainClipBpe,
  writeClipTokenizer,
} from './files.ts';
export { loadT5Tokenizer } from './t5-files.ts';
export { createT5Tokenizer, type T5Tokenizer, type T5TokenizerFiles } from './t5-tokenizer.ts';
