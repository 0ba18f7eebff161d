import type { HostTensor } from './host-tensor.js';

/** Texts as numbers, for a text encoder. */
export interface Tokenizer {
  /** Ids lie in [0, vocabularySize). */
  readonly vocabularySize: number;
  /** N, the ids of a text with its padding. */
  readonly contextLength: number;
  /** Closes every text; a text encoder pools where it first stands. */
  readonly endToken: number;
  /** Changes whenever some text would get other ids. */
  readonly fingerprint: string;
  /**
   * [T, N] int32. A text that is too long is cut, and its end token stays.
   *
   * @throws InputError naming a text with words that the vocabulary lacks
   */
  encode(texts: readonly string[]): HostTensor;
}

export interface TokenizerContext {
  /** The texts at hand, in order: captions and prompts of the data set. */
  texts: readonly string[];
  /** Against which relative paths are resolved. */
  baseFolder: string;
  /** Where the tokenizer stands in the manifest, for errors. */
  path: string;
}
