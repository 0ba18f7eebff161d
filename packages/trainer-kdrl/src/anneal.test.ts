import { loadVariables, saveVariables } from '@retort/nn';
import { describeEachBackend, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { type Anneal, annealOptions, createAnneal, stageWeights } from './anneal.js';

const anneal = (options: object, steps = 11) => createAnneal(annealOptions.parse(options), steps, 'trainer.anneal');
const lambdaOf = (given: Anneal, step = 0) => tf.tidy(() => given.lambda(tf.scalar(given.byTime(step))).dataSync()[0]);
const observe = (given: Anneal, ...rewards: number[]) => {
  for (const reward of rewards) tf.tidy(() => given.observe(tf.scalar(reward)));
};

describe('annealing by time', () => {
  it.each([
    ['linear', [1, 0.775, 0.55, 0.1]],
    ['cosine', [1, 0.1 + (0.9 * (1 + Math.SQRT1_2)) / 2, 0.55, 0.1]],
    ['exponential', [1, 10 ** -0.25, 10 ** -0.5, 0.1]],
  ])('%s falls from 1 to 0.1 between first and last step', (schedule, expected) => {
    const { byTime } = anneal({ schedule }, 9);
    [0, 2, 4, 8].forEach((step, i) => expect(byTime(step)).toBeCloseTo(expected[i], 12));
    // The steps of a stage that was made longer, and a stage of one step.
    expect(byTime(100)).toBeCloseTo(0.1, 12);
    expect(anneal({ schedule }, 1).byTime(0)).toBe(1);
  });

  it('refuses a λ that rises, and an exponential to 0', () => {
    expect(() => anneal({ from: 0.2, to: 0.5 })).toThrow('trainer.anneal: λ falls');
    expect(() => anneal({ schedule: 'exponential', to: 0 })).toThrow('an exponential never comes to 0');
    expect(anneal({ schedule: 'exponential', from: 0.5, to: 0.5 }).byTime(3)).toBe(0.5);
  });
});

describeEachBackend('annealing', () => {
  it('reward-adaptive follows the reward towards its target and never goes back', () => {
    const given = anneal({ schedule: 'reward-adaptive', from: 1, to: 0.2, target: 0.8, memory: 0.5 });
    expect(lambdaOf(given, 7)).toBe(1);
    observe(given, 0.4);
    expect(lambdaOf(given, 7)).toBe(1);
    observe(given, 0.6); // mean 0.5: a quarter of the way
    expect(lambdaOf(given)).toBeCloseTo(0.8, 5);
    observe(given, 0, NaN); // mean 0.25
    expect(lambdaOf(given)).toBeCloseTo(0.8, 5);
    observe(given, 0.95); // mean 0.6: half of it
    expect(lambdaOf(given)).toBeCloseTo(0.6, 5);
    observe(given, 5);
    expect(lambdaOf(given)).toBeCloseTo(0.2, 5);
    given.dispose();
  });

  it('reward-adaptive is at its end when the first reward is', () => {
    const given = anneal({ schedule: 'reward-adaptive', target: 0.5 });
    observe(given, 0.5);
    expect(lambdaOf(given)).toBeCloseTo(0.1, 6);
    given.dispose();
  });

  it('goes on from what was saved, bit for bit', async () => {
    const options = { schedule: 'reward-adaptive', target: 0.7 };
    const [whole, part, resumed] = [anneal(options), anneal(options), anneal(options)];
    const rewards = [0.1, 0.35, 0.2, 0.45, 0.5];
    observe(whole, ...rewards);
    observe(part, ...rewards.slice(0, 2));
    loadVariables(resumed.variables, await saveVariables(part.variables), 'anneal');
    observe(resumed, ...rewards.slice(2));
    expect(lambdaOf(resumed)).toBe(lambdaOf(whole));
    expect(await saveVariables(resumed.variables)).toEqual(await saveVariables(whole.variables));
    for (const each of [whole, part, resumed]) each.dispose();
  });

  it('multiplies the terms that are annealed, and the rewards with the rest', () => {
    const weights = (terms: 'both' | 'task' | 'kd') =>
      tf.tidy(() => Object.values(stageWeights(tf.scalar(0.25), terms)).map((x: tf.Scalar) => x.dataSync()[0]));
    expect(weights('both')).toEqual([0.25, 0.25, 0.75]);
    expect(weights('task')).toEqual([0.25, 1, 0.75]);
    expect(weights('kd')).toEqual([1, 0.25, 0.75]);
  });

  it('leaves no tensors', async () => {
    await expectNoLeak(() => {
      const given = anneal({ schedule: 'reward-adaptive' });
      observe(given, 1, 2);
      lambdaOf(given);
      given.dispose();
    });
  });
});
