import type { HostTensor, NoiseShapes, Random } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

/** Draws noise of these shapes on the host, in the order of their names' definition. */
export function drawNoise(shapes: NoiseShapes, random: Random): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, { shape, from }]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { data: random.fill(new Float32Array(size), from), shape }];
    }),
  );
}

/** Uniform noise kept off 0 and 1, where its logarithms are infinite (a 32-bit uniform may round to 1 in float32). */
export function openUniform<T extends tf.Tensor>(uniform: T): T {
  return uniform.clipByValue(1e-9, 1 - 2 ** -24) as T;
}
