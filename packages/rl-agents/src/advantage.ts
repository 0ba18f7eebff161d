import { RunError } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { Rollout } from './rollout.js';

/** T steps of B parallel episodes, [T, B] each. */
export interface Trajectory {
  reward: tf.Tensor2D;
  /** V(s_t). */
  value: tf.Tensor2D;
  /** V(s_t+1) of the state the step led to, also where the episode ended there. */
  nextValue: tf.Tensor2D;
  terminated: tf.Tensor2D;
  truncated: tf.Tensor2D;
}

/**
 * Generalized advantage estimation (Schulman et al. 2016, eq. 16), time running forward in the first axis:
 * δ_t = r_t + γ (1 − terminated_t) V(s_t+1) − V(s_t); A_t = δ_t + γ λ (1 − done_t) A_t+1.
 * Where an episode was cut off, and at the end of what was seen, the value of the next state stands for the rest.
 * With λ = 1, A_t + V(s_t) is the discounted return.
 *
 * @returns [T, B]
 */
export function generalizedAdvantage(trajectory: Trajectory, discount: number, lambda: number): tf.Tensor2D {
  return tf.tidy(() => {
    const { reward, value, nextValue, terminated, truncated } = trajectory;
    const goesOn = tf.sub(1, terminated);
    const delta = reward.add(goesOn.mul(nextValue).mul(discount)).sub(value).unstack();
    const carry = goesOn
      .mul(tf.sub(1, truncated))
      .mul(discount * lambda)
      .unstack();
    const advantages: tf.Tensor[] = new Array<tf.Tensor>(delta.length);
    for (let t = delta.length - 1; t >= 0; t--) {
      advantages[t] = t === delta.length - 1 ? delta[t] : delta[t].add(carry[t].mul(advantages[t + 1]));
    }
    return tf.stack(advantages) as tf.Tensor2D;
  });
}

/**
 * Advantage and value target of everything observed, [N] in the order of {@link Rollout.column}. Without next states every
 * transition is an episode: the advantage is reward − V(s).
 *
 * @param valueOf V of [B, S]; without it values count as zero, beyond cuts too
 */
export function estimateAdvantages(
  rollout: Rollout,
  valueOf: ((state: tf.Tensor2D) => tf.Tensor1D) | undefined,
  { discount, lambda }: { discount: number; lambda: number },
): { advantage: tf.Tensor1D; target: tf.Tensor1D } {
  return tf.tidy(() => {
    const { steps } = rollout;
    const perStep = (of: (step: (typeof steps)[number]) => tf.Tensor): tf.Tensor[] => steps.map((step) => of(step));
    const valuesOf = (name: string) =>
      perStep((step) => (valueOf ? valueOf(step[name] as tf.Tensor2D) : tf.zeros([step[name].shape[0]!])));
    const reward = perStep((step) => step.reward);
    const value = valuesOf('state');
    if (!rollout.has('nextState')) {
      const target = tf.concat(reward) as tf.Tensor1D;
      return { advantage: target.sub(tf.concat(value)), target: target.clone() };
    }
    const sizes = new Set(reward.map(({ size }) => size));
    if (sizes.size > 1) {
      throw new RunError(
        `experience with next states must come from the same number of environments each time, not ${[...sizes].join(' and ')}`,
      );
    }
    const flags = (name: string) =>
      tf.stack(perStep((step) => step[name]?.cast('float32') ?? tf.zerosLike(step.reward))) as tf.Tensor2D;
    const advantage = generalizedAdvantage(
      {
        reward: tf.stack(reward) as tf.Tensor2D,
        value: tf.stack(value) as tf.Tensor2D,
        nextValue: tf.stack(valuesOf('nextState')) as tf.Tensor2D,
        terminated: flags('terminated'),
        truncated: flags('truncated'),
      },
      discount,
      lambda,
    ).as1D();
    return { advantage, target: advantage.add(tf.concat(value)) };
  });
}

/** (x − mean) / (deviation + 1e-8). */
export function standardize(x: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const centered = x.sub(x.mean());
    return centered.div(centered.square().mean().sqrt().add(1e-8));
  });
}
