import { definePlugin } from '@retort/core';
import { mtkd } from './mtkd.js';
import { lookAhead } from './reward-look-ahead.js';
import { eq6, fusedScalar, gradientAlignment } from './rewards.js';
import { agent } from './weighting-agent.js';
import { aekd } from './weighting-aekd.js';
import { amtmlKd } from './weighting-amtml-kd.js';
import { caMkd } from './weighting-ca-mkd.js';
import { constantWeights } from './weighting-constant.js';
import { bestSingle, oracle, priorsOnly, random } from './weighting-controls.js';
import { ebKd } from './weighting-eb-kd.js';
import { equal, none } from './weighting-equal.js';
import { mmkd } from './weighting-mmkd.js';
import { permuted } from './weighting-permuted.js';

const weightings = [
  none,
  equal,
  ebKd,
  caMkd,
  aekd,
  amtmlKd,
  mmkd,
  agent,
  random,
  bestSingle,
  oracle,
  priorsOnly,
  permuted,
  constantWeights,
];

export { stateOf } from './agent-state.js';
export { cappedMinNorm } from './capped-min-norm.js';
export { mtkd } from './mtkd.js';
export { lookAhead } from './reward-look-ahead.js';
export { eq6, fusedScalar, gradientAlignment, gradientAlignmentReward } from './rewards.js';
export { aekd, distillationGradients } from './weighting-aekd.js';
export { amtmlKd, mixtureGradient } from './weighting-amtml-kd.js';
export { fuse, priorsOf } from './weight-fusion.js';
export { agent } from './weighting-agent.js';
export { caMkd, confidenceWeights } from './weighting-ca-mkd.js';
export { constantWeights } from './weighting-constant.js';
export { bestSingle, oracle, priorsOnly, random } from './weighting-controls.js';
export { ebKd, entropyWeights } from './weighting-eb-kd.js';
export { equal, none } from './weighting-equal.js';
export { mmkd } from './weighting-mmkd.js';
export { permuted } from './weighting-permuted.js';

/** The trainer `mtkd`, its weightings and its rewards. */
export const plugin = definePlugin({
  name: '@retort/trainer-mtkd',
  register(registry) {
    registry.add(mtkd).add(gradientAlignment).add(eq6).add(fusedScalar).add(lookAhead);
    for (const weighting of weightings) registry.add(weighting);
  },
});
