import { box, definePart, discrete, observationSpace, z, type Picture } from '@retort/core';
import { timeLimitOption } from './options.js';
import { blankPicture, drawLine } from './picture.js';
import type { Simulation } from './simulation.js';
import { vectorize } from './vectorize.js';

const leftmost = -1.2;
const rightmost = 0.6;
const fastest = 0.07;
const gravity = 0.0025;

/** What both versions share: state and observation are position and velocity. */
const common = {
  observationSpace: observationSpace([2], [leftmost, -fastest], [rightmost, fastest], ['position', 'velocity']),
  stateSize: 2,
  start(state, random) {
    state[0] = 0.2 * random.uniform() - 0.6;
    state[1] = 0;
  },
  observe(state, observation) {
    observation[0] = state[0];
    observation[1] = state[1];
  },
} satisfies Partial<Simulation>;

/** One step down the hill sin(3 x) with an engine. The left end stops the car. */
function roll(state: Float64Array, push: number): void {
  const velocity = state[1] + push - gravity * Math.cos(3 * state[0]);
  state[1] = Math.min(Math.max(velocity, -fastest), fastest);
  state[0] = Math.min(Math.max(state[0] + state[1], leftmost), rightmost);
  if (state[0] === leftmost && state[1] < 0) state[1] = 0;
}

/** Moore 1990 as Gymnasium's MountainCar-v0 has it. */
const discreteSimulation: Simulation = {
  ...common,
  actionSpace: discrete(3),
  rewardRange: { low: -1, high: -1 },
  step(state, action) {
    roll(state, (action[0] - 1) * 0.001);
    return -1;
  },
  terminated: (state) => state[0] >= 0.5 && state[1] >= 0,
  render: (state) => draw(state[0], 0.5),
};

/** Gymnasium's MountainCarContinuous-v0: an engine of another strength, a goal nearer by, and a price for force. */
const continuousSimulation: Simulation = {
  ...common,
  actionSpace: box([-1], [1]),
  rewardRange: { low: -0.1, high: 100 },
  step(state, action) {
    roll(state, action[0] * 0.0015);
    return (this.terminated(state) ? 100 : 0) - 0.1 * action[0] * action[0];
  },
  terminated: (state) => state[0] >= 0.45 && state[1] >= 0,
  render: (state) => draw(state[0], 0.45),
};

function draw(position: number, goal: number): Picture {
  const picture = blankPicture(300, 200);
  const scale = picture.width / (rightmost - leftmost);
  const place = (x: number, above = 0) =>
    [(x - leftmost) * scale, 200 - (0.45 * Math.sin(3 * x) + 0.55) * scale - above] as const;
  for (let i = 0; i < 60; i++) {
    const x = leftmost + (i * (rightmost - leftmost)) / 60;
    drawLine(picture, place(x), place(x + (rightmost - leftmost) / 60), 2, [0, 0, 0]);
  }
  drawLine(picture, place(goal), place(goal, 25), 1.5, [0, 0, 0]);
  drawLine(picture, place(goal, 24), place(goal, 20), 8, [204, 170, 0]);
  drawLine(picture, place(position - 0.04, 9), place(position + 0.04, 9), 9, [60, 90, 160]);
  for (const wheel of [-0.035, 0.035]) {
    drawLine(picture, place(position + wheel, 4), place(position + wheel, 4), 8, [110, 110, 110]);
  }
  return picture;
}

/** Reach the flag at 0.5 with an engine too weak for the hill: −1 for every step. Actions: left, none, right. */
export const mountainCar = definePart('environment', {
  name: 'mountain-car',
  summary: 'Swing a weak car up a hill, Gymnasium’s MountainCar-v0',
  options: z.strictObject({ timeLimit: timeLimitOption(200) }),
  create: (options, context) =>
    vectorize(discreteSimulation, { name: 'mountain-car', options, timeLimit: options.timeLimit }, context),
});

/** Reach the flag at 0.45 with a force within [−1, 1]: 100 there, −0.1 times the squared force for every step. */
export const mountainCarContinuous = definePart('environment', {
  name: 'mountain-car-continuous',
  summary: 'Swing a weak car up a hill by a real force, Gymnasium’s MountainCarContinuous-v0',
  options: z.strictObject({ timeLimit: timeLimitOption(999) }),
  create: (options, context) =>
    vectorize(
      continuousSimulation,
      { name: 'mountain-car-continuous', options, timeLimit: options.timeLimit },
      context,
    ),
});
