import {
  definePart,
  type DistillationView,
  type Head,
  InputError,
  type Weighting,
  type WeightingContext,
  z,
} from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { crossEntropy } from './distillation-view.js';
import { publishedSum } from './teacher-weights.js';

const options = z.strictObject({
  features: z
    .enum(['classifier', 'logit'])
    .default('classifier')
    .describe(
      "Weights of feature losses. classifier: by how well the teacher's own classifier does on the student's adapted features; it " +
        'takes teachers that have one (layers-model, run). logit: those of the predictions.',
    ),
  sum: publishedSum('1 / M'),
});

/**
 * CA-MKD: teachers that are right about the label count more (Zhang, Chen & Wang 2022, "Confidence-Aware Multi-Teacher Knowledge
 * Distillation"). A sample without a label has weights of 1/M. The weights are constants to the student; the public code lets gradients of the feature losses through theirs.
 */
export const caMkd = definePart('weighting', {
  name: 'ca-mkd',
  summary: 'Teachers that are right about the label count more, on predictions and on features (CA-MKD).',
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createCaMkd,
});

function createCaMkd(
  { features, sum }: z.output<typeof options>,
  { teachers, heads, adaptedSizes, path }: WeightingContext,
): Weighting {
  const count = teachers.length;
  const byClassifier = heads.includes('feature') && features === 'classifier';
  if (byClassifier) {
    for (const [m, { id, classifier }] of teachers.entries()) {
      const width = classifier?.kernel.shape[0];
      if (width === undefined || adaptedSizes[m] !== width) {
        const why =
          width === undefined
            ? 'none is known of it'
            : `it reads ${width} features and the adapter gives ${adaptedSizes[m] ?? 'none'}`;
        throw new InputError(`${path}: ca-mkd weighs feature losses by teacher ${id}'s own classifier; ${why}`, {
          hints: [
            'set features: logit to weigh them like the predictions',
            'or take a teacher of kind layers-model or run and a feature loss with an adapter, such as fitnet on the last feature map',
          ],
        });
      }
    }
  }
  // Frozen, and made once.
  const classifiers = byClassifier
    ? teachers.map(({ classifier }) => ({
        kernel: tf.variable(toTensor(classifier!.kernel), false) as tf.Tensor as tf.Tensor2D,
        bias: tf.variable(toTensor(classifier!.bias), false) as tf.Tensor as tf.Tensor1D,
      }))
    : undefined;
  const scale = sum === 'published' ? 1 / count : 1;

  return {
    variables: Object.fromEntries(
      (classifiers ?? []).flatMap(({ kernel, bias }, m) => [
        [`${teachers[m].id}/kernel`, kernel as unknown as tf.Variable],
        [`${teachers[m].id}/bias`, bias as unknown as tf.Variable],
      ]),
    ),
    weigh: (view) => {
      const logit = confidenceWeights(view.teacherCrossEntropy).mul<tf.Tensor2D>(scale);
      const feature = classifiers
        ? confidenceWeights(adaptedCrossEntropy(view, classifiers)).mul<tf.Tensor2D>(scale)
        : logit;
      return { fused: Object.fromEntries(heads.map((head: Head) => [head, head === 'logit' ? logit : feature])) };
    },
    dispose: () => tf.dispose(classifiers),
  };
}

/**
 * w_m = (1 − softmax_m(CE)_m) / (M − 1) (CA-MKD; also MTKD-RL eq. 9, which prints K − 1). One teacher has all the weight.
 *
 * @param crossEntropy [B, M]
 * @returns [B, M], rows sum to 1
 */
export function confidenceWeights(crossEntropy: tf.Tensor2D): tf.Tensor2D {
  const count = crossEntropy.shape[1];
  if (count === 1) return tf.onesLike(crossEntropy);
  return tf.tidy(() => tf.sub(1, tf.softmax(crossEntropy)).div(count - 1));
}

/** [B, M] cross-entropy of each teacher's classifier on the student's features in that teacher's space. */
function adaptedCrossEntropy(
  { adapted, batch }: DistillationView,
  classifiers: { kernel: tf.Tensor2D; bias: tf.Tensor1D }[],
): tf.Tensor2D {
  const columns = classifiers.map(({ kernel, bias }, m) =>
    crossEntropy(tf.matMul(adapted[m]!, kernel).add<tf.Tensor2D>(bias), batch),
  );
  return tf.stack(columns, 1) as tf.Tensor2D;
}
