import { box, discrete, type HostTensor, isHostTensor, Seeds, simplex, type StateTree } from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { createAgent } from './test-support/setup.js';
import { createBandit, discreteActions, playRound, rewards, simplexActions } from './test-support/bandit.js';

const bandit = createBandit(rewards);
const { stateSize } = bandit;
const small = { hidden: [8], batchSize: 8 };
const agents = [
  ['pg, exact', { use: 'pg', ...small }, simplexActions],
  ['pg, sampled', { use: 'pg', gradient: 'sampled', ...small }, simplexActions],
  ['pg, discrete', { use: 'pg', baseline: 'mean', ...small }, discreteActions],
  ['ppo', { use: 'ppo', ...small }, simplexActions],
  ['ppo, Dirichlet', { use: 'ppo', distribution: 'dirichlet', ...small }, simplexActions],
  ['ppo, discrete', { use: 'ppo', normalizeState: false, ...small }, discreteActions],
  ['grpo', { use: 'grpo', groupSize: 3, ...small }, simplexActions],
  ['dpg', { use: 'dpg', ...small }, simplexActions],
  ['ddpg', { use: 'ddpg', capacity: 20, ...small }, simplexActions],
] as const;

/** Every number of a state, in order. */
function flatten(state: StateTree): unknown[] {
  if (isHostTensor(state)) return [...(state as HostTensor).shape, ...(state as HostTensor).data];
  if (typeof state === 'object' && state !== null) {
    return Object.entries(state).flatMap(([key, value]) => [key, ...flatten(value as StateTree)]);
  }
  return [state];
}

