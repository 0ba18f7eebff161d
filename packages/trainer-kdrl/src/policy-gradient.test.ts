import { Random } from '@retort/core';
import { gradientsOf } from '@retort/nn';
import { describeEachBackend, expectClose, numericalGradient } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import type { WeightedReward } from './decision-reward.js';
import type { DecisionPolicy } from './policy.js';
import { dot, rowsOf, unit } from './test-support/planted.js';
import { draw, policy, reward } from './test-support/setup.js';

// One image, decided upon many times: every row of a batch is the same, and its gradient is one sample.
const N = 2000;
const logits = [0.9, 0.1, -0.6];
const teacher = [-0.2, 0.8, 0.3];
const label = 1;
const feature = unit([0.3, 1]);
const center = unit([1, 0.2]);
const otherCenter = unit([-0.3, 1]);
const deviation = 0.6;

const softmax = (values: number[]) => {
  const exps = values.map((value) => Math.exp(value));
  return exps.map((each) => each / exps.reduce((a, b) => a + b));
};
const p = softmax(logits);
/** −∇ Σ_a p_a ⌊R_a⌋ at the logits. */
const expectedOfClass = (earned: number[]) => {
  const mean = dot(p, earned);
  return p.map((each, c) => -each * (earned[c] - mean));
};
/** E[r(z + σ ε)] by a sum over a fine grid of ε, float64. */
function expectation(r: (u: number[]) => number, z: number[]): number {
  const [sigma, step] = [deviation / Math.SQRT2, 0.1];
  let [total, mass] = [0, 0];
  for (let x = -5; x <= 5; x += step) {
    for (let y = -5; y <= 5; y += step) {
      const weight = Math.exp(-(x * x + y * y) / 2);
      total += weight * r([z[0] + sigma * x, z[1] + sigma * y]);
      mass += weight;
    }
  }
  return total / mass;
}
const cosine = (u: number[]) => dot(unit(u), center);

const rewardsOfClass: [string, number[]][] = [
  ['confidence', p],
  ['correct-gated', p.map((each, c) => (c === label ? each : 0))],
  ['teacher-probability', softmax(teacher)],
];
const rewardsOfFeature: [string, (u: number[]) => number][] = [
  ['cluster-cosine', cosine],
  ['cluster-negative-l2', (u) => -((u[0] - center[0]) ** 2) - (u[1] - center[1]) ** 2],
  // Its temperature of 0.1 makes it steep, and with two centers it is not constant.
  ['cluster-soft-assignment', (u) => softmax([cosine(u) / 0.1, dot(unit(u), otherCenter) / 0.1])[0]],
  ['cluster-nearest', (u) => Math.max(cosine(u), dot(unit(u), otherCenter))],
];

/** Per row the gradient of the loss at the logits, [N][3], and at the feature, [N][2]. */
async function samples(given: DecisionPolicy, seed: number): Promise<{ logits: number[][]; feature: number[][] }> {
  const rows = (values: number[]) => tf.tile(tf.tensor2d([values]), [N, 1]);
  const repeated = (value: number) => tf.fill([N], value, 'int32');
  const variables = { s: tf.variable(rows(logits)), z: tf.variable(rows(feature)) };
  const noise = draw(given.noise(N, [2]), new Random([seed, 77]));
  const targets = {
    label: repeated(label) as tf.Tensor1D,
    teacherLogits: rows(teacher) as tf.Tensor2D,
    centers: tf.tensor2d([center, otherCenter]),
    assignment: repeated(0) as tf.Tensor1D,
  };
  const { gradients, value } = gradientsOf(() => {
    const [s, z] = [variables.s, variables.z] as tf.Tensor[] as tf.Tensor2D[];
    const { loss } = given.loss({ logits: s, features: [z] }, targets, noise);
    // A policy without one of the actions has no gradient there.
    return loss.sum().add(s.sum().add(z.sum()).mul(0)) as tf.Scalar;
  }, variables);
  const found = { logits: rowsOf(await gradients.s.data(), 3), feature: rowsOf(await gradients.z.data(), 2) };
  tf.dispose([variables, noise, targets, gradients, value]);
  return found;
}

