import { definePart, z } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';
import type { Optimizer, OptimizerUpdate } from './optimizer.js';

const options = z.strictObject({
  learningRate: z.number().positive().default(0.05).describe('Peak learning rate; the schedule multiplies it.'),
  momentum: z.number().min(0).lt(1).default(0.9).describe('0 for plain gradient descent.'),
  nesterov: z.boolean().default(false).describe('Look ahead along the momentum.'),
  weightDecay: z.number().nonnegative().default(0).describe('Added to the gradient, times the parameter.'),
  decayOn: z
    .enum(['all', 'kernels'])
    .default('all')
    .describe('Which parameters decay; kernels: those of two axes and more.'),
});

/**
 * Stochastic gradient descent with momentum, in PyTorch's form: g ← g + λθ; v ← μv + g; θ ← θ − η(g + μv) with Nesterov,
 * θ ← θ − ηv without (Sutskever et al. 2013).
 */
export function createSgd({
  learningRate: peak,
  momentum,
  nesterov,
  weightDecay,
  decayOn,
}: z.output<typeof options>): Optimizer {
  return {
    learningRate: peak,
    slots: momentum > 0 ? ['velocity'] : [],
    decayOn,
    update: ({ parameter, gradient, slots, learningRate, decays }): OptimizerUpdate => {
      const g = decays && weightDecay > 0 ? gradient.add(parameter.mul(weightDecay)) : gradient;
      if (momentum === 0) return { parameter: parameter.sub(g.mul(learningRate)), slots: {} };
      const velocity = slots.velocity.mul(momentum).add(g);
      const direction: tf.Tensor = nesterov ? g.add(velocity.mul(momentum)) : velocity;
      return { parameter: parameter.sub(direction.mul(learningRate)), slots: { velocity } };
    },
  };
}

export const sgd = definePart('optimizer', {
  name: 'sgd',
  summary: 'Stochastic gradient descent with (Nesterov) momentum and weight decay.',
  options,
  create: createSgd,
});
