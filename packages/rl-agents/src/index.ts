import { definePlugin } from '@retort/core';
import { categorical } from './categorical.js';
import { ddpg } from './ddpg.js';
import { dirichlet } from './dirichlet.js';
import { dpg } from './dpg.js';
import { dqn } from './dqn.js';
import { gaussian } from './gaussian.js';
import { grpo } from './grpo.js';
import { logisticNormal } from './logistic-normal.js';
import { clippedSurrogate, groupRelative, reinforce } from './objective.js';
import { pg } from './pg.js';
import { ppo } from './ppo.js';
import { reinforceAgent } from './reinforce-agent.js';
import { td3 } from './td3.js';

export { generalizedAdvantage } from './advantage.js';
export type { Trajectory } from './advantage.js';
export {
  categorical,
  categoricalEntropy,
  categoricalLogProbability,
  createCategorical,
  sampleCategorical,
} from './categorical.js';
export { ddpg } from './ddpg.js';
export { createDirichlet, dirichlet, dirichletEntropy, dirichletLogProbability, sampleDirichlet } from './dirichlet.js';
export { dpg } from './dpg.js';
export { dqn } from './dqn.js';
export { drawNoise } from './distribution.js';
export { expectedPolicyGradient } from './exact-policy-gradient.js';
export type { WeightObjective } from './exact-policy-gradient.js';
export { createGaussian, gaussian, gaussianEntropy, gaussianLogProbability } from './gaussian.js';
export { groupAdvantage } from './group-advantage.js';
export { grpo } from './grpo.js';
export { digamma, logGamma } from './log-gamma.js';
export { createLogisticNormal, logisticNormal, logisticNormalLogProbability } from './logistic-normal.js';
export { clippedSurrogate, groupRelative, ppoObjective, reinforce, reinforceObjective } from './objective.js';
export { pg } from './pg.js';
export { ppo } from './ppo.js';
export { reinforceAgent } from './reinforce-agent.js';
export { td3 } from './td3.js';

/** Policy distributions, objectives and agents. */
export const plugin = definePlugin({
  name: '@retort/rl-agents',
  register(registry) {
    for (const part of [categorical, dirichlet, gaussian, logisticNormal]) registry.add(part);
    registry.add(reinforce).add(clippedSurrogate).add(groupRelative);
    for (const part of [pg, ppo, grpo, reinforceAgent, dqn, dpg, ddpg, td3]) registry.add(part);
  },
});
