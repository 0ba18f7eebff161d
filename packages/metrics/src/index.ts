import { definePlugin } from '@retort/core';
import { top1, top5 } from './accuracy.js';
import { agreement } from './agreement.js';
import { calibrationError } from './calibration-error.js';
import { dice } from './dice.js';
import { entropy } from './entropy.js';
import { grounding } from './grounding.js';
import { perClassAccuracy } from './per-class-accuracy.js';
import { retrieval } from './retrieval.js';

export { labelRank, top1, top5 } from './accuracy.js';
export { agreement, klDivergence } from './agreement.js';
export { calibrationError } from './calibration-error.js';
export { dice } from './dice.js';
export { entropy } from './entropy.js';
export { grounding, overlap } from './grounding.js';
export { logSoftmax } from './log-softmax.js';
export { perClassAccuracy } from './per-class-accuracy.js';
export { predictedClass } from './predicted-class.js';
export { foundWithin, retrieval, retrievalRanks } from './retrieval.js';
export type { RetrievalRank } from './retrieval.js';

/** Accuracy, calibration, entropy, fidelity, retrieval, grounding and overlap of masks. */
export const plugin = definePlugin({
  name: '@retort/metrics',
  register(registry) {
    registry
      .add(top1)
      .add(top5)
      .add(perClassAccuracy)
      .add(calibrationError)
      .add(entropy)
      .add(agreement)
      .add(retrieval)
      .add(grounding)
      .add(dice);
  },
});
