import {
  type ActionSpace,
  box,
  definePart,
  discrete,
  type Environment,
  type EnvironmentTask,
  InputError,
  observationSpace,
  partReference,
  type StateTree,
  z,
} from '@retort/core';
import { actionLength, checkActions } from './check-actions.js';

/**
 * One environment whose copies play different tasks: copy i plays task i mod K, and is copy ⌊i / K⌋ of it.
 *
 * Observations have the length of the longest task's, zeros behind shorter ones, then a one-hot of the task: entries of a vector,
 * constant planes behind the channels of a grid, whose smaller ones lie in the upper left corner. Discrete actions are as many as the
 * task with the most has; one that a task lacks does what its action 0 does. Actions of boxes are in half ranges of each task's own
 * box, from −1 to 1.
 *
 * @param environments of the tasks; environment k has ⌈(N − k) / K⌉ copies, or one where it has none to play
 * @param count N; copies that are played
 * @throws InputError when vectors are mixed with grids, discrete actions with boxes, or boxes of different lengths
 */
export function joinTasks(
  environments: readonly Environment[],
  count = environments.reduce((sum, environment) => sum + environment.count, 0),
): Environment {
  const total = environments.length;
  const shape = commonShape(environments);
  const spaces = environments.map((environment) => environment.observationSpace);
  const channels = shape[shape.length - 1];
  const size = shape.reduce((product, length) => product * length, 1);
  /** Where each number of a task's observation stands among those shown. */
  const places = spaces.map((space) => placesOf(space.shape, shape));
  const actionSpace = commonActions(environments);
  const width = actionLength(actionSpace);
  const task = (copy: number) => copy % total;
  const within = (copy: number) => Math.floor(copy / total);

  const observations = new Float32Array(count * size);
  const nextObservations = new Float32Array(count * size);
  const rewards = new Float32Array(count);
  const terminated = new Uint8Array(count);
  const truncated = new Uint8Array(count);
  const result = { observations, nextObservations, rewards, terminated, truncated };
  for (const shown of [observations, nextObservations]) {
    for (let copy = 0; copy < count; copy++) {
      for (let cell = 0; cell < size; cell += channels) {
        shown[copy * size + cell + channels - total + task(copy)] = 1;
      }
    }
  }
  const show = (copy: number, from: Float32Array, to: Float32Array) => {
    const places_ = places[task(copy)];
    const start = within(copy) * places_.length;
    for (let i = 0; i < places_.length; i++) to[copy * size + places_[i]] = from[start + i];
  };
  const showAll = () => {
    for (let copy = 0; copy < count; copy++) show(copy, environments[task(copy)].observations, observations);
  };
  const ownActions = environments.map((environment) =>
    actionSpace.kind === 'box' ? new Float32Array(environment.count * width) : new Int32Array(environment.count),
  );
  // Of a copy that nobody plays: the middle of its box.
  environments.forEach(({ actionSpace: space }, k) => {
    if (space.kind === 'box')
      ownActions[k].forEach((_, i) => (ownActions[k][i] = (space.low[i % width] + space.high[i % width]) / 2));
  });
  const act = (copy: number, actions: Int32Array | Float32Array) => {
    const space = environments[task(copy)].actionSpace;
    const [to, at] = [ownActions[task(copy)], within(copy) * width];
    if (space.kind !== 'box') {
      to[at] = actions[copy] < (space as { size: number }).size ? actions[copy] : 0;
      return;
    }
    for (let i = 0; i < width; i++) {
      const [low, high] = [space.low[i], space.high[i]];
      const action = (low + high) / 2 + ((high - low) / 2) * actions[copy * width + i];
      to[at + i] = Math.min(high, Math.max(low, action));
    }
  };

  const bound = (which: 'low' | 'high', among: (...values: number[]) => number) => {
    const all = new Float32Array(size).fill(which === 'low' ? Infinity : -Infinity);
    spaces.forEach((space, k) => {
      const own = new Float32Array(size);
      places[k].forEach((place, i) => (own[place] = space[which][i]));
      for (let i = 0; i < size; i++) all[i] = among(all[i], own[i]);
    });
    for (let i = 0; i < size; i++) if (i % channels >= channels - total) all[i] = which === 'low' ? 0 : 1;
    return Array.from(all);
  };
  const names = namesOf(environments);
  const tasks = environments.map((environment, k): EnvironmentTask => ({
    name: names[k],
    identity: environment.identity,
    observationSpace: environment.observationSpace,
    actionSpace: environment.actionSpace,
    rewardRange: environment.rewardRange,
    timeLimit: environment.timeLimit,
    own(shown) {
      const own = new Float32Array((shown.length / size) * places[k].length);
      for (let i = 0; i < own.length; i++) {
        const row = Math.floor(i / places[k].length);
        own[i] = shown[row * size + places[k][i - row * places[k].length]];
      }
      return own;
    },
  }));
  const ranges = environments.map(({ rewardRange }) => rewardRange);
  return {
    identity: `multi-task [${environments.map(({ identity }) => identity).join(', ')}]`,
    count,
    observationSpace: observationSpace(shape, bound('low', Math.min), bound('high', Math.max)),
    actionSpace,
    rewardRange: {
      low: Math.min(...ranges.map(({ low }) => low)),
      high: Math.max(...ranges.map(({ high }) => high)),
    },
    timeLimit: Math.max(...environments.map(({ timeLimit }) => timeLimit)),
    tasks,
    observations,
    reset(mask) {
      environments.forEach((environment, k) => {
        environment.reset(mask && Uint8Array.from({ length: environment.count }, (_, i) => mask[i * total + k]));
      });
      showAll();
      return observations;
    },
    step(actions) {
      checkActions(actions, actionSpace, count, 'multi-task');
      for (let copy = 0; copy < count; copy++) act(copy, actions);
      const results = environments.map((environment, k) => environment.step(ownActions[k]));
      for (let copy = 0; copy < count; copy++) {
        const [own, i] = [results[task(copy)], within(copy)];
        rewards[copy] = own.rewards[i];
        terminated[copy] = own.terminated[i];
        truncated[copy] = own.truncated[i];
        show(copy, own.observations, observations);
        show(copy, own.nextObservations, nextObservations);
      }
      return result;
    },
    render: (copy) => environments[task(copy)].render(within(copy)),
    text: (copy) => environments[task(copy)].text(within(copy)),
    save: async () => Promise.all(environments.map((environment) => environment.save())),
    async load(saved) {
      for (const [k, environment] of environments.entries()) await environment.load((saved as StateTree[])[k]);
      showAll();
    },
  };
}

