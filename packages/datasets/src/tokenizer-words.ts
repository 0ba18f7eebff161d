import { definePart, InputError, sha256, z, type Tokenizer } from '@retort/core';
import { padIds } from './token-rows.js';

const [PAD, START, END, UNKNOWN] = [0, 1, 2, 3];
/** Texts longer than this are cut unless `contextLength` says otherwise. */
const LONGEST = 32;

const options = z.strictObject({
  contextLength: z
    .int()
    .min(3)
    .optional()
    .describe('Ids of a text, start and end included. Left out: as many as the longest text needs, at most 32.'),
  minimalCount: z.int().positive().default(1).describe('How often a word must come up in the texts to have an id.'),
  unknown: z
    .enum(['error', 'token'])
    .default('error')
    .describe('What becomes of a word that has no id: an error that names it, or one id for all such words.'),
});

/**
 * A number for every word of the texts at hand, for students that are trained from nothing. Ids: 0 padding, 1 start, 2 end, with
 * `unknown: token` 3 for unknown words, then words, the most frequent first and equally frequent ones in the order of their code
 * points. Nothing but the texts and the options decides them.
 */
export const wordsTokenizer = definePart('tokenizer', {
  name: 'words',
  summary: 'a vocabulary of the words in the captions and prompts at hand',
  options,
  create: ({ contextLength, minimalCount, unknown }, { texts, path }): Tokenizer => {
    if (minimalCount > 1 && unknown === 'error') {
      throw new InputError(`minimalCount: ${minimalCount} leaves words of the texts at hand without an id`, {
        hints: ['set unknown: token, or leave minimalCount out'],
        where: path,
      });
    }
    const split = texts.map(wordsOf);
    const words = vocabularyOf(split, minimalCount);
    if (words.length === 0) {
      throw new InputError(`words: the ${texts.length} texts at hand have no words`, {
        hints: ['it needs captions or prompts; clip-bpe reads a vocabulary from a file'],
        where: path,
      });
    }
    const first = unknown === 'token' ? UNKNOWN + 1 : UNKNOWN;
    const ids = new Map(words.map((word, i) => [word, first + i]));
    const longest = split.reduce((most, { length }) => Math.max(most, length + 2), 3);
    const length = contextLength ?? Math.min(longest, LONGEST);

    return {
      vocabularySize: first + words.length,
      contextLength: length,
      endToken: END,
      fingerprint: sha256(JSON.stringify(['words', length, unknown, words])),
      encode: (given) =>
        padIds(
          given.map((text) => {
            const own = wordsOf(text);
            const lacking = unknown === 'error' ? own.filter((word) => !ids.has(word)) : [];
            if (lacking.length > 0) throw lackingWords(text, lacking, path, 'unknown: token gives such words an id');
            return [START, ...own.map((word) => ids.get(word) ?? UNKNOWN), END];
          }),
          { length, padding: PAD },
        ),
    };
  },
});

/** Lower-cased runs of letters, digits and their marks; every other sign that is no white space stands alone. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu) ?? []
  );
}

/** The error about a text that a vocabulary cannot say. */
export function lackingWords(text: string, words: readonly string[], where: string, ...hints: string[]): InputError {
  const named = [...new Set(words)].map((word) => JSON.stringify(word)).join(', ');
  return new InputError(`the vocabulary lacks ${named} of the text ${JSON.stringify(text)}`, { hints, where });
}

function vocabularyOf(texts: readonly string[][], minimalCount: number): string[] {
  const counts = new Map<string, number>();
  for (const words of texts) for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count >= minimalCount)
    .sort(([a, times], [b, others]) => others - times || (a < b ? -1 : 1))
    .map(([word]) => word);
}
