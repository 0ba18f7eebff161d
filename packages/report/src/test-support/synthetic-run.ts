import { Random, sha256, type LoggedEvent, type MetricValue, type RunEvent } from '@retort/core';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunData } from '../run-data.js';

export interface SyntheticRun {
  name?: string;
  epochs?: number;
  /** Fewer than `epochs` for a run that did not get there. */
  epochsDone?: number;
  stepsPerEpoch?: number;
  teachers?: string[];
  classes?: string[];
  end?: 'finished' | 'interrupted' | 'none';
  /** Accuracy the student tends to. */
  accuracy?: number;
  seed?: number;
  warnings?: string[];
}

const scenes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

/** A run as the trainer would log it: falling losses, weights that part over time, evaluations, a confusion matrix. */
export function syntheticRun({
  name = 'scenes-mtkd',
  epochs = 20,
  epochsDone = epochs,
  stepsPerEpoch = 100,
  teachers = ['r20', 'r56', 'vit'],
  classes = scenes,
  end = 'finished',
  accuracy = 0.86,
  seed = 1,
  warnings = [],
}: SyntheticRun = {}): RunData {
  const random = new Random([seed, 7]);
  const events: LoggedEvent[] = [];
  let clock = Date.UTC(2026, 2, 1, 9, 30);
  const log = (event: RunEvent) => events.push({ time: new Date(clock).toISOString(), ...event });

  const weightsAt = (progress: number, sharpness: number) => {
    const scores = teachers.map((_, i) =>
      Math.exp(sharpness * progress * Math.cos(1 + 2.1 * i) + 0.05 * random.normal()),
    );
    const sum = scores.reduce((a, b) => a + b, 0);
    return Object.fromEntries(teachers.map((id, i) => [id, scores[i] / sum]));
  };
  const measure = (level: number, withTeachers: boolean): Record<string, MetricValue> => {
    const perClass = classes.map(() => Math.min(0.99, Math.max(0.02, level + 0.09 * random.normal())));
    const confusion = classes.map((_, i) => {
      const row = classes.map((_, j) =>
        Math.abs(i - j) <= 2 && i !== j ? random.integer(12) : random.integer(40) === 0 ? 1 : 0,
      );
      row[i] = 0;
      const wrong = row.reduce((a, b) => a + b, 0);
      row[i] = Math.round((wrong * perClass[i]) / (1 - perClass[i]));
      return row;
    });
    return {
      'top-1': perClass.reduce((a, b) => a + b, 0) / perClass.length,
      'top-5': 1 - (1 - level) / 6,
      'calibration-error': 0.03 + 0.1 * (1 - level) + 0.004 * random.uniform(),
      'per-class-accuracy': perClass,
      confusion,
      ...(withTeachers && {
        ...Object.fromEntries(
          teachers.map((id, i) => [`agreement/${id}`, Math.max(0, level - 0.03 * i + 0.01 * random.normal())]),
        ),
        'weights/logit': classes.map(() => Object.values(weightsAt(1, 1.2))),
        'weights/generator-logit': classes.map(() => Object.values(weightsAt(1, 1.8))),
      }),
    };
  };

  log({ type: 'backend', name: 'wasm', reason: 'the fastest that is installed' });
  log({ type: 'run-start', name, epochs, stepsPerEpoch, batchSize: 64, parameters: 78_042, classes, teachers });
  for (const message of warnings) log({ type: 'warning', message });
  const best = { value: 0, epoch: 0 };
  for (let epoch = 0; epoch < epochsDone; epoch++) {
    const progress = (epoch + 1) / epochs;
    for (let step = epoch * stepsPerEpoch; step < (epoch + 1) * stepsPerEpoch; step++) {
      if ((step + 1) % 20 > 0) continue;
      const t = step / (epochs * stepsPerEpoch);
      const noise = () => 1 + 0.06 * random.normal();
      const task = (0.35 + 2 * Math.exp(-5 * t)) * noise();
      const kd = (1.1 + 9 * Math.exp(-4 * t)) * noise();
      const hint = (0.012 + 0.06 * Math.exp(-3 * t)) * noise();
      clock += 1500;
      log({
        type: 'step',
        epoch,
        step,
        learningRate: 0.05 * Math.min(1, t * 20) * 0.5 * (1 + Math.cos(Math.PI * t)),
        values: {
          'loss/task': task,
          'loss/kd': kd,
          'loss/hint': hint,
          'train-accuracy': 0.9 - 0.6 * Math.exp(-4 * t) + 0.01 * random.normal(),
          'entropy/logit': 1.05 - 0.2 * t,
          'entropy/feature': 1.08 - 0.1 * t,
          'agent/reward': 0.2 + 0.5 * t + 0.05 * random.normal(),
          'agent/clipped': 0.1 + 0.1 * t,
          'gradient-norm': 3 * Math.exp(-t) * noise(),
        },
      });
    }
    log({
      type: 'epoch',
      epoch,
      step: (epoch + 1) * stepsPerEpoch - 1,
      seconds: 31 + random.uniform(),
      imagesPerSecond: 205 + 6 * random.normal(),
      weights: {
        logit: weightsAt(progress, 1.2),
        feature: weightsAt(progress, -0.7),
        'generator-logit': weightsAt(progress, 1.8),
        'generator-feature': weightsAt(progress, -1.2),
      },
      weightsByClass: {
        logit: classes.map(() => Object.values(weightsAt(progress * (0.5 + random.uniform()), 1.2))),
        feature: classes.map(() => Object.values(weightsAt(progress * (0.5 + random.uniform()), -0.7))),
      },
    });
    const values = measure(accuracy * (1 - 0.75 * Math.exp(-6 * progress)), false);
    log({
      type: 'evaluation',
      epoch,
      step: (epoch + 1) * stepsPerEpoch - 1,
      split: 'validation',
      student: 'current',
      values,
    });
    const value = values['top-1'] as number;
    if (value > best.value) Object.assign(best, { value, epoch });
  }
  const last = { epoch: epochsDone - 1, step: epochsDone * stepsPerEpoch - 1 };
  if (end === 'finished') {
    const results: Record<string, Record<string, MetricValue>> = {};
    for (const student of ['last', 'best']) {
      results[student] = { epoch: student === 'best' ? best.epoch : epochsDone - 1 };
      for (const split of ['validation', 'test']) {
        const values = measure(student === 'best' ? best.value : accuracy, true);
        log({ type: 'evaluation', ...last, split, student, values });
        for (const [metric, value] of Object.entries(values)) results[student][`${split}/${metric}`] = value;
      }
    }
    log({ type: 'run-end', status: 'finished', seconds: epochsDone * 32, results });
  } else if (end === 'interrupted') {
    log({ type: 'run-end', status: 'interrupted', seconds: epochsDone * 32, results: {} });
  }
  return { folder: `runs/${name}`, manifest: manifestText(name, seed, teachers), events, problems: [] };
}

