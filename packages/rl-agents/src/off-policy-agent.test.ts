import {
  box,
  discrete,
  type Guidance,
  type HostTensor,
  isHostTensor,
  Seeds,
  simplex,
  type StateTree,
} from '@retort/core';
import { setObservationMoments, toTensor } from '@retort/nn';
import { describeEachBackend, held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { actingNetwork } from './test-support/acting-network.js';
import { createAgent } from './test-support/setup.js';

const copies = 3;
const small = { batchSize: 4, capacity: 20, learningStarts: 8 };
const choice = discrete(2);
const force = box([-1], [3]);
const agents = [
  ['dqn', { use: 'dqn', nStep: 3, targetEvery: 2, ...small }, choice],
  ['dqn, half a step, soft target', { use: 'dqn', targetRate: 0.1, updatesPerStep: 0.5, ...small }, choice],
  ['td3', { use: 'td3', hidden: [4], ...small }, force],
  ['ddpg', { use: 'ddpg', hidden: [4], updates: 2, ...small }, force],
] as const;

/** Every number of a state, in order. */
function flatten(state: StateTree): unknown[] {
  if (isHostTensor(state)) return [...(state as HostTensor).shape, ...(state as HostTensor).data];
  if (typeof state === 'object' && state !== null) {
    return Object.entries(state).flatMap(([key, value]) => [key, ...flatten(value as StateTree)]);
  }
  return [state];
}

describeEachBackend('agents with a replay of an environment', () => {
  describe.each(agents)('%s', (_, reference, space) => {
    const output = space.kind === 'discrete' ? 'logits' : 'mean';
    const make = async (seed?: number) => {
      const network = actingNetwork(output, space.kind === 'discrete' ? space.size : 1, { normalize: true });
      const given = { stateSize: 2, actions: { action: space }, network };
      return { network, ...(await createAgent(reference, given, seed)), random: new Seeds(7).stream('x') };
    };
    type Made = Awaited<ReturnType<typeof make>>;
    const dispose = ({ agent, network }: Made) => {
      agent.dispose();
      network.dispose();
    };
    /** Steps of copies whose episodes end now and then, and an update after every second one. */
    const play = ({ agent, network, random }: Made, steps: number) => {
      for (let t = 0; t < steps; t++) {
        const numbers = random.fill(new Float32Array(copies * 7), 'normal');
        tf.tidy(() => {
          const column = (i: number, width: number) =>
            tf.tensor2d(numbers.slice(i * copies, (i + width) * copies), [copies, width]);
          const flags = (i: number) => column(i, 1).as1D().greater(1).toFloat() as tf.Tensor1D;
          const state = column(0, 2);
          const noise = Object.fromEntries(Object.entries(agent.noise(copies)).map(([name, x]) => [name, toTensor(x)]));
          const { action } = agent.act(state, noise);
          const reward = column(4, 1).as1D();
          agent.observe({ state, action, reward, nextState: column(2, 2), terminated: flags(5), truncated: flags(6) });
        });
        if (t % 2 === 0) continue;
        tf.dispose(agent.update());
        const moments = { mean: Float32Array.of(0.1 * t, 1), variance: Float32Array.of(1, 1 + t) };
        setObservationMoments(network.student, moments);
      }
    };

    it('goes on bit for bit from a saved state', async () => {
      const whole = await make();
      play(whole, 9);
      const [state, positions, place] = [await whole.agent.save(), whole.seeds.save(), whole.random.save()];
      play(whole, 6);
      const expected = flatten(await whole.agent.save());

      const resumed = await make();
      play(resumed, 4);
      await resumed.agent.load(state);
      resumed.seeds.load(positions);
      resumed.random.load(place);
      expect(flatten(await resumed.agent.save())).toEqual(flatten(state));
      play(resumed, 6);
      expect(flatten(await resumed.agent.save())).toEqual(expected);
      for (const made of [whole, resumed]) dispose(made);
    });

    it('is a function of its seed', async () => {
      const states: unknown[][] = [];
      for (const seed of [1, 1, 2]) {
        const made = await make(seed);
        play(made, 6);
        states.push(flatten(await made.agent.save()));
        dispose(made);
      }
      expect(states[1]).toEqual(states[0]);
      expect(states[2]).not.toEqual(states[0]);
    });

    it('holds no tensors of experience, and gives all of its own back', async () => {
      const before = held();
      const made = await make();
      play(made, 8);
      const { tensors } = held();
      play(made, 8);
      expect([held().tensors, made.agent.memoryTensors]).toEqual([tensors, 0]);
      dispose(made);
      expect(held()).toEqual(before);
    });

    it('learns nothing before it is to start, and then as many steps as it is told', async () => {
      const made = await make();
      const { agent } = made;
      const steps = () => {
        const key = Object.keys(agent.variables).find((name) => /^(network|critic)\/step$/.test(name))!;
        return agent.variables[key].dataSync()[0];
      };
      play(made, 2);
      expect([steps(), agent.update()]).toEqual([0, {}]);
      play(made, 8);
      const { updatesPerStep = 1, updates = updatesPerStep } = reference as {
        updatesPerStep?: number;
        updates?: number;
      };
      // 8 transitions are there at the third step of 3 copies; the last update is after the tenth.
      expect(steps()).toBe(8 * updates);
      dispose(made);
    });
  });
});

describe('agents with a replay refuse', () => {
  const guidance: Guidance = { share: 0.5, perSample: (output) => output.logits!.sum(1) };
  const network = () => actingNetwork('logits', 2);
  const given = (actions: Record<string, typeof choice>) => ({ stateSize: 2, actions });

  it.each([
    ['dqn', force, /dqn takes discrete actions.*"action" is box/, 'use ddpg or td3, or ppo'],
    ['dqn', simplex(3), /"action" is simplex/, 'for weights of teachers: pg, ppo, grpo, dpg or ddpg'],
    ['td3', choice, /td3 takes actions of a box.*"action" is discrete/, 'use dqn, or ppo'],
    ['td3', simplex(3), /"action" is simplex/, 'for weights of teachers: pg, ppo, grpo, dpg or ddpg'],
  ])('%s actions that are not theirs', async (use, space, message, hint) => {
    const own = network();
    const created = createAgent({ use }, { ...given({ action: space }), network: own });
    await expect(created).rejects.toMatchObject({ message: expect.stringMatching(message), hints: [hint] });
    own.dispose();
  });

  it.each([
    ['dqn', choice],
    ['td3', force],
  ])('to make networks of their own: %s', async (use, space) => {
    await expect(createAgent({ use }, given({ action: space }))).rejects.toThrow(`${use} trains the network of a run`);
  });

  it('to make networks beside the one they are given: dpg', async () => {
    const own = network();
    const created = createAgent({ use: 'dpg' }, { ...given({ action: force }), network: own });
    await expect(created).rejects.toThrow('dpg learns with networks of its own');
    own.dispose();
  });

  it.each([
    ['dqn', choice],
    ['td3', force],
    ['ddpg', force],
    ['dpg', force],
  ])('guidance, naming those that take it: %s', async (use, space) => {
    const own = network();
    const created = createAgent({ use }, { ...given({ action: space }), network: own, guidance });
    await expect(created).rejects.toMatchObject({ hints: ['pg, reinforce, ppo and grpo can'] });
    own.dispose();
  });

  it('networks that remember', async () => {
    const own = actingNetwork('logits', 2, { memory: true });
    const created = createAgent({ use: 'dqn' }, { ...given({ action: choice }), network: own });
    await expect(created).rejects.toThrow('dqn learns from single transitions');
    own.dispose();
  });
});
