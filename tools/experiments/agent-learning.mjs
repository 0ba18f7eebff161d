// Does the agent find out which teacher is competent? One seed of the experiment of docs/results/agent-learning.md:
//
//   node tools/experiments/agent-learning.mjs SEED OUT_FILE
//
// Scenes of nine classes in three blocks of three. Teacher m is trained clean on block m, on random labels on block m + 1, and
// without block m + 2. Teachers and students see disjoint train images; every number below is measured on test images that
// neither they nor the agent have seen. Only the agent's own weights count: confidence and divergence terms are off.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { plugins as retortPlugins } from '@retort/cli';
import { definePart, definePlugin, run, z } from '@retort/core';
import { gradientAlignmentReward } from '@retort/trainer-mtkd';

const plugins = [
  ...retortPlugins,
  definePlugin({
    name: 'permuted-reward',
    register: (registry) =>
      void registry.add(
        definePart('reward', {
          name: 'permuted',
          summary: 'gradient-alignment with the teachers shuffled in every sample: worth nothing.',
          options: z.strictObject({}),
          create:
            (_, { temperature }) =>
            (view) => {
              const reward = permuted(view, temperature);
              return { logit: reward, feature: reward };
            },
        }),
      ),
  }),
];

/** Each row of the reward in an order that only a hash of its sample and of the student's present logits knows. */
function permuted({ student, teachers, batch }, temperature) {
  const reward = gradientAlignmentReward(
    student.logits,
    teachers.map(({ logits }) => logits),
    batch,
    temperature,
  );
  const count = teachers.length;
  const sample = batch.image.sum([1, 2, 3]).add(student.logits.mul(tf.range(1, student.logits.shape[1] + 1)).sum(1));
  const hash = sample.expandDims(1).mul(12.9898).add(tf.range(0, count).mul(78.233)).sin().mul(43758.5453);
  const order = tf.topk(hash.sub(hash.floor()), count).indices;
  return tf.matMul(tf.oneHot(order, count).cast('float32'), reward.expandDims(2)).squeeze([2]);
}

const [seedText, out] = process.argv.slice(2);
const seed = Number(seedText);
if (!Number.isInteger(seed) || !out) {
  console.error('usage: node agent-learning.mjs SEED OUT_FILE');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'retort-agent-learning-'));
const block = (b) => [0, 1, 2].map((c) => 3 * (b % 3) + c);
const scenes = { use: 'scenes', size: 16, difficulty: 'easy', test: 900, dataSeed: seed, batchSize: 64 };
const optimizer = { use: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 };

const train = (name, manifest) =>
  run(
    {
      name,
      backend: 'wasm',
      student: 'small-cnn',
      metrics: ['top-1', 'per-class-accuracy'],
      ...manifest,
      run: { folder: join(folder, name) },
    },
    { plugins },
  );
const blockMeans = (perClass) => [0, 1, 2].map((b) => block(b).reduce((sum, c) => sum + perClass[c], 0) / 3);

const teacherAccuracy = [];
for (let m = 0; m < 3; m++) {
  const { results } = await train(`teacher-${m}`, {
    seed: 100 * seed + m,
    dataset: { ...scenes, train: 3000, offset: 100_000, randomLabels: block(m + 1), without: block(m + 2) },
    trainer: { use: 'mtkd', epochs: 8, weighting: 'none', optimizer },
    losses: [{ id: 'task', use: 'cross-entropy' }],
  });
  teacherAccuracy.push(blockMeans(results.last['test/per-class-accuracy']));
}

const teachers = [0, 1, 2].map((m) => ({
  id: `teacher-${m}`,
  use: 'run',
  path: join(folder, `teacher-${m}`),
  student: 'last',
}));
const students = {};
const distill = async (name, weighting, { agent, warmStart } = {}) => {
  const { results } = await train(name.replace(/[^a-z0-9]+/g, '-').replace(/-$/, ''), {
    seed,
    dataset: { ...scenes, train: 600 },
    teachers,
    ...(agent && { agent }),
    trainer: { use: 'mtkd', epochs: 25, weighting, optimizer, ...(warmStart && { warmStart }) },
    losses: [
      { id: 'task', use: 'cross-entropy' },
      { id: 'kd', use: 'kd', temperature: 4 },
    ],
  });
  const weights = results.last['test/weights/generator-logit'];
  students[name] = {
    accuracy: results.last['test/top-1'],
    // Mean weight of the teacher that is competent for the class, over the test images.
    ...(weights && { competent: weights.reduce((sum, row, c) => sum + row[Math.floor(c / 3)], 0) / weights.length }),
  };
};

const agentWith = (options) => ({ use: 'agent', gammas: { generator: 1, confidence: 0, divergence: 0 }, ...options });
await distill('baseline', 'none');
await distill('equal', 'equal');
for (const use of ['pg', 'ppo', 'ddpg']) {
  await distill(use, agentWith({}), { agent: { use } });
  await distill(`${use}, no CE or KL in the state`, agentWith({ state: ['similarity', 'embedding', 'logits'] }), {
    agent: { use },
  });
  await distill(`${use}, rewards permuted`, agentWith({ reward: 'permuted' }), { agent: { use } });
}
await distill('pg, eq. 6, cold', agentWith({ reward: 'eq6' }), { agent: { use: 'pg' } });
await distill('pg, eq. 6, label-warmed', agentWith({ reward: 'eq6' }), {
  agent: { use: 'pg' },
  warmStart: join(folder, 'baseline/student/last'),
});

writeFileSync(out, `${JSON.stringify({ seed, teacherAccuracy, students }, undefined, 1)}\n`);
rmSync(folder, { recursive: true });
