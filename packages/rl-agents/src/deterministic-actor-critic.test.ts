import { box, Seeds } from '@retort/core';
import { setObservationMoments, toTensor } from '@retort/nn';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { actingNetwork, actingOutput } from './test-support/acting-network.js';
import { createAgent } from './test-support/setup.js';

const [low, high] = [
  [-2, 0],
  [2, 10],
];
const given = { stateSize: 2, actions: { action: box(low, high) } };
const [s0, s1] = [
  [0.3, -1.2],
  [1.1, 0.4],
];
const taken = [1.5, 2];
const unitTaken = [0.75, -0.6];
const discount = 0.9;
/** A gradient step on one transition per step. */
const one = { hidden: [4], batchSize: 1, learningStarts: 0 };
const stuck = { use: 'sgd', learningRate: 1e-30, momentum: 0 };

function step(end = '') {
  return {
    state: tf.tensor2d([s0]),
    action: { action: tf.tensor2d([taken]) },
    reward: tf.tensor1d([0.5]),
    nextState: tf.tensor2d([s1]),
    terminated: tf.tensor1d([end === 'terminated' ? 1 : 0]),
    truncated: tf.tensor1d([end === 'truncated' ? 1 : 0]),
  };
}

describeEachBackend('agents that follow a critic in environments', () => {
  type Variables = Record<string, tf.Variable>;
  /** Fills what starts with `prefix` with random numbers, and gives them by the rest of their names. */
  async function fill({ variables }: { variables: Variables }, prefix: string, seed: number) {
    const random = new Seeds(seed).stream('weights');
    const weights: Record<string, ArrayLike<number>> = {};
    for (const [key, variable] of Object.entries(variables)) {
      if (!key.startsWith(`${prefix}/`) || key.includes('/slots/') || key.endsWith('/step')) continue;
      tf.tidy(() => variable.assign(tf.tensor(random.fill(new Float32Array(variable.size), 'normal'), variable.shape)));
      weights[key.slice(prefix.length + 1)] = (await variable.data()).slice();
    }
    return weights;
  }
  /** Q of one critic, in float64. */
  const critic = (weights: Record<string, ArrayLike<number>>, which: 1 | 2, state: number[], action: number[]) => {
    const own = Object.fromEntries(
      Object.entries(weights).flatMap(([key, value]) => (key.startsWith(`${which}/`) ? [[key.slice(2), value]] : [])),
    );
    const layer = (name: string, x: number[]) => {
      const [kernel, bias] = [own[`${name}/kernel`], own[`${name}/bias`]];
      return Array.from(bias, (b, j) => x.reduce((sum, value, i) => sum + value * kernel[i * bias.length + j], b));
    };
    return layer(
      'value',
      layer('hidden0', [...state, ...action]).map((x) => Math.max(0, x)),
    )[0];
  };
  const clip = (x: number, bound: number) => Math.min(bound, Math.max(-bound, x));
  const half = (x: number) => x ** 2 / 2;

  it.each(['', 'truncated', 'terminated'])(
    'td3 learns towards the smaller of two critics of a noisy action, written out in float64; %s',
    async (end) => {
      for (const seed of [3, 4, 5]) {
        const network = actingNetwork('mean', 2);
        const options = { ...one, discount, targetNoise: 0.4, targetNoiseClip: 0.3 };
        const { agent } = await createAgent({ use: 'td3', ...options, optimizer: stuck }, { ...given, network });
        const critics = await fill(agent, 'critic', seed);
        const targets = await fill(agent, 'targetCritic', seed + 10);
        const actor = await fill(agent, 'targetActor', seed + 20);
        const smoothing = new Seeds(1).within('agent/').stream('smoothing').fill(new Float32Array(2), 'normal');
        const nextAction = actingOutput(actor, s1, 'mean').map((x, i) =>
          clip(Math.tanh(x) + clip(0.4 * smoothing[i], 0.3), 1),
        );
        const [first, second] = ([1, 2] as const).map((i) => critic(targets, i, s1, nextAction));
        const target = 0.5 + (end === 'terminated' ? 0 : discount * Math.min(first, second));
        const loss =
          half(critic(critics, 1, s0, unitTaken) - target) + half(critic(critics, 2, s0, unitTaken) - target);
        agent.observe(step(end));
        const report = agent.update();
        await expectClose(report.criticLoss, [loss]);
        tf.dispose(report);
        agent.dispose();
        network.dispose();
      }
    },
  );

  it('ddpg learns towards its one critic, and its actor ascends it', async () => {
    const network = actingNetwork('mean', 2);
    const options = { hidden: [4], batchSize: 1, updates: 1, discount, learningStarts: 0, targetRate: 0.25 };
    const { agent } = await createAgent({ use: 'ddpg', ...options, optimizer: stuck }, { ...given, network });
    const [critics, targets] = [await fill(agent, 'critic', 3), await fill(agent, 'targetCritic', 4)];
    const [actor, targetActor] = [await fill(agent, 'actor', 5), await fill(agent, 'targetActor', 6)];
    const by = (weights: typeof actor, state: number[]) => actingOutput(weights, state, 'mean').map(Math.tanh);
    const target = 0.5 + discount * critic(targets, 1, s1, by(targetActor, s1));
    agent.observe(step());
    const report = agent.update();
    await expectClose(report.criticLoss, [half(critic(critics, 1, s0, unitTaken) - target)]);
    await expectClose(report.actorLoss, [-critic(critics, 1, s0, by(actor, s0))]);
    for (const [name, own, followed] of [
      ['targetActor/mean/kernel', targetActor['mean/kernel'], actor['mean/kernel']],
      ['targetCritic/1/value/kernel', targets['1/value/kernel'], critics['1/value/kernel']],
    ] as const) {
      await expectClose(
        agent.variables[name],
        Array.from(own, (x, i) => x + 0.25 * (followed[i] - x)),
      );
    }
    tf.dispose(report);
    agent.dispose();
    network.dispose();
  });

  it('td3 moves its actor and targets at every second step, its critics at each', async () => {
    const network = actingNetwork('mean', 2);
    const { agent } = await createAgent({ use: 'td3', ...one }, { ...given, network });
    await fill(agent, 'critic', 3);
    const watched = ['actor/mean/bias', 'targetActor/mean/bias', 'targetCritic/1/value/bias', 'critic/1/value/bias'];
    let last = watched.map((key) => [...agent.variables[key].dataSync()]);
    const moves: string[][] = [];
    for (let i = 0; i < 4; i++) {
      const report = tf.tidy(() => {
        agent.observe(step());
        return agent.update();
      });
      const now = watched.map((key) => [...agent.variables[key].dataSync()]);
      moves.push([
        ...watched.filter((_, k) => now[k].join() !== last[k].join()),
        ...('actorLoss' in report ? ['report'] : []),
      ]);
      tf.dispose(report);
      last = now;
    }
    const [some, all] = [['critic/1/value/bias'], [...watched, 'report']];
    expect(moves).toEqual([some, all, some, all]);
    agent.dispose();
    network.dispose();
  });

  it('acts uniformly until learning starts, then by its network with noise, always within the box', async () => {
    const network = actingNetwork('mean', 2);
    const { agent } = await createAgent({ use: 'td3', learningStarts: 10, boxNoise: 0.3 }, { ...given, network });
    const actor = await fill(agent, 'actor', 3);
    const rows = 4000;
    const state = tf.tile(tf.tensor2d([s0]), [rows, 1]) as tf.Tensor2D;
    const mode = actingOutput(actor, s0, 'mean').map(Math.tanh);
    const inBox = (unit: number[]) => unit.map((u, i) => (low[i] + high[i]) / 2 + (u * (high[i] - low[i])) / 2);
    await expectClose(agent.act(state.slice(0, 1) as tf.Tensor2D).action.action, inBox(mode));
    const explore = () => {
      const noise = Object.fromEntries(Object.entries(agent.noise(rows)).map(([name, x]) => [name, toTensor(x)]));
      return { noise, actions: agent.act(state, noise).action.action as tf.Tensor2D };
    };
    const { actions } = explore();
    for (const i of [0, 1]) {
      const column = [...actions.slice([0, i], [rows, 1]).dataSync()];
      const [lowest, highest] = [Math.min(...column), Math.max(...column)];
      expect(lowest).toBeGreaterThanOrEqual(low[i]);
      expect(lowest).toBeLessThan(low[i] + 0.01 * (high[i] - low[i]));
      expect(highest).toBeLessThanOrEqual(high[i]);
      expect(highest).toBeGreaterThan(high[i] - 0.01 * (high[i] - low[i]));
    }
    for (let i = 0; i < 10; i++) agent.observe(step());
    const { noise, actions: later } = explore();
    const normal = noise['action/normal'].dataSync();
    const expected = Array.from({ length: rows }, (_, row) =>
      inBox(mode.map((u, i) => clip(u + 0.3 * normal[2 * row + i], 1))),
    );
    await expectClose(later, expected.flat());
    agent.dispose();
    network.dispose();
  });

  it('gives critics and targets the states as the network normalizes them', async () => {
    const [plain, normalizing] = [actingNetwork('mean', 2), actingNetwork('mean', 2, { normalize: true })];
    const moments = { mean: Float32Array.of(3, -5), variance: Float32Array.of(4, 25) };
    const reports: tf.Tensor[] = [];
    for (const [network, shift] of [
      [plain, false],
      [normalizing, true],
    ] as const) {
      const options = { ...one, optimizer: stuck };
      const { agent } = await createAgent({ use: 'td3', ...options }, { ...given, network });
      for (const prefix of ['critic', 'targetCritic', 'actor', 'targetActor']) await fill(agent, prefix, 3);
      if (shift) setObservationMoments(network.student, moments);
      const seen = (state: number[]) =>
        tf.tensor2d([shift ? state.map((x, i) => x * Math.sqrt(moments.variance[i]) + moments.mean[i]) : state]);
      agent.observe({ ...step(), state: seen(s0), nextState: seen(s1) });
      reports.push(agent.update().criticLoss);
      agent.dispose();
      network.dispose();
    }
    await expectClose(reports[1], reports[0]);
  });

  it.each([
    ['td3', { targetNoise: 0.1, targetRate: 0.04 }],
    ['ddpg', { updates: 1, targetRate: 0.04, boxNoise: 0.3 }],
  ])('%s pushes a point towards the origin, which pays only a step later', async (use, options) => {
    const actions = { action: box([-2], [2]) };
    const network = actingNetwork('mean', 1, { stateSize: 1, hidden: [8] });
    const { agent } = await createAgent(
      {
        ...{ use, hidden: [16], batchSize: 32, discount: 0.8, learningStarts: 64, ...options },
        optimizer: { use: 'adamw', learningRate: 5e-3 },
      },
      { stateSize: 1, actions, network },
    );
    const random = new Seeds(3).stream('x');
    const count = 4;
    // x ← x + a / 2, reward −x² of where it stood: the reward of a step does not depend on its action. Cut off after 8 steps.
    for (let episode = 0; episode < 30; episode++) {
      let x = tf.tensor2d(Array.from({ length: count }, () => [4 * random.uniform() - 2]));
      for (let t = 0; t < 8; t++) {
        x = tf.tidy(() => {
          const noise = Object.fromEntries(Object.entries(agent.noise(count)).map(([name, n]) => [name, toTensor(n)]));
          const { action } = agent.act(x, noise);
          const nextState = x.add<tf.Tensor2D>(action.action.mul(0.5));
          const reward = x.square().sum<tf.Tensor1D>(1).neg();
          const truncated = tf.fill([count], t === 7 ? 1 : 0) as tf.Tensor1D;
          agent.observe({ state: x, action, reward, nextState, terminated: tf.zeros([count]), truncated });
          agent.update();
          return nextState;
        });
      }
    }
    const force = agent.act(tf.tensor2d([[-2], [-1], [1], [2]])).action.action.dataSync();
    expect(Math.max(-force[0], -force[1], force[2], force[3])).toBeLessThan(-0.7);
    agent.dispose();
    network.dispose();
  });
});
