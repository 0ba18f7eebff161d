import { definePart, type Head, partReference, type Weighting, type WeightingContext, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

const options = z.strictObject({
  of: partReference('weighting').prefault({ use: 'agent' }).describe('The weighting whose weights are shuffled.'),
});

/** Another weighting's weights, each sample given those of a random other one of its batch: their distribution without their aim. */
export const permuted = definePart('weighting', {
  name: 'permuted',
  summary: "A control: another weighting's weights, shuffled over the samples of a batch.",
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createPermuted,
});

async function createPermuted({ of }: z.output<typeof options>, context: WeightingContext): Promise<Weighting> {
  const inner = await context.scope.create(of, { ...context, path: of.path });
  const stream = context.seeds.stream('permutation');
  return {
    ...inner,
    get memoryTensors() {
      return inner.memoryTensors ?? 0;
    },
    noise: (batchSize) => ({
      ...inner.noise?.(batchSize),
      permutation: { data: stream.shuffle(Int32Array.from({ length: batchSize }, (_, i) => i)), shape: [batchSize] },
    }),
    weigh(view, noise) {
      const { permutation, ...rest } = noise ?? {};
      const weights = inner.weigh(view, noise && rest);
      if (!permutation) return weights;
      const shuffled = Object.entries(weights.fused).map(([head, matrix]) => [
        head,
        tf.gather(matrix, permutation as tf.Tensor1D),
      ]);
      return { ...weights, fused: Object.fromEntries(shuffled) as Partial<Record<Head, tf.Tensor2D>> };
    },
  };
}
