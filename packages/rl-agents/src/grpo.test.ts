import * as tf from '@tensorflow/tfjs';
import { discrete } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { groupAdvantage } from './group-advantage.js';
import { createAgent } from './test-support/setup.js';

// Two states, three actions each.
const rewards = [
  [1, 2, 6],
  [-1, -1, 0.5],
];
const flat = [0, 1, 2].flatMap((action) => rewards.map((group) => group[action]));

describeEachBackend('groupAdvantage', () => {
  const expected = (scale: (centered: number[]) => number) => {
    const groups = rewards.map((group) => {
      const mean = group.reduce((a, b) => a + b) / 3;
      const centered = group.map((reward) => reward - mean);
      return centered.map((value) => value / scale(centered));
    });
    return [0, 1, 2].flatMap((action) => groups.map((group) => group[action]));
  };

  it("is what an action earned beyond its group's mean, in deviations of the group", async () => {
    const deviation = (centered: number[]) => Math.sqrt(centered.reduce((sum, v) => sum + v * v, 0) / 3) + 1e-4;
    await expectClose(groupAdvantage(tf.tensor1d(flat), 3, 'deviation'), expected(deviation));
    await expectClose(
      groupAdvantage(tf.tensor1d(flat), 3, 'none'),
      expected(() => 1),
    );
  });

  it('is zero where all actions earn the same', async () => {
    await expectClose(groupAdvantage(tf.tensor1d([2, 2, 2, 2]), 2, 'deviation'), [0, 0, 0, 0]);
  });

  it('leaves no tensors', () => {
    const reward = tf.tensor1d(flat);
    return expectNoLeak(() => groupAdvantage(reward, 3, 'deviation').dispose());
  });
});

describe('grpo refuses', () => {
  it('actions whose components have no rewards', async () => {
    const created = createAgent({ use: 'grpo' }, { stateSize: 2, actions: { move: discrete(2) } });
    await expect(created).rejects.toThrow(/grpo draws groups .* "move" is discrete/);
  });
});
