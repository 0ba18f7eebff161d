import * as tf from '@tensorflow/tfjs';
import { InputError, type HostTensor, type TeacherContext } from '@retort/core';

/**
 * Where the data set's classes stand among a teacher's logits: element c is the teacher's number of class c.
 *
 * @param names the teacher's own, in the order of its logits; undefined when it names none, and then only the count is checked
 * @param count of its logits
 * @returns undefined when the orders agree
 * @throws InputError naming the teacher, both counts and the names that differ
 */
export function classOrder(
  names: readonly string[] | undefined,
  count: number,
  { id, classes, path }: TeacherContext,
): Int32Array | undefined {
  if (names && names.length !== count) {
    throw new InputError(`teacher "${id}" names ${names.length} classes but has ${count} logits`, {
      hints: ["`classes` lists the teacher's own classes, one for each logit"],
      where: path,
    });
  }
  const unknown = names?.filter((name) => !classes.includes(name)) ?? [];
  const missing = names ? classes.filter((name) => !names.includes(name)) : [];
  if (count !== classes.length || unknown.length > 0 || missing.length > 0) {
    throw new InputError(`teacher "${id}" has ${count} classes, the data set has ${classes.length}, and they differ`, {
      hints: [
        ...(unknown.length > 0 ? [`only the teacher has: ${firstFew(unknown)}`] : []),
        ...(missing.length > 0 ? [`only the data set has: ${firstFew(missing)}`] : []),
        "a teacher and the data set must have the same classes; `classes` gives the teacher's own order",
      ],
      where: path,
    });
  }
  if (!names || names.every((name, i) => name === classes[i])) return undefined;
  return Int32Array.from(classes, (name) => names.indexOf(name));
}

function firstFew(names: string[]): string {
  return names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
}

/** Logits [B, C] in the data set's order. */
export function reorderLogits(logits: tf.Tensor2D, order: Int32Array | undefined): tf.Tensor2D {
  return order ? tf.tidy(() => logits.gather(tf.tensor1d(order, 'int32'), 1)) : logits;
}

/** A classifier's kernel [D, C] or bias [C] in the data set's order. */
export function reorderColumns({ data, shape }: HostTensor, order: Int32Array | undefined): HostTensor {
  if (!order) return { data, shape };
  const classes = order.length;
  return { data: data.map((_, i) => data[i - (i % classes) + order[i % classes]]), shape };
}
