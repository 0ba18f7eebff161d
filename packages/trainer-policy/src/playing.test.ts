import { InputError, Random, RunError } from '@retort/core';
import { forward, setObservationMoments } from '@retort/nn';
import { describeEachBackend, expectClose, held } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { checkActs } from './compose-acting.js';
import { episodeMetrics, playEpisodes } from './evaluate-policy.js';
import { createObservationMoments } from './observation-moments.js';
import { createPolicyPlayer } from './policy-player.js';
import { createRewardScale } from './reward-scale.js';
import { checkSameSpaces } from './save-policy.js';
import { stepEnvironment } from './step-environment.js';
import { createTrainingEpisodes } from './training-episodes.js';
import { counting, environmentOf, studentOf } from './test-support/parts.js';

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

describe('moments of observations', () => {
  const rows = Float64Array.from({ length: 30 }, (_, i) => 1000 + Math.sin(i) * (i % 3));

  it('merged piece by piece are those of all rows, masked ones left out, also far from zero', () => {
    const moments = createObservationMoments(3);
    moments.absorb(rows.subarray(0, 6));
    moments.absorb(rows.subarray(6, 30), [1, 1, 0, 1, 1, 1, 1, 1]);
    const kept = Array.from({ length: 10 }, (_, row) => row).filter((row) => row !== 4);
    for (let i = 0; i < 3; i++) {
      const column = kept.map((row) => rows[row * 3 + i]);
      const mean = sum(column) / 9;
      expect(moments.mean[i]).toBeCloseTo(mean, 10);
      expect(moments.variance()[i]).toBeCloseTo(sum(column.map((x) => (x - mean) ** 2)) / 9, 10);
    }
    expect(moments.count).toBe(9);
  });

  it('come back bit for bit', () => {
    const [one, other] = [createObservationMoments(3), createObservationMoments(3)];
    one.absorb(rows);
    other.load(one.save());
    other.absorb(rows);
    one.absorb(rows);
    expect(other.variance()).toEqual(one.variance());
  });
});

it("rewards are divided by the deviation of their discounted sums, as by Gymnasium's NormalizeReward", () => {
  const scale = createRewardScale(2, 0.9);
  const rewards = [
    [1, -2],
    [3, 0.5],
    [0, 4],
  ];
  const ended = [
    [0, 1],
    [0, 0],
    [1, 0],
  ];
  // Its RunningMeanStd, written out.
  let [mean, variance, count] = [0, 1, 1e-4];
  const sums = [0, 0];
  for (const [t, step] of rewards.entries()) {
    step.forEach((reward, copy) => (sums[copy] = 0.9 * sums[copy] + reward));
    const average = (sums[0] + sums[1]) / 2;
    const spread = ((sums[0] - average) ** 2 + (sums[1] - average) ** 2) / 2;
    const total = count + 2;
    const squares = variance * count + spread * 2 + ((average - mean) ** 2 * count * 2) / total;
    [mean, variance, count] = [mean + ((average - mean) * 2) / total, squares / total, total];
    const scaled = scale.scale(step, ended[t]);
    step.forEach((reward, copy) => expect(scaled[copy]).toBeCloseTo(reward / Math.sqrt(variance + 1e-8), 12));
    ended[t].forEach((end, copy) => (sums[copy] *= 1 - end));
  }
});

