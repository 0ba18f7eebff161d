import { definePlugin } from '@retort/core';
import { policyDistillation } from './policy-distillation.js';
import { reinforcement } from './reinforcement.js';
import { drnd } from './reward-drnd.js';
import { rnd } from './reward-rnd.js';
import { shaping } from './reward-shaping.js';
import { sequence } from './sequence.js';

export { createCollector } from './collect.js';
export type { Collector, CollectOptions, WeightedEnvironmentReward } from './collect.js';
export {
  actionNames,
  actionOutput,
  actionSize,
  checkActs,
  composeActing,
  createActingEnvironment,
  createActingStudent,
  createActingTeachers,
  imageShapeOf,
  observationSize,
  stateBatch,
} from './compose-acting.js';
export type { Acting } from './compose-acting.js';
export type { EnvironmentReward, EnvironmentRewardContext, EnvironmentTransition } from './environment-reward.js';
export { createPolicyEvaluation, episodeMetrics, isSuccess, playEpisodes, tellsSuccess } from './evaluate-policy.js';
export type { Episode, PolicyEvaluation } from './evaluate-policy.js';
export { createObservationMoments } from './observation-moments.js';
export type { ObservationMoments } from './observation-moments.js';
export { policyDistillation } from './policy-distillation.js';
export { createPolicyPlayer, modeOf } from './policy-player.js';
export type { Player } from './policy-player.js';
export { createTeacherGuidance } from './guidance.js';
export type { TeacherGuidance } from './guidance.js';
export { reinforcement } from './reinforcement.js';
export { drnd, drndBonus } from './reward-drnd.js';
export { rnd, squaredDistance } from './reward-rnd.js';
export { shaping, shapingReward } from './reward-shaping.js';
export { checkRecording, readRecording, recordPlay, writeRecording } from './recording.js';
export type { Recording } from './recording.js';
export { createRewardScale } from './reward-scale.js';
export type { RewardScale } from './reward-scale.js';
export { checkSameSpaces, loadPolicy, readPolicyMetadata, savePolicy } from './save-policy.js';
export type { PolicyMetadata } from './save-policy.js';
export { sequence } from './sequence.js';
export { groupAdvantages, grpoLoss, klEstimate, takenLogProbability } from './sequence-policy.js';
export type { DrawnAnswers } from './sequence-policy.js';
export { promptsOf, rewardsOf } from './sequence-prompts.js';
export type { Prompts } from './sequence-prompts.js';
export { createWriter } from './sequence-writer.js';
export type { AnswerWriter, Written } from './sequence-writer.js';
export { stepEnvironment } from './step-environment.js';
export { createTrainingEpisodes } from './training-episodes.js';
export type { TrainingEpisodes } from './training-episodes.js';

/** Trainers that learn by acting, and rewards beside an environment's own. */
export const plugin = definePlugin({
  name: '@retort/trainer-policy',
  register(registry) {
    registry.add(reinforcement).add(policyDistillation);
    registry.add(sequence);
    for (const reward of [rnd, drnd, shaping]) registry.add(reward);
  },
});
