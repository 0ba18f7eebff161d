import { InputError, type Tokenizer } from '@retort/core';
import { wordsTokenizer } from './tokenizer-words.js';

function make(texts: string[], options: Record<string, unknown> = {}): Tokenizer {
  return wordsTokenizer.create(wordsTokenizer.options.parse(options) as never, {
    texts,
    baseFolder: '.',
    path: 'dataset.tokenizer',
  }) as Tokenizer;
}

function errorOf(body: () => unknown): InputError {
  let thrown: unknown;
  try {
    body();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(InputError);
  expect((thrown as InputError).where).toBe('dataset.tokenizer');
  return thrown as InputError;
}

// "a" four times, "." three, "disc" and "red" twice; "blue", "it", "s", "'" and "star" once, "'" before letters.
const texts = ['A red disc.', 'a blue star.', "It's a  red\tDISC a."];
const [start, end] = [1, 2];
const id = Object.fromEntries(
  ['a', '.', 'disc', 'red', "'", 'blue', 'it', 's', 'star'].map((word, i) => [word, i + 3]),
);

describe('words', () => {
  it('numbers words from the most frequent, equal ones by alphabet', () => {
    const tokenizer = make(texts);
    expect(tokenizer.vocabularySize).toBe(12);
    expect(tokenizer.endToken).toBe(end);
    // The longest text has seven words and signs: it ' s a red disc a .
    expect(tokenizer.contextLength).toBe(10);
    const { data, shape } = tokenizer.encode(["it's a RED disc.", 'star']);
    expect(shape).toEqual([2, 10]);
    expect([...data]).toEqual([
      ...[start, id.it, id["'"], id.s, id.a, id.red, id.disc, id['.'], end, 0],
      ...[start, id.star, end, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  it('has a fingerprint of the vocabulary, whatever the order of the texts', () => {
    const { fingerprint } = make(texts);
    expect(make([...texts].reverse()).fingerprint).toBe(fingerprint);
    expect(make([...texts, 'red']).fingerprint).not.toBe(fingerprint);
    expect(make(texts, { contextLength: 12 }).fingerprint).not.toBe(fingerprint);
    expect(make(texts, { unknown: 'token' }).fingerprint).not.toBe(fingerprint);
  });

  it('is 32 long at most unless told otherwise, and cuts before the end', () => {
    const long = Array.from({ length: 50 }, (_, i) => `w${i}`).join(' ');
    const tokenizer = make([long]);
    expect(tokenizer.contextLength).toBe(32);
    const { data } = tokenizer.encode([long]);
    expect(data).toHaveLength(32);
    expect([data[0], data[31]]).toEqual([start, end]);
    expect(new Set(data.slice(1, 31)).size).toBe(30);
    expect([...make([long], { contextLength: 4 }).encode(['w1 w0 w0']).data]).toEqual([start, 4, 3, end]);
  });

  it('names the words that a text has and the vocabulary has not', () => {
    const tokenizer = make(texts);
    const error = errorOf(() => tokenizer.encode(['a red disc.', 'A green Disc, green']));
    expect(error.message).toBe('the vocabulary lacks "green", "," of the text "A green Disc, green"');
    expect(error.hints).toEqual(['unknown: token gives such words an id']);
  });

  it('gives unknown and rare words one id where asked to', () => {
    const tokenizer = make(texts, { unknown: 'token', minimalCount: 2 });
    // padding, start, end, unknown, a, ".", disc, red
    expect(tokenizer.vocabularySize).toBe(8);
    expect([...tokenizer.encode(['a blue green red disc']).data].slice(0, 7)).toEqual([start, 4, 3, 3, 7, 6, end]);
    expect(errorOf(() => make(texts, { minimalCount: 2 })).message).toBe(
      'minimalCount: 2 leaves words of the texts at hand without an id',
    );
  });

  it('knows letters of all scripts, composed or not', () => {
    const tokenizer = make(['Été à São-Paulo', 'лес']);
    expect(tokenizer.encode(['Été à são - paulo ЛЕС'.normalize('NFD')]).data).toHaveLength(7);
    expect(make(['e\u0301te\u0301']).fingerprint).toBe(make(['été']).fingerprint);
  });

  it('needs words', () => {
    expect(errorOf(() => make([])).message).toBe('words: the 0 texts at hand have no words');
    expect(errorOf(() => make(['', ' '])).message).toBe('words: the 2 texts at hand have no words');
  });
});
