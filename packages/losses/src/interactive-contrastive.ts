import { defineLoss, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { pairsOf, sharedWidth, similarityLogits } from './image-text-pairs.js';
import { pairEntropy } from './info-nce.js';
import { constantVariable } from './initialize.js';
import { createPairAdapter } from './pair-adapter.js';

/**
 * InfoNCE across the two networks (Yang et al. 2024, "CLIP-KD", the interactive contrastive learning ICL): the student's image against
 * the teacher's texts, the student's text against the teacher's images.
 *
 * What cosines are multiplied with is learned here, apart from the scale of either network, as in the published code, which however
 * uses ln(1 / 0.07) itself where CLIP takes exp of it. This takes exp, from 1 / 0.07 on and up to 100 (Radford et al. 2021, §2.5).
 */
export const interactiveContrastive = defineLoss({
  name: 'interactive-contrastive',
  summary: "InfoNCE of the student's images and the teacher's texts, and of its texts and the teacher's images.",
  needs: { student: ['imageEmbedding', 'textEmbedding'], teacher: ['imageEmbedding', 'textEmbedding'] },
  options: z.strictObject({}),
  create: (_options, context) => {
    const from = sharedWidth('interactive-contrastive', context, 'student');
    const to = sharedWidth('interactive-contrastive', context, 'teacher');
    const adapter = createPairAdapter(from, to, context.seeds.stream('init'));
    const variables = { ...adapter.variables, logScale: constantVariable(1, Math.log(1 / 0.07), true) };
    return {
      variables,
      apply: (student, teacher, batch) => {
        const pairs = pairsOf('interactive-contrastive', context, student, batch);
        const { image, text } = pairsOf('interactive-contrastive', context, teacher!, batch);
        return {
          perSample: tf.tidy(() => {
            const adapted = adapter.apply(pairs);
            const scale = (variables.logScale as tf.Tensor).minimum(Math.log(100)).exp();
            return pairEntropy(similarityLogits(adapted.image, text, scale))
              .add<tf.Tensor1D>(pairEntropy(similarityLogits(adapted.text, image, scale)))
              .div<tf.Tensor1D>(2);
          }),
        };
      },
      dispose: () => tf.dispose(variables),
    };
  },
});
