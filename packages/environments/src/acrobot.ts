import { definePart, discrete, observationSpace, z } from '@retort/core';
import { timeLimitOption } from './options.js';
import { blankPicture, drawLine, fillRectangle } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

// Both links: 1 m, 1 kg, center of mass in the middle, moment of inertia 1.
const [length1, mass1, center1, inertia1] = [1, 1, 0.5, 1];
const [mass2, center2, inertia2] = [1, 0.5, 1];
const gravity = 9.8;
/** Seconds. */
const step = 0.2;
const fastest1 = 4 * Math.PI;
const fastest2 = 9 * Math.PI;

/** Time derivative of (θ1, θ2, ω1, ω2), with the equations of Sutton & Barto's book. */
function derivative(state: Float64Array, torque: number, out: Float64Array): void {
  const angle1 = state[0];
  const angle2 = state[1];
  const velocity1 = state[2];
  const velocity2 = state[3];
  const cosine2 = Math.cos(angle2);
  const coupling = mass2 * length1 * center2 * Math.sin(angle2);
  const d1 =
    mass1 * center1 ** 2 +
    mass2 * (length1 ** 2 + center2 ** 2 + 2 * length1 * center2 * cosine2) +
    inertia1 +
    inertia2;
  const d2 = mass2 * (center2 ** 2 + length1 * center2 * cosine2) + inertia2;
  const phi2 = mass2 * center2 * gravity * Math.cos(angle1 + angle2 - Math.PI / 2);
  const phi1 =
    -coupling * velocity2 * velocity2 -
    2 * coupling * velocity2 * velocity1 +
    (mass1 * center1 + mass2 * length1) * gravity * Math.cos(angle1 - Math.PI / 2) +
    phi2;
  const acceleration2 =
    (torque + (d2 / d1) * phi1 - coupling * velocity1 * velocity1 - phi2) /
    (mass2 * center2 ** 2 + inertia2 - (d2 * d2) / d1);
  out[0] = velocity1;
  out[1] = velocity2;
  out[2] = -(d2 * acceleration2 + phi1) / d1;
  out[3] = acceleration2;
}

/** An angle within [−π, π]. */
function wrapped(angle: number): number {
  while (angle > Math.PI) angle -= 2 * Math.PI;
  while (angle < -Math.PI) angle += 2 * Math.PI;
  return angle;
}

const bounded = (value: number, bound: number) => Math.min(Math.max(value, -bound), bound);

/** Sutton 1996 as Gymnasium's Acrobot-v1 has it: one step of Runge and Kutta's fourth-order rule per 0.2 s. */
function createSimulation(): Simulation {
  const slopes = Array.from({ length: 4 }, () => new Float64Array(4));
  const between = new Float64Array(4);
  return {
    observationSpace: observationSpace(
      [6],
      [-1, -1, -1, -1, -fastest1, -fastest2],
      [1, 1, 1, 1, fastest1, fastest2],
      ['cosine1', 'sine1', 'cosine2', 'sine2', 'angularVelocity1', 'angularVelocity2'],
    ),
    actionSpace: discrete(3),
    rewardRange: { low: -1, high: 0 },
    stateSize: 4,
    start(state, random) {
      for (let i = 0; i < 4; i++) state[i] = 0.2 * random.uniform() - 0.1;
    },
    step(state, action) {
      const torque = action[0] - 1;
      derivative(state, torque, slopes[0]);
      for (let stage = 1; stage < 4; stage++) {
        const ahead = stage === 3 ? step : step / 2;
        for (let i = 0; i < 4; i++) between[i] = state[i] + ahead * slopes[stage - 1][i];
        derivative(between, torque, slopes[stage]);
      }
      for (let i = 0; i < 4; i++) {
        state[i] += (step / 6) * (slopes[0][i] + 2 * slopes[1][i] + 2 * slopes[2][i] + slopes[3][i]);
      }
      state[0] = wrapped(state[0]);
      state[1] = wrapped(state[1]);
      state[2] = bounded(state[2], fastest1);
      state[3] = bounded(state[3], fastest2);
      return this.terminated(state) ? 0 : -1;
    },
    terminated: (state) => -Math.cos(state[0]) - Math.cos(state[0] + state[1]) > 1,
    observe(state, observation) {
      observation[0] = Math.cos(state[0]);
      observation[1] = Math.sin(state[0]);
      observation[2] = Math.cos(state[1]);
      observation[3] = Math.sin(state[1]);
      observation[4] = state[2];
      observation[5] = state[3];
    },
    render([angle1, angle2]) {
      const picture = blankPicture(220, 220);
      const scale = 50;
      const joint = [110 + scale * Math.sin(angle1), 110 + scale * Math.cos(angle1)] as const;
      const end = [joint[0] + scale * Math.sin(angle1 + angle2), joint[1] + scale * Math.cos(angle1 + angle2)] as const;
      fillRectangle(picture, 0, 110 - scale, 220, 111 - scale, [0, 0, 0]);
      drawLine(picture, [110, 110], joint, 10, [0, 204, 204]);
      drawLine(picture, joint, end, 10, [0, 170, 204]);
      for (const at of [[110, 110] as const, joint]) drawLine(picture, at, at, 10, [204, 204, 0]);
      return picture;
    },
  };
}

/** Swing the free end of two links above a line with torque at their joint: −1 for every step before. */
export const acrobot = definePart('environment', {
  name: 'acrobot',
  summary: 'Swing two links up by the torque between them, Gymnasium’s Acrobot-v1',
  options: z.strictObject({ timeLimit: timeLimitOption(500) }),
  create: (options, context) =>
    vectorize(createSimulation(), { name: 'acrobot', options, timeLimit: options.timeLimit }, context),
});
