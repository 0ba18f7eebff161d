import { seenByEpoch } from './seen.js';

describe('seenByEpoch', () => {
  it('adds up what each epoch saw, speed times seconds', () => {
    const epochs = [2048 / 1.7, 2048 / 0.9, 1000 / 3].map((imagesPerSecond, epoch) => ({
      ...{ epoch, imagesPerSecond },
      seconds: [1.7, 0.9, 3][epoch],
    }));
    expect(seenByEpoch(epochs)).toEqual([2048, 4096, 5096]);
  });

  it('fills gaps of the log', () => {
    expect(seenByEpoch([{ epoch: 2, seconds: 2, imagesPerSecond: 50 }])).toEqual([100, 200, 300]);
    expect(
      seenByEpoch([
        { epoch: 0, seconds: 2, imagesPerSecond: 50 },
        { epoch: 1, seconds: null, imagesPerSecond: null },
      ]),
    ).toEqual([100, 200]);
    expect(seenByEpoch([])).toEqual([]);
  });
});
