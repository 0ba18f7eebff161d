import { box, definePart, observationSpace, z } from '@retort/core';
import { timeLimitOption } from './options.js';
import { blankPicture, drawLine } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

/** Seconds. */
const step = 0.05;
const fastest = 8;
const strongest = 2;

/** An angle within [−π, π), 0 upright. */
function normalized(angle: number): number {
  const turn = 2 * Math.PI;
  return angle + Math.PI - turn * Math.floor((angle + Math.PI) / turn) - Math.PI;
}

/** Gymnasium's Pendulum-v1: a rod of 1 m and 1 kg about its end. State: angle (rad, 0 upright) and angular velocity. */
const simulation = (gravity: number): Simulation => ({
  observationSpace: observationSpace([3], [-1, -1, -fastest], [1, 1, fastest], ['cosine', 'sine', 'angularVelocity']),
  actionSpace: box([-strongest], [strongest]),
  rewardRange: { low: -(Math.PI ** 2 + 0.1 * fastest ** 2 + 0.001 * strongest ** 2), high: 0 },
  stateSize: 2,
  start(state, random) {
    state[0] = Math.PI * (2 * random.uniform() - 1);
    state[1] = 2 * random.uniform() - 1;
  },
  step(state, action) {
    const torque = action[0];
    const lean = normalized(state[0]);
    const cost = lean * lean + 0.1 * state[1] * state[1] + 0.001 * torque * torque;
    const velocity = state[1] + (1.5 * gravity * Math.sin(state[0]) + 3 * torque) * step;
    state[1] = Math.min(Math.max(velocity, -fastest), fastest);
    state[0] += state[1] * step;
    return -cost;
  },
  terminated: () => false,
  observe(state, observation) {
    observation[0] = Math.cos(state[0]);
    observation[1] = Math.sin(state[0]);
    observation[2] = state[1];
  },
  render([angle]) {
    const picture = blankPicture(200, 200);
    drawLine(picture, [100, 100], [100 - 80 * Math.sin(angle), 100 - 80 * Math.cos(angle)], 16, [204, 77, 77]);
    drawLine(picture, [100, 100], [100, 100], 6, [0, 0, 0]);
    return picture;
  },
});

/** Swing a pendulum up and hold it, with a torque within [−2, 2]; every step costs by angle, velocity and torque. */
export const pendulum = definePart('environment', {
  name: 'pendulum',
  summary: 'Swing a pendulum up and hold it, Gymnasium’s Pendulum-v1',
  options: z.strictObject({
    gravity: z.number().positive().default(10).describe('Acceleration of gravity, m/s².'),
    timeLimit: timeLimitOption(200),
  }),
  create: (options, context) =>
    vectorize(simulation(options.gravity), { name: 'pendulum', options, timeLimit: options.timeLimit }, context),
});
