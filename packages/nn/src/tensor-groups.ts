import type { BatchTensors, NetworkOutput } from '@retort/core';
import type { TensorMap } from './compile.js';

/** The same values under names that begin with `prefix`. */
export function group<T>(prefix: string, tensors: Partial<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [prefix + key, tensor!]));
}

/** The values of a {@link group}, under the names they had. */
export function ungroup<T>(tensors: Record<string, T>, prefix: string): Record<string, T> {
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
  );
}

export function mapValues<A, B>(record: Record<string, A>, f: (value: A, key: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));
}

/** A batch and its teachers' outputs as arguments of a compiled step. Losses find a tap under its own name. */
export function batchArguments({ size: _, ...tensors }: BatchTensors, teachers: readonly NetworkOutput[]): TensorMap {
  return {
    ...group('batch/', tensors),
    ...Object.assign(
      {},
      ...teachers.map(({ taps, ...fields }, m) => group(`teacher/${m}/`, { ...(fields as TensorMap), ...taps })),
    ),
  };
}

/** What {@link batchArguments} was given. */
export function batchFrom(inputs: TensorMap, teacherCount: number): { batch: BatchTensors; teachers: NetworkOutput[] } {
  return {
    batch: { size: inputs['batch/image'].shape[0]!, ...ungroup(inputs, 'batch/') } as BatchTensors,
    teachers: Array.from({ length: teacherCount }, (_, m) => ungroup(inputs, `teacher/${m}/`) as NetworkOutput),
  };
}
