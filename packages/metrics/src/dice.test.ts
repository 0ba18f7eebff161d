import { type Metric, RunError } from '@retort/core';
import { dice } from './dice.js';

function evaluate(masks: number[][], targets: number[][]): Record<string, unknown> {
  const metric = dice.create(dice.options.parse({}) as never, {
    classes: [],
    teachers: [],
    path: 'metrics[0]',
  }) as Metric;
  metric.update({
    size: masks.length,
    masks: Uint8Array.from(masks.flat()),
    targetMasks: Uint8Array.from(targets.flat()),
  });
  return metric.result();
}

it('is twice the overlap over both sizes, averaged over samples', () => {
  // 2·1/(2+2), 2·0/(1+0), and two empty masks agree.
  const masks = [
    [1, 1, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 0, 0],
  ];
  const targets = [
    [0, 255, 255, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  expect(evaluate(masks, targets)).toEqual({ dice: (0.5 + 0 + 1) / 3 });
});

it('refuses masks of another size', () => {
  expect(() => evaluate([[1, 0]], [[1, 0, 0, 0]])).toThrow(RunError);
});

it('says what it was not given', () => {
  const metric = dice.create({} as never, { classes: [], teachers: [], path: 'metrics[0]' }) as Metric;
  expect(() => metric.update({ size: 1 })).toThrow('metric "dice" needs masks, and this evaluation gives none');
});
