import { resolve } from 'node:path';
import { Tokenizer as Encoder } from '@huggingface/tokenizers';
import { definePart, InputError, messageOf, readInputFile, sha256, z, type Tokenizer } from '@retort/core';
import { padIds } from './token-rows.js';
import { lackingWords, wordsOf } from './tokenizer-words.js';

/** CLIP's padding (Radford et al. 2021, `clip.tokenize`). Its text encoder is causal, so what follows the end has no effect. */
const PAD = 0;

const options = z.strictObject({
  file: z.string().describe("The model's tokenizer.json, as Hugging Face keeps it; relative to the manifest."),
  contextLength: z
    .int()
    .min(3)
    .default(77)
    .describe('Ids of a text, start and end included; longer texts are cut before the end.'),
});

/**
 * CLIP's byte-pair encoding, read from the file that comes with the model: lower-cased text with single spaces, cut into words by
 * CLIP's expression, their UTF-8 bytes merged in the order that was learned, between a start and an end token.
 *
 * Any other `tokenizer.json` that puts one token before a text and one after it works as well. Normalization is the file's (NFC
 * in CLIP's); OpenAI's own code also mends broken encodings and HTML entities, which captions rarely have.
 */
export const clipBpe = definePart('tokenizer', {
  name: 'clip-bpe',
  summary: "CLIP's byte-pair encoding from a tokenizer.json",
  options,
  create: async ({ file, contextLength }, { baseFolder, path }): Promise<Tokenizer> => {
    const name = resolve(baseFolder, file);
    const bytes = await readInputFile(name, { where: path });
    const encoder = readEncoder(bytes, name, path);
    const ends = idsOf(encoder, '', true);
    if (ends.length !== 2 || ends.some((id) => id === undefined)) {
      throw new InputError(`${name} gives an empty text ${ends.length} ids, not a start and an end token`, {
        hints: ["CLIP's file has a post_processor that adds <|startoftext|> and <|endoftext|>"],
        where: path,
      });
    }
    const [start, end] = ends as number[];
    // Unknown pieces get the end token in CLIP's file, and a text would seem to end there.
    const unknown = encoder.model?.unk_token_id;
    const isLacking = (id: number | undefined) => id === undefined || id === end || id === unknown;

    return {
      vocabularySize: 1 + [...encoder.get_vocab().values()].reduce((a, b) => Math.max(a, b)),
      contextLength,
      endToken: end,
      fingerprint: sha256(JSON.stringify(['clip-bpe', contextLength, sha256(bytes)])),
      encode: (texts) =>
        padIds(
          texts.map((text) => {
            const ids = idsOf(encoder, text, false);
            if (ids.some(isLacking)) {
              const lacks = (word: string) => idsOf(encoder, word, false).some(isLacking);
              // The second finds what is only taken for unknown as a whole: a start or end token, written out.
              const words = [wordsOf(text), text.split(/\s+/)].map((all) => all.filter(lacks));
              throw lackingWords(
                text,
                words[0].length > 0 ? words[0] : words[1],
                path,
                `is ${name} the vocabulary of the model?`,
              );
            }
            return [start, ...(ids as number[]), end];
          }),
          { length: contextLength, padding: PAD },
        ),
    };
  },
});

function readEncoder(bytes: Uint8Array, name: string, where: string): Encoder {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as { model: { unk_token?: string | null } };
    // Without one, pieces that the vocabulary lacks would be left out without a word; this one has no id.
    json.model.unk_token ??= '';
    return new Encoder(json, {});
  } catch (error) {
    throw new InputError(`${name} is no tokenizer.json: ${messageOf(error)}`, {
      hints: ['it comes with the model, beside its weights; vocab.json alone lacks the merges'],
      where,
      cause: error,
    });
  }
}

/** Undefined for a piece that the vocabulary has no id for. */
function idsOf(encoder: Encoder, text: string, addEnds: boolean): (number | undefined)[] {
  return encoder.encode(text, { add_special_tokens: addEnds }).ids;
}
