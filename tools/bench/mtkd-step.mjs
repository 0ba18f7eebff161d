// Images per second of whole training steps: student alone, equal weights, and an agent that learns every step or every epoch.
//
//   node tools/bench/mtkd-step.mjs [ROUNDS=5] [STEPS=12]
//
// Student ResNet-8, teachers ResNet-20, -32 and -56 (random weights), scenes of 32 × 32, batches of 64, KD and feature loss.
// Each arm of a round is a process of its own, one after the other, so that ratios within a round share the machine's mood and
// peak memory is the arm's. The first of two epochs warms up; the second is timed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plugins } from '@retort/cli';
import { composeRun, run, Seeds } from '@retort/core';
import { saveLayersModel } from '@retort/nn';

const arms = {
  baseline: { weighting: 'none' },
  equal: { weighting: 'equal' },
  'agent, per epoch': { weighting: { use: 'agent', updateEvery: 'epoch' } },
  'agent, every step': { weighting: { use: 'agent', updateEvery: 1 } },
};
const depths = [20, 32, 56];

function manifest(folder, arm, steps) {
  return {
    name: 'bench',
    backend: 'auto',
    dataset: { use: 'scenes', size: 32, train: 64 * steps, validation: 0, test: 9, batchSize: 64 },
    student: { use: 'cifar-resnet', depth: 8 },
    teachers: depths.map((depth) => ({
      id: `r${depth}`,
      use: 'layers-model',
      path: join(folder, `r${depth}`, 'model.json'),
      preprocessing: 'none',
      taps: { logits: 'logits', embedding: 'pool', featureMap: `stage3_block${(depth - 2) / 6}_relu` },
    })),
    agent: { use: 'pg' },
    trainer: { use: 'mtkd', epochs: 2, weighting: arms[arm].weighting },
    losses: [
      { id: 'task', use: 'cross-entropy' },
      { id: 'kd', use: 'kd' },
      { id: 'hint', use: 'fitnet', weight: 5, weightedBy: 'feature' },
    ],
    metrics: ['top-1'],
    run: { folder: join(folder, 'run') },
  };
}

async function saveTeachers(folder) {
  for (const depth of depths) {
    const composed = await composeRun(
      { ...manifest(folder, 'baseline', 1), student: { use: 'cifar-resnet', depth } },
      { plugins },
    );
    const student = await composed.scope.create(composed.manifest.student, {
      classes: Array.from({ length: 9 }, (_, c) => String(c)),
      imageShape: [32, 32, 3],
      normalization: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
      seeds: new Seeds(depth),
      baseFolder: folder,
      path: 'student',
    });
    await saveLayersModel(student.model, join(folder, `r${depth}`));
    await composed.dispose();
  }
}

async function runArm(folder, arm, steps) {
  const events = [];
  await run(manifest(folder, arm, steps), {
    plugins,
    overwrite: true,
    onEvent: (event) => events.push(event),
  });
  const { imagesPerSecond } = events.findLast(({ type }) => type === 'epoch');
  const { name } = events.find(({ type }) => type === 'backend');
  // Kilobytes on Linux.
  console.log(JSON.stringify({ imagesPerSecond, backend: name, peakMegabytes: process.resourceUsage().maxRSS / 1024 }));
}

function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { low: sorted[0], median: sorted[Math.floor(sorted.length / 2)], high: sorted.at(-1) };
}

if (process.argv[2] === '--arm') {
  await runArm(process.argv[3], process.argv[4], Number(process.argv[5]));
} else {
  const [rounds, steps] = [Number(process.argv[2] ?? 5), Number(process.argv[3] ?? 12)];
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  try {
    await saveTeachers(folder);
    const measured = Object.fromEntries(Object.keys(arms).map((arm) => [arm, []]));
    for (let round = 0; round < rounds; round++) {
      for (const arm of Object.keys(arms)) {
        const { stdout, stderr, status } = spawnSync(
          process.execPath,
          [fileURLToPath(import.meta.url), '--arm', folder, arm, String(steps)],
          { encoding: 'utf8' },
        );
        if (status !== 0) throw new Error(`${arm} failed:\n${stderr}`);
        measured[arm].push(JSON.parse(stdout.trim().split('\n').at(-1)));
      }
    }
    const equal = measured.equal.map(({ imagesPerSecond }) => imagesPerSecond);
    console.log(
      `backend ${measured.equal[0].backend}, 1 thread; ${cpus()[0].model}, ${availableParallelism()} cores; ` +
        `node ${process.version}; median (lowest to highest) of ${rounds} rounds of ${steps} steps`,
    );
    for (const [arm, results] of Object.entries(measured)) {
      const speed = quantiles(results.map(({ imagesPerSecond }) => imagesPerSecond));
      const ratio = quantiles(results.map(({ imagesPerSecond }, i) => equal[i] / imagesPerSecond));
      const memory = quantiles(results.map(({ peakMegabytes }) => peakMegabytes));
      console.log(
        `${arm.padEnd(18)} ${speed.median.toFixed(1).padStart(6)} images/s (${speed.low.toFixed(1)} to ${speed.high.toFixed(1)})   ` +
          `time / equal ${ratio.median.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})   ` +
          `peak memory ${memory.median.toFixed(0)} MB`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
