import { definePlugin } from '@retort/core';
import { top1, top5 } from './accuracy.js';
import { agreement } from './agreement.js';
import { calibrationError } from './calibration-error.js';
import { perClassAccuracy } from './per-class-accuracy.js';

export { labelRank, top1, top5 } from './accuracy.js';
export { agreement, klDivergence } from './agreement.js';
export { calibrationError } from './calibration-error.js';
export { logSoftmax } from './log-softmax.js';
export { perClassAccuracy } from './per-class-accuracy.js';
export { predictedClass } from './predicted-class.js';

/** Accuracy, calibration and fidelity. */
export const plugin = definePlugin({
  name: '@retort/metrics',
  register(registry) {
    registry.add(top1).add(top5).add(perClassAccuracy).add(calibrationError).add(agreement);
  },
});
