// Runs the grid of a protocol, arm by arm and seed by seed, a process and a result file each. What has a file is not run again,
// so a grid that was stopped goes on where it was, on another machine too.
//
//   node tools/experiments/run-grid.mjs docs/results/cifar10-mtkd [WORKERS=1]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { readLog } from '@retort/core';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const [folder, workers = '1'] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node tools/experiments/run-grid.mjs FOLDER_WITH_PROTOCOL [WORKERS]');
  process.exit(2);
}
const { manifest, seeds, arms } = parse(readFileSync(join(folder, 'protocol.yaml'), 'utf8'));
const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim();
mkdirSync(join(folder, 'runs'), { recursive: true });

// Seed by seed, so that pairs are complete early.
const jobs = seeds
  .flatMap((seed) =>
    Object.keys(arms).map((arm) => ({ seed, arm, file: join(folder, 'runs', `${arm}-seed-${seed}.json`) })),
  )
  .filter(({ file }) => !existsSync(file));
console.log(`${jobs.length} of ${seeds.length * Object.keys(arms).length} runs to do`);

async function runJob({ seed, arm, file }) {
  const run = mkdtempSync(join(tmpdir(), 'retort-grid-'));
  const settings = [`seed=${seed}`, ...arms[arm]].flatMap((setting) => ['--set', setting]);
  const began = performance.now();
  const code = await new Promise((done) => {
    const args = [join(root, 'packages/cli/dist/main.js'), 'train', join(root, manifest), ...settings];
    const child = spawn(process.execPath, [...args, '--folder', run, '--quiet'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('close', done);
  });
  if (code === 0) {
    const log = readLog(run);
    const scalars = (results) =>
      Object.fromEntries(Object.entries(results).filter(([, value]) => typeof value === 'number'));
    const { results } = log.findLast(({ type }) => type === 'run-end');
    const result = {
      arm,
      seed,
      commit,
      machine: `${cpus()[0].model}, node ${process.version}`,
      backend: log.find(({ type }) => type === 'backend').name,
      seconds: Math.round((performance.now() - began) / 1000),
      last: scalars(results.last),
      best: scalars(results.best),
      weights: log.findLast(({ type }) => type === 'epoch').weights,
    };
    writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
    console.log(`${arm}, seed ${seed}: test top-1 ${result.last['test/top-1']} in ${result.seconds} s`);
  } else {
    console.log(`${arm}, seed ${seed}: failed with ${code}`);
    process.exitCode = 1;
  }
  rmSync(run, { recursive: true, force: true });
}

await Promise.all(
  Array.from({ length: Number(workers) }, async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await runJob(job);
  }),
);
