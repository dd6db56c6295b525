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
