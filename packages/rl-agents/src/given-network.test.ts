import {
  type Agent,
  box,
  discrete,
  type HostTensor,
  isHostTensor,
  type Random,
  Seeds,
  simplex,
  type StateTree,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, numericalGradient } from '@retort-tools/testing';
import { givenPolicyNetwork } from './policy-network.js';
import { createAgentWith, createNetwork, explore, type NetworkShape } from './test-support/given-network.js';
import { createAgent } from './test-support/setup.js';
import { unroll } from './unroll.js';

const two: NetworkShape = { observationShape: [2], space: discrete(3) };
const remembering: NetworkShape = { ...two, memory: 4 };
const small = { hidden: [4], batchSize: 4 };
const agents = [
  ['ppo', { use: 'ppo', ...small, anneal: true, clipValue: true }, two],
  ['ppo, own value', { use: 'ppo', ...small }, { ...two, value: false }],
  ['ppo, box, grid', { use: 'ppo', ...small }, { observationShape: [1, 2, 1], space: box([-1], [3]) }],
  ['ppo, recurrent', { use: 'ppo', ...small, unroll: 2 }, remembering],
  ['reinforce, recurrent', { use: 'reinforce', ...small, unroll: 2 }, remembering],
  ['reinforce, own value', { use: 'reinforce', ...small, anneal: true }, { ...two, value: false }],
  ['grpo, recurrent', { use: 'grpo', ...small, unroll: 2, anneal: true }, { ...remembering, value: false }],
] as const;

/** Every number of a state, in order. */
function flatten(state: StateTree): unknown[] {
  if (isHostTensor(state)) return [...(state as HostTensor).shape, ...(state as HostTensor).data];
  if (typeof state === 'object' && state !== null) {
    return Object.entries(state).flatMap(([key, value]) => [key, ...flatten(value as StateTree)]);
  }
  return [state];
}

const copies = 3;
/** Steps at which the copies' episodes end, where whole episodes are collected. */
const ends = [1, 4, 2];

/** Steps of an environment that pays no heed to actions. @param garbage what stands in rows that do not count */
function step(agent: Agent, random: Random, t: number, { episodes = false, garbage = 1 } = {}): void {
  tf.tidy(() => {
    const mask = ends.map((end) => (episodes && t > end ? 0 : 1));
    const column = (of: (copy: number) => number) => tf.tensor1d(Array.from({ length: copies }, (_, copy) => of(copy)));
    const rows = (): tf.Tensor2D => {
      const values = Array.from({ length: copies }, (_, copy) => [random.normal(), mask[copy] || garbage]);
      return tf.tensor2d(values);
    };
    const state = rows();
    const ending = column((copy) => Number(episodes ? t === ends[copy] : random.uniform() < 0.3));
    const cut = column((copy) => copy % 2);
    agent.observe({
      state,
      ...explore(agent, state),
      reward: column((copy) => random.normal() * (mask[copy] || garbage)),
      nextState: rows(),
      terminated: ending.mul(tf.sub(1, cut)),
      truncated: ending.mul(cut),
      ...(episodes && { mask: tf.tensor1d(mask) }),
    });
  });
}

const isEpisodic = (agent: Agent) => agent.collects === 'episodes';

function play(agent: Agent, random: Random, { from = 0, garbage = 1 } = {}): void {
  const episodes = isEpisodic(agent);
  for (let t = from; t < 5; t++) step(agent, random, t, { episodes, garbage });
  tf.dispose(agent.update(0.25));
}

