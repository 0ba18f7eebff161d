import { definePart, RunError, z } from '@retort/core';
import { given } from './given.js';
import { mean } from './mean.js';

/** Mean over samples of 2 |A ∩ B| / (|A| + |B|) of predicted and true mask (Dice 1945); 1 where both are empty. */
export const dice = definePart('metric', {
  name: 'dice',
  summary: 'Overlap of predicted and true masks (Dice coefficient).',
  options: z.strictObject({}),
  needs: { student: ['masks'] },
  create: () => {
    let [total, count] = [0, 0];
    return {
      update(batch) {
        const { size, masks, targetMasks } = given(batch, ['masks', 'targetMasks'], 'dice');
        if (masks.length !== targetMasks.length) {
          throw new RunError(
            `metric "dice": the student's masks have ${masks.length / size} pixels, the true ones ${targetMasks.length / size}`,
          );
        }
        const pixels = masks.length / size;
        for (let i = 0; i < size; i++) {
          let [both, sum] = [0, 0];
          for (let p = i * pixels; p < (i + 1) * pixels; p++) {
            const [predicted, actual] = [masks[p] !== 0, targetMasks[p] !== 0];
            if (predicted && actual) both++;
            sum += Number(predicted) + Number(actual);
          }
          total += sum === 0 ? 1 : (2 * both) / sum;
        }
        count += size;
      },
      result: () => ({ dice: mean(total, count, 'dice') }),
    };
  },
});
