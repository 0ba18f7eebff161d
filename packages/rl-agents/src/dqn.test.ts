import { discrete, Seeds } from '@retort/core';
import { toTensor } from '@retort/nn';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { actingNetwork, actingOutput } from './test-support/acting-network.js';
import { corridorActions, corridorReturn, corridorSize, createCorridors } from './test-support/corridor.js';
import { createAgent } from './test-support/setup.js';

const given = { stateSize: 2, actions: { action: discrete(3) } };
const stuck = { use: 'sgd', learningRate: 1e-30, momentum: 0 };
const discount = 0.9;
const huber = (e: number, delta = 1) => (Math.abs(e) <= delta ? e ** 2 / 2 : delta * (Math.abs(e) - delta / 2));

/** One step of one copy: from `state` by `action` to `next`. */
function step(state: number[], action: number, reward: number, next: number[], end = '') {
  return {
    state: tf.tensor2d([state]),
    action: { action: tf.tensor1d([action], 'int32') },
    reward: tf.tensor1d([reward]),
    nextState: tf.tensor2d([next]),
    terminated: tf.tensor1d([end === 'terminated' ? 1 : 0]),
    truncated: tf.tensor1d([end === 'truncated' ? 1 : 0]),
  };
}

const [s0, s1, s2] = [
  [0.3, -1.2],
  [1.1, 0.4],
  [-0.7, 2],
];