describeEachBackend('an agent with a network that was given', () => {
  describe.each(agents)('%s', (_, reference, shape) => {
    const create = () => createAgentWith(reference, shape as NetworkShape);

    it('goes on bit for bit from a state saved in mid-episode', async () => {
      const whole = await create();
      const random = new Seeds(7).stream('x');
      play(whole.agent, random);
      const episodes = isEpisodic(whole.agent);
      for (let t = 0; t < 2; t++) step(whole.agent, random, t, { episodes });
      const [state, positions, place] = [await whole.agent.save(), whole.seeds.save(), random.save()];
      play(whole.agent, random, { from: 2 });
      const expected = flatten(await whole.agent.save());

      const resumed = await create();
      play(resumed.agent, new Seeds(8).stream('x'));
      await resumed.agent.load(state);
      resumed.seeds.load(positions);
      expect(flatten(await resumed.agent.save())).toEqual(flatten(state));
      const again = new Seeds(7).stream('x');
      again.load(place);
      play(resumed.agent, again, { from: 2 });
      expect(flatten(await resumed.agent.save())).toEqual(expected);
      whole.dispose();
      resumed.dispose();
    });

    it('holds no more than it says and gives all of it back', async () => {
      const before = tf.memory().numTensors;
      const { agent, dispose } = await create();
      const random = new Seeds(7).stream('x');
      play(agent, random);
      const others = tf.memory().numTensors - agent.memoryTensors;
      play(agent, random);
      step(agent, random, 0, { episodes: isEpisodic(agent) });
      expect(tf.memory().numTensors - agent.memoryTensors).toBe(others);
      dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  });

  it.each(agents.filter(([name]) => name !== 'reinforce, own value' && !name.startsWith('ppo')))(
    '%s learns the same whatever stands in rows after the end of an episode',
    async (_, reference, shape) => {
      const learned: unknown[][] = [];
      for (const garbage of [1, 100]) {
        const { agent, dispose } = await createAgentWith(reference, shape as NetworkShape);
        play(agent, new Seeds(7).stream('x'), { garbage });
        const { variables } = (await agent.save()) as { variables: StateTree };
        learned.push(flatten(variables));
        dispose();
      }
      expect(learned[1]).toEqual(learned[0]);
    },
  );

  it.each([
    ['that forgets', two, {}],
    ['that remembers', remembering, { unroll: 2 }],
    ['of a box', { ...two, space: box([-2, 0], [2, 1]) }, {}],
  ])('ppo learns with the policy that acted: no divergence in its first step, of one %s', async (_, shape, options) => {
    const { agent, dispose } = await createAgentWith({ use: 'ppo', epochs: 1, ...options }, shape);
    const random = new Seeds(7).stream('x');
    for (let t = 0; t < 5; t++) step(agent, random, t);
    const report = agent.update();
    await expectClose(report.divergence, [0], { absolute: 2e-6 });
    await expectClose(report.clipFraction, [0]);
    tf.dispose(report);
    dispose();
  });

  it('its learning rate falls to nothing at the end of the run where it is annealed', async () => {
    const { agent, dispose } = await createAgentWith({ use: 'ppo', anneal: true }, two);
    const random = new Seeds(7).stream('x');
    step(agent, random, 0);
    tf.dispose(agent.update(0.5));
    const weights = agent.variables['policy/policy/kernel'].dataSync().slice();
    step(agent, random, 1);
    tf.dispose(agent.update(1));
    expect(agent.variables['policy/policy/kernel'].dataSync()).toEqual(weights);
    dispose();
  });

  it('follows a reference alone where guidance has the whole share', async () => {
    const guidance = {
      share: 1,
      perSample: ({ logits }: { logits?: tf.Tensor2D }, { wanted }: Record<string, tf.Tensor>) =>
        tf.logSoftmax(logits!).mul(wanted).sum<tf.Tensor1D>(1).neg(),
    };
    const { agent, dispose } = await createAgentWith(
      { use: 'ppo', optimizer: { use: 'adamw', learningRate: 0.05 } },
      two,
      { guidance },
    );
    const state = tf.tensor2d([
      [1, 0],
      [0, 1],
    ]);
    const wanted = tf.oneHot(tf.tensor1d([2, 0], 'int32'), 3);
    for (let i = 0; i < 10; i++) {
      const decision = explore(agent, state);
      agent.observe({ state, ...decision, reward: tf.tensor1d([1, 2]), reference: { wanted } });
      const report = agent.update();
      expect(Object.keys(report)).toContain('guidanceLoss');
      tf.dispose([report, decision]);
    }
    expect([...agent.act(state).action.action.dataSync()]).toEqual([2, 0]);
    dispose();
  });
});

/** The loss of a linear policy and value in float64, and what it is told of each row. */
interface Row {
  state: number[];
  action: number;
  advantage: number;
  target: number;
}

const softmax = (z: number[]) => {
  const total = z.reduce((sum, x) => sum + Math.exp(x), 0);
  return z.map((x) => Math.exp(x) / total);
};
/** Parameters in a row: policy kernel [2, 2] and bias [2], value kernel [2] and bias. */
const logitsOf = (p: number[], [x, y]: number[]) => [0, 1].map((a) => x * p[a] + y * p[2 + a] + p[4 + a]);
const valueOf = (p: number[], [x, y]: number[]) => x * p[6] + y * p[7] + p[8];

describeEachBackend('one step of a policy and a value that are one network', () => {
  const shape: NetworkShape = { observationShape: [2], space: discrete(2), hidden: [] };
  const [gamma, lambda, beta, rate, norm, share] = [0.9, 0.7, 0.02, 0.3, 0.5, 0.25];
  // Two copies, three steps: the first ends at its second step and waits, the second is cut off at its last.
  const states = [
    [[1, 0], [0.5, 1]],
    [[0, 1], [1, 1]],
    [[2, 2], [0, -1]],
  ]; // prettier-ignore
  const after = [[0.3, 0.7], [-1, 0.5]]; // prettier-ignore
  const rewards = [[1, 2], [-3, 0.5], [50, 4]]; // prettier-ignore
  const terminated = [[0, 0], [1, 0], [0, 0]]; // prettier-ignore
  const truncated = [[0, 0], [0, 0], [0, 1]]; // prettier-ignore
  const mask = [[1, 1], [1, 1], [0, 1]]; // prettier-ignore
  const nextStates = [states[1], states[2].map((s, b) => (b === 0 ? after[0] : s)), after];

  /** Σ (γλ)^l δ, and the same over rewards alone. */
  const sums = (t: number, b: number, lambda: number, value: (s: number[]) => number): number => {
    const goesOn = 1 - terminated[t][b];
    const delta = rewards[t][b] + gamma * goesOn * value(nextStates[t][b]) - value(states[t][b]);
    if (terminated[t][b] || truncated[t][b] || t === 2) return delta;
    return delta + gamma * lambda * sums(t + 1, b, lambda, value);
  };
  const standardized = (values: number[]) => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    return values.map((v) => (v - mean) / deviation);
  };
  const rowsThatCount = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 1]]; // prettier-ignore

  const cases: [string, Record<string, unknown>, boolean, (p: number[]) => number[], number[] | undefined][] = [
    [
      'ppo',
      { lambda, discount: gamma, epochs: 1 },
      true,
      (p) => standardized(rowsThatCount.map(([t, b]) => sums(t, b, lambda, (s) => valueOf(p, s)))),
      undefined,
    ],
    [
      'reinforce',
      { discount: gamma, normalize: 'none' },
      true,
      (p) => rowsThatCount.map(([t, b]) => sums(t, b, 1, (s) => valueOf(p, s))),
      undefined,
    ],
    [
      'reinforce',
      { discount: gamma, normalize: 'none', baseline: 'none' },
      false,
      () => rowsThatCount.map(([t, b]) => sums(t, b, 1, () => 0)),
      undefined,
    ],
    // Returns 1 − 3 and 2 + 0.5 + 4, a group of two.
    ['grpo', { steps: 1 }, false, () => rowsThatCount.map(([, b]) => (b === 0 ? -1 : 1)), undefined],
  ];

  it.each(cases)(
    '%s, %j, is the clipped gradient of the loss written out',
    async (use, options, hasValue, advantages) => {
      for (const guided of [false, true]) {
        const guidance = guided
          ? {
              share,
              perSample: ({ logits }: { logits?: tf.Tensor2D }, { at }: Record<string, tf.Tensor>) =>
                logits!.sub(at).square().sum<tf.Tensor1D>(1),
            }
          : undefined;
        const { agent, dispose } = await createAgentWith(
          {
            ...{ use, entropyCoefficient: beta, maxGradientNorm: norm, ...options },
            optimizer: { use: 'sgd', learningRate: rate, momentum: 0, weightDecay: 0 },
          },
          shape,
          { guidance },
        );
        const keys = ['policy/kernel', 'policy/bias', 'critic/kernel', 'critic/bias'];
        const read = () => keys.flatMap((key) => [...agent.variables[`policy/${key}`].dataSync()]);
        const before = read();
        const taken: number[][] = [];
        for (let t = 0; t < 3; t++) {
          const state = tf.tensor2d(states[t]);
          const decision = explore(agent, state);
          taken.push([...decision.action.action.dataSync()]);
          agent.observe({
            ...decision,
            state,
            reward: tf.tensor1d(rewards[t]),
            nextState: tf.tensor2d(nextStates[t]),
            terminated: tf.tensor1d(terminated[t]),
            truncated: tf.tensor1d(truncated[t]),
            mask: tf.tensor1d(mask[t]),
            ...(guided && { reference: { at: tf.tensor2d(states[t]) } }),
          });
        }
        tf.dispose(agent.update());

        const advantage = advantages(before);
        const rows: Row[] = rowsThatCount.map(([t, b], i) => ({
          state: states[t][b],
          action: taken[t][b],
          advantage: advantage[i],
          target: sums(t, b, use === 'ppo' ? lambda : 1, (s) => valueOf(before, s)) + valueOf(before, states[t][b]),
        }));
        const loss = (p: number[]) => {
          const own = rows.map(({ state, action, advantage, target }) => {
            const probability = softmax(logitsOf(p, state));
            const old = softmax(logitsOf(before, state))[action];
            const entropy = -probability.reduce((sum, x) => sum + x * Math.log(x), 0);
            // Of −A log π and of −A π / π_old the gradient is the same here.
            const value = hasValue ? 0.5 * 0.5 * (valueOf(p, state) - target) ** 2 : 0;
            return (-advantage * probability[action]) / old - beta * entropy + value;
          });
          const guide = rows.map(({ state }) => logitsOf(p, state).reduce((sum, z, i) => sum + (z - state[i]) ** 2, 0));
          const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
          return guided ? (1 - share) * mean(own) + share * mean(guide) : mean(own);
        };
        const gradient = numericalGradient(loss, before);
        const length = Math.hypot(...gradient);
        const factor = Math.min(1, norm / length);
        await expectClose(
          read(),
          before.map((p, i) => p - rate * factor * gradient[i]),
          { absolute: 2e-5, relative: 1e-4 },
        );
        dispose();
      }
    },
  );
});

