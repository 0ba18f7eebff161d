import { definePart, type StateTree, z } from '@retort/core';
import { compile, loadVariables, mapValues, saveVariables, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { observationSize } from './compose-acting.js';
import { predictorOptions } from './predictor-options.js';
import { createPredictor, createRandomNetwork } from './random-network.js';
import { squaredDistance } from './reward-rnd.js';
import { createRewardScale } from './reward-scale.js';
import { createSeenObservations } from './seen-observations.js';

/**
 * Distributional random network distillation (Yang, Tao, Lyu & Li 2024, arXiv 2401.09750): the predictor follows, row by row, one of
 * K random networks drawn anew. See {@link drndBonus}; it is divided by the running deviation of its own discounted sums, as in `rnd`.
 */
export const drnd = definePart('environment-reward', {
  name: 'drnd',
  summary:
    'Distributional random network distillation: several random targets, and an estimate of how often one was there.',
  options: z.strictObject({
    ...predictorOptions,
    targets: z.int().min(2).default(10).describe('Random networks, K.'),
    alpha: z
      .number()
      .min(0)
      .max(1)
      .default(0.9)
      .describe('Share of the distance; the rest is that of the pseudo-count.'),
  }),
  create: async (options, { spaces, count, scope, seeds, path }) => {
    const { targets: members, alpha } = options;
    const size = observationSize(spaces);
    const widths = [size, ...options.hidden, options.size];
    const targets = Array.from({ length: members }, (_, k) => createRandomNetwork(widths, seeds.stream(`target-${k}`)));
    const fixed = Object.fromEntries(
      targets.flatMap(({ variables }, k) => Object.entries(variables).map(([key, each]) => [`${k}/${key}`, each])),
    ) as Record<string, tf.Variable>;
    const say = (input: tf.Tensor) =>
      tf.stack(
        targets.map((each) => each.apply(input as tf.Tensor2D)),
        1,
      ) as tf.Tensor3D;
    const predictor = createPredictor(
      createRandomNetwork(widths, seeds.stream('predictor'), true),
      await scope.create(options.optimizer, undefined),
      // One of K, as a sum over all with a single 1.
      ({ input, member }) =>
        say(input).mul(tf.oneHot(member.as1D().toInt(), members).expandDims(2)).sum<tf.Tensor2D>(1),
      fixed,
    );
    const draws = seeds.stream('members');
    const scale = createRewardScale(count, options.discount);
    const seen = createSeenObservations(size, { input: size });
    const bonus = compile(
      ({ input }: TensorMap) => ({
        bonus: drndBonus(predictor.network.apply(input as tf.Tensor2D), say(input), alpha),
      }),
      { variables: { ...predictor.network.variables, ...fixed } },
    );
    return {
      async reward({ nextObservations, mask }) {
        const input = seen.see(nextObservations, mask);
        seen.keep({ input }, mask);
        const given = tf.tidy(() => bonus({ input: tf.tensor2d(input, [count, size]) }).bonus);
        const values = await given.data();
        given.dispose();
        return scale.scale(mask ? values.map((value, copy) => value * mask[copy]) : values);
      },
      update: () =>
        tf.tidy(() =>
          predictor.learn(
            seen.take(options.batchSize).map((batch) => {
              const rows = batch.input.shape[0];
              const member = Float32Array.from({ length: rows }, () => draws.integer(members));
              return { ...mapValues(batch, (x) => toTensor(x)), member: tf.tensor2d(member, [rows, 1]) };
            }),
          ),
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
        tf.dispose(fixed);
      },
    };
  },
});

/**
 * α ‖f − μ‖² + (1 − α) Σ_i √((f_i² − μ_i²) / (B2_i − μ_i²)), with μ and B2 the means over K targets of what they say and of its square
 * (arXiv 2401.09750, §4.3). The fraction estimates 1 / n of n visits, so it is kept between 10⁻⁶ and 1, its sign left out, as in the
 * authors' code, which sums over outputs.
 *
 * @param predicted [B, E]
 * @param targets [B, K, E]
 * @returns [B]
 */
export function drndBonus(predicted: tf.Tensor2D, targets: tf.Tensor3D, alpha: number): tf.Tensor1D {
  return tf.tidy(() => {
    const mean = targets.mean<tf.Tensor2D>(1);
    // Σ (c − μ)² / K is B2 − μ², without the difference of two large numbers.
    const variance = targets.sub(mean.expandDims(1)).square().mean(1);
    const fraction = predicted.square().sub(mean.square()).abs().div(variance.maximum(1e-12)).clipByValue(1e-6, 1);
    return squaredDistance(predicted, mean)
      .mul(alpha)
      .add(
        fraction
          .sqrt()
          .sum(1)
          .mul(1 - alpha),
      );
  });
}
