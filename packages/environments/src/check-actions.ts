import { InputError, type ActionSpace } from '@retort/core';

/** Numbers of one copy's action. */
export function actionLength(space: ActionSpace): number {
  return space.kind === 'box' ? space.low.length : space.kind === 'simplex' ? space.size : 1;
}

/** @throws InputError naming the first copy whose action lies outside the space */
export function checkActions(
  actions: Int32Array | Float32Array,
  space: ActionSpace,
  count: number,
  name: string,
): void {
  if (space.kind === 'simplex') throw new InputError(`environment "${name}": actions are discrete or of a box`);
  const width = actionLength(space);
  if (actions.length !== count * width) {
    throw new InputError(
      `environment "${name}": ${actions.length} numbers of actions for ${count} copies; each takes ${width}`,
    );
  }
  if (space.kind === 'discrete') {
    for (let copy = 0; copy < count; copy++) {
      const action = actions[copy];
      // The comparison is false of NaN too.
      if (!(action >= 0 && action < space.size) || action !== Math.floor(action)) {
        throw new InputError(`environment "${name}": action ${action} of copy ${copy} is outside its space`, {
          hints: [`actions are whole numbers from 0 to ${space.size - 1}`],
        });
      }
    }
    return;
  }
  for (let i = 0; i < actions.length; i++) {
    const component = i % width;
    const [low, high] = [space.low[component], space.high[component]];
    // Rounded as float32 actions are.
    if (!(actions[i] >= Math.fround(low) && actions[i] <= Math.fround(high))) {
      const copy = Math.floor(i / width);
      throw new InputError(`environment "${name}": action ${actions[i]} of copy ${copy} is outside its space`, {
        hints: [`component ${component} lies between ${low} and ${high}; clip what a policy samples`],
      });
    }
  }
}