describeEachBackend('unrolled over time', () => {
  const memorySize = 2;
  const actions = { action: discrete(2) };
  const shape: NetworkShape = {
    observationShape: [2],
    space: actions.action,
    hidden: [],
    memory: memorySize,
    value: true,
  };
  // Two sequences of three steps, one row each: the first forgets after its second step.
  const state = [[1, 0], [0.5, -1], [-0.3, 0.8], [0.2, 0.4], [2, 1], [-1, 1]]; // prettier-ignore
  const ended = [0, 0, 1, 0, 0, 0];
  const memory = [[0.1, -0.4], [0.7, 0.2]]; // prettier-ignore
  const weight = [[1, -2], [0.3, 1], [0.5, 0.1], [2, 1], [-1, 0.7], [1.5, -0.2]]; // prettier-ignore

  it('gradients are those of the recurrence written out, memory starting anew where an episode ended', async () => {
    const given = createNetwork(shape);
    const network = givenPolicyNetwork(given, { actions, path: 'agent' });
    const keys = ['memory-cell/kernel', 'memory-cell/bias', 'policy/kernel', 'policy/bias'];
    const sizes = keys.map((key) => network.variables[key].size);
    const parameters = keys.flatMap((key) => [...network.variables[key].dataSync()]);
    const loss = (flat: number[]): number => {
      let at = 0;
      const [cell, cellBias, out, outBias] = sizes.map((size) => flat.slice(at, (at += size)));
      let sum = 0;
      for (let sequence = 0; sequence < 2; sequence++) {
        let remembered = memory[sequence];
        for (let t = 0; t < 3; t++) {
          const row = 2 * t + sequence;
          const inputs = [...state[row], ...remembered];
          const hidden = [0, 1].map((j) =>
            Math.tanh(inputs.reduce((total, x, i) => total + x * cell[2 * i + j], cellBias[j])),
          );
          for (const a of [0, 1]) {
            const logit = hidden.reduce((total, x, i) => total + x * out[2 * i + a], outBias[a]);
            sum += weight[row][a] * logit ** 2;
          }
          remembered = ended[row] ? [0, 0] : hidden;
        }
      }
      return sum;
    };
    const rows = { state: tf.tensor2d(state), ended: tf.tensor1d(ended), memory: tf.tensor2d(memory) };
    const variables = keys.map((key) => network.variables[key]);
    const { value, grads } = tf.variableGrads(
      () => unroll(network, rows).heads.action.square().mul(weight).sum<tf.Scalar>(),
      variables,
    );
    await expectClose(value, [loss(parameters)]);
    const gradient = variables.flatMap(({ name }) => [...grads[name].dataSync()]);
    await expectClose(gradient, numericalGradient(loss, parameters), { absolute: 1e-4, relative: 1e-3 });
    given.dispose();
  });
});

