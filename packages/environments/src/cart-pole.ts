import { definePart, discrete, observationSpace, z } from '@retort/core';
import { timeLimitOption } from './options.js';
import { blankPicture, drawLine, fillRectangle } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

const gravity = 9.8;
const cartMass = 1;
const poleMass = 0.1;
const totalMass = cartMass + poleMass;
const halfLength = 0.5;
const poleMoment = poleMass * halfLength;
const force = 10;
/** Seconds. */
const step = 0.02;
const farthest = 2.4;
const steepest = (12 * 2 * Math.PI) / 360;

/**
 * Barto, Sutton & Anderson 1983 as Gymnasium's CartPole-v1 has it: the equations of a pole on a cart without friction (Florian
 * 2007), Euler's rule with 0.02 s. State and observation: position (m), velocity, angle (rad, 0 upright), angular velocity.
 */
const simulation: Simulation = {
  observationSpace: observationSpace(
    [4],
    [-2 * farthest, -Infinity, -2 * steepest, -Infinity],
    [2 * farthest, Infinity, 2 * steepest, Infinity],
    ['position', 'velocity', 'angle', 'angularVelocity'],
  ),
  actionSpace: discrete(2),
  rewardRange: { low: 1, high: 1 },
  stateSize: 4,
  start(state, random) {
    for (let i = 0; i < 4; i++) state[i] = 0.1 * random.uniform() - 0.05;
  },
  step(state, action) {
    const position = state[0];
    const velocity = state[1];
    const angle = state[2];
    const angularVelocity = state[3];
    const cosine = Math.cos(angle);
    const sine = Math.sin(angle);
    const push =
      ((action[0] === 1 ? force : -force) + poleMoment * angularVelocity * angularVelocity * sine) / totalMass;
    const angularAcceleration =
      (gravity * sine - cosine * push) / (halfLength * (4 / 3 - (poleMass * cosine * cosine) / totalMass));
    const acceleration = push - (poleMoment * angularAcceleration * cosine) / totalMass;
    state[0] = position + step * velocity;
    state[1] = velocity + step * acceleration;
    state[2] = angle + step * angularVelocity;
    state[3] = angularVelocity + step * angularAcceleration;
    return 1;
  },
  terminated: (state) => state[0] < -farthest || state[0] > farthest || state[2] < -steepest || state[2] > steepest,
  observe(state, observation) {
    for (let i = 0; i < 4; i++) observation[i] = state[i];
  },
  render([position, , angle]) {
    const picture = blankPicture(300, 200);
    const scale = picture.width / (2 * farthest);
    const [x, y] = [picture.width / 2 + position * scale, 150];
    fillRectangle(picture, 0, y, picture.width, y + 1, [0, 0, 0]);
    fillRectangle(picture, x - 13, y - 8, x + 13, y + 8, [40, 40, 40]);
    const reach = 2 * halfLength * scale;
    drawLine(picture, [x, y - 4], [x + reach * Math.sin(angle), y - 4 - reach * Math.cos(angle)], 6, [202, 152, 101]);
    drawLine(picture, [x, y - 4], [x, y - 4], 5, [129, 132, 203]);
    return picture;
  },
};

/** Balance a pole on a cart: 1 for every step, until the pole leans by 12° or the cart is 2.4 m away. */
export const cartPole = definePart('environment', {
  name: 'cart-pole',
  summary: 'Balance a pole on a cart, Gymnasium’s CartPole-v1',
  options: z.strictObject({ timeLimit: timeLimitOption(500) }),
  create: (options, context) =>
    vectorize(simulation, { name: 'cart-pole', options, timeLimit: options.timeLimit }, context),
});
