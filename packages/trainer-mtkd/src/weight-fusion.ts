import { type DistillationView, type Head, InputError, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { confidenceWeights } from './weighting-ca-mkd.js';

const share = (byDefault: number) => z.number().min(0).max(1).default(byDefault);

export const gammasOption = z
  .strictObject({
    generator: share(0.5).describe("Share of the agent's weights."),
    confidence: share(0.5).describe("Share of the weights by the teachers' cross-entropy (eq. 9)."),
    divergence: share(0).describe('Share of the weights by student-teacher distance (eq. 10, 11).'),
    learnable: z
      .boolean()
      .default(false)
      .describe(
        'Learn the shares, from 1/3 each, for predictions and features apart; the three above are then not read.',
      ),
    learningRate: z.number().positive().default(0.1).describe('Of learnable shares; plain gradient ascent.'),
  })
  .prefault({})
  .describe('How generator, confidence and divergence weights are mixed; they sum to 1. The paper has 1/3 each.');

/** Shares of the three kinds of weights. */
export interface Gammas {
  generator: number | tf.Scalar;
  confidence: number | tf.Scalar;
  divergence: number | tf.Scalar;
}

/** Closed-form weights of one head, [B, M] each; rows sum to one. */
export interface Priors {
  confidence: tf.Tensor2D;
  divergence: tf.Tensor2D;
}

/**
 * By the teachers' cross-entropy (MTKD-RL eq. 9), 1/M each where the label is unknown, and by the distance between student and
 * teacher (eq. 10, 11).
 */
export function priorsOf(
  view: Pick<DistillationView, 'teacherCrossEntropy' | 'logitLoss' | 'similarity'>,
  heads: readonly Head[],
): Record<Head, Priors> {
  const confidence = confidenceWeights(view.teacherCrossEntropy);
  const divergence = tf.softmax(view.logitLoss);
  const byHead = {
    logit: { confidence, divergence },
    feature: { confidence, divergence: view.similarity ? tf.softmax(view.similarity) : divergence },
  };
  return Object.fromEntries(heads.map((head) => [head, byHead[head]])) as Record<Head, Priors>;
}

/** w = γ_gen w_gen + γ_conf w_conf + γ_div w_div (MTKD-RL eq. 12-14); each term sums to one over the teachers. */
export function fuse(generator: tf.Tensor2D, { confidence, divergence }: Priors, gammas: Gammas): tf.Tensor2D {
  return generator
    .mul<tf.Tensor2D>(gammas.generator)
    .add<tf.Tensor2D>(confidence.mul(gammas.confidence))
    .add(divergence.mul(gammas.divergence));
}

/** The shares of a run, constant or learned. */
export interface GammaShares {
  readonly variables: Record<string, tf.Variable>;
  of(head: Head): Gammas;
  /**
   * Inside the step: adds up where the shares of a head should go.
   *
   * @param gain [B, M], what more of each teacher's fused weight would earn
   */
  credit(head: Head, generator: tf.Tensor2D, priors: Priors, gain: tf.Tensor2D): void;
  /** Between steps: goes there. @returns the shares, for the log */
  learn(): Record<string, tf.Scalar>;
}

/** @throws InputError when constants do not sum to one */
export function createGammaShares(
  { learnable, learningRate, ...constants }: z.output<typeof gammasOption>,
  heads: readonly Head[],
  path: string,
): GammaShares {
  if (learnable) return learnableShares(heads, learningRate);
  const sum = constants.generator + constants.confidence + constants.divergence;
  if (Math.abs(sum - 1) > 1e-6) throw new InputError(`${path}.gammas must sum to 1, not ${sum}`);
  return { variables: {}, of: () => constants, credit: () => {}, learn: () => ({}) };
}

/**
 * Softmax of three numbers per head, (1, 1, 1) at first, as in the public code with `--dynamic`. They are moved by what the fused
 * weights earn and by nothing else: along Σ_m gain_m w_m, averaged over a batch and summed over the batches since they last moved.
 */
function learnableShares(heads: readonly Head[], learningRate: number): GammaShares {
  const names = ['generator', 'confidence', 'divergence'] as const;
  const variables = Object.fromEntries(
    heads.flatMap((head) => [
      [`gammas/${head}`, tf.tidy(() => tf.variable(tf.ones([names.length]), false))],
      [`gammas/${head}/ascent`, tf.tidy(() => tf.variable(tf.zeros([names.length]), false))],
    ]),
  );
  const shares = (head: Head) => tf.softmax(variables[`gammas/${head}`]);
  const scalars = (head: Head) =>
    Object.fromEntries(tf.unstack(shares(head)).map((value, k) => [names[k], value])) as Record<
      (typeof names)[number],
      tf.Scalar
    >;
  return {
    variables,
    of: scalars,
    credit(head, generator, { confidence, divergence }, gain) {
      const share = shares(head);
      const earned = tf.stack([generator, confidence, divergence].map((weights) => weights.mul(gain).sum(1).mean()));
      // Through the softmax: γ_k (G_k − Σ_j γ_j G_j).
      const gradient = share.mul(earned.sub(share.mul(earned).sum()));
      const ascent = variables[`gammas/${head}/ascent`];
      ascent.assign(ascent.add(gradient));
    },
    learn: () =>
      tf.tidy(() => {
        for (const head of heads) {
          const [value, ascent] = [variables[`gammas/${head}`], variables[`gammas/${head}/ascent`]];
          value.assign(value.add(ascent.mul(learningRate)));
          ascent.assign(tf.zerosLike(ascent));
        }
        return Object.fromEntries(
          heads.flatMap((head) =>
            Object.entries(scalars(head)).map(([name, share]) => [`gamma/${head}/${name}`, share]),
          ),
        );
      }),
  };
}
