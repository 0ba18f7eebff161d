import { type ActionSpace, discrete, observationSpace, type StudentContext } from '@retort/core';
import { studentContext } from './student-context.js';

/** A run in an environment that shows `shape`. */
export function actingContext(shape: number[], actionSpace: ActionSpace = discrete(2), seed = 1): StudentContext {
  const size = actionSpace.kind === 'box' ? 0 : actionSpace.size;
  return studentContext(
    {
      classes: Array.from({ length: size }, (_, i) => `action ${i}`),
      imageShape: shape.length === 3 ? (shape as [number, number, number]) : [1, 1, shape.reduce((a, b) => a * b)],
      environment: { observationSpace: observationSpace(shape, -10, 10), actionSpace },
    },
    seed,
  );
}

/** Observations that follow from their places. */
export const states = (count: number, size: number): number[][] =>
  Array.from({ length: count }, (_, b) => Array.from({ length: size }, (_, i) => 1.5 * Math.sin(1 + b * size + 2 * i)));
