import { InputError, type Batch, type HostTensor, type TeacherContext } from '@retort/core';

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
