// Runs the protocol of docs/results/reward-toy, a result file for each seed. Seeds that have a file are not run again.
//
//   node tools/experiments/reward-toy.mjs docs/results/reward-toy [SEED...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { plugins } from '@retort/cli';
import { run } from '@retort/core';
import { plugin as gaussianClasses } from './gaussian-classes.mjs';

const [folder, ...wanted] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node tools/experiments/reward-toy.mjs FOLDER_WITH_PROTOCOL [SEED...]');
  process.exit(2);
}
const protocol = parse(readFileSync(join(folder, 'protocol.yaml'), 'utf8'));
const { data, teachers: teaching, student, optimizer, gammas, arms } = protocol;
const seeds = wanted.length > 0 ? wanted.map(Number) : protocol.seeds;
const commit = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout.trim();
const block = (b) => [0, 1, 2].map((c) => 3 * (b % 3) + c);
const labels = { id: 'task', use: 'cross-entropy' };

async function runSeed(seed) {
  const scratch = mkdtempSync(join(tmpdir(), 'retort-reward-toy-'));
  const train = async (name, own) => {
    const { results } = await run(
      {
        name,
        backend: 'wasm',
        student: student.network,
        metrics: ['top-1', 'per-class-accuracy'],
        ...own,
        dataset: { use: 'gaussian-classes', ...data, dataSeed: seed, ...own.dataset },
        trainer: { use: 'mtkd', optimizer, ...own.trainer },
        run: { folder: join(scratch, name), checkpoint: { every: '1000 epochs' } },
      },
      { plugins: [...plugins, gaussianClasses] },
    );
    return results.last;
  };

  const teacherAccuracy = [];
  for (let m = 0; m < 3; m++) {
    const result = await train(`teacher-${m}`, {
      seed: 100 * seed + m,
      dataset: { train: teaching.samples, offset: 90_000, randomLabels: block(m + 1), without: block(m + 2) },
      trainer: { epochs: teaching.epochs, weighting: 'none' },
      losses: [labels],
    });
    const perClass = result['test/per-class-accuracy'];
    teacherAccuracy.push([0, 1, 2].map((b) => block(b).reduce((sum, c) => sum + perClass[c], 0) / 3));
  }
  const teachers = [0, 1, 2].map((m) => ({
    id: `teacher-${m}`,
    use: 'run',
    path: join(scratch, `teacher-${m}`),
    student: 'last',
  }));

  const distil = (name, { weighting, agent = 'pg', epochs = student.epochs, warmStart }) =>
    train(name, {
      seed,
      dataset: { train: student.samples },
      teachers,
      agent,
      trainer: { epochs, weighting, ...(warmStart && { warmStart }) },
      losses: [labels, { id: 'kd', use: 'kd', temperature: student.temperature }],
    });
  const students = {};
  for (const weighting of ['none', 'equal']) {
    students[weighting] = { accuracy: (await distil(weighting, { weighting }))['test/top-1'] };
  }
  for (const [name, { weighting, agent, labelEpochs }] of Object.entries(arms)) {
    let warmStart;
    if (labelEpochs) {
      await distil(`labels-${name}`, { weighting: 'none', epochs: labelEpochs });
      warmStart = join(scratch, `labels-${name}`, 'student/last');
    }
    const result = await distil(name, { weighting: { use: 'agent', gammas, ...weighting }, agent, warmStart });
    const weights = result['test/weights/generator-logit'];
    // Over classes, which the test split has equally many of each. Of class c the block's own teacher is competent, the one before
    // it has random labels there, and the one after it has never seen the class.
    const mean = (teacherOf) => weights.reduce((sum, row, c) => sum + row[teacherOf(Math.floor(c / 3))], 0) / 9;
    students[name] = {
      accuracy: result['test/top-1'],
      competent: mean((b) => b),
      poisoned: mean((b) => (b + 2) % 3),
      ignorant: mean((b) => (b + 1) % 3),
    };
  }
  rmSync(scratch, { recursive: true });
  return { seed, commit, machine: `${cpus()[0].model}, node ${process.version}`, teacherAccuracy, students };
}

mkdirSync(join(folder, 'runs'), { recursive: true });
for (const seed of seeds) {
  const file = join(folder, 'runs', `seed-${seed}.json`);
  if (existsSync(file)) continue;
  const began = performance.now();
  const result = await runSeed(seed);
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
  console.log(`seed ${seed}: ${Math.round((performance.now() - began) / 1000)} s`);
}
