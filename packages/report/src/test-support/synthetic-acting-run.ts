import { Random, type LoggedEvent, type MetricValue, type RunEvent } from '@retort/core';
import type { RunData } from '../run-data.js';

/** A GIF of one pixel. */
const onePixel = 'R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=';

/** A run as trainer `reinforcement` logs it: returns that rise over 20,480 environment steps, ten evaluations. */
export function syntheticActingRun({ name = 'cart-pole-student', seed = 1, epochsDone = 10 } = {}): RunData {
  const random = new Random([seed, 5]);
  const events: LoggedEvent[] = [];
  let clock = Date.UTC(2026, 2, 1, 9, 30);
  const log = (event: RunEvent) => events.push({ time: new Date((clock += 900)).toISOString(), ...event });
  const measure = (progress: number): Record<string, MetricValue> => {
    const earned = Math.min(500, 20 + 520 * progress + 10 * random.normal());
    return { return: earned, 'return-deviation': 30 * (1 - progress), 'episode-length': earned };
  };
  log({ type: 'backend', name: 'onnxruntime', reason: 'the fastest that is installed' });
  log({
    ...{ type: 'run-start', name, epochs: 10, stepsPerEpoch: 2, batchSize: 1024, unit: 'environment steps' },
    ...{ parameters: 461, classes: ['0', '1'], teachers: ['teacher'] },
  });
  for (let epoch = 0; epoch < epochsDone; epoch++) {
    for (const step of [2 * epoch, 2 * epoch + 1]) {
      const progress = (step + 1) / 20;
      const values = {
        ...(measure(progress) as Record<string, number>),
        ...{ episodes: 40 * (step + 1), policyLoss: 0.01 * random.normal(), valueLoss: 20 * Math.exp(-progress) },
        ...{ entropy: 0.69 - 0.4 * progress, 'reward/shaping': 0.02 * progress },
      };
      log({ type: 'step', epoch, step, learningRate: 1e-3 * (1 - progress), values });
    }
    const step = 2 * epoch + 1;
    log({ type: 'epoch', epoch, step, seconds: 0.8, imagesPerSecond: 2048 / 0.8 });
    const values = measure((epoch + 1) / 10);
    log({ type: 'evaluation', epoch, step, split: 'validation', student: 'current', values });
  }
  if (epochsDone === 10) {
    const results: Record<string, Record<string, MetricValue>> = {};
    for (const [student, epoch] of [
      ['last', 9],
      ['best', 7],
    ] as const) {
      results[student] = { epoch };
      for (const split of ['validation', 'test']) {
        const values = measure((epoch + 1) / 10);
        log({ type: 'evaluation', epoch: 9, step: 19, split, student, values });
        for (const [metric, value] of Object.entries(values)) results[student][`${split}/${metric}`] = value;
      }
    }
    log({ type: 'run-end', status: 'finished', seconds: 8, results });
  }
  return {
    folder: `runs/${name}`,
    manifest,
    events,
    problems: [],
    played: {
      episodes: [
        { name: 'student', return: 487, length: 487 },
        { name: 'teacher', return: 500, length: 500 },
      ],
      every: 4,
      picture: onePixel,
    },
  };
}

const manifest = `name: cart-pole-student
seed: 1
backend: auto
environment: { use: frame-stack, frames: 2, environment: { use: cart-pole, timeLimit: 500 } }
student: { use: policy-mlp, hidden: [16] }
teachers:
  - { id: teacher, use: run, path: runs/teacher }
agent: { use: ppo, clip: 0.2 }
trainer: { use: reinforcement, steps: 20480, rewards: [{ use: shaping, weight: 0.5 }] }
`;