describeEachBackend('every agent', () => {
  describe.each(agents)('%s', (_, reference, actions) => {
    const create = (seed?: number) => createAgent(reference, { stateSize, actions }, seed);
    const play = (
      agent: Awaited<ReturnType<typeof create>>['agent'],
      random = new Seeds(7).stream('x'),
      rounds = 3,
    ) => {
      for (let i = 0; i < rounds; i++)
        tf.dispose(playRound(agent, bandit, random, { size: i === 1 ? 5 : 12, update: i !== 1 }));
    };

    it('acts within its spaces, uniformly at first', async () => {
      const { agent } = await create();
      const state = bandit.states(5, new Seeds(1).stream('x')).state;
      const noise = Object.fromEntries(Object.entries(agent.noise(5)).map(([name, x]) => [name, toTensor(x)]));
      for (const decision of [agent.act(state), agent.act(state, noise)]) {
        for (const [head, action] of Object.entries(decision.action)) {
          const space = (actions as typeof simplexActions)[head as 'logit'];
          if ((space.kind as string) === 'simplex') {
            expect(action.shape).toEqual([5, 3]);
            await expectClose(action.sum(1), [1, 1, 1, 1, 1]);
          } else {
            expect([action.shape, action.dtype]).toEqual([[5], 'int32']);
          }
        }
      }
      if (actions === simplexActions)
        await expectClose(agent.act(state).action.logit, new Array<number>(15).fill(1 / 3));
      agent.dispose();
    });

    it('holds no more tensors than it says, whatever the batches', async () => {
      const { agent } = await create();
      const random = new Seeds(7).stream('x');
      play(agent, random);
      const others = tf.memory().numTensors - agent.memoryTensors;
      play(agent, random, 4);
      tf.dispose(playRound(agent, bandit, random, { size: 5, update: false }));
      expect(tf.memory().numTensors - agent.memoryTensors).toBe(others);
      agent.dispose();
    });

    it('gives all its tensors back', async () => {
      const before = tf.memory().numTensors;
      const { agent } = await create();
      play(agent);
      play(agent, undefined, 2);
      agent.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    it('is a function of its seed', async () => {
      const states: unknown[][] = [];
      for (const seed of [1, 1, 2]) {
        const { agent } = await create(seed);
        play(agent);
        states.push(flatten(await agent.save()));
        agent.dispose();
      }
      expect(states[1]).toEqual(states[0]);
      expect(states[2]).not.toEqual(states[0]);
    });

    it('goes on bit for bit from a saved state, with experience it has not learned from', async () => {
      const whole = await create();
      const random = new Seeds(7).stream('x');
      play(whole.agent, random);
      tf.dispose(playRound(whole.agent, bandit, random, { size: 6, update: false }));
      const [state, positions, place] = [await whole.agent.save(), whole.seeds.save(), random.save()];
      play(whole.agent, random);
      const expected = flatten(await whole.agent.save());

      const resumed = await create();
      play(resumed.agent, new Seeds(8).stream('x'), 2);
      await resumed.agent.load(state);
      resumed.seeds.load(positions);
      expect(flatten(await resumed.agent.save())).toEqual(flatten(state));
      const again = new Seeds(7).stream('x');
      again.load(place);
      play(resumed.agent, again);
      expect(flatten(await resumed.agent.save())).toEqual(expected);
      whole.agent.dispose();
      resumed.agent.dispose();
    });

    it('learns nothing from nothing, and moves once it has seen something', async () => {
      const { agent } = await create();
      expect(agent.update()).toEqual({});
      const before = flatten(await agent.save());
      play(agent);
      expect(flatten(await agent.save())).not.toEqual(before);
      const report = playRound(agent, bandit, new Seeds(9).stream('x'));
      for (const value of Object.values(report)) {
        expect(value.shape).toEqual([]);
        expect(Number.isFinite((await value.data())[0])).toBe(true);
      }
      tf.dispose(report);
      agent.dispose();
    });
  });

  it('ppo learns with the policy that acted: no divergence in its first step, normalization included', async () => {
    const { agent } = await createAgent({ use: 'ppo', epochs: 1 }, { stateSize, actions: simplexActions });
    const random = new Seeds(7).stream('x');
    for (let round = 0; round < 4; round++) {
      const report = playRound(agent, bandit, random, { size: 32 });
      await expectClose(report.divergence, [0], { absolute: 1e-6 });
      tf.dispose(report);
    }
    agent.dispose();
  });

  it.each(['pg', 'ppo', 'grpo', 'dpg', 'ddpg'])('%s with one component always gives it weight 1', async (use) => {
    const { agent } = await createAgent({ use }, { stateSize: 2, actions: { logit: simplex(1) } });
    const state = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 7],
    ]);
    for (let i = 0; i < 2; i++) {
      const noise = Object.fromEntries(Object.entries(agent.noise(3)).map(([name, x]) => [name, toTensor(x)]));
      const decision = agent.act(state, noise);
      await expectClose(decision.action.logit, [1, 1, 1]);
      agent.observe({
        state,
        ...decision,
        reward: tf.tensor1d([1, 2, 3]),
        componentReward: { logit: tf.tensor2d([[1], [2], [3]]) },
      });
      tf.dispose(agent.update());
    }
    await expectClose(agent.act(state).action.logit, [1, 1, 1]);
    agent.dispose();
  });

  it('pg moves weights alike when components change places', async () => {
    const weights: tf.Tensor[] = [];
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const permuted = createBandit(rewards.map((row) => order.map((m) => row[m])));
      const { agent } = await createAgent({ use: 'pg' }, { stateSize, actions: { logit: simplex(3) } });
      for (let i = 0; i < 5; i++) tf.dispose(playRound(agent, permuted, new Seeds(3).stream('x')));
      const { state } = permuted.states(16, new Seeds(4).stream('x'));
      weights.push(agent.act(state).action.logit);
      agent.dispose();
    }
    await expectClose(weights[1], tf.gather(weights[0], [2, 0, 1], 1), { absolute: 1e-5 });
  });
});

describe('agents refuse', () => {
  it.each(['dpg', 'ddpg'])('discrete actions for %s, naming those that take them', async (use) => {
    const created = createAgent({ use }, { stateSize: 2, actions: { move: discrete(2) } });
    await expect(created).rejects.toMatchObject({
      message: expect.stringMatching(/d?dpg.*discrete.*move/),
      hints: ['use pg or ppo'],
    });
  });

  it('the exact gradient without the rewards of components, or of other actions', async () => {
    const { agent } = await createAgent({ use: 'pg' }, { stateSize: 2, actions: { logit: simplex(2) } });
    const state = tf.zeros([3, 2]) as tf.Tensor2D;
    expect(() => agent.observe({ state, ...agent.act(state), reward: tf.zeros([3]) })).toThrow(/component of "logit"/);
    agent.dispose();
    const other = createAgent({ use: 'pg', gradient: 'exact' }, { stateSize: 2, actions: { move: box([0], [1]) } });
    await expect(other).rejects.toThrow(/"move" is box/);
  });

  it('a distribution that does not fit the action', async () => {
    const created = createAgent(
      { use: 'ppo', distribution: 'gaussian' },
      { stateSize: 2, actions: { logit: simplex(2) } },
    );
    await expect(created).rejects.toThrow(/gaussian needs a box action, not simplex/);
  });
});
