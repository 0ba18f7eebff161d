import type { Metric } from '@retort/core';
import { Seeds } from '@retort/core';
import { grounding, overlap } from './grounding.js';

function evaluate(boxes: number[][], targets: number[][]): Record<string, unknown> {
  const metric = grounding.create(grounding.options.parse({}) as never, {
    classes: [],
    teachers: [],
    path: 'metrics[0]',
  }) as Metric;
  for (const [i, box] of boxes.entries()) {
    metric.update({ size: 1, boxes: Float32Array.from(box), targetBoxes: Float32Array.from(targets[i]) });
  }
  return metric.result();
}

it('counts thresholds, the mean and the cumulative ratio', () => {
  // 8 of 8; 4 of 8; 0 of 4 + 16.
  const boxes = [
    [0, 0, 4, 2],
    [0, 0, 4, 2],
    [0, 0, 2, 2],
  ];
  const targets = [
    [0, 0, 4, 2],
    [0, 0, 2, 2],
    [10, 10, 14, 14],
  ];
  expect(evaluate(boxes, targets)).toEqual({
    'Pr@0.5': 2 / 3,
    'Pr@0.6': 1 / 3,
    'Pr@0.7': 1 / 3,
    'Pr@0.8': 1 / 3,
    'Pr@0.9': 1 / 3,
    'mean-iou': (1 + 0.5) / 3,
    'cumulative-iou': 12 / 36,
  });
});

it.each([
  ['inside out', [4, 2, 0, 0]],
  ['without height', [0, 1, 4, 1]],
  ['not finite', [0, 0, Infinity, 2]],
  ['of NaN', [NaN, 0, 4, 2]],
])('takes a box %s for an empty one', (_, box) => {
  expect(evaluate([box], [[0, 0, 4, 2]])).toMatchObject({ 'mean-iou': 0, 'cumulative-iou': 0 });
});

it('agrees with counting the cells of a grid', () => {
  const random = new Seeds(1).stream('boxes');
  const box = () => {
    const [left, top] = [random.integer(10), random.integer(10)];
    return [left, top, left + 1 + random.integer(6), top + 1 + random.integer(6)];
  };
  for (let repeat = 0; repeat < 100; repeat++) {
    const [a, b] = [box(), box()];
    const covers = ([left, top, right, bottom]: number[], x: number, y: number) =>
      x >= left && x < right && y >= top && y < bottom;
    let [both, either] = [0, 0];
    for (let x = 0; x < 20; x++) {
      for (let y = 0; y < 20; y++) {
        if (covers(a, x, y) && covers(b, x, y)) both++;
        if (covers(a, x, y) || covers(b, x, y)) either++;
      }
    }
    expect(overlap(a, b)).toEqual({ intersection: both, union: either });
  }
});