describe('an evaluation', () => {
  const nobody = { act: async () => new Int32Array(3), forget: () => {} };

  it('counts one episode of each copy, however short', async () => {
    const environment = counting({ count: 3 }, { reward: (copy) => copy - 1 });
    const episodes = await playEpisodes(environment, nobody);
    expect(episodes.map(({ length }) => length)).toEqual([1, 2, 3]);
    expect(episodes.map((episode) => episode.return)).toEqual([-1, 0, 3]);
    expect(episodeMetrics(episodes, environment)).toEqual({
      return: 2 / 3,
      'return-deviation': Math.sqrt(((5 / 3) ** 2 + (2 / 3) ** 2 + (7 / 3) ** 2) / 2),
      'episode-length': 2,
      success: 1 / 3,
    });
  });

  it('stops at an episode that does not', async () => {
    await expect(playEpisodes(counting({ count: 3 }, { ends: false }), nobody)).rejects.toThrow(
      'environment counting {}: copy 0 goes on after 10 steps, past its time limit',
    );
  });

  it('keeps account of episodes while training, also over a checkpoint', () => {
    const environment = counting({ count: 2 }, { reward: (copy) => copy });
    const [one, other] = [createTrainingEpisodes(environment), createTrainingEpisodes(environment)];
    const step = () => one.add(environment.step(new Int32Array(2)));
    environment.reset();
    step();
    other.load(one.save());
    for (const episodes of [one, other]) {
      expect(episodes.read()).toMatchObject({ return: 0, 'episode-length': 1, success: 0, episodes: 1, successes: 0 });
    }
    step();
    expect(one.read()).toMatchObject({ return: 1, 'episode-length': 1.5, episodes: 3, successes: 1 });
    expect(one.read()).toEqual({ episodes: 3, successes: 1 });
    expect(one.milestones()).toEqual({ 'first-success': 4 });
    expect(other.milestones()).toEqual({});
    // Copy 1 succeeds every second step.
    for (let i = 2; i < 199; i++) step();
    other.load(one.save());
    expect(other.milestones()).toEqual({ 'first-success': 4 });
    other.add(environment.step(new Int32Array(2)));
    expect(other.milestones()).toEqual({ 'first-success': 4, 'hundredth-success': 400 });
  });
});

describe('a step', () => {
  it.each([
    [Int32Array.of(0, 2), 'action 2 of copy 1 at step 7 is outside its space'],
    [Float32Array.of(NaN, 0), 'action NaN of copy 0 at step 7 is outside its space'],
    [Int32Array.of(0), '1 numbers of actions for 2 copies'],
  ])('refuses actions %p', (actions, message) => {
    const step = () => stepEnvironment(counting({ count: 2 }), actions, 7);
    expect(step).toThrow(InputError);
    expect(step).toThrow(message);
  });

  it('puts what rounding took out of a box back, and no more', async () => {
    const environment = await environmentOf('pendulum', 2);
    environment.reset();
    const actions = Float32Array.of(2.000001, -2);
    stepEnvironment(environment, actions, 0);
    expect(Array.from(actions)).toEqual([2, -2]);
    expect(() => stepEnvironment(environment, Float32Array.of(0, 2.1), 3)).toThrow('of copy 1 at step 3 is outside');
  });

  it('names the copy and the step of an observation or reward that is not a number', () => {
    const nan = { reward: (copy: number, step: number) => (copy === 1 && step === 1 ? NaN : 0) };
    const [rewards, shown] = [counting({ count: 2 }, nan), counting({ count: 2 }, { shows: () => Infinity })];
    expect(() => stepEnvironment(rewards, new Int32Array(2), 5)).toThrow(RunError);
    expect(() => stepEnvironment(rewards, new Int32Array(2), 5)).not.toThrow();
    rewards.reset();
    expect(() => stepEnvironment(rewards, new Int32Array(2), 5)).toThrow('counting {}: copy 1 earned NaN at step 5');
    expect(() => stepEnvironment(shown, new Int32Array(2), 5)).toThrow('copy 0 shows Infinity at step 5');
  });
});

it('names both sides where spaces differ', () => {
  const saved = {
    environment: 'cart-pole {}',
    observationShape: [4],
    actionSpace: { kind: 'discrete', size: 2 } as const,
  };
  const check = () => checkSameSpaces(saved, counting({ count: 1 }), 'teachers[0]');
  expect(check).toThrow('teachers[0] acts between other spaces than the environment');
  try {
    check();
  } catch (error) {
    expect((error as InputError).hints).toEqual([
      'it was made for cart-pole {}: observations [4], 2 actions',
      'here is counting {}: observations [1], 2 actions',
    ]);
  }
});

