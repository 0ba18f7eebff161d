import { definePlugin } from '@retort/core';
import { cosine } from './cosine.js';
import { crossEntropy } from './cross-entropy.js';
import { fitnet } from './fitnet.js';
import { knowledgeDistillation } from './knowledge-distillation.js';

export { cosine, cosineDistance } from './cosine.js';
export { crossEntropy, crossEntropyPerSample } from './cross-entropy.js';
export { createFeatureAdapter } from './feature-adapter.js';
export type { FeatureAdapter } from './feature-adapter.js';
export { fitnet, meanSquareDifference } from './fitnet.js';
export { knowledgeDistillation, softenedKl } from './knowledge-distillation.js';

/** Task and distillation losses. */
export const plugin = definePlugin({
  name: '@retort/losses',
  register(registry) {
    registry.add(crossEntropy).add(knowledgeDistillation).add(fitnet).add(cosine);
  },
});
