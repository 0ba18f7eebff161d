import { definePart, definePlugin, Random, Registry, resolvePart, z } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { checkCombination, type Decision, type DecisionReward } from './decision-reward.js';
import { dot, normals, rowsOf, unit } from './test-support/planted.js';
import { reward } from './test-support/setup.js';

const [B, C, K, D] = [5, 4, 3, 6];
const random = new Random([4, 2]);
const logits = rowsOf(normals(B * C, random), C);
const teacherLogits = rowsOf(normals(B * C, random), C);
const taps = [0, 1].map(() => rowsOf(normals(B * D, random), D));
const centers = rowsOf(normals(K * D, random), D).map(unit);
const taken = [0, 3, 1, 1, 2];
const label = [0, 2, 1, 3, 2];
const assignment = [2, 0, 1, 2, 0];

const softmax = (logits: number[]) => {
  const exps = logits.map((value) => Math.exp(value - Math.max(...logits)));
  return exps.map((each) => each / exps.reduce((a, b) => a + b));
};
const beliefs = logits.map(softmax);
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const cosine = (u: number[], c: number[]) => dot(unit(u), c);
const overTaps = (of: (u: number[], i: number) => number) =>
  beliefs.map((_, i) => sum(taps.map((features) => of(features[i], i))) / taps.length);

const decision = (): Decision => ({
  logProbabilities: tf.logSoftmax(tf.tensor2d(logits)),
  classAction: tf.tensor1d(taken, 'int32'),
  featureActions: taps.map((features) => tf.tensor2d(features)),
  label: tf.tensor1d(label, 'int32'),
  teacherLogits: tf.tensor2d(teacherLogits),
  centers: tf.tensor2d(centers),
  assignment: tf.tensor1d(assignment, 'int32'),
});

const definitions: [string | { use: string; temperature: number }, number[]][] = [
  ['confidence', beliefs.map((p, i) => p[taken[i]])],
  ['correct-gated', beliefs.map((p, i) => (taken[i] === label[i] ? p[taken[i]] : 0))],
  ['teacher-probability', teacherLogits.map((row, i) => softmax(row)[taken[i]])],
  [
    { use: 'teacher-probability', temperature: 3 },
    teacherLogits.map((row, i) => softmax(row.map((value) => value / 3))[taken[i]]),
  ],
  ['negative-entropy', beliefs.map((p) => sum(p.map((each) => each * Math.log(each))))],
  ['sharpening', beliefs.map((p) => sum(p.map((each) => each ** 2)) / 2)],
  ['cluster-cosine', overTaps((u, i) => cosine(u, centers[assignment[i]]))],
  ['cluster-negative-l2', overTaps((u, i) => -sum(u.map((value, d) => (value - centers[assignment[i]][d]) ** 2)))],
  [
    { use: 'cluster-soft-assignment', temperature: 0.3 },
    overTaps((u, i) => softmax(centers.map((center) => cosine(u, center) / 0.3))[assignment[i]]),
  ],
  ['cluster-nearest', overTaps((u) => Math.max(...centers.map((center) => cosine(u, center))))],
];

