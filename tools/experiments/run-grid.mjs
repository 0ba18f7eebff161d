// Runs the grid of a protocol, arm by arm and seed by seed, a process and a result file each. What has a file is not run again,
// so a grid that was stopped goes on where it was, on another machine too; a run that was killed in the middle is resumed from
// its checkpoint where the system's temporary folder still has it.
//
//   node tools/experiments/run-grid.mjs docs/results/cifar10-mtkd [WORKERS=1]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
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
  // By commit: a run of other code is not gone on with.
  const run = join(tmpdir(), 'retort-grid', commit, basename(resolve(folder)), `${arm}-seed-${seed}`);
  const settings = [`seed=${seed}`, ...arms[arm]].flatMap((setting) => ['--set', setting]);
  const args = existsSync(join(run, 'manifest.lock.yaml'))
    ? ['resume', run]
    : ['train', join(root, manifest), ...settings, '--folder', run];
  const code = await new Promise((done) => {
    const command = [join(root, 'packages/cli/dist/main.js'), ...args, '--quiet'];
    spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] }).on('close', done);
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
      // Of training, evaluations left out.
      seconds: Math.round(log.reduce((sum, event) => sum + (event.type === 'epoch' ? event.seconds : 0), 0)),
      last: scalars(results.last),
      best: scalars(results.best),
      weights: log.findLast(({ type }) => type === 'epoch').weights,
    };
    writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
    rmSync(run, { recursive: true });
    console.log(`${arm}, seed ${seed}: test top-1 ${result.last['test/top-1']} in ${result.seconds} s`);
  } else {
    console.log(`${arm}, seed ${seed}: failed with ${code}`);
    process.exitCode = 1;
  }
}

await Promise.all(
  Array.from({ length: Number(workers) }, async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await runJob(job);
  }),
);
