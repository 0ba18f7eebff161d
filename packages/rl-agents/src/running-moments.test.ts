import { Seeds } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { createReplay } from './replay.js';
import { createRunningMoments, createRunningScale } from './running-moments.js';

describeEachBackend('running moments', () => {
  it('merged batch by batch are those of all rows at once', async () => {
    const random = new Seeds(1).stream('x');
    const rows = Array.from({ length: 90 }, () => [100 + 30 * random.normal(), 1e-2 * random.normal(), 5]);
    const moments = createRunningMoments(3);
    for (const [from, to] of [
      [0, 7],
      [7, 40],
      [40, 90],
    ])
      moments.absorb(tf.tensor2d(rows.slice(from, to)));
    const mean = [0, 1, 2].map((c) => rows.reduce((sum, row) => sum + row[c], 0) / 90);
    const variance = [0, 1, 2].map((c) => rows.reduce((sum, row) => sum + (row[c] - mean[c]) ** 2, 0) / 90);
    await expectClose(moments.variables.mean, mean);
    await expectClose(moments.variables.variance, variance, { absolute: 1e-7, relative: 1e-4 });
    const x = [130, -0.01, 5];
    const expected = x.map((value, c) => (value - mean[c]) / Math.sqrt(variance[c] + 1e-8));
    await expectClose(moments.normalize(tf.tensor2d([x])), expected, { absolute: 1e-3 });
    await expectClose(moments.normalize(tf.tensor2d([[1e6, 0, 5]])).slice([0, 0], [1, 1]), [10]);
    tf.dispose(moments.variables);
  });

  it('forget beyond their window', async () => {
    const moments = createRunningMoments(1, 10);
    moments.absorb(tf.zeros([10, 1]));
    for (let i = 0; i < 30; i++) moments.absorb(tf.fill([5, 1], 8));
    await expectClose(moments.variables.mean, [8], { absolute: 1e-4 });
    tf.dispose(moments.variables);
  });

  it('scale by the root mean square of all seen', async () => {
    const scale = createRunningScale();
    scale.absorb(tf.tensor1d([3, -1]));
    scale.absorb(tf.tensor1d([2, 2, 5, -1]));
    const rms = Math.sqrt((9 + 1 + 4 + 4 + 25 + 1) / 6);
    await expectClose(scale.scale(tf.tensor1d([2])), [2 / rms]);
    tf.dispose(scale.variables);
  });
});

describeEachBackend('replay', () => {
  const rows = (...values: number[]) => ({
    state: tf.tensor2d(values.map((v) => [v, -v])),
    reward: tf.tensor2d(values.map((v) => [v])),
  });

  it('keeps the newest, drops the oldest, and draws from what it holds only', async () => {
    const replay = createReplay(4, { state: 2, reward: 1 });
    replay.insert(rows(1, 2, 3));
    expect(replay.count).toBe(3);
    const drawn = replay.sample(200, new Seeds(1).stream('order'));
    expect([...new Set(await drawn.reward.data())].sort()).toEqual([1, 2, 3]);
    await expectClose(drawn.state.sum(1), new Array<number>(200).fill(0));
    await expectClose(drawn.state.slice([0, 0], [200, 1]), drawn.reward);
    replay.insert(rows(4, 5));
    await expectClose(replay.variables.reward, [2, 3, 4, 5]);
    replay.insert(rows(6, 7, 8, 9, 10));
    await expectClose(replay.variables.reward, [7, 8, 9, 10]);
    expect(replay.count).toBe(4);
    tf.dispose(replay.variables);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const replay = createReplay(4, { state: 2, reward: 1 });
      const added = rows(1, 2, 3);
      replay.insert(added);
      tf.dispose([replay.sample(2, new Seeds(1).stream('order')), added]);
      tf.dispose(replay.variables);
    }));
});