/** The smallest shape that holds all observations and the one-hot behind them. */
function commonShape(environments: readonly Environment[]): number[] {
  const shapes = environments.map((environment) => environment.observationSpace.shape);
  const [first] = shapes;
  const other = shapes.findIndex((shape) => shape.length !== first.length);
  if (other > 0) {
    throw differ(environments, other, `[${first}] and [${shapes[other]}] cannot be shown together`, [
      'join vectors with vectors, and grids with grids',
    ]);
  }
  const shape = first.map((_, axis) => Math.max(...shapes.map((each) => each[axis])));
  shape[shape.length - 1] += environments.length;
  return shape;
}

function placesOf(own: readonly number[], shape: readonly number[]): Int32Array {
  const size = own.reduce((product, length) => product * length, 1);
  return Int32Array.from({ length: size }, (_, i) => {
    let [place, stride, rest] = [0, 1, i];
    for (let axis = own.length - 1; axis >= 0; axis--) {
      place += (rest % own[axis]) * stride;
      rest = Math.floor(rest / own[axis]);
      stride *= shape[axis];
    }
    return place;
  });
}

function commonActions(environments: readonly Environment[]): ActionSpace {
  const spaces = environments.map(({ actionSpace }) => actionSpace);
  const [first] = spaces;
  const other = spaces.findIndex((space) => space.kind !== first.kind);
  if (other > 0) {
    throw differ(environments, other, `actions of one are ${first.kind}, of the other ${spaces[other].kind}`);
  }
  if (first.kind !== 'box') return discrete(Math.max(...spaces.map((space) => (space as { size: number }).size)));
  const lengths = spaces.map(actionLength);
  const longer = lengths.findIndex((length) => length !== lengths[0]);
  if (longer > 0) {
    throw differ(environments, longer, `boxes of actions have ${lengths[0]} and ${lengths[longer]} numbers`);
  }
  return box(first.low.map(() => -1), first.low.map(() => 1)); // prettier-ignore
}

function differ(environments: readonly Environment[], other: number, what: string, hints: string[] = []): InputError {
  return new InputError(
    `multi-task: ${environments[0].identity} and ${environments[other].identity} cannot be joined: ${what}`,
    { hints },
  );
}

/** First words of identities, numbered where several are the same: `cart-pole`, `cart-pole-2`. */
function namesOf(environments: readonly Environment[]): string[] {
  const words = environments.map(({ identity }) => identity.split(' ')[0]);
  return words.map((word, k) => {
    const before = words.slice(0, k).filter((each) => each === word).length;
    return before === 0 ? word : `${word}-${before + 1}`;
  });
}

/** {@link joinTasks} as a part. */
export const multiTask = definePart('environment', {
  name: 'multi-task',
  summary: 'Several environments in one: copies play them in turn, and see which',
  options: z.strictObject({
    environments: z.array(partReference('environment')).min(2).describe('The tasks; copy i plays number i mod K.'),
  }),
  create: async ({ environments }, context) => {
    const total = environments.length;
    const made: Environment[] = [];
    for (const [k, reference] of environments.entries()) {
      const count = Math.max(1, Math.ceil((context.count - k) / total));
      const seeds = context.seeds.within(`task-${k}`);
      made.push(await context.scope.create(reference, { ...context, count, seeds, path: reference.path }));
    }
    return joinTasks(made, context.count);
  },
});
