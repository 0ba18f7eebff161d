import { definePart, type Head, InputError, type Weighting, type WeightingContext, z } from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

const options = z.strictObject({
  learningRate: z.number().positive().default(0.1).describe('Of the teacher factors; plain momentum, no schedule.'),
  momentum: z.number().min(0).lt(1).default(0.9),
  regularization: z.number().nonnegative().default(0.1).describe('Times ‖W‖² + ‖θ‖², added to their loss.'),
  learnEpochs: z
    .int()
    .positive()
    .optional()
    .describe(
      'Epochs after which the factors stay as they are. The public code learns them for 80 of 280 epochs; by default always.',
    ),
});

/**
 * AMTML-KD: latent factors of the teachers meet the student's features in a score per sample (Liu, Zhang & Wang 2020, "Adaptive
 * Multi-Teacher Multi-level Knowledge Distillation"). score_im = Σ_c β_ic θ_mc W_c with β the student's feature map, maximum over
 * positions; μ = softmax over teachers.
 *
 * The factors learn what the student learns: to lower T²·KL(q̄ ‖ p_S) of the mixed target q̄_i = Σ_m μ_im softmax(z_m / T). To the
 * student Σ_m μ_im KL_im has the gradient of that loss, so μ is a weighting like any other. Hints keep 1/M each, as published.
 */
export const amtmlKd = definePart('weighting', {
  name: 'amtml-kd',
  summary: "Learned factors of the teachers and the student's features decide (AMTML-KD).",
  options,
  needs: { student: ['logits', 'featureMap'], teacher: ['logits'] },
  create: createAmtmlKd,
});

function createAmtmlKd(
  { learningRate, momentum, regularization, learnEpochs = Infinity }: z.output<typeof options>,
  { teachers: { length: count }, student, heads, temperature, seeds, path }: WeightingContext,
): Weighting {
  if (!student.featureMap) throw new InputError(`${path}: amtml-kd reads the student's featureMap, and it offers none`);
  const size = student.featureMap[2];
  const random = seeds.stream('init');
  const normal = (shape: number[]) =>
    tf.tidy(() =>
      tf.variable(tf.tensor(random.fill(new Float32Array(shape.reduce((a, b) => a * b)), 'normal'), shape), false),
    );
  const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape), false));
  const variables = {
    theta: normal([count, size]),
    w: normal([size]),
    thetaVelocity: zeros([count, size]),
    wVelocity: zeros([size]),
    // 1 while the factors learn; a step must not depend on a counter outside it.
    learning: tf.tidy(() => tf.variable(tf.scalar(1), false)),
  };
  let epochs = 0;

  return {
    variables,
    weigh(view, noise) {
      const theta = variables.theta as tf.Tensor as tf.Tensor2D;
      const w = variables.w as tf.Tensor as tf.Tensor1D;
      const beta = view.student.featureMap!.max([1, 2]) as tf.Tensor2D;
      const mu = tf.softmax(tf.matMul(beta, theta.mul<tf.Tensor2D>(w), false, true) as tf.Tensor2D);
      if (noise) {
        const scoreGradient = mixtureGradient(
          mu,
          view.student.logits!,
          view.teachers.map(({ logits }) => logits!),
          temperature,
        );
        const products = tf.matMul(scoreGradient, beta, true); // [M, D]
        const learn = (key: 'theta' | 'w', gradient: tf.Tensor) => {
          const value = variables[key];
          const velocity = variables[`${key}Velocity`];
          const moved = velocity.mul(momentum).add(gradient.add(value.mul(2 * regularization)));
          velocity.assign(moved);
          value.assign(value.sub(moved.mul(variables.learning).mul(learningRate)));
        };
        const [thetaGradient, wGradient] = [products.mul(w), products.mul(theta).sum(0)];
        learn('theta', thetaGradient);
        learn('w', wGradient);
      }
      const even = tf.fill([view.batch.size, count], 1 / count) as tf.Tensor2D;
      return { fused: Object.fromEntries(heads.map((head: Head) => [head, head === 'logit' ? mu : even])) };
    },
    afterStep(_, { lastInEpoch }) {
      if (lastInEpoch && ++epochs >= learnEpochs) tf.tidy(() => variables.learning.assign(tf.scalar(0)));
      return undefined;
    },
    async save() {
      return { epochs, variables: await saveVariables(variables) };
    },
    load(saved) {
      const tree = saved as { epochs: number; variables: Awaited<ReturnType<typeof saveVariables>> };
      epochs = tree.epochs;
      loadVariables(variables, tree.variables, 'amtml-kd');
    },
    dispose: () => tf.dispose(variables),
  };
}

/**
 * Gradient of mean_i T²·KL(q̄_i ‖ p_i) at the scores whose softmax is μ, with q̄_i = Σ_m μ_im q_im and all distributions at
 * temperature T: with e_im = T² Σ_c q_imc (log q̄_ic − log p_ic) it is μ_im (e_im − Σ_k μ_ik e_ik) / B.
 *
 * @param mu [B, M]
 * @returns [B, M]
 */
export function mixtureGradient(
  mu: tf.Tensor2D,
  studentLogits: tf.Tensor2D,
  teacherLogits: tf.Tensor2D[],
  temperature: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const teachers = tf.stack(
      teacherLogits.map((logits) => tf.softmax(logits.div<tf.Tensor2D>(temperature))),
      1,
    ); // [B, M, C]
    const mixed = teachers.mul(mu.expandDims(2)).sum(1) as tf.Tensor2D;
    const gap = mixed
      .maximum(1e-30)
      .log()
      .sub(tf.logSoftmax(studentLogits.div<tf.Tensor2D>(temperature)));
    const earned = teachers
      .mul(gap.expandDims(1))
      .sum(2)
      .mul(temperature ** 2);
    return mu.mul(earned.sub(mu.mul(earned).sum(1, true))).div(mu.shape[0]) as tf.Tensor2D;
  });
}
