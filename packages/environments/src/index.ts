import { definePlugin } from '@retort/core';
import { acrobot } from './acrobot.js';
import { breakout } from './breakout.js';
import { cartPole } from './cart-pole.js';
import { frameStack } from './frame-stack.js';
import { freeway } from './freeway.js';
import { keyDoor } from './key-door.js';
import { mountainCar, mountainCarContinuous } from './mountain-car.js';
import { multiTask } from './multi-task.js';
import { partialObservation } from './partial-observation.js';
import { pendulum } from './pendulum.js';
import { spaceInvaders } from './space-invaders.js';
import { tMaze } from './t-maze.js';
import { timeLimitPart } from './time-limit.js';

export { acrobot } from './acrobot.js';
export { breakout } from './breakout.js';
export { cartPole } from './cart-pole.js';
export { checkEnvironment } from './check-environment.js';
export { encodeGif, encodePng } from './encode-picture.js';
export { frameStack, stackFrames } from './frame-stack.js';
export { freeway } from './freeway.js';
export { keyDoor } from './key-door.js';
export { mountainCar, mountainCarContinuous } from './mountain-car.js';
export { joinTasks, multiTask } from './multi-task.js';
export { hideEntries, partialObservation } from './partial-observation.js';
export { timeLimitOption } from './options.js';
export { pendulum } from './pendulum.js';
export { blankPicture, drawLine, fillRectangle, sideBySide } from './picture.js';
export type { Color } from './picture.js';
export type { Simulation } from './simulation.js';
export { spaceInvaders } from './space-invaders.js';
export { tMaze } from './t-maze.js';
export { terminalText } from './terminal-text.js';
export { limitTime, timeLimitPart } from './time-limit.js';
export { vectorize } from './vectorize.js';
export type { VectorizeOptions } from './vectorize.js';

export const plugin = definePlugin({
  name: '@retort/environments',
  register(registry) {
    registry.add(cartPole).add(acrobot).add(mountainCar).add(mountainCarContinuous).add(pendulum);
    registry.add(keyDoor).add(tMaze).add(breakout).add(freeway).add(spaceInvaders);
    registry.add(frameStack).add(partialObservation).add(timeLimitPart).add(multiTask);
  },
});