describeEachBackend('dqn', () => {
  /** Weights of the network or its target by `layer/weight`, made unlike each other. */
  async function unlike(agent: { variables: Record<string, tf.Variable> }, prefix: string, seed: number) {
    const random = new Seeds(seed).stream('weights');
    const weights: Record<string, ArrayLike<number>> = {};
    for (const [key, variable] of Object.entries(agent.variables)) {
      if (!key.startsWith(`${prefix}/`) || !/\/(kernel|bias)$/.test(key)) continue;
      tf.tidy(() => variable.assign(tf.tensor(random.fill(new Float32Array(variable.size), 'normal'), variable.shape)));
      weights[key.slice(prefix.length + 1)] = (await variable.data()).slice();
    }
    return weights;
  }

  it.each([
    { double: true, nStep: 1, end: '' },
    { double: false, nStep: 1, end: '' },
    { double: true, nStep: 2, end: '' },
    { double: true, nStep: 2, end: 'terminated' },
    { double: false, nStep: 2, end: 'truncated' },
    { double: true, nStep: 1, end: 'truncated' },
    { double: true, nStep: 1, end: 'terminated' },
  ])('learns towards the target written out in float64: %j', async ({ double, nStep, end }) => {
    const network = actingNetwork('logits', 3);
    const options = { double, nStep, discount, huber: 0.7, batchSize: 4, learningStarts: nStep, optimizer: stuck };
    const { agent } = await createAgent({ use: 'dqn', ...options }, { ...given, network });
    const [online, target] = [await unlike(agent, 'network', 3), await unlike(agent, 'target', 4)];
    const q = (weights: typeof online, state: number[]) => actingOutput(weights, state, 'logits');

    // With two steps the first is the only transition but where an end leaves a shorter one, too.
    if (nStep === 2) agent.observe(step(s0, 2, 0.5, s1));
    agent.observe(step(nStep === 2 ? s1 : s0, nStep === 2 ? 1 : 2, -1.5, s2, end));
    const next = q(target, s2);
    const best = q(online, s2).indexOf(Math.max(...q(online, s2)));
    const bootstrap = end === 'terminated' ? 0 : double ? next[best] : Math.max(...next);
    const losses = [
      huber(
        q(online, s0)[2] -
          (nStep === 2 ? 0.5 - 1.5 * discount + discount ** 2 * bootstrap : -1.5 + discount * bootstrap),
        0.7,
      ),
    ];
    if (nStep === 2 && end) losses.push(huber(q(online, s1)[1] - (-1.5 + discount * bootstrap), 0.7));
    expect(best).not.toBe(next.indexOf(Math.max(...next)));

    const draws = new Seeds(1).within('agent/').stream('order');
    const drawn = Array.from({ length: 4 }, () => losses[draws.integer(losses.length)]);
    const report = agent.update();
    await expectClose(report.loss, [drawn.reduce((sum, loss) => sum + loss, 0) / 4]);
    tf.dispose(report);
    agent.dispose();
    network.dispose();
  });

  it.each([
    ['every two gradient steps', { targetEvery: 2 }, [0, 1, 1]],
    ['by a half at each', { targetRate: 0.5 }, [0.5, 0.75, 0.875]],
  ])('moves its target network %s', async (_, options, shares) => {
    const network = actingNetwork('logits', 3);
    const reference = { use: 'dqn', learningStarts: 0, batchSize: 4, optimizer: stuck, ...options };
    const { agent } = await createAgent(reference, { ...given, network });
    const [online, target] = [await unlike(agent, 'network', 3), await unlike(agent, 'target', 4)];
    const key = 'hidden_1/kernel';
    for (const share of shares) {
      tf.tidy(() => {
        agent.observe(step(s0, 0, 1, s1));
        agent.update();
      });
      const expected = Array.from(target[key], (value, i) => value + share * (online[key][i] - value));
      await expectClose(agent.variables[`target/${key}`], expected);
    }
    agent.dispose();
    network.dispose();
  });

  it('explores at random at first and little later, and without noise takes the best', async () => {
    const network = actingNetwork('logits', 3);
    const epsilon = { start: 1, end: 0.2, steps: 100 };
    const { agent } = await createAgent({ use: 'dqn', epsilon, learningStarts: 1e6 }, { ...given, network });
    const rows = 2000;
    const state = tf.tile(tf.tensor2d([s0]), [rows, 1]) as tf.Tensor2D;
    const best = agent.act(state).action.action.dataSync()[0];
    const values = actingOutput(await weightsOf(agent), s0, 'logits');
    expect(best).toBe(values.indexOf(Math.max(...values)));
    for (const epsilonNow of [1, 0.6, 0.2, 0.2]) {
      const noise = Object.fromEntries(Object.entries(agent.noise(rows)).map(([name, x]) => [name, toTensor(x)]));
      const actions = agent.act(state, noise).action.action;
      expect([actions.dtype, actions.shape]).toEqual(['int32', [rows]]);
      for (let action = 0; action < 3; action++) {
        const share = actions.dataSync().filter((taken) => taken === action).length / rows;
        const expected = epsilonNow / 3 + (action === best ? 1 - epsilonNow : 0);
        expect(Math.abs(share - expected)).toBeLessThan(0.045); // 4 standard errors
      }
      for (let i = 0; i < 50; i++) agent.observe(step(s0, 0, 0, s1));
    }
    agent.dispose();
    network.dispose();
  });

  async function weightsOf(agent: { variables: Record<string, tf.Variable> }) {
    const own = Object.entries(agent.variables).filter(([key]) => key.startsWith('network/'));
    return Object.fromEntries(
      await Promise.all(own.map(async ([key, variable]) => [key.slice('network/'.length), await variable.data()])),
    ) as Record<string, ArrayLike<number>>;
  }

  it.each([1, 3])(
    'learns the values of a corridor, whose optimum is known, with returns of %d steps',
    async (nStep) => {
      const network = actingNetwork('logits', 2, { stateSize: corridorSize, hidden: [] });
      const { agent } = await createAgent(
        {
          ...{ use: 'dqn', discount, nStep, batchSize: 32, learningStarts: 100, targetRate: 0.2, updatesPerStep: 2 },
          // With returns of several steps those of random walks would be learned, less good than the best.
          epsilon: { start: 1, end: nStep === 1 ? 1 : 0.1, steps: 1000 },
          optimizer: { use: 'adamw', learningRate: 0.04 },
        },
        { stateSize: corridorSize, actions: corridorActions, network },
      );
      const corridors = createCorridors(8);
      for (let t = 0; t < 150; t++) {
        tf.tidy(() => {
          const state = corridors.state();
          const noise = Object.fromEntries(Object.entries(agent.noise(8)).map(([name, x]) => [name, toTensor(x)]));
          const decision = agent.act(state, noise);
          agent.observe({ state, ...decision, ...corridors.step(decision.action.step.dataSync()) });
          agent.update();
        });
      }
      expect(corridorReturn(agent, discount)).toBeCloseTo(discount ** 3);
      if (nStep === 1) {
        const value = (place: number) => discount ** (3 - place);
        const best = [0, 1, 2, 3].flatMap((place) => [discount * value(Math.max(0, place - 1)), value(place)]);
        const weights = await weightsOf(agent);
        const learned = [0, 1, 2, 3].flatMap((place) =>
          actingOutput(
            weights,
            Array.from({ length: corridorSize }, (_, i) => (i === place ? 1 : 0)),
            'logits',
          ),
        );
        await expectClose(learned, best, { absolute: 0.03 });
      }
      agent.dispose();
      network.dispose();
    },
  );
});

describe('dqn refuses', () => {
  it('two ways to move its target network', async () => {
    const network = actingNetwork('logits', 3);
    const created = createAgent({ use: 'dqn', targetEvery: 10, targetRate: 0.01 }, { ...given, network });
    await expect(created).rejects.toMatchObject({ message: expect.stringContaining('targetEvery and targetRate') });
    network.dispose();
  });
});
