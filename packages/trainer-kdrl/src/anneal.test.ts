import { annealOptions, createAnneal, stageWeights } from './anneal.js';

const anneal = (options: object, steps = 11) => createAnneal(annealOptions.parse(options), steps, 'trainer.anneal');

describe('anneal', () => {
  it.each([
    ['linear', [1, 0.775, 0.55, 0.1]],
    ['cosine', [1, 0.1 + (0.9 * (1 + Math.SQRT1_2)) / 2, 0.55, 0.1]],
    ['exponential', [1, 10 ** -0.25, 10 ** -0.5, 0.1]],
  ])('%s falls from 1 to 0.1 between first and last step', (schedule, expected) => {
    const { lambda } = anneal({ schedule }, 9);
    [0, 2, 4, 8].forEach((step, i) => expect(lambda(step)).toBeCloseTo(expected[i], 12));
    // The steps of a stage that was made longer, and a stage of one step.
    expect(lambda(100)).toBeCloseTo(0.1, 12);
    expect(anneal({ schedule }, 1).lambda(0)).toBe(1);
  });

  it('reward-adaptive follows the reward towards its target and never goes back', () => {
    const given = anneal({ schedule: 'reward-adaptive', from: 1, to: 0.2, target: 0.8, memory: 0.5 });
    expect(given.lambda(7)).toBe(1);
    given.observe(0.4);
    expect(given.lambda(7)).toBe(1);
    given.observe(0.6); // mean 0.5: a quarter of the way
    expect(given.lambda(0)).toBeCloseTo(0.8, 12);
    given.observe(0); // mean 0.25
    given.observe(NaN);
    expect(given.lambda(0)).toBeCloseTo(0.8, 12);
    given.observe(0.95); // mean 0.6: half of it
    expect(given.lambda(0)).toBeCloseTo(0.6, 12);
    given.observe(5);
    expect(given.lambda(0)).toBeCloseTo(0.2, 12);
  });

  it('reward-adaptive is at its end when the first reward is', () => {
    const given = anneal({ schedule: 'reward-adaptive', target: 0.5 });
    given.observe(0.5);
    expect(given.lambda(0)).toBeCloseTo(0.1, 12);
  });

  it('goes on from what was saved, bit for bit', async () => {
    const options = { schedule: 'reward-adaptive', target: 0.7 };
    const [whole, part] = [anneal(options), anneal(options)];
    const rewards = [0.1, 0.35, 0.2, 0.45, 0.5];
    await part.load(await part.save());
    for (const reward of rewards) whole.observe(reward);
    for (const reward of rewards.slice(0, 2)) part.observe(reward);
    const resumed = anneal(options);
    await resumed.load(JSON.parse(JSON.stringify(await part.save())));
    for (const reward of rewards.slice(2)) resumed.observe(reward);
    expect(resumed.lambda(3)).toBe(whole.lambda(3));
    expect(await resumed.save()).toEqual(await whole.save());
  });

  it('refuses a λ that rises, and an exponential to 0', () => {
    expect(() => anneal({ from: 0.2, to: 0.5 })).toThrow('trainer.anneal: λ falls');
    expect(() => anneal({ schedule: 'exponential', to: 0 })).toThrow('an exponential never comes to 0');
    expect(anneal({ schedule: 'exponential', from: 0.5, to: 0.5 }).lambda(3)).toBe(0.5);
  });

  it('multiplies the terms that are annealed, and the rewards with the rest', () => {
    expect(stageWeights(0.25, 'both')).toEqual({ task: 0.25, distillation: 0.25, reward: 0.75 });
    expect(stageWeights(0.25, 'task')).toEqual({ task: 0.25, distillation: 1, reward: 0.75 });
    expect(stageWeights(0.25, 'kd')).toEqual({ task: 1, distillation: 0.25, reward: 0.75 });
  });
});
