import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import { stateComponents, stateOf, stateOption, stateSizes } from './agent-state.js';

describeEachBackend('stateOf', () => {
  it('lists likeness, losses, embedding and logits of each teacher in turn', async () => {
    const teacher = (base: number) => ({
      embedding: tf.tensor2d([[base + 0.1, base + 0.2]]),
      logits: tf.tensor2d([[base + 0.3, base + 0.4, base + 0.5]]),
    });
    const view = {
      teachers: [teacher(10), teacher(20)],
      similarity: tf.tensor2d([[1, 2]]),
      logitLoss: tf.tensor2d([[3, 4]]),
      teacherCrossEntropy: tf.tensor2d([[5, 6]]),
    } as never;
    const all = ['similarity', 'distillation-loss', 'cross-entropy', 'embedding', 'logits'] as const;
    await expectClose(
      stateOf(view, all),
      [1, 3, 5, 10.1, 10.2, 10.3, 10.4, 10.5, 2, 4, 6, 20.1, 20.2, 20.3, 20.4, 20.5],
    );
    await expectClose(stateOf(view, ['logits']), [10.3, 10.4, 10.5, 20.3, 20.4, 20.5]);
  });
});

describe("the state's components", () => {
  const components = (value: unknown, hasSimilarity = true) =>
    stateComponents(stateOption.parse(value), hasSimilarity, 'trainer.weighting.state');

  it('are all of them by default, and two groups of the paper that together are all', () => {
    const all = components(undefined);
    expect(all).toEqual(['similarity', 'distillation-loss', 'cross-entropy', 'embedding', 'logits']);
    const [performance, gaps] = [components('teacher-performance'), components('teacher-student-gaps')];
    expect(performance).toEqual(['cross-entropy', 'embedding', 'logits']);
    expect([...gaps, ...performance]).toEqual(all);
  });

  it('leave similarity out where no adapter gives it, and refuse to leave nothing', () => {
    expect(components('teacher-student-gaps', false)).toEqual(['distillation-loss']);
    expect(() => components(['similarity'], false)).toThrow('trainer.weighting.state: the agent would see nothing');
  });

  it('come to as many numbers per teacher as stateOf lists', () => {
    const provides = { logits: [3], embedding: [2] };
    expect(stateSizes(components('all'), [{ provides }, { provides: { logits: [3] } }], 3)).toEqual([8, 6]);
    expect(stateSizes(components('teacher-student-gaps'), [{ provides }], 3)).toEqual([2]);
  });
});
