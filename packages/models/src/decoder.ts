import { definePart, InputError, z, type Student } from '@retort/core';
import { wholeSpec } from './build-published.js';
import { buildStudent } from './build-student.js';
import { decoderSpec } from './decoder-spec.js';
import { traitsOf } from './traits.js';

/** {@link decoderSpec} of the data set's vocabulary and length. */
export const decoder = definePart('student', {
  name: 'decoder',
  summary: 'decoder-only transformer of any size, for data sets of sequences',
  options: z.strictObject({
    width: z.int().positive().default(64).describe('Channels of a token.'),
    depth: z.int().positive().default(2).describe('Blocks.'),
    heads: z.int().positive().default(4).describe('Heads of attention; they divide the width.'),
  }),
  create: (options, { sequences, seeds, path: where }): Student => {
    if (!sequences) {
      throw new InputError('student decoder goes on with sequences, and is given none', {
        hints: ['choose a data set of sequences, such as arithmetic, and the trainer sequence'],
        where,
      });
    }
    const { vocabulary, length } = sequences;
    const spec = wholeSpec(() => decoderSpec({ ...options, vocabularySize: vocabulary.length, length }), where);
    const student = buildStudent(spec, 'decoder', seeds.stream('init'));
    return { ...student, ...traitsOf(student.model, seeds) };
  },
});
