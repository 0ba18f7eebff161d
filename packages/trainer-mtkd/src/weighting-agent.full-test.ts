import { createWeighting, generatorOf, logitsOf, step, viewOf } from './test-support/agent-weighting.js';
import { useBackend } from '@retort-tools/testing';

/** Every kind of agent, where the weighting asks it for something else than a softmax over the teachers. */
const agents: [string, object][] = [
  ['pg', { use: 'pg', hidden: [] }],
  ['pg with sampled weights', { use: 'pg', gradient: 'sampled', hidden: [], distribution: 'dirichlet' }],
  ['ppo', { use: 'ppo', hidden: [] }],
  ['ppo on the simplex', { use: 'ppo', hidden: [], distribution: 'dirichlet' }],
  ['grpo', { use: 'grpo', hidden: [] }],
  ['dpg', { use: 'dpg', hidden: [8] }],
  ['ddpg', { use: 'ddpg', hidden: [8], capacity: 64 }],
];
const faster = { optimizer: { use: 'adamw', learningRate: 0.1 } };
const sum = (row: number[]) => row.reduce((a, b) => a + b);

beforeAll(() => useBackend('wasm'));

describe.each(agents)('%s', (_, agent) => {
  it('one for each teacher, finds who earns', async () => {
    const options = {
      agents: 'per-teacher',
      gammas: { generator: 1, confidence: 0, divergence: 0 },
      reward: { use: 'given', rows: [[1, 0, -1]] },
    };
    const { weighting, dispose } = await createWeighting(3, options, { ...faster, ...agent }, ['logit', 'feature']);
    const view = viewOf(32, 3, logitsOf(32));
    for (let i = 0; i < 30; i++) step(weighting, view);
    for (const head of ['logit', 'feature'] as const) {
      const learned = await generatorOf(weighting, view, head);
      expect(sum(learned)).toBeCloseTo(1, 5);
      expect(learned[0]).toBeGreaterThan(learned[2] + 0.1);
    }
    await dispose();
  });

  it('gives the null teacher what harms, and not what helps', async () => {
    const learned = async (rows: number[][]) => {
      const { weighting, dispose } = await createWeighting(
        2,
        { reward: { use: 'given', rows }, nullTeacher: true },
        { entropyCoefficient: 0, ...faster, ...agent },
      );
      const view = viewOf(32, 2);
      for (let i = 0; i < 40; i++) step(weighting, view);
      const weights = await generatorOf(weighting, view);
      await dispose();
      return sum(weights);
    };
    expect(await learned([[-1, -2]])).toBeLessThan(0.4);
    expect(await learned([[2, 1]])).toBeGreaterThan(0.75);
  });
});
