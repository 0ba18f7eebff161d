import { simplex, type StateTree } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, numericalGradient } from '@retort-tools/testing';
import { expectedPolicyGradient, type WeightObjective } from './exact-policy-gradient.js';
import { createAgent } from './test-support/setup.js';

const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};

/** pg without a hidden layer in a state of zeros, so that its bias is the logits, and one plain step of size 1 per pass. */
async function barePg(weights: number[], options: object = {}) {
  const { agent } = await createAgent(
    {
      use: 'pg',
      hidden: [],
      normalizeState: false,
      normalize: 'none',
      entropyCoefficient: 0,
      optimizer: { use: 'sgd', learningRate: 1, momentum: 0 },
      ...options,
    },
    { stateSize: 1, actions: { logit: simplex(weights.length) } },
  );
  const bias = agent.variables['policy/logit/bias'];
  bias.assign(tf.tensor1d(weights.map(Math.log)));
  const state = tf.zeros<tf.Rank.R2>([1, 1]);
  const act = () => agent.act(state).action.logit;
  const learn = (advantage: number[], prior?: number[]) => {
    agent.observe({
      state,
      action: { logit: act() },
      reward: tf.zeros([1]),
      componentReward: { logit: tf.tensor2d([advantage]) },
      ...(prior && { prior: { logit: tf.tensor2d([prior]) } }),
    });
    tf.dispose(agent.update());
  };
  return { agent, act, learn, bias };
}

const weights = [0.1, 0.2, 0.3, 0.4];
// Rewards (−6, −5, −4.5, −7) by eq. 8 of MTKD-RL as printed, and with the mean of the rescaled rewards.
const printed = [6.025, 6.425, 6.625, 5.625];
const rescaled = [-0.15, 0.25, 0.45, -0.55];

describeEachBackend('objectives of the weights', () => {
  it.each<[WeightObjective, number[], number[]]>([
    ['weight', printed, [-0.01, 0.06, 0.15, -0.2]],
    ['weight', rescaled, [-0.01, 0.06, 0.15, -0.2]],
    ['weighted-log', printed, [-0.01, 0.06, 0.15, -0.2]],
    ['weighted-log', rescaled, [-0.01, 0.06, 0.15, -0.2]],
    ['log', printed, [3.555, 1.485, -0.785, -4.255]],
    ['log', rescaled, [-0.15, 0.25, 0.45, -0.55]],
  ])('%s of %j moves the logits of the agent by %j', async (objective, advantage, ascent) => {
    const { agent, learn, bias } = await barePg(weights, { objective });
    const before = await bias.data();
    learn(advantage);
    const after = await bias.data();
    await expectClose(
      after.map((value, m) => value - before[m]),
      ascent,
    );
    agent.dispose();
  });

  it.each<WeightObjective>(['weight', 'weighted-log', 'log'])(
    '%s goes through the mixture with a prior as differences do',
    async (objective) => {
      const [logits, advantage, prior] = [
        [0.3, -0.2, 1.1],
        [0.7, 0.1, -0.4],
        [0.1, 0.25, 0.3],
      ];
      const effective = (z: number[]) => softmax(z).map((w, m) => 0.35 * w + prior[m]);
      const constant = effective(logits);
      const gain = {
        weight: (f: number) => f,
        'weighted-log': (f: number, m: number) => constant[m] * Math.log(f),
        log: (f: number) => Math.log(f),
      }[objective];
      const expected = numericalGradient(
        (z) => effective(z).reduce((sum, f, m) => sum - advantage[m] * gain(f, m), 0),
        logits,
      );
      const variable = tf.variable(tf.tensor2d([logits]));
      const { grads } = tf.variableGrads(
        () =>
          expectedPolicyGradient(variable as tf.Tensor as tf.Tensor2D, tf.tensor2d([advantage]), 0, {
            objective,
            prior: tf.tensor2d([prior]),
          }).loss.sum(),
        [variable],
      );
      await expectClose(grads[variable.name], expected, { absolute: 1e-4, relative: 1e-3 });
    },
  );

  it('log stays finite where a weight has vanished', async () => {
    const variable = tf.variable(tf.tensor2d([[0, -500]]));
    const { grads } = tf.variableGrads(
      () =>
        expectedPolicyGradient(variable as tf.Tensor as tf.Tensor2D, tf.tensor2d([[-1, 1]]), 0, {
          objective: 'log',
        }).loss.sum(),
      [variable],
    );
    expect((await tf.isFinite(grads[variable.name]).all().data())[0]).toBe(1);
  });
});

describeEachBackend("the public code's objective, one reward for all components", () => {
  const alike = [1, 1, 1, 1];
  const passes = (learningRate: number) => ({
    objective: 'log',
    epochs: 150,
    optimizer: { use: 'sgd', learningRate, momentum: 0 },
  });

  it('pulls weights to 1/M, wherever they start', async () => {
    const { agent, act, learn } = await barePg([0.7, 0.2, 0.06, 0.04], passes(0.3));
    learn(alike);
    await expectClose(act(), [0.25, 0.25, 0.25, 0.25], { absolute: 1e-3 });
    agent.dispose();
  });

  it('pulls what a prior of (0.7, 0.1, 0.1, 0.1) is mixed with, twice, to (0, 1/3, 1/3, 1/3)', async () => {
    const { agent, act, learn } = await barePg([0.25, 0.25, 0.25, 0.25], passes(3));
    learn(
      alike,
      [0.7, 0.1, 0.1, 0.1].map((w) => (2 / 3) * w),
    );
    await expectClose(act(), [0, 1 / 3, 1 / 3, 1 / 3], { absolute: 0.01 });
    agent.dispose();
  });
});

it('a prior waits in the memory and in checkpoints with its experience', async () => {
  await tf.setBackend('cpu');
  const [whole, resumed] = [await barePg(weights, { objective: 'log' }), await barePg(weights, { objective: 'log' })];
  const state = tf.zeros<tf.Rank.R2>([1, 1]);
  whole.agent.observe({
    state,
    action: {},
    reward: tf.zeros([1]),
    componentReward: { logit: tf.tensor2d([printed]) },
    prior: { logit: tf.tensor2d([[0.3, 0.1, 0.1, 0.1]]) },
  });
  const saved: StateTree = await whole.agent.save();
  await resumed.agent.load(saved);
  for (const { agent } of [whole, resumed]) tf.dispose(agent.update());
  const [a, b] = [await whole.act().data(), await resumed.act().data()];
  expect([...b]).toEqual([...a]);
  expect([...a]).not.toEqual([...(await (await barePg(weights)).act().data())]);
});
