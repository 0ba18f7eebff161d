import { createNStepJoiner, type NStepTransition, type Step } from './n-step.js';

const discount = 0.5;
const step = (t: number, end: '' | 'terminated' | 'truncated' = ''): Step => ({
  state: Float32Array.of(t),
  action: [t],
  reward: 10 ** t,
  nextState: Float32Array.of(t + 1),
  terminated: end === 'terminated',
  truncated: end === 'truncated',
});

function joined(nStep: number) {
  const emitted: number[][] = [];
  const emit = ({ state, action, reward, nextState, bootstrap }: NStepTransition) =>
    emitted.push([state[0], action[0], reward, nextState[0], bootstrap]);
  return { emitted, joiner: createNStepJoiner({ nStep, discount }, emit) };
}

describe('returns of several steps', () => {
  it('of one step are the steps', () => {
    const { joiner, emitted } = joined(1);
    for (const end of ['', 'truncated', 'terminated'] as const) joiner.add([step(2, end)]);
    expect(emitted).toEqual([
      [2, 2, 100, 3, 0.5],
      [2, 2, 100, 3, 0.5],
      [2, 2, 100, 3, 0],
    ]);
  });

  it.each([
    ['terminated', 0, 0, 0],
    ['truncated', 1 / 8, 1 / 4, 1 / 2],
  ] as const)('become shorter at the end of an episode that was %s', (end, three, two, one) => {
    const { joiner, emitted } = joined(3);
    for (let t = 0; t < 3; t++) joiner.add([step(t)]);
    expect(emitted).toEqual([[0, 0, 1 + 10 / 2 + 100 / 4, 3, 1 / 8]]);
    joiner.add([step(3, end)]);
    joiner.add([step(0)]);
    expect(emitted.slice(1)).toEqual([
      [1, 1, 10 + 100 / 2 + 1000 / 4, 4, three],
      [2, 2, 100 + 1000 / 2, 4, two],
      [3, 3, 1000, 4, one],
    ]);
  });

  it('keep copies apart, and leave out those that are masked', () => {
    const { joiner, emitted } = joined(2);
    joiner.add([step(0), step(5), undefined]);
    joiner.add([step(1, 'terminated'), undefined, step(3)]);
    expect(emitted).toEqual([
      [0, 0, 6, 2, 0],
      [1, 1, 10, 2, 0],
    ]);
    joiner.add([step(0), step(6), step(4)]);
    expect(emitted.slice(2)).toEqual([
      [5, 5, 100_000 + 1_000_000 / 2, 7, 1 / 4],
      [3, 3, 1000 + 10_000 / 2, 5, 1 / 4],
    ]);
    expect(() => joiner.add([step(0)])).toThrow('steps of 1 copies after those of 3');
  });

  it('go on from what was saved in the middle of an episode', () => {
    const [whole, resumed] = [joined(3), joined(3)];
    for (let t = 0; t < 4; t++) whole.joiner.add([step(t), step(t)]);
    resumed.joiner.load(whole.joiner.save());
    const before = whole.emitted.length;
    for (const { joiner } of [whole, resumed]) joiner.add([step(4, 'terminated'), step(4)]);
    expect(resumed.emitted).toEqual(whole.emitted.slice(before));
    expect(resumed.emitted).toHaveLength(4);
  });
});