/** Writes a run as a folder, byte for byte what a trainer leaves. */
export function writeRunFolder(run: RunData, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const text = run.manifest ?? '';
  writeFileSync(join(folder, 'manifest.lock.yaml'), `# sha256: ${sha256(text)}\n${text}`);
  writeFileSync(join(folder, 'metrics.jsonl'), run.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

function manifestText(name: string, seed: number, teachers: string[]): string {
  return `name: ${JSON.stringify(name)}
seed: ${seed}
backend: auto
dataset: { use: cifar-10, root: data/cifar-10, train: [train_first500.bin], validation: 0.1, batchSize: 64 }
student: { use: cifar-resnet, depth: 8 }
teachers:
${teachers.map((id) => `  - { id: ${JSON.stringify(id)}, use: layers-model, path: models/resnet/model.json }`).join('\n')}
trainer:
  use: mtkd
  epochs: 20
  optimizer: { use: sgd, learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1.0e-4 }
  schedule: { use: cosine, warmupEpochs: 1 }
  weighting: { use: agent, reward: gradient-alignment }
agent: { use: ppo, clip: 0.2 }
losses:
  - { id: task, use: cross-entropy }
  - { id: kd, use: kd, temperature: 4, weight: 1, weightedBy: logit }
  - { id: hint, use: fitnet, weight: 5, weightedBy: feature }
`;
}
