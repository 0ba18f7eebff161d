import type { Random } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { dense, denseVariables, hiddenLayers, hiddenVariables, type Variables } from './network.js';

/** Q(s, a): hidden layers on the state, one on their output and the action together; 0 everywhere at first. */
export function createCritic(stateSize: number, actionSize: number, hidden: readonly number[], random: Random) {
  const features = hidden.at(-1) ?? stateSize;
  const variables: Variables = {
    ...hiddenVariables(stateSize, hidden, random),
    ...denseVariables('joint', features + actionSize, features, 'he', random),
    ...denseVariables('value', features, 1, 'zero', random),
  };
  return {
    variables,
    apply: (state: tf.Tensor2D, action: tf.Tensor2D): tf.Tensor1D => {
      const joint = tf.concat([hiddenLayers(variables, hidden.length, state), action], 1);
      return dense(variables, 'value', tf.relu(dense(variables, 'joint', joint))).as1D();
    },
  };
}
