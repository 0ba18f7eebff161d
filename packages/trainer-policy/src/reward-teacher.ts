import { InputError, outputNamed, outputTensors, type Teacher } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { stateBatch } from './compose-acting.js';

/**
 * The teacher that a reward asks.
 *
 * @param id undefined for the only one
 * @throws InputError when there is none of that name, or several and no name
 */
export function teacherOf(teachers: readonly Teacher[], id: string | undefined, path: string): Teacher {
  const ids = teachers.map((teacher) => teacher.id).join(', ') || 'none';
  const found =
    id === undefined ? (teachers.length === 1 ? teachers[0] : undefined) : teachers.find((each) => each.id === id);
  if (found) return found;
  throw new InputError(
    id === undefined ? `${path}: this reward asks one teacher` : `${path}.teacher: no teacher is called "${id}"`,
    {
      hints: [`teachers listed: ${ids}`, ...(id === undefined && teachers.length > 1 ? ['name one: teacher: ID'] : [])],
    },
  );
}

/**
 * The first of these outputs that a teacher gives, with its numbers per observation.
 *
 * @throws InputError when it gives none of them
 */
export function teacherOutput(
  teacher: Teacher,
  names: readonly string[],
  path: string,
): { name: string; width: number } {
  const { provides } = teacher.describe();
  const name = names.find((each) => each in provides);
  if (name === undefined) {
    throw new InputError(`${path}: teacher ${teacher.id} gives no ${names.join(' or ')}`, {
      hints: [`it gives: ${Object.keys(provides).join(', ')}`],
    });
  }
  return { name, width: provides[name].reduce((product, length) => product * length, 1) };
}

/** Asks a teacher about observations [N, …shape]. @returns one of its outputs, row by row */
export async function askTeacher(
  teacher: Teacher,
  name: string,
  observations: Float32Array,
  shape: readonly number[],
): Promise<Float32Array> {
  const output = await teacher.infer(stateBatch(observations.slice(), shape));
  const values = Float32Array.from(await outputNamed(output, name)!.data());
  tf.dispose(outputTensors(output));
  return values;
}
