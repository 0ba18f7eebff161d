import { definePart, InputError, type StateTree, type Weighting, z } from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { confidenceWeights } from './weighting-ca-mkd.js';
import { sameForHeads } from './teacher-weights.js';

/** Weights that know nothing: uniform on the simplex, anew for each sample and step. */
export const random = definePart('weighting', {
  name: 'random',
  summary: 'A control: weights drawn anew for each sample, uniform on the simplex.',
  options: z.strictObject({}),
  needs: { teacher: ['logits'] },
  create: (_, { teachers: { length: count }, heads, seeds }): Weighting => {
    const stream = seeds.stream('noise');
    return {
      noise(batchSize) {
        const data = new Float32Array(batchSize * count);
        for (let i = 0; i < batchSize; i++) {
          // Exponentials over their sum are uniform on the simplex; the argument of the logarithm is never 0.
          const draws = Array.from({ length: count }, () => -Math.log((stream.bits() + 0.5) / 2 ** 32));
          const total = draws.reduce((a, b) => a + b);
          draws.forEach((draw, m) => (data[i * count + m] = draw / total));
        }
        return { weights: { data, shape: [batchSize, count] } };
      },
      weigh: ({ batch: { size } }, noise) => ({
        fused: sameForHeads(heads, (noise?.weights ?? tf.fill([size, count], 1 / count)) as tf.Tensor2D),
      }),
    };
  },
});

/** Per sample, all weight on the teacher with the least cross-entropy; teachers that tie share it, as all do where the label is unknown. */
export const oracle = definePart('weighting', {
  name: 'oracle',
  summary: 'A control: per sample, the teacher with the least cross-entropy on the label alone.',
  options: z.strictObject({}),
  needs: { teacher: ['logits'] },
  create: (_, { heads }): Weighting => ({
    weigh: ({ teacherCrossEntropy }) => {
      const least = teacherCrossEntropy.equal(teacherCrossEntropy.min(1, true)).cast('float32');
      return { fused: sameForHeads(heads, least.div<tf.Tensor2D>(least.sum(1, true))) };
    },
  }),
});

/** The closed-form parts of MTKD-RL's fused weights and no agent. */
export const priorsOnly = definePart('weighting', {
  name: 'priors-only',
  summary: "A control: MTKD-RL's confidence and divergence weights, without an agent.",
  options: z.strictObject({
    confidence: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Share of the confidence weights (eq. 9); the rest is by divergence (eq. 10, 11).'),
  }),
  needs: { student: ['logits'], teacher: ['logits'] },
  create: ({ confidence }, { heads }): Weighting => ({
    weigh: ({ teacherCrossEntropy, logitLoss, similarity }) => {
      const prior = confidenceWeights(teacherCrossEntropy).mul(confidence);
      const fused = (divergence: tf.Tensor2D) => prior.add<tf.Tensor2D>(tf.softmax(divergence).mul(1 - confidence));
      return {
        fused: Object.fromEntries(
          heads.map((head) => [head, fused(head === 'feature' && similarity ? similarity : logitLoss)]),
        ),
      };
    },
  }),
});

/**
 * Distillation from one teacher, the best on the validation split or one that is named. Without that split it is the best on the
 * labeled samples of the train split.
 */
export const bestSingle = definePart('weighting', {
  name: 'best-single',
  summary: 'A control: the teacher that is best on the validation split, alone.',
  options: z.strictObject({
    teacher: z.string().optional().describe('The id of a teacher to take instead.'),
  }),
  needs: { teacher: ['logits'] },
  create: ({ teacher }, { teachers, heads, path }): Weighting => {
    const ids = teachers.map(({ id }) => id);
    if (teacher !== undefined && !ids.includes(teacher)) {
      throw new InputError(`${path}.teacher: none is called "${teacher}"`, { hints: [`teachers: ${ids.join(', ')}`] });
    }
    const oneHot = (at: number) => tf.tensor1d(ids.map((_, m) => (m === at ? 1 : 0)));
    // Even until `fit` or a checkpoint has chosen.
    const chosen = tf.tidy(() =>
      tf.variable(teacher === undefined ? tf.fill([ids.length], 1 / ids.length) : oneHot(ids.indexOf(teacher)), false),
    );
    const variables = { chosen };
    return {
      variables,
      async fit(pass) {
        if (teacher !== undefined) return;
        let labeled = 0;
        const [right, crossEntropy] = [new Float64Array(ids.length), new Float64Array(ids.length)];
        for await (const { teachers: outputs, batch } of pass) {
          const label = batch.targets.label!.data;
          for (const [m, { logits }] of outputs.entries()) {
            const logProbabilities = tf.tidy(() => tf.logSoftmax(logits!));
            const rows = (await logProbabilities.array()) as number[][];
            logProbabilities.dispose();
            rows.forEach((row, i) => {
              if (label[i] < 0) return;
              labeled++;
              if (row.indexOf(Math.max(...row)) === label[i]) right[m]++;
              crossEntropy[m] -= row[label[i]];
            });
          }
        }
        if (labeled === 0) {
          throw new InputError(`${path}: no sample that teachers could be compared on has a label`, {
            hints: [`name a teacher: ${path}.teacher: ${ids[0]}`, 'or hold some back: dataset.validation: 0.1'],
          });
        }
        // By accuracy, then by cross-entropy.
        const [best] = ids.map((_, m) => m).sort((a, b) => right[b] - right[a] || crossEntropy[a] - crossEntropy[b]);
        tf.tidy(() => chosen.assign(oneHot(best)));
      },
      weigh: ({ batch: { size } }) => ({
        fused: sameForHeads(heads, tf.tile(chosen.reshape([1, ids.length]) as tf.Tensor2D, [size, 1])),
      }),
      save: () => saveVariables(variables),
      load: (saved) => loadVariables(variables, saved as StateTree, 'best-single'),
      dispose: () => tf.dispose(variables),
    };
  },
});
