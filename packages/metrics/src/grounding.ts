import { definePart, z } from '@retort/core';
import { given } from './given.js';
import { mean } from './mean.js';

const thresholds = [0.5, 0.6, 0.7, 0.8, 0.9];

/**
 * Visual grounding, one box a sample: `Pr@t`, the share of boxes whose intersection over union with the true one is at least t;
 * `mean-iou`, the mean of those; `cumulative-iou`, the sum of all intersections over the sum of all unions (Zhan et al. 2023,
 * RSVG, §5). A box whose right is not beyond its left, or bottom beyond its top, or that is not finite, is empty.
 */
export const grounding = definePart('metric', {
  name: 'grounding',
  summary: 'Visual grounding: Pr@0.5 to Pr@0.9, mean and cumulative intersection over union.',
  options: z.strictObject({}),
  needs: { student: ['boxes'] },
  create: () => {
    const hits = thresholds.map(() => 0);
    let [total, intersections, unions, count] = [0, 0, 0, 0];
    return {
      update(batch) {
        const { size, boxes, targetBoxes } = given(batch, ['boxes', 'targetBoxes'], 'grounding');
        for (let i = 0; i < size; i++) {
          const { intersection, union } = overlap(boxes.subarray(4 * i), targetBoxes.subarray(4 * i));
          const ratio = union > 0 ? intersection / union : 0;
          for (const [k, threshold] of thresholds.entries()) if (ratio >= threshold) hits[k]++;
          total += ratio;
          intersections += intersection;
          unions += union;
        }
        count += size;
      },
      result: () => ({
        ...Object.fromEntries(thresholds.map((threshold, k) => [`Pr@${threshold}`, mean(hits[k], count, 'grounding')])),
        'mean-iou': mean(total, count, 'grounding'),
        'cumulative-iou': unions > 0 ? intersections / unions : 0,
      }),
    };
  },
});

/** Areas that two boxes (left, top, right, bottom) share and cover together. */
export function overlap(a: ArrayLike<number>, b: ArrayLike<number>): { intersection: number; union: number } {
  const intersection = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return { intersection, union: area(a) + area(b) - intersection };
}

function area(box: ArrayLike<number>): number {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  return width > 0 && height > 0 && Number.isFinite(width * height) ? width * height : 0;
}