function moments(rows: number[][]): { mean: number[]; variance: number[]; error: number[] } {
  const mean = rows[0].map((_, d) => rows.reduce((sum, row) => sum + row[d], 0) / rows.length);
  const variance = mean.map((m, d) => rows.reduce((sum, row) => sum + (row[d] - m) ** 2, 0) / (rows.length - 1));
  return { mean, variance, error: variance.map((each) => Math.sqrt(each / rows.length)) };
}

/** The mean is within 4 standard errors of what is expected, and these are small enough to tell. */
function expectMean(rows: number[][], expected: number[]): void {
  const { mean, error } = moments(rows);
  mean.forEach((each, d) => expect(Math.abs(each - expected[d])).toBeLessThan(4 * error[d]));
  expect(Math.hypot(...error)).toBeLessThan(0.3 * Math.hypot(...expected));
}

const plain = { standardize: 'none', deviation };
const total = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** What each reward with a derivative gives for probabilities p, a class a and a feature u. */
const pathwise: [string, (p: number[], a: number, u: number[]) => number][] = [
  ['confidence', (p, a) => p[a]],
  ['correct-gated', (p, a) => (a === label ? p[a] : 0)],
  ['negative-entropy', (p) => total(p.map((each) => each * Math.log(each)))],
  ['sharpening', (p) => total(p.map((each) => each ** 2)) / 2],
  ['cluster-cosine', (_, __, u) => cosine(u)],
  ['cluster-negative-l2', (_, __, u) => -((u[0] - center[0]) ** 2) - (u[1] - center[1]) ** 2],
  ['cluster-soft-assignment', (_, __, u) => softmax([center, otherCenter].map((each) => dot(unit(u), each) / 0.1))[0]],
  ['cluster-nearest', (_, __, u) => Math.max(cosine(u), dot(unit(u), otherCenter))],
];

describeEachBackend('the pathwise gradient', () => {
  it.each(pathwise)('of %s is that of finite differences, noise and classes held fixed', async (name, written) => {
    const rows = 5;
    const given = await policy(3, [await reward(name, 0.7)], { ...plain, gradient: 'pathwise' });
    const all = (values: number[]) => tf.tile(tf.tensor2d([values]), [rows, 1]);
    const noise = draw(given.noise(rows, [2]), new Random([9, 78]));
    const targets = {
      label: tf.fill([rows], label, 'int32') as tf.Tensor1D,
      centers: tf.tensor2d([center, otherCenter]),
      assignment: tf.zeros([rows], 'int32') as tf.Tensor1D,
    };
    const variables = { s: tf.variable(all(logits)), z: tf.variable(all(feature)) };
    const [s, z] = [variables.s, variables.z] as tf.Tensor[] as tf.Tensor2D[];
    const { classAction, featureActions } = given.decide({ logits: s, features: [z] }, targets, noise);
    const { gradients } = gradientsOf(
      () =>
        given
          .loss({ logits: s, features: [z] }, targets, noise)
          .loss.sum()
          // What no reward reads has no gradient to be asked for.
          .add(s.sum().add(z.sum()).mul(0)) as tf.Scalar,
      variables,
    );
    const [classes, sampled] = [await classAction.data(), rowsOf(await featureActions[0].data(), 2)];
    const ofRow = (i: number, row: number[], moved: number[]) => {
      const u = sampled[i].map((value, d) => value + moved[d] - feature[d]);
      return -0.7 * written(softmax(row), classes[i], u);
    };
    const at = Array.from({ length: rows }, (_, i) => i);
    await expectClose(
      gradients.s,
      at.flatMap((i) => numericalGradient((row) => ofRow(i, row, feature), logits)),
      { absolute: 2e-5, relative: 1e-3 },
    );
    await expectClose(
      gradients.z,
      at.flatMap((i) => numericalGradient((moved) => ofRow(i, logits, moved), feature)),
      { absolute: 2e-5, relative: 1e-3 },
    );
    tf.dispose([variables, gradients, noise]);
  });
});

