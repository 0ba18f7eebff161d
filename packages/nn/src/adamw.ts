import { definePart, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import type { Optimizer } from './optimizer.js';

const options = z.strictObject({
  learningRate: z.number().positive().default(1e-3).describe('Peak learning rate; the schedule multiplies it.'),
  beta1: z.number().min(0).lt(1).default(0.9).describe('Decay of the mean of gradients.'),
  beta2: z.number().min(0).lt(1).default(0.999).describe('Decay of the mean of squared gradients.'),
  epsilon: z.number().positive().default(1e-8).describe('Keeps the denominator away from zero.'),
  weightDecay: z.number().nonnegative().default(0).describe('Decoupled; 0 makes it Adam.'),
  decayOn: z
    .enum(['all', 'kernels'])
    .default('kernels')
    .describe('Which parameters decay; kernels: those of two axes and more.'),
});

/** AdamW (Loshchilov & Hutter 2019, algorithm 2, PyTorch's form); Adam (Kingma & Ba 2015) without decay. */
export function createAdamw({
  learningRate: peak,
  beta1,
  beta2,
  epsilon,
  weightDecay,
  decayOn,
}: z.output<typeof options>): Optimizer {
  return {
    learningRate: peak,
    slots: ['mean', 'square'],
    decayOn,
    update: ({ parameter, gradient, slots, learningRate, step, decays }) => {
      const mean = slots.mean.mul(beta1).add(gradient.mul(1 - beta1));
      const square = slots.square.mul(beta2).add(gradient.square().mul(1 - beta2));
      const correction1 = tf.sub(1, tf.pow(beta1, step));
      const correction2 = tf.sub(1, tf.pow(beta2, step));
      const direction = mean.div(correction1).div(square.div(correction2).sqrt().add(epsilon));
      const decayed = decays && weightDecay > 0 ? parameter.mul(tf.sub(1, learningRate.mul(weightDecay))) : parameter;
      return { parameter: decayed.sub(direction.mul(learningRate)), slots: { mean, square } };
    },
  };
}

export const adamw = definePart('optimizer', {
  name: 'adamw',
  summary: 'Adam with decoupled weight decay.',
  options,
  create: createAdamw,
});
