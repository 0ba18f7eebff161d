import { InputError, type Batch, type HostTensor, type TeacherContext } from '@retort/core';

/** @throws InputError in a run with an environment, of teachers that look at images only */
export function refuseStates({ environment, id, path }: TeacherContext, use: string): void {
  if (!environment) return;
  throw new InputError(`teacher "${id}": ${use} looks at images, and this run's environment shows states`, {
    hints: ['teachers that act are of kind run or layers-model'],
    where: path,
  });
}

/** A batch's images [B, H, W, 3]. @throws InputError when it has none, or not of the shape the teacher was made for */
export function imageOf({ inputs }: Pick<Batch, 'inputs'>, { id, imageShape, path }: TeacherContext): HostTensor {
  const shape = inputs.image?.shape.slice(1).join(' x ');
  const expected = imageShape.join(' x ');
  if (!inputs.image || shape !== expected) {
    throw new InputError(`teacher "${id}" was made for images of ${expected}, the batch has ${shape ?? 'none'}`, {
      where: path,
    });
  }
  return inputs.image;
}
