import type { Metric } from '@retort/core';
import { Seeds } from '@retort/core';
import { grounding, overlap } from './grounding.js';

function evaluate(boxes: number[][], targets: number[][], batchSize = boxes.length): Record<string, unknown> {
  const metric = grounding.create(grounding.options.parse({}) as never, {
    classes: [],
    teachers: [],
    path: 'metrics[0]',
  }) as Metric;
  for (let start = 0; start < boxes.length; start += batchSize) {
    const batch = (all: number[][]) => Float32Array.from(all.slice(start, start + batchSize).flat());
    const size = Math.min(batchSize, boxes.length - start);
    metric.update({ size, boxes: batch(boxes), targetBoxes: batch(targets) });
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

it('agrees with counting the cells of a grid, in one batch or many', () => {
  const random = new Seeds(1).stream('boxes');
  const box = () => {
    const [left, top] = [random.integer(6), random.integer(6)];
    return [left, top, left + 1 + random.integer(9), top + 1 + random.integer(9)];
  };
  const boxes = Array.from({ length: 200 }, box);
  const targets = boxes.map((near, i) => (i % 2 === 0 ? box() : near.map((side, k) => (k < 2 ? side : side + 1))));
  const covers = ([left, top, right, bottom]: number[], x: number, y: number) =>
    x >= left && x < right && y >= top && y < bottom;
  const areas = boxes.map((a, i) => {
    let [intersection, union] = [0, 0];
    for (let x = 0; x < 20; x++) {
      for (let y = 0; y < 20; y++) {
        const [inA, inB] = [covers(a, x, y), covers(targets[i], x, y)];
        if (inA && inB) intersection++;
        if (inA || inB) union++;
      }
    }
    expect(overlap(a, targets[i])).toEqual({ intersection, union });
    return { intersection, union };
  });
  const sum = (values: number[]) => values.reduce((total, x) => total + x, 0);
  const ratios = areas.map(({ intersection, union }) => intersection / union);
  const expected: Record<string, number> = {
    'mean-iou': sum(ratios) / 200,
    'cumulative-iou': sum(areas.map((each) => each.intersection)) / sum(areas.map((each) => each.union)),
  };
  for (const t of [0.5, 0.6, 0.7, 0.8, 0.9]) expected[`Pr@${t}`] = ratios.filter((ratio) => ratio >= t).length / 200;
  expect(new Set(Object.values(expected)).size).toBe(7);
  expect(evaluate(boxes, targets)).toEqual(expected);
  expect(evaluate(boxes, targets, 7)).toEqual(expected);
});
