import { definePart, type StateTree, z } from '@retort/core';
import { compile, loadVariables, mapValues, saveVariables, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { observationSize } from './compose-acting.js';
import { predictorOptions } from './predictor-options.js';
import { createPredictor, createRandomNetwork } from './random-network.js';
import { askTeacher, teacherOf, teacherOutput } from './reward-teacher.js';
import { createRewardScale } from './reward-scale.js';
import { createSeenObservations } from './seen-observations.js';

/**
 * Random network distillation (Burda, Edwards, Storkey & Klimov 2018): what a step led to earns ‖f_S − f_T‖², the error of a network
 * that learns to predict a fixed one and so gets small where one has been before. It is divided by the running deviation of its own
 * discounted sums, over ends of episodes; observations are normalized and cut off at ±5. Here it is added to the environment's reward,
 * with one value function for both.
 */
export const rnd = definePart('environment-reward', {
  name: 'rnd',
  summary: 'Random network distillation: novel observations earn the error of predicting a fixed network.',
  options: z.strictObject({
    ...predictorOptions,
    target: z
      .enum(['random', 'teacher'])
      .default('random')
      .describe('What is predicted: a random network, or what a teacher says.'),
    teacher: z.string().optional().describe('Which teacher, where there are several.'),
    output: z.string().optional().describe("The teacher's output; by default its embedding, else logits or mean."),
  }),
  create: async (options, { spaces, count, teachers, scope, seeds, path }) => {
    const { shape } = spaces.observationSpace;
    const size = observationSize(spaces);
    const teacher = options.target === 'teacher' ? teacherOf(teachers, options.teacher, path) : undefined;
    const names = options.output === undefined ? ['embedding', 'logits', 'mean'] : [options.output];
    const output = teacher && teacherOutput(teacher, names, path);
    const embedding = output?.width ?? options.size;
    const widths = [size, ...options.hidden, embedding];
    const fixed = teacher ? undefined : createRandomNetwork(widths, seeds.stream('target'));
    // Under names of their own: those of the predictor are the same.
    const target = Object.fromEntries(
      Object.entries(fixed?.variables ?? {}).map(([key, variable]) => [`target/${key}`, variable]),
    );
    const targetOf = (batch: TensorMap) => fixed?.apply(batch.input as tf.Tensor2D) ?? (batch.target as tf.Tensor2D);
    const predictor = createPredictor(
      createRandomNetwork(widths, seeds.stream('predictor'), true),
      await scope.create(options.optimizer, undefined),
      targetOf,
      target,
    );
    const scale = createRewardScale(count, options.discount);
    const seen = createSeenObservations(size, { input: size, ...(teacher && { target: embedding }) });
    const errors = compile(
      (batch: TensorMap) => ({
        error: squaredDistance(predictor.network.apply(batch.input as tf.Tensor2D), targetOf(batch)),
      }),
      { variables: { ...predictor.network.variables, ...target } },
    );
    return {
      async reward({ nextObservations, mask }) {
        const input = seen.see(nextObservations, mask);
        const said = teacher && (await askTeacher(teacher, output!.name, nextObservations, shape));
        seen.keep({ input, ...(said && { target: said }) }, mask);
        const { error } = tf.tidy(() =>
          errors({
            input: tf.tensor2d(input, [count, size]),
            ...(said && { target: tf.tensor2d(said, [count, embedding]) }),
          }),
        );
        const values = await error.data();
        error.dispose();
        return scale.scale(mask ? values.map((value, copy) => value * mask[copy]) : values);
      },
      update: () =>
        tf.tidy(() =>
          predictor.learn(seen.take(options.batchSize).map((batch) => mapValues(batch, (x) => toTensor(x)))),
        ),
      save: async () => ({
        predictor: await saveVariables(predictor.variables),
        scale: scale.save(),
        seen: seen.save(),
      }),
      load(state) {
        const saved = state as Record<string, StateTree>;
        loadVariables(predictor.variables, saved.predictor, path);
        scale.load(saved.scale);
        seen.load(saved.seen);
      },
      dispose() {
        predictor.dispose();
        tf.dispose(target);
      },
    };
  },
});

/** Σ_i (a_i − b_i)² of each row. @returns [B] */
export function squaredDistance(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => a.sub(b).square().sum(1));
}