describeEachBackend('the score-function gradient, on the long run', (backend) => {
  // One backend is enough for every baseline: policy.test.ts has the arithmetic of single cases.
  const baselines = backend === 'wasm' ? ['none', 'self-critical', 'batch-mean'] : ['self-critical'];

  it.each(baselines.flatMap((baseline) => rewardsOfClass.map(([name, earned]) => [name, baseline, earned] as const)))(
    'of %s with baseline %s is the exact one',
    async (name, baseline, earned) => {
      const { logits: rows } = await samples(await policy(3, [name], { ...plain, baseline }), 1);
      expectMean(rows, expectedOfClass(earned));
    },
  );

  // Where two rewards nearly cancel, so few samples without a baseline tell nothing.
  const tells = (name: string, baseline: string) => name !== 'cluster-nearest' || baseline !== 'none';
  it.each(
    baselines.flatMap((baseline) =>
      rewardsOfFeature.flatMap(([name, r]) => (tells(name, baseline) ? [[name, baseline, r] as const] : [])),
    ),
  )('of %s with baseline %s is the exact one', async (name, baseline, r) => {
    const { feature: rows } = await samples(await policy(3, [name], { ...plain, baseline }), 2);
    const expected = numericalGradient((z) => -expectation(r, z), feature, 1e-3);
    expectMean(rows, expected);
  });

  it('of ppo, where nothing has moved yet, is that of reinforce', async () => {
    const [one, other] = [
      await samples(await policy(3, ['confidence'], plain), 3),
      await samples(await policy(3, ['confidence'], { ...plain, objective: 'ppo' }), 3),
    ];
    await expectClose(other.logits.flat(), one.logits.flat());
  });

  it('of confidence is half the gradient of Σ p², which sharpening gives without sampling', async () => {
    const half = numericalGradient((s) => -total(softmax(s).map((each) => each ** 2)) / 2, logits);
    await expectClose(expectedOfClass(p), half);
    const { logits: rows } = await samples(await policy(3, ['sharpening'], { ...plain, gradient: 'pathwise' }), 4);
    await expectClose(rows[0], half);
    await expectClose(rows.at(-1)!, half);
  });

  it('of a pathwise cosine has the same expectation', async () => {
    const { feature: rows } = await samples(await policy(3, ['cluster-cosine'], { ...plain, gradient: 'pathwise' }), 5);
    expectMean(
      rows,
      numericalGradient((z) => -expectation(cosine, z), feature, 1e-3),
    );
  });

  it('of a reward that no action changes is zero: the combination that is refused', async () => {
    const blind: WeightedReward = {
      name: 'blind',
      weight: 1,
      reward: {
        dependsOn: ['class'], // a lie, to get past the check
        differentiable: true,
        reward: (decision) => decision.logProbabilities.exp().square().sum(1),
      },
    };
    const { logits: rows } = await samples(await policy(3, [blind], { ...plain, baseline: 'none' }), 6);
    const { mean, error } = moments(rows);
    mean.forEach((each, d) => expect(Math.abs(each)).toBeLessThan(4 * error[d]));
    expect(Math.hypot(...error)).toBeGreaterThan(0);
  });

  it('varies less with the self-critical baseline than without', async () => {
    const variance = async (name: string, baseline: string) => {
      const found = await samples(await policy(3, [await reward(name)], { ...plain, baseline }), 7);
      return total(moments(name === 'confidence' ? found.logits : found.feature).variance);
    };
    // The sampled class is the greedy one half of the time, and then there is nothing to learn.
    expect(await variance('confidence', 'self-critical')).toBeLessThan(0.8 * (await variance('confidence', 'none')));
    expect(await variance('cluster-cosine', 'self-critical')).toBeLessThan(
      0.8 * (await variance('cluster-cosine', 'none')),
    );
  });
});
