import { definePlugin } from '@retort/core';
import { attentionTransfer } from './attention-transfer.js';
import { box } from './box.js';
import { clipFeature } from './clip-feature.js';
import { cosine } from './cosine.js';
import { crossEntropy } from './cross-entropy.js';
import { decoupledDistillation } from './decoupled-distillation.js';
import { dist } from './dist.js';
import { fitnet } from './fitnet.js';
import { infoNce } from './info-nce.js';
import { interactiveContrastive } from './interactive-contrastive.js';
import { knowledgeDistillation } from './knowledge-distillation.js';
import { normDirection } from './norm-direction.js';
import { policyKl } from './policy-kl.js';
import { policyMean } from './policy-mean.js';
import { policyNll } from './policy-nll.js';
import { relationalContrastive } from './relational-contrastive.js';
import { relationalDistillation } from './relational-distillation.js';
import { sequenceCrossEntropy } from './sequence-cross-entropy.js';
import { sequenceForwardKl, sequenceJsd, sequenceReverseKl } from './sequence-divergence.js';
import { spatialKl } from './spatial-kl.js';
import { actionValue } from './value-action.js';
import { advantages } from './value-advantages.js';
import { value } from './value.js';

export { attentionDistance, attentionTransfer } from './attention-transfer.js';
export { box, generalizedIou } from './box.js';
export { clipFeature, unitDistance } from './clip-feature.js';
export { cosine, cosineDistance } from './cosine.js';
export { crossEntropy, crossEntropyPerSample } from './cross-entropy.js';
export { decoupledDistillation, decoupledKl } from './decoupled-distillation.js';
export { dist, interClassDistance, intraClassDistance } from './dist.js';
export { createEmbeddingAdapter } from './embedding-adapter.js';
export type { EmbeddingAdapter } from './embedding-adapter.js';
export { createFeatureAdapter } from './feature-adapter.js';
export type { FeatureAdapter } from './feature-adapter.js';
export { fitnet, meanSquareDifference } from './fitnet.js';
export { similarityLogits } from './image-text-pairs.js';
export { infoNce, symmetricInfoNce } from './info-nce.js';
export { interactiveContrastive } from './interactive-contrastive.js';
export { knowledgeDistillation, softenedKl } from './knowledge-distillation.js';
export { standardizeLogits } from './logit-standardization.js';
export { normDirection, normDirectionDistance } from './norm-direction.js';
export { policyDivergence, policyKl } from './policy-kl.js';
export { actionDistance, policyMean } from './policy-mean.js';
export { bestActionNll, policyNll } from './policy-nll.js';
export { relationalContrastive, symmetricKl } from './relational-contrastive.js';
export { angleRelation, distanceRelation, relationalDistillation } from './relational-distillation.js';
export { sequenceCrossEntropy, tokenLogProbability } from './sequence-cross-entropy.js';
export {
  forwardKl,
  generalizedJsd,
  reverseKl,
  sequenceForwardKl,
  sequenceJsd,
  sequenceReverseKl,
} from './sequence-divergence.js';
export { spatialDivergence, spatialKl } from './spatial-kl.js';
export { actionValue } from './value-action.js';
export { advantages } from './value-advantages.js';
export { groupRelative, value } from './value.js';

/** Task and distillation losses. */
export const plugin = definePlugin({
  name: '@retort/losses',
  register(registry) {
    registry
      .add(crossEntropy)
      .add(knowledgeDistillation)
      .add(decoupledDistillation)
      .add(dist)
      .add(fitnet)
      .add(spatialKl)
      .add(attentionTransfer)
      .add(cosine)
      .add(relationalDistillation)
      .add(normDirection)
      .add(infoNce)
      .add(clipFeature)
      .add(interactiveContrastive)
      .add(relationalContrastive)
      .add(sequenceCrossEntropy)
      .add(sequenceForwardKl)
      .add(sequenceReverseKl)
      .add(sequenceJsd)
      .add(box)
      .add(policyNll)
      .add(policyKl)
      .add(policyMean)
      .add(actionValue)
      .add(value)
      .add(advantages);
  },
});