describe('agents with a network refuse', () => {
  const small: NetworkShape = { observationShape: [2], space: discrete(2) };

  it('one whose outputs do not fit the action, saying what it offers', () => {
    const network = createNetwork(small);
    const fit = (actions: Parameters<typeof givenPolicyNetwork>[1]['actions']) => () =>
      givenPolicyNetwork(network, { actions, path: 'agent' });
    expect(fit({ action: discrete(3) })).toThrow(
      /must offer logits \[B, 3\].*it offers logits \[B, 2\], value \[B, 1\]/,
    );
    expect(fit({ action: box([0], [1]) })).toThrow(/must offer mean \[B, 1\]/);
    network.dispose();
  });

  it.each([
    ['ppo', discrete(2)],
    ['pg', simplex(2)],
    ['grpo', simplex(2)],
  ])('guidance without one: %s', async (use, space) => {
    const guidance = { share: 0.5, perSample: () => tf.zeros<tf.Rank.R1>([1]) };
    const created = createAgent({ use }, { stateSize: 2, actions: { move: space }, guidance });
    await expect(created).rejects.toThrow(/guidance is of a network that was given/);
  });

  it('steps where grpo compares episodes, and other copies than those that are remembered', async () => {
    const { agent, dispose } = await createAgentWith({ use: 'grpo' }, remembering);
    const state = tf.zeros([2, 2]) as tf.Tensor2D;
    agent.observe({ state, ...explore(agent, state), reward: tf.zeros([2]), nextState: state });
    expect(() => agent.update()).toThrow(/grpo compares whole episodes/);
    expect(() => agent.act(tf.zeros([3, 2]))).toThrow(/acts in 2 copies, not in 3/);
    dispose();
  });
});
