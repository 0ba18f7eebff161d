import { Seeds } from '@retort/core';
import { createHostReplay } from './host-replay.js';

const row = (i: number, scale = 1) => ({ state: [i * scale, -0.5 + i], reward: [i] });
const widths = { state: 2, reward: 1 };

/** The rewards that come up in many draws, ascending. */
function heldRewards(replay: ReturnType<typeof createHostReplay>): number[] {
  const { reward } = replay.sample(500, new Seeds(1).stream('x'));
  return [...new Set(reward.data)].sort((a, b) => a - b);
}

describe('the replay on the host', () => {
  it('holds the last transitions, each as likely, and forgets the oldest first', () => {
    const replay = createHostReplay(4, widths);
    for (let i = 0; i < 3; i++) replay.add(row(i));
    expect([replay.count, heldRewards(replay)]).toEqual([3, [0, 1, 2]]);
    for (let i = 3; i < 10; i++) replay.add(row(i));
    expect([replay.count, heldRewards(replay)]).toEqual([4, [6, 7, 8, 9]]);
    const { reward } = replay.sample(4000, new Seeds(2).stream('x'));
    for (const value of [6, 7, 8, 9]) {
      const share = reward.data.filter((drawn) => drawn === value).length / 4000;
      expect(Math.abs(share - 0.25)).toBeLessThan(0.03); // 4 standard errors
    }
  });

  it('keeps the numbers of a transition together, as float32', () => {
    const replay = createHostReplay(8, widths);
    for (let i = 0; i < 11; i++) replay.add(row(i, 0.1));
    const { state, reward } = replay.sample(50, new Seeds(1).stream('x'));
    expect([state.shape, reward.shape]).toEqual([
      [50, 2],
      [50, 1],
    ]);
    reward.data.forEach((value, i) => {
      expect([...state.data.slice(2 * i, 2 * i + 2)]).toEqual([Math.fround(value * 0.1), value - 0.5]);
    });
  });

  it('keeps bytes where bytes do, and whatever comes afterwards', () => {
    const replay = createHostReplay(4, { state: 1 });
    const kept = () => (replay.save() as unknown as { columns: { state: { data: unknown } } }).columns.state.data;
    for (const value of [0, 255, 7]) replay.add({ state: [value] });
    expect(kept()).toEqual(Uint8Array.from([0, 255, 7]));
    for (const value of [256, -1]) replay.add({ state: [value] });
    expect(kept()).toEqual(Float32Array.from([-1, 255, 7, 256]));
  });

  it.each([1, 0.1])('goes on from what was saved, and draws the same (numbers times %d)', (scale) => {
    const whole = createHostReplay(5, widths);
    for (let i = 0; i < 7; i++) whole.add(row(i, scale));
    const saved = whole.save();
    const resumed = createHostReplay(5, widths);
    resumed.load(saved);
    for (const replay of [whole, resumed]) for (let i = 7; i < 9; i++) replay.add(row(i, scale));
    expect(resumed.save()).toEqual(whole.save());
    const draw = (replay: typeof whole) => replay.sample(20, new Seeds(3).stream('x'));
    expect(draw(resumed)).toEqual(draw(whole));
  });

  it('refuses what was saved with more room', () => {
    const larger = createHostReplay(5, widths);
    for (let i = 0; i < 5; i++) larger.add(row(i));
    expect(() => createHostReplay(4, widths).load(larger.save())).toThrow('state [5, 2], and here is room for [4, 2]');
  });
});
