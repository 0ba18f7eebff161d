import { InputError, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Options of the annealing of stage 2, for a trainer's own. */
export const annealOptions = z.strictObject({
  schedule: z
    .enum(['linear', 'cosine', 'exponential', 'reward-adaptive'])
    .default('linear')
    .describe(
      'How λ falls over the stage; reward-adaptive: as far as the mean reward has come towards `target`, and never back.',
    ),
  from: z.number().min(0).max(1).default(1).describe('λ at the first step.'),
  to: z.number().min(0).max(1).default(0.1).describe('λ at the last step.'),
  terms: z
    .enum(['both', 'task', 'kd'])
    .default('both')
    .describe(
      'What λ is multiplied with: the task loss, the distillation losses, or both. 1 − λ multiplies the rewards.',
    ),
  target: z
    .number()
    .default(0.9)
    .describe('reward-adaptive only: the weighted mean of the rewards, not standardized, at which λ has come to `to`.'),
  memory: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe('reward-adaptive only: share of the old mean that is kept when a new reward is told.'),
});

export type AnnealOptions = z.output<typeof annealOptions>;

/** How much the supervised terms still count. */
export interface Anneal {
  /** What reward-adaptive remembers; none for the others. Part of the state, and of what a step assigns. */
  readonly variables: Record<string, tf.Variable>;
  /** λ at a step of the stage, from 0, as time alone has it; of no meaning for reward-adaptive. */
  byTime(step: number): number;
  /** Inside a step: λ, given that of time. */
  lambda(byTime: tf.Scalar): tf.Scalar;
  /** Inside a step, after λ was used: takes a mean reward. Of effect on reward-adaptive only. */
  observe(reward: tf.Scalar): void;
  dispose(): void;
}

/**
 * λ(t) over the T steps of stage 2, t = step / (T − 1):
 * linear from + (to − from) t; cosine to + (from − to)(1 + cos πt) / 2; exponential from (to / from)^t;
 * reward-adaptive from + (to − from) max over time of (r̄ − r₀) / (target − r₀), kept within [0, 1], with the running mean r̄ of what was
 * observed and its first value r₀. It lives on the device, so that no step has to be read.
 *
 * @throws InputError when λ would rise, or is to fall to 0 exponentially
 */
export function createAnneal(options: AnnealOptions, steps: number, path: string): Anneal {
  const { schedule, from, to } = options;
  if (to > from) throw new InputError(`${path}: λ falls from \`from\` to \`to\`, and ${from} is less than ${to}`);
  if (schedule === 'exponential' && to === 0) {
    throw new InputError(`${path}: an exponential never comes to 0`, { hints: ['set to: 0.01, or schedule: linear'] });
  }
  if (schedule === 'reward-adaptive') return adaptive(options);
  const byTime = {
    linear: (t: number) => from + (to - from) * t,
    cosine: (t: number) => to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2,
    exponential: (t: number) => (from === 0 ? 0 : from * (to / from) ** t),
  };
  return {
    variables: {},
    byTime: (step) => byTime[schedule](steps > 1 ? Math.min(1, step / (steps - 1)) : 0),
    lambda: (given) => given,
    observe: () => undefined,
    dispose: () => undefined,
  };
}

function adaptive({ from, to, target, memory }: AnnealOptions): Anneal {
  const zero = () => tf.tidy(() => tf.variable(tf.scalar(0), false)) as tf.Variable<tf.Rank.R0>;
  const variables = { seen: zero(), first: zero(), mean: zero(), progress: zero() };
  const { seen, first, mean, progress } = variables;
  return {
    variables,
    byTime: () => from,
    lambda: () => tf.tidy(() => progress.mul(to - from).add<tf.Scalar>(from)),
    observe: (reward) =>
      untaped(() => {
        // A reward that is not finite ends the run elsewhere; it must not end the annealing.
        const counts = tf.isFinite(reward);
        const begins = counts.logicalAnd(seen.equal(0));
        const start = tf.where(begins, reward, first);
        const running = tf.where(begins, reward, mean.mul(memory).add(reward.mul(1 - memory)));
        const distance = tf.sub(target, start);
        const come = tf.where(distance.greater(0), running.sub(start).div(distance.maximum(1e-12)), tf.scalar(1));
        const reached = tf.where(counts, progress.maximum(come.minimum(1)), progress);
        first.assign(start as tf.Scalar);
        mean.assign(tf.where(counts, running, mean) as tf.Scalar);
        progress.assign(reached as tf.Scalar);
        seen.assign(tf.where(counts, tf.scalar(1), seen) as tf.Scalar);
      }),
    dispose: () => tf.dispose(variables),
  };
}

/** What the three parts of the loss of stage 2 are multiplied with. */
export interface StageWeights {
  task: tf.Scalar;
  distillation: tf.Scalar;
  reward: tf.Scalar;
}

/** L2 = λ L1 + (1 − λ) L_RL, with λ on the terms of L1 that are annealed and 1 on the others. */
export function stageWeights(lambda: tf.Scalar, terms: AnnealOptions['terms']): StageWeights {
  return {
    task: terms === 'kd' ? tf.scalar(1) : lambda,
    distillation: terms === 'task' ? tf.scalar(1) : lambda,
    reward: tf.sub(1, lambda) as tf.Scalar,
  };
}
