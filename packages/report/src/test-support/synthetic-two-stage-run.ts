import { Random, type LoggedEvent } from '@retort/core';
import type { ClusterPlot } from '../cluster-plot.js';
import type { RunData } from '../run-data.js';
import { syntheticRun, type SyntheticRun } from './synthetic-run.js';

const land = ['AnnualCrop', 'Forest', 'HerbaceousVegetation', 'Highway', 'Industrial'];
const more = ['Pasture', 'PermanentCrop', 'Residential', 'River', 'SeaLake'];

/** A run of two stages, the second from the middle on: λ falls, rewards rise, the student grows too sure of itself. */
export function syntheticTwoStageRun({
  clusters = 10,
  labels = true,
  ...options
}: SyntheticRun & { clusters?: number; labels?: boolean } = {}): RunData {
  const { epochs = 20, stepsPerEpoch = 100, seed = 1 } = options;
  const run = syntheticRun({ name: 'kdrl-eurosat', classes: [...land, ...more], teachers: ['clip'], ...options });
  const random = new Random([seed, 11]);
  const boundary = Math.floor(epochs / 2) * stepsPerEpoch;
  const events = run.events.map((event): LoggedEvent => {
    if (event.type === 'epoch') {
      const { epoch, step, seconds, imagesPerSecond, time, type } = event;
      return { type, time, epoch, step, seconds, imagesPerSecond };
    }
    if (event.type !== 'step') return event;
    const t = (event.step - boundary) / (epochs * stepsPerEpoch - boundary);
    const stage = t < 0 ? 1 : 2;
    const noise = () => 0.015 * random.normal();
    const { 'loss/task': task, 'loss/kd': kd, 'loss/hint': feature } = event.values;
    return {
      ...event,
      values: {
        ...{ 'loss/task': task, 'loss/kd': kd, 'loss/feature': feature },
        'train-accuracy': event.values['train-accuracy'],
        'gradient-norm': event.values['gradient-norm'],
        entropy: (t < 0 ? 0.35 - 0.5 * t : 0.35 * Math.exp(-3 * t)) + Math.abs(noise()),
        stage,
        ...(stage === 2 && {
          lambda: 1 - 0.9 * t,
          'reward/confidence': 0.7 + 0.25 * t + noise(),
          'reward/cluster-cosine': 0.45 + 0.3 * t + noise(),
        }),
      },
    };
  });
  const time = events.at(-1)!.time;
  const warnings = [
    'predictions have an entropy of 0.0174 nats, 0.35 when stage 2 began: the confidence reward feeds on itself; try correct-gated, or less of it',
    'the calibration error is 0.271, 0.064 when stage 2 began: the student is surer of itself than it is right',
  ];
  events.splice(-1, 0, ...warnings.map((message): LoggedEvent => ({ type: 'warning', time, message })));
  return { ...run, events, manifest, clusters: syntheticClusters(random, clusters, labels ? [...land, ...more] : []) };
}

function syntheticClusters(random: Random, count: number, classes: string[]): ClusterPlot {
  const centers = Array.from({ length: count }, (_, k): [number, number] => {
    const angle = (2 * Math.PI * k) / count;
    const radius = 2 + (k % 3);
    return [radius * Math.cos(angle) + 0.3 * random.normal(), 0.7 * radius * Math.sin(angle)];
  });
  const cluster = Array.from({ length: 600 }, () => random.integer(count));
  return {
    points: cluster.map((k) => [centers[k][0] + 0.45 * random.normal(), centers[k][1] + 0.35 * random.normal()]),
    cluster,
    centers,
    // The numbers of clusters say nothing of classes; one in twelve lies in a cluster of another.
    ...(classes.length > 0 && {
      label: cluster.map((k) =>
        random.integer(12) === 0 ? random.integer(classes.length) : (3 * k + 1) % classes.length,
      ),
      classes,
    }),
    whole: { embeddings: 4000, size: 512, meanCosine: 0.8312 },
  };
}

const manifest = `name: kdrl-eurosat
seed: 1
backend: auto
dataset: { use: image-folder, root: data/eurosat, size: 64, batchSize: 64 }
student: { use: small-cnn, width: 16 }
teachers:
  - { id: clip, use: onnx, path: models/clip.onnx }
trainer:
  use: kdrl
  stage1: { epochs: 10, featureLoss: cosine }
  stage2:
    epochs: 10
    gradient: score
    algorithm: { use: ppo, clip: 0.2 }
    baseline: group
    samples: 4
    rewards:
      - { use: confidence, weight: 0.5 }
      - { use: cluster-cosine, weight: 0.5 }
    anneal: { schedule: linear, from: 1, to: 0.1, terms: both }
  centers: { from: k-means, recompute: never, control: shuffled }
losses:
  - { id: task, use: cross-entropy }
  - { id: kd, use: kd, temperature: 4 }
  - { id: feature, use: cosine-feature }
`;
