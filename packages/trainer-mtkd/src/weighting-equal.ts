import { definePart, type Weighting, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { sameForHeads } from './teacher-weights.js';

/** No teachers: the supervised baseline, and how teachers are trained. */
export const none = definePart('weighting', {
  name: 'none',
  summary: 'No teachers: the student learns from labels alone.',
  options: z.strictObject({}),
  create: (): Weighting => ({ weigh: () => ({ fused: {} }) }),
});

/** Every teacher counts 1/M for every sample (AVER). */
export const equal = definePart('weighting', {
  name: 'equal',
  summary: 'Every teacher counts the same (AVER).',
  options: z.strictObject({}),
  needs: { teacher: ['logits'] },
  create: (_, { teachers, heads }): Weighting => ({
    weigh: ({ batch: { size } }) => ({
      fused: sameForHeads(heads, tf.fill([size, teachers.length], 1 / teachers.length)),
    }),
  }),
});
