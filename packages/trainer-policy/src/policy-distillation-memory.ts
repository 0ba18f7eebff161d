import {
  type Environment,
  type HostTensor,
  type NetworkOutput,
  outputNamed,
  type Random,
  type StateTree,
  type Student,
} from '@retort/core';
import { compile, forward, namedWeights, networkOutput, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { actionOutput } from './compose-acting.js';
import { actionsOf } from './policy-distillation-teaching.js';
import type { Player } from './policy-player.js';

/** A recurrent student that acts, whose memory can be read and saved. */
export interface RememberingPlayer extends Player {
  /** [N, M] what it remembers before the next step. Its own array. */
  readonly memory: Float32Array;
  /** [N] 0 in copies whose next step is the first of an episode: what is remembered there does not count. */
  readonly keep: Float32Array;
  save(): StateTree;
  load(state: StateTree): void;
}

/** @param random draws from softmax(logits) instead of taking the best; discrete actions only */
export function createRememberingPlayer(
  student: Student,
  { count, actionSpace, observationSpace }: Pick<Environment, 'count' | 'actionSpace' | 'observationSpace'>,
  random?: Random,
): RememberingPlayer {
  const size = student.offers.memory[0];
  const memory = new Float32Array(count * size);
  const keep = new Float32Array(count);
  const name = actionOutput(actionSpace);
  const { trainable, frozen } = namedWeights(student.model);
  const step = compile(
    (inputs: TensorMap): TensorMap => {
      const output = forward(
        student,
        { state: inputs.state, memory: inputs.memory.mul(inputs.keep) },
        { training: false },
      );
      return { said: outputNamed(output, name)!, memory: output.memory! };
    },
    { variables: { ...trainable, ...frozen } },
  );
  return {
    memory,
    keep,
    async act(observations) {
      const outputs = tf.tidy(() =>
        step({
          state: tf.tensor(observations.slice(), [count, ...observationSpace.shape]),
          memory: tf.tensor2d(memory.slice(), [count, size]),
          keep: tf.tensor2d(keep.slice(), [count, 1]),
        }),
      );
      const said = (await outputs.said.data()) as Float32Array;
      memory.set((await outputs.memory.data()) as Float32Array);
      keep.fill(1);
      tf.dispose(outputs);
      return actionsOf({ [`0/${name}`]: said }, 1, actionSpace, random);
    },
    forget(ended) {
      for (let copy = 0; copy < count; copy++) if (!ended || ended[copy]) keep[copy] = 0;
    },
    save: () => ({
      memory: { data: memory.slice(), shape: [count, size] },
      keep: { data: keep.slice(), shape: [count] },
    }),
    load(state) {
      const saved = state as Record<'memory' | 'keep', HostTensor>;
      memory.set(saved.memory.data);
      keep.set(saved.keep.data);
    },
    dispose: () => undefined,
  };
}

/**
 * Outputs of a recurrent student over T steps of N copies, on the tape of whoever calls: backpropagation through time goes over these
 * steps and no further.
 *
 * @param state [T · N, …shape] step by step
 * @param memory [N, M] before the first of them
 * @param keep [T · N, 1] 0 where a step is the first of an episode
 * @returns [T · N, …] each, `memory` left out
 */
export function unrolled(
  student: Student,
  { state, memory, keep }: { state: tf.Tensor; memory: tf.Tensor; keep: tf.Tensor },
): NetworkOutput {
  const copies = memory.shape[0]!;
  const at = (tensor: tf.Tensor, step: number) => {
    const rest = tensor.shape.slice(1);
    return tensor.slice([step * copies, ...rest.map(() => 0)], [copies, ...rest]);
  };
  const outputs: NetworkOutput[] = [];
  let carried = memory;
  for (let step = 0; step < state.shape[0]! / copies; step++) {
    const remembered = carried.mul(at(keep, step));
    const output = forward(student, { state: at(state, step), memory: remembered }, { training: false });
    carried = output.memory!;
    outputs.push(output);
  }
  const names = Object.keys(student.offers).filter((name) => name !== 'memory');
  return networkOutput(
    names,
    names.map((name) => tf.concat(outputs.map((output) => outputNamed(output, name)!), 0)), // prettier-ignore
  );
}
