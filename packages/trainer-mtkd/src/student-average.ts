import { loadVariables, mapValues, saveVariables } from '@retort/nn';
import type { HostTensor, StateTree } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** An exponential moving average of the student's variables. */
export interface StudentAverage {
  readonly variables: Record<string, tf.Variable>;
  /**
   * Inside the step, after the parameters have moved: ā ← d ā + (1 − d) θ.
   *
   * @param update number of the update, from 1
   * @param accept scalar bool: where false the average stays
   */
  update(update: tf.Scalar, accept: tf.Tensor): void;
  save(): Promise<Record<string, HostTensor>>;
  load(state: StateTree): void;
  dispose(): void;
}

/**
 * Starts at the values the student has, its moving averages included, and follows them (Polyak & Juditsky 1992; DeiT, Touvron et
 * al. 2021).
 *
 * @param warmup lets early steps count more, d = min(decay, (1 + t) / (10 + t)) at update t, so that the average forgets the
 *   random start sooner
 */
export function averageOf(
  student: Record<string, tf.Variable>,
  { decay, warmup }: { decay: number; warmup: boolean },
): StudentAverage {
  const variables = tf.tidy(() => mapValues(student, (value) => tf.variable(value.clone(), false)));
  return {
    variables,
    update: (update, accept) =>
      tf.tidy(() => {
        // 1 − (1 + t) / (10 + t) = 9 / (10 + t).
        const share = warmup ? tf.maximum(tf.div(9, update.add(10)), 1 - decay) : tf.scalar(1 - decay);
        for (const [key, average] of Object.entries(variables)) {
          average.assign(tf.where(accept, average.add(student[key].sub(average).mul(share)), average));
        }
      }),
    save: () => saveVariables(variables),
    load: (state) => loadVariables(variables, state, 'average of the student'),
    dispose: () => tf.dispose(variables),
  };
}
