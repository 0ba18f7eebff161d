import {
  type Batch,
  definePart,
  type HostTensor,
  type NetworkOutput,
  partReference,
  Seeds,
  sha256,
  z,
} from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * A teacher whose every output about images is replaced by noise of the same mean, deviation and sign: to study which methods
 * notice. What it says of texts stays.
 *
 * The noise of a sample is a function of `noiseSeed`, its number and its view, so it repeats like any teacher's answer.
 */
export const noisyTeacher = definePart('teacher', {
  name: 'noisy',
  summary: 'another teacher whose answers are replaced by noise, to study which methods notice',
  options: z.strictObject({
    of: partReference('teacher').describe('The teacher to spoil.'),
    noiseSeed: z.int().nonnegative().default(0).describe('Seed of the noise.'),
  }),
  create: async ({ of, noiseSeed }, context) => {
    const teacher = await context.scope.create(of, context);
    const { provides, fingerprint, settings, summary, classes } = teacher.describe();
    const seeds = new Seeds(noiseSeed);
    return {
      id: context.id,
      describe: () => ({
        // Not its classifier: what it says no longer comes from its embedding.
        ...(classes && { classes }),
        provides,
        ...(settings !== undefined && { settings }),
        fingerprint: sha256(`noisy ${noiseSeed} ${fingerprint}`),
        summary: `noise in place of: ${summary}`,
      }),
      infer: async (batch) => {
        const clean = await teacher.infer(batch);
        const noised = (name: string, output: tf.Tensor) => {
          const noise = toTensor(noiseOf(seeds.within(name), batch, output.shape));
          const result = tf.tidy(() => withStatisticsOf(output, noise));
          tf.dispose([output, noise]);
          return result;
        };
        const { taps, textEmbedding, logitScale, ...fields } = clean;
        return {
          ...noisedRecord(fields as Record<string, tf.Tensor>, noised),
          ...(textEmbedding && { textEmbedding }),
          ...(logitScale && { logitScale }),
          ...(taps && { taps: noisedRecord(taps, noised) }),
        } as NetworkOutput;
      },
      dispose: () => undefined, // the scope that made the teacher disposes it
    };
  },
});

function noisedRecord(
  outputs: Record<string, tf.Tensor>,
  noised: (name: string, output: tf.Tensor) => tf.Tensor,
): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, noised(name, output)]));
}

function noiseOf(seeds: Seeds, { size, index, view }: Batch, shape: number[]): HostTensor {
  const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
  const length = data.length / size;
  for (let i = 0; i < size; i++) {
    seeds.at('noise', index[i], view[i]).fill(data.subarray(i * length, (i + 1) * length), 'normal');
  }
  return { data, shape };
}

/** Noise with the mean and deviation of each sample's output; without negative values where the output has none. */
function withStatisticsOf(output: tf.Tensor, noise: tf.Tensor): tf.Tensor {
  const axes = output.shape.slice(1).map((_, i) => i + 1);
  const { mean, variance } = tf.moments(output, axes, true);
  const scaled = noise.mul(variance.sqrt()).add(mean);
  // Below its own least value a rectified output has nothing.
  return tf.where(output.min(axes, true).greaterEqual(0), scaled.relu(), scaled);
}
