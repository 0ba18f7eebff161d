import { type Environment, type HostTensor, type Student } from '@retort/core';
import { actionSize, observationSize, type Recording } from '@retort/trainer-policy';
import * as tf from '@tensorflow/tfjs';
import type { WatchedStep } from './watched-episode.js';

/** States whose outputs are computed at a time. */
const batchSize = 1024;

/** Keeps what one policy does over episodes, one after the other. */
export interface Recorder {
  add(step: WatchedStep): void;
  readonly steps: number;
  /** With what the network says of every state, unless that depends on what went before. */
  finish(): Promise<Recording>;
}

export function createRecorder(
  student: Pick<Student, 'model' | 'offers'>,
  { identity, observationSpace, actionSpace }: Environment,
  player: string,
): Recorder {
  const steps: WatchedStep[] = [];
  const { shape } = observationSpace;
  const spaces = { observationSpace, actionSpace };
  return {
    add: (step) => void steps.push(step),
    get steps() {
      return steps.length;
    },
    async finish() {
      const n = steps.length;
      const states = new Float32Array(n * observationSize(spaces));
      steps.forEach(({ observation }, i) => states.set(observation, i * observation.length));
      const chosen = steps.flatMap(({ action }) => action);
      const flags = (of: (step: WatchedStep) => boolean) => ({
        data: Uint8Array.from(steps, (step) => (of(step) ? 1 : 0)),
        shape: [n],
      });
      const outputs = 'memory' in student.offers ? undefined : await outputsOf(student, states, shape);
      return {
        ...{ environment: identity, observationShape: shape, actionSpace, player, copies: 1 },
        states: { data: states, shape: [n, ...shape] },
        actions:
          actionSpace.kind === 'box'
            ? { data: Float32Array.from(chosen), shape: [n, actionSize(actionSpace)] }
            : { data: Int32Array.from(chosen), shape: [n] },
        rewards: { data: Float32Array.from(steps, ({ reward }) => reward), shape: [n] },
        terminated: flags(({ terminated }) => terminated),
        truncated: flags(({ truncated }) => truncated),
        ...(outputs && { outputs }),
      };
    },
  };
}

async function outputsOf(
  student: Pick<Student, 'model' | 'offers'>,
  states: Float32Array,
  shape: readonly number[],
): Promise<Record<string, HostTensor>> {
  const size = shape.reduce((product, length) => product * length, 1);
  const n = states.length / size;
  const names = Object.keys(student.offers) as (keyof Student['offers'])[];
  const rows = (name: (typeof names)[number]) => [n, ...student.offers[name]!];
  const outputs = Object.fromEntries(
    names.map((name) => [name, { data: new Float32Array(rows(name).reduce((a, b) => a * b, 1)), shape: rows(name) }]),
  );
  for (let start = 0; start < n; start += batchSize) {
    const end = Math.min(n, start + batchSize);
    const said = tf.tidy(() => {
      const state = tf.tensor(states.slice(start * size, end * size), [end - start, ...shape]);
      return [student.model.apply(state, { training: false }) as tf.Tensor | tf.Tensor[]].flat();
    });
    for (const [i, name] of names.entries()) {
      const values = (await said[i].data()) as Float32Array;
      outputs[name].data.set(values, start * (values.length / (end - start)));
    }
    tf.dispose(said);
  }
  return outputs;
}
