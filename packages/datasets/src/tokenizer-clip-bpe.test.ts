import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, type Tokenizer } from '@retort/core';
import { clipFile } from './test-support/clip-file.js';
import { clipBpe } from './tokenizer-clip-bpe.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-tokenizer-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/**
 * Ids by hand. A printable sign of ASCII with code c has id c − 33 (so does CLIP: its first ids are the bytes that print, from
 * "!"), 256 more where it ends a word; then come the merges, in this order, from 512.
 */
const merges: [string, string][] = [
  ['p', 'h'],
  ['ph', 'o'],
  ['t', 'o</w>'],
  ['pho', 'to</w>'],
  ['c', 'a'],
  ['ca', 't</w>'],
  ['o', 'f</w>'],
];
const [pho, photo, cat, of, start, end] = [513, 515, 517, 518, 519, 520];
const inside = (signs: string) => [...signs].map((sign) => sign.charCodeAt(0) - 33);
const last = (sign: string) => inside(sign)[0] + 256;

async function make(options: Record<string, unknown> = {}, file: unknown = clipFile(merges)): Promise<Tokenizer> {
  writeFileSync(join(folder, 'tokenizer.json'), typeof file === 'string' ? file : JSON.stringify(file));
  return clipBpe.create(clipBpe.options.parse({ file: 'tokenizer.json', ...options }) as never, {
    texts: [],
    baseFolder: folder,
    path: 'dataset.tokenizer',
  });
}

async function errorOf(promise: Promise<unknown> | (() => unknown)): Promise<InputError> {
  const error = await Promise.resolve(typeof promise === 'function' ? Promise.resolve().then(promise) : promise).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).where).toBe('dataset.tokenizer');
  return error as InputError;
}

describe('clip-bpe', () => {
  it.each([
    ['a photo of a cat.', [last('a'), photo, of, last('a'), cat, last('.')]],
    // Lower case, white space of any kind and length.
    ['  A  PHOTO\n\tof a Cat ', [last('a'), photo, of, last('a'), cat]],
    // "photos" does not end in "to</w>", so that merge is not there: pho t o s.
    ['photos', [pho, ...inside('to'), last('s')]],
    // Contractions stand alone, digits one by one, other signs together.
    [
      "it's 24!?",
      [...inside('i'), last('t'), ...inside("'"), last('s'), last('2'), last('4'), ...inside('!'), last('?')],
    ],
    // UTF-8: é is C3 A9. 94 bytes print in ASCII, then A1–AC, then AE–FF: C3 has id 94 + 12 + 21, A9 has 94 + 8.
    ['Café', [516, ...inside('f'), 127, 102 + 256]],
    // U+1F600 is F0 9F 98 80. F0: 106 + 66. Bytes that do not print follow from 188: 00–20 (33), 7F–A0, so 9F: 221 + 32.
    ['😀', [172, 253, 246, 222 + 256]],
    ['', []],
  ])('gives %j the ids of a hand count', async (text, ids) => {
    const { data, shape } = (await make({ contextLength: 20 })).encode([text]);
    expect(shape).toEqual([1, 20]);
    const all = [start, ...ids, end];
    expect([...data]).toEqual([...all, ...new Array<number>(20 - all.length).fill(0)]);
  });

  it('has the ids that CLIP gives single letters, and its length', async () => {
    const tokenizer = await make();
    expect(tokenizer.contextLength).toBe(77);
    expect(tokenizer.vocabularySize).toBe(521);
    expect(tokenizer.endToken).toBe(end);
    const { data, shape } = tokenizer.encode(['a', '.', 'x y']);
    expect(shape).toEqual([3, 77]);
    // "a" is 320 and "." 269 in every model of CLIP.
    expect([data[1], data[77 + 1]]).toEqual([320, 269]);
    expect(tokenizer.encode([]).shape).toEqual([0, 77]);
  });

  it('cuts a long text and keeps its end token', async () => {
    const tokenizer = await make({ contextLength: 5 });
    const { data } = tokenizer.encode(['a cat of a photo', 'a cat of', 'cat']);
    expect([...data]).toEqual([start, last('a'), cat, of, end, start, last('a'), cat, of, end, start, cat, end, 0, 0]);
  });

  it('has a fingerprint of the file and the length', async () => {
    const { fingerprint } = await make();
    expect((await make()).fingerprint).toBe(fingerprint);
    expect((await make({ contextLength: 76 })).fingerprint).not.toBe(fingerprint);
    expect((await make({}, clipFile(merges.slice(1)))).fingerprint).not.toBe(fingerprint);
  });

  it('reads files whose merges are pairs, as newer versions write them', async () => {
    const file = clipFile(merges) as { model: { merges: unknown } };
    file.model.merges = merges;
    expect((await make({}, file)).encode(['a photo'])).toEqual((await make()).encode(['a photo']));
  });

  it.each([[false], [true]])(
    'names text and words that the vocabulary lacks (without unk_token: %s)',
    async (without) => {
      const file = clipFile([['c', 'a']], [...'abcdefgo.']) as { model: { unk_token?: string } };
      if (without) delete file.model.unk_token;
      const tokenizer = await make({ contextLength: 6 }, file);
      // c a and o in the middle have ids 2, 0 and 7, "d" and "g" at the end of a word 9 + 3 and 9 + 6; "ca" is 18.
      expect([...tokenizer.encode(['cad go']).data]).toEqual([19, 18, 12, 6, 7 + 9, 20]);
      const error = await errorOf(() => tokenizer.encode(['a dog', 'a Photo of a zebra.']));
      expect(error.message).toBe('the vocabulary lacks "photo", "zebra" of the text "a Photo of a zebra."');
    },
  );

  it('refuses a text that has an end token in the middle, where a text encoder would stop', async () => {
    const tokenizer = await make();
    expect((await errorOf(() => tokenizer.encode(['a <|endoftext|> cat']))).message).toBe(
      'the vocabulary lacks "<|endoftext|>" of the text "a <|endoftext|> cat"',
    );
  });

  it('refuses files that are missing, damaged or of another kind', async () => {
    expect((await errorOf(make({ file: 'none.json' }))).message).toBe(`no such file: ${join(folder, 'none.json')}`);
    const name = join(folder, 'tokenizer.json');
    expect((await errorOf(make({}, '{"model": {'))).message).toContain(`${name} is no tokenizer.json: `);
    expect((await errorOf(make({}, { a: 0, 'a</w>': 1 }))).message).toContain(`${name} is no tokenizer.json: `);
    expect((await errorOf(make({}, 'null'))).message).toContain(`${name} is no tokenizer.json: `);
    expect((await errorOf(make({}, { ...clipFile(merges), post_processor: null }))).message).toBe(
      `${name} gives an empty text 0 ids, not a start and an end token`,
    );
  });
});