describeEachBackend('a player', () => {
  it('takes the arg max of logits, the same whatever the other copies show', async () => {
    const environment = await environmentOf('cart-pole', 3);
    const student = await studentOf({ use: 'policy-mlp', hidden: [8] }, environment);
    const before = held();
    const player = createPolicyPlayer(student, environment, { count: 3 });
    const observations = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i) * 3);
    const actions = await player.act(observations);
    const logits = tf.tidy(
      () => forward(student, { state: tf.tensor2d(observations.slice(), [3, 4]) }, { training: false }).logits!,
    );
    const read = await logits.data();
    expect(Array.from(actions)).toEqual([0, 1, 2].map((row) => (read[2 * row + 1] > read[2 * row] ? 1 : 0)));
    logits.dispose();
    player.dispose();
    expect(held()).toEqual(before);
    student.model.dispose();
  });

  it('acts in the middle of the box plus tanh, and normalizes as it is told', async () => {
    const environment = await environmentOf('pendulum', 1);
    const student = await studentOf({ use: 'policy-mlp', hidden: [4] }, environment);
    const player = createPolicyPlayer(student, environment, { count: 1 });
    setObservationMoments(student, { mean: Float32Array.of(1, 0, 2), variance: Float32Array.of(4, 1, 0.25) });
    const [action] = await player.act(Float32Array.of(3, -1, 3));
    setObservationMoments(student, { mean: new Float32Array(3), variance: new Float32Array(3).fill(1) });
    const [same] = await player.act(Float32Array.of(1, -1, 2));
    await expectClose([action], [same]);
    const mean = tf.tidy(() => forward(student, { state: tf.tensor2d([[1, -1, 2]]) }, { training: false }).mean!);
    await expectClose([same], [2 * Math.tanh((await mean.data())[0])]);
    mean.dispose();
    player.dispose();
    student.model.dispose();
  });

  it('remembers, and forgets in the copies whose episode is over', async () => {
    const environment = await environmentOf('t-maze', 2);
    const student = await studentOf({ use: 'policy-lstm', units: 4 }, environment);
    const before = held();
    const player = createPolicyPlayer(student, environment, { count: 2 });
    const memories: number[][] = [];
    let memory = tf.zeros<tf.Rank.R2>([2, student.offers.memory[0]]);
    // The same state three times, copy 0 forgetting before the third.
    const state = Float32Array.of(1, 0, 1, 1, 0, 1);
    for (let step = 0; step < 3; step++) {
      if (step === 2) {
        player.forget(Uint8Array.of(1, 0));
        const kept = tf.tidy(() => memory.mul<tf.Tensor2D>([[0], [1]]));
        memory.dispose();
        memory = kept;
      }
      const output = tf.tidy(() => {
        const { logits, memory: next } = forward(
          student,
          { state: tf.tensor2d(state.slice(), [2, 3]), memory },
          { training: false },
        );
        return { action: logits!.argMax(1), memory: next! };
      });
      memory.dispose();
      memory = output.memory;
      memories.push(Array.from(await memory.data()));
      const expected = await output.action.data();
      output.action.dispose();
      expect(Array.from(await player.act(state))).toEqual(Array.from(expected));
    }
    const half = memories[0].length / 2;
    expect(memories[2].slice(0, half)).toEqual(memories[0].slice(0, half));
    expect(memories[2].slice(half)).not.toEqual(memories[1].slice(half));
    memory.dispose();
    player.dispose();
    expect(held()).toEqual(before);
    student.model.dispose();
  });
});

describe('a network', () => {
  it('has to fit the environment', async () => {
    const [cart, maze] = [await environmentOf('cart-pole', 1), await environmentOf('t-maze', 1)];
    const pendulum = await environmentOf('pendulum', 1);
    const student = await studentOf('policy-mlp', cart);
    expect(() => checkActs(student, maze, 'student')).toThrow('reads states of shape [4]; the environment shows [3]');
    expect(() => checkActs(student, { ...pendulum, observationSpace: cart.observationSpace }, 'student')).toThrow(
      "gives no mean; this environment's actions need mean [B, 1]",
    );
    student.model.dispose();
  });

  it('draws as often as its logits say', async () => {
    const environment = counting({ count: 4000 });
    const student = await studentOf({ use: 'policy-mlp', hidden: [4] }, environment);
    const logits = student.model.getLayer('logits');
    tf.tidy(() => logits.setWeights([tf.zeros([4, 2]), tf.tensor1d([0, Math.log(3)])]));
    const player = createPolicyPlayer(student, environment, { count: 4000, random: new Random([1, 2]) });
    const share = sum(await player.act(new Float32Array(4000))) / 4000;
    // Three in four; the deviation of the share is 0.0068.
    expect(Math.abs(share - 0.75)).toBeLessThan(0.03);
    player.dispose();
    student.model.dispose();
  });
});
