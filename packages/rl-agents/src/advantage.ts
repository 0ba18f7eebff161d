import { RunError } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { masked, maskedMean } from './masked.js';
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
  /** 0 of steps that count for nothing; none but such ones follow in their column. */
  mask?: tf.Tensor2D;
}

/**
 * Generalized advantage estimation (Schulman et al. 2016, eq. 16), time running forward in the first axis:
 * δ_t = r_t + γ (1 − terminated_t) V(s_t+1) − V(s_t); A_t = δ_t + γ λ (1 − done_t) A_t+1.
 * Where an episode was cut off, and at the end of what was seen, the value of the next state stands for the rest.
 * With λ = 1, A_t + V(s_t) is the discounted return.
 *
 * @returns [T, B]; 0 where the mask is 0
 */
export function generalizedAdvantage(trajectory: Trajectory, discount: number, lambda: number): tf.Tensor2D {
  return tf.tidy(() => {
    const { reward, value, nextValue, terminated, truncated, mask } = trajectory;
    const goesOn = tf.sub(1, terminated);
    const delta = masked(reward.add<tf.Tensor2D>(goesOn.mul(nextValue).mul(discount)).sub<tf.Tensor2D>(value), mask);
    const carry = goesOn.mul(tf.sub(1, truncated)).mul<tf.Tensor2D>(discount * lambda);
    return backwardSums(delta, carry);
  });
}

/**
 * y_t = x_t + c_t y_t+1, in log₂ T rounds instead of T steps: after round k, y_t reaches over 2^k steps and c_t is the product of as
 * many factors (Hillis & Steele 1986).
 *
 * @param x [T, B]
 * @param factors c, [T, B]
 */
export function backwardSums(x: tf.Tensor2D, factors: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const [length] = x.shape;
    const later = (rows: tf.Tensor2D, by: number) =>
      tf.pad(rows.slice([by, 0]), [
        [0, by],
        [0, 0],
      ]) as tf.Tensor2D;
    let [sums, carry] = [x, factors];
    for (let reach = 1; reach < length; reach *= 2) {
      sums = sums.add(carry.mul(later(sums, reach)));
      carry = carry.mul(later(carry, reach));
    }
    return sums === x ? x.clone() : sums;
  });
}

/**
 * Advantage and value target of everything observed, [N] in the order of {@link Rollout.column}, and the values they were made
 * with. Without next states every transition is an episode: the advantage is reward − V(s).
 *
 * @param valueOf V of [N, S] and, where it was remembered, of the memory [N, M] with it; without it values count as zero, beyond
 *   cuts too
 * @param length of the columns, when it is more than was observed
 */
export function estimateAdvantages(
  rollout: Rollout,
  valueOf: ((state: tf.Tensor2D, memory?: tf.Tensor2D) => tf.Tensor1D) | undefined,
  { discount, lambda, length }: { discount: number; lambda: number; length?: number },
): { advantage: tf.Tensor1D; target: tf.Tensor1D; value: tf.Tensor1D } {
  return tf.tidy(() => {
    const column = <T extends tf.Tensor>(name: string) => rollout.column<T>(name, length);
    const reward = column<tf.Tensor1D>('reward');
    const valuesOf = (state: string, memory: string): tf.Tensor1D => {
      if (!valueOf) return tf.zerosLike(reward);
      return valueOf(column(state), rollout.has(memory) ? column(memory) : undefined);
    };
    const value = valuesOf('state', 'memory');
    if (!rollout.has('nextState')) return { advantage: reward.sub(value), target: reward.clone(), value };
    const sizes = new Set(rollout.steps.map((step) => step.reward.size));
    if (sizes.size > 1) {
      throw new RunError(
        `experience with next states must come from the same number of environments each time, not ${[...sizes].join(' and ')}`,
      );
    }
    const [copies] = sizes;
    const byTime = (x: tf.Tensor) => x.reshape<tf.Tensor2D>([-1, copies]);
    const flags = (name: string) => byTime(rollout.has(name) ? column(name).cast('float32') : tf.zerosLike(reward));
    const advantage = generalizedAdvantage(
      {
        reward: byTime(reward),
        value: byTime(value),
        // Of all rows, though where the episode goes on it is the next row's value: which those are is known on the device alone.
        nextValue: byTime(valuesOf('nextState', 'nextMemory')),
        terminated: flags('terminated'),
        truncated: flags('truncated'),
        mask: maskOf(rollout, length) && byTime(maskOf(rollout, length)!),
      },
      discount,
      lambda,
    ).as1D();
    return { advantage, target: advantage.add(value), value };
  });
}

/** [N] 1 of rows that count, where there are others: masked ones, or zeros after the last observation. */
export function maskOf(rollout: Rollout, length = rollout.steps.length): tf.Tensor1D | undefined {
  if (rollout.has('mask')) return rollout.column<tf.Tensor>('mask', length).cast('float32') as tf.Tensor1D;
  const missing = length - rollout.steps.length;
  if (missing === 0) return undefined;
  return tf.concat([tf.ones([rollout.rows]), tf.zeros([missing * rollout.steps[0].state.shape[0]!])]) as tf.Tensor1D;
}

/** (x − mean) / (deviation + 1e-8), over the rows whose mask is 1; the others become 0. */
export function standardize(x: tf.Tensor1D, mask?: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const centered = masked(x.sub<tf.Tensor1D>(maskedMean(x, mask)), mask);
    return centered.div(maskedMean(centered.square(), mask).sqrt().add(1e-8));
  });
}

/** 1 − Var(target − value) / Var(target), over the rows whose mask is 1: 1 of a perfect value function, 0 of a constant one. */
export function explainedVariance(value: tf.Tensor1D, target: tf.Tensor1D, mask?: tf.Tensor1D): tf.Scalar {
  return tf.tidy(() => {
    const variance = (x: tf.Tensor1D) => maskedMean(x.sub<tf.Tensor1D>(maskedMean(x, mask)).square(), mask);
    return tf.sub(1, variance(target.sub(value)).div(variance(target).add(1e-8)));
  });
}