describeEachBackend('rewards', () => {
  it.each(definitions)('%j is what its definition says', async (use, expected) => {
    const { reward: given } = await reward(use);
    await expectClose(given.reward(decision()), expected);
  });

  it.each(definitions)('%j changes with the actions that it declares, and no other', async (use) => {
    const { reward: given } = await reward(use);
    const original = await given.reward(decision()).data();
    const changed = {
      class: { ...decision(), classAction: tf.tensor1d([1, 2, 0, 3, 0], 'int32') },
      feature: {
        ...decision(),
        featureActions: taps.map((features) => tf.tensor2d(features.map((row) => row.map((value, d) => value + d)))),
      },
    };
    for (const action of ['class', 'feature'] as const) {
      const same = (await given.reward(changed[action]).data()).every((value, i) => value === original[i]);
      expect(same).toBe(!given.dependsOn.includes(action));
    }
  });

  it.each(definitions)('%j has a derivative exactly where it says so', async (use) => {
    const { reward: given } = await reward(use);
    const variables = [tf.variable(tf.tensor2d(logits)), tf.variable(tf.tensor2d(taps[0]))];
    const [s, u] = variables as tf.Tensor[] as tf.Tensor2D[];
    const value = () => {
      const student = { ...decision(), logProbabilities: tf.logSoftmax(s), featureActions: [u] };
      // What no variable moves has no gradient to be asked for.
      return given.reward(student).sum().add(s.sum().add(u.sum()).mul(0)) as tf.Scalar;
    };
    const { grads } = tf.variableGrads(value, variables);
    let largest = 0;
    for (const gradient of Object.values(grads)) largest = Math.max(largest, (await gradient.abs().max().data())[0]);
    expect(largest > 1e-4).toBe(given.differentiable);
    tf.dispose(variables);
  });

  it('stay finite where the student is certain', async () => {
    const certain = { ...decision(), logProbabilities: tf.logSoftmax(tf.tensor2d(logits).mul<tf.Tensor2D>(1e4)) };
    for (const [use] of definitions) {
      const { reward: given } = await reward(use);
      expect((await tf.isFinite(given.reward(certain)).all().data())[0]).toBe(1);
    }
  });

  it('leave no tensors', async () => {
    const rewards = await Promise.all(definitions.map(([use]) => reward(use)));
    const given = decision();
    await expectNoLeak(() => rewards.forEach(({ reward: each }) => each.reward(given).dispose()));
    tf.dispose([given.logProbabilities, given.classAction]);
  });

  it('say what they lack', async () => {
    const { label: _, teacherLogits: __, centers: ___, assignment: ____, ...bare } = decision();
    const lacks = async (use: string, message: string, given: Decision = bare) => {
      const { reward: each } = await reward(use);
      expect(() => each.reward(given)).toThrow(`trainer.rewards: this reward needs ${message}`);
    };
    await lacks('correct-gated', 'labels');
    await lacks('teacher-probability', "a teacher's logits");
    await lacks('cluster-cosine', 'centers');
    await lacks('cluster-negative-l2', 'clusters', { ...bare, centers: tf.tensor2d(centers) });
    await lacks('cluster-nearest', 'auxiliary taps', { ...bare, featureActions: [] });
  });
});

describe('a combination of rewards', () => {
  it.each(['negative-entropy', 'sharpening'])('with %s is refused under score, with the reason', async (use) => {
    const rewards = [await reward('confidence'), await reward(use)];
    expect(() => checkCombination(rewards, 'score', 'trainer.rewards')).toThrow(
      expect.objectContaining({
        message: `trainer.rewards: reward "${use}" teaches nothing under gradient: score`,
        hints: [expect.stringContaining('expectation of its score-function gradient is zero'), expect.anything()],
        exitCode: 2,
      }),
    );
    checkCombination(rewards, 'pathwise', 'trainer.rewards');
  });

  it('with teacher-probability is refused under pathwise, where it has no derivative', async () => {
    const rewards = [await reward('teacher-probability')];
    expect(() => checkCombination(rewards, 'pathwise', 'trainer.rewards')).toThrow('teaches nothing under gradient');
    checkCombination(rewards, 'score', 'trainer.rewards');
  });

  it('needs weights from 0, one of them more', async () => {
    const check = async (...weights: number[]) =>
      checkCombination(await Promise.all(weights.map((weight) => reward('confidence', weight))), 'score', 'here');
    await check(0, 1);
    await expect(check(1, -1)).rejects.toThrow(
      'here: the weight of reward "confidence" must be a number from 0, not -1',
    );
    await expect(check(1, NaN)).rejects.toThrow('not NaN');
    await expect(check(0)).rejects.toThrow('here: no reward has a weight above 0');
    await expect(check()).rejects.toThrow('here: no reward has a weight above 0');
  });
});

describe('a reward of a plugin', () => {
  it('is one part more', async () => {
    const alwaysOne = definePart('decision-reward', {
      name: 'always-one',
      summary: 'Pays for being there.',
      options: z.strictObject({}),
      create: (): DecisionReward => ({
        dependsOn: [],
        differentiable: false,
        reward: ({ classAction }) => tf.onesLike(classAction).cast('float32'),
      }),
    });
    const registry = new Registry().use(
      definePlugin({ name: 'mine', register: (registry) => void registry.add(alwaysOne) }),
    );
    const reference = resolvePart(registry, 'decision-reward', 'always-one');
    const own = await registry.createScope().create(reference, { path: 'trainer.rewards[0]' });
    expect(() => checkCombination([{ name: 'always-one', weight: 1, reward: own }], 'score', 'x')).toThrow(
      'always-one',
    );
  });
});
