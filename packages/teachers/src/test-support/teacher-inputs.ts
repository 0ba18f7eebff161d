import { type Batch, InputError, type Part, Registry, type Teacher, type TeacherContext } from '@retort/core';
import { tiny } from './tiny-network.js';

export function teacherContext(changes: Partial<TeacherContext> = {}): TeacherContext {
  return {
    id: 't1',
    classes: ['ant', 'bee', 'cat'],
    imageShape: [tiny.height, tiny.width, 3],
    scope: new Registry().createScope(),
    baseFolder: '.',
    path: 'teachers[0]',
    ...changes,
  };
}

/** Pixels in [0, 1] that are all different. */
export function batchOf(size: number, [height, width]: number[] = [tiny.height, tiny.width]): Batch {
  const data = Float32Array.from({ length: size * height * width * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(i));
  return {
    split: 'train',
    epoch: 0,
    step: 0,
    size,
    index: Int32Array.from({ length: size }, (_, i) => i),
    view: new Int32Array(size),
    inputs: { image: { data, shape: [size, height, width, 3] } },
    targets: {},
  };
}

/** Image `i` of a batch, normalized. */
export function pixelsOf(batch: Batch, i: number, mean = [0, 0, 0], deviation = [1, 1, 1]): number[] {
  const { data, shape } = batch.inputs.image!;
  const length = data.length / shape[0];
  return Array.from(data.subarray(i * length, (i + 1) * length), (x, j) => (x - mean[j % 3]) / deviation[j % 3]);
}

export async function makeTeacher(
  part: Part<'teacher'>,
  options: object,
  context = teacherContext(),
): Promise<Teacher> {
  return await part.create(part.options.parse(options) as never, context);
}

/** The text of the InputError that making a teacher must end in. */
export async function refusal(part: Part<'teacher'>, options: object, context?: TeacherContext): Promise<string> {
  const error = await makeTeacher(part, options, context).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).text;
}
