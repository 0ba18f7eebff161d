import { definePlugin } from '@retort/core';
import { mtkd } from './mtkd.js';
import { eq6, gradientAlignment } from './rewards.js';
import { agent } from './weighting-agent.js';
import { equal, none } from './weighting-equal.js';

export { mtkd } from './mtkd.js';
export { eq6, gradientAlignment, gradientAlignmentReward } from './rewards.js';
export { agent, fuse, stateOf } from './weighting-agent.js';
export { equal, none } from './weighting-equal.js';

/** The trainer `mtkd`, its weightings and its rewards. */
export const plugin = definePlugin({
  name: '@retort/trainer-mtkd',
  register(registry) {
    registry.add(mtkd).add(none).add(equal).add(agent).add(gradientAlignment).add(eq6);
  },
});
