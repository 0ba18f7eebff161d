import { type EnvironmentSpaces, InputError, type Random, type Student } from '@retort/core';
import { compile, forward, namedWeights, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { actionOutput, observationSize } from './compose-acting.js';

/** Somebody who acts in N copies of an environment. */
export interface Player {
  /** What to do in each copy: [N] numbers of discrete actions, or [N, n] of a box. @param observations [N, …shape] */
  act(observations: Float32Array): Promise<Int32Array | Float32Array>;
  /** Forgets what went before in copies whose entry is 1, or in all: their episode is over. */
  forget(ended?: Uint8Array): void;
  dispose(): void;
}

/**
 * Lets a network act without an agent. The mode of `logits` is their arg max, that of `mean` the box's middle + half its
 * range · tanh(mean). A recurrent network's memory is kept from step to step, and starts at zero. The network's weights may be
 * changed between two steps.
 *
 * @param count N
 * @param random draws from softmax(logits) instead of taking the mode; discrete actions only
 */
export function createPolicyPlayer(
  student: Pick<Student, 'model' | 'offers'>,
  spaces: EnvironmentSpaces,
  { count, random }: { count: number; random?: Random },
): Player {
  const { actionSpace, observationSpace } = spaces;
  if (random && actionSpace.kind === 'box') {
    throw new InputError('actions of a box are played by their mode: what they vary by is not in the network');
  }
  const shape = [count, ...observationSpace.shape];
  const memorySize = student.offers.memory?.[0];
  const { trainable, frozen } = namedWeights(student.model);
  const step = compile(
    ({ state, memory, keep, noise }: TensorMap): TensorMap => {
      const output = forward(student, { state, ...(memory && { memory: memory.mul(keep) }) }, { training: false });
      const given = output[actionOutput(actionSpace)]!;
      return { action: modeOf(noise ? given.add(noise) : given, spaces), ...(memory && { memory: output.memory! }) };
    },
    { variables: { ...trainable, ...frozen } },
  );
  const keep = new Float32Array(count);
  let memory = memorySize === undefined ? undefined : tf.zeros([count, memorySize]);

  return {
    async act(observations) {
      if (observations.length !== count * observationSize(spaces)) {
        throw new InputError(
          `${observations.length} numbers of observations for ${count} copies of [${observationSpace.shape}]`,
        );
      }
      const outputs = tf.tidy(() =>
        step({
          state: tf.tensor(observations.slice(), shape),
          ...(memory && { memory, keep: tf.tensor2d(keep.slice(), [count, 1]) }),
          ...(random && { noise: gumbel(random, count, (actionSpace as { size: number }).size) }),
        }),
      );
      if (memory) {
        memory.dispose();
        memory = outputs.memory;
        keep.fill(1);
      }
      const actions = (await outputs.action.data()) as Int32Array | Float32Array;
      outputs.action.dispose();
      return actions.slice();
    },
    forget(ended) {
      for (let copy = 0; copy < count; copy++) if (!ended || ended[copy]) keep[copy] = 0;
    },
    dispose: () => memory?.dispose(),
  };
}

/**
 * The action that a network's output stands for.
 *
 * @param output [B, n] `logits` or `mean`
 * @returns [B] int32, or [B, n]
 */
export function modeOf(output: tf.Tensor, { actionSpace }: Pick<EnvironmentSpaces, 'actionSpace'>): tf.Tensor {
  if (actionSpace.kind !== 'box') return tf.argMax(output, 1);
  const { low, high } = actionSpace;
  const middle = low.map((value, i) => (value + high[i]) / 2);
  const half = low.map((value, i) => (high[i] - value) / 2);
  return tf.tidy(() => tf.tanh(output).mul(tf.tensor1d(half)).add(tf.tensor1d(middle)));
}

/** −log(−log u): added to logits, their arg max is a draw from their softmax. */
function gumbel(random: Random, rows: number, columns: number): tf.Tensor2D {
  const values = Float32Array.from({ length: rows * columns }, () => {
    return -Math.log(-Math.log((random.bits() + 0.5) / 2 ** 32));
  });
  return tf.tensor2d(values, [rows, columns]);
}
