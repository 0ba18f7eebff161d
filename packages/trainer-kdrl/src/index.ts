import { definePlugin } from '@retort/core';
import { clusterCosine, clusterNearest, clusterNegativeL2, clusterSoftAssignment } from './cluster-rewards.js';
import { confidence, correctGated, negativeEntropy, sharpening, teacherProbability } from './confidence-rewards.js';

import { kdrl } from './kdrl.js';

const rewards = [
  ...[confidence, correctGated, teacherProbability, negativeEntropy, sharpening],
  ...[clusterCosine, clusterNegativeL2, clusterSoftAssignment, clusterNearest],
];

export { annealOptions, createAnneal, stageWeights } from './anneal.js';
export type { Anneal, AnnealOptions, StageWeights } from './anneal.js';
export { createAuxiliaryTaps, tapsAtDepth, tokenPoolOf } from './auxiliary-taps.js';
export type { AuxiliaryTaps, TokenPool } from './auxiliary-taps.js';
export { classMeans } from './class-means.js';
export { loadClusters, saveClusters } from './cluster-file.js';
export { clusterCosine, clusterNearest, clusterNegativeL2, clusterSoftAssignment } from './cluster-rewards.js';
export { clusterShares, collapseWarnings, effectiveClusters } from './collapse-watch.js';
export type { CollapseLimits, CollapseSigns } from './collapse-watch.js';
export { confidence, correctGated, negativeEntropy, sharpening, teacherProbability } from './confidence-rewards.js';
export { checkCombination } from './decision-reward.js';
export type { ActionName, Decision, DecisionReward, GradientKind, WeightedReward } from './decision-reward.js';
export { embeddingsInMemory } from './embedding-source.js';
export type { EmbeddingSource } from './embedding-source.js';
export { createEmbeddingStore, openEmbeddingStore } from './embedding-store.js';
export type { EmbeddingStore, EmbeddingWriter } from './embedding-store.js';
export { kdrl } from './kdrl.js';
export { createDecisionPolicy, policyOptions } from './policy.js';
export type {
  DecisionExperience,
  DecisionPolicy,
  DecisionTargets,
  PolicyOptions,
  PolicyParts,
  StudentBelief,
} from './policy.js';
export { sphericalKMeans } from './spherical-k-means.js';
export type { ClusteringProgress, Clusters, SphericalKMeansOptions } from './spherical-k-means.js';

/** The trainer, and the rewards of its second stage. */
export const plugin = definePlugin({
  name: '@retort/trainer-kdrl',
  register(registry) {
    registry.add(kdrl);
    for (const reward of rewards) registry.add(reward);
  },
});
