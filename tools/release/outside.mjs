import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';

/** Environment of somebody who has never seen this workspace: none of the variables that npm sets for scripts. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_(config_|lifecycle|package|command)|INIT_CWD)/.test(name)),
);

/**
 * Installs the tarballs into an empty folder, all at once, so that packages find each other among them.
 *
 * @param {string} folder outside the workspace
 * @param {{ name: string, tarball: string }[]} packed
 */
export async function installTarballs(folder, packed) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  // Scripts are left out as in the workspace: nothing Retort uses needs one.
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  await runCommand('npm', ['install', ...flags, ...packed.map(({ tarball }) => tarball)], {
    cwd: folder,
    env: environment,
  });
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const foreign = Object.entries(packages).filter(
    ([path, { resolved }]) => path.includes('node_modules/@retort/') && !resolved.startsWith('file:'),
  );
  if (foreign.length > 0) throw new Error(`not from our tarballs: ${foreign.map(([path]) => path).join(', ')}`);
  const copies = Object.keys(packages).filter((path) => path.endsWith('node_modules/@tensorflow/tfjs'));
  if (copies.length !== 1) throw new Error(`expected one copy of tfjs, there are: ${copies.join(', ')}`);
}

/**
 * Trains the example's student by the example's manifest, with the teacher that the example adds.
 *
 * @param {string} root of the workspace
 * @param {string} folder with the tarballs installed
 */
export async function runExample(root, folder) {
  const name = 'custom-teacher-adapter';
  cpSync(join(root, 'examples', name), join(folder, name), { recursive: true });
  const cwd = join(folder, name);
  const { stdout } = await runCommand('npx', ['--no-install', 'retort', 'train', 'manifest.yaml', '--json'], {
    cwd,
    env: environment,
  });
  const { status, results } = JSON.parse(stdout);
  if (status !== 'finished') throw new Error(`the run ended as ${status}`);
  const accuracy = results.last['test/top-1'];
  if (!(accuracy > 0.8)) throw new Error(`test accuracy is ${accuracy}; chance is a third`);
  const log = readFileSync(join(cwd, 'runs/nearest-centroid/metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
  const start = log.find(({ type }) => type === 'run-start');
  if (start.teachers.join() !== 'texture,layout') throw new Error(`the teachers were ${start.teachers.join(', ')}`);
  const { weights } = log.findLast(({ type }) => type === 'epoch');
  const { texture, layout } = weights.logit;
  if (!(Math.abs(texture + layout - 1) < 1e-3)) throw new Error(`teacher weights sum to ${texture + layout}`);
}

/**
 * Runs the quickstart, and looks at its table and its report.
 *
 * @param {string} folder with the tarballs installed
 */
export async function runQuickstart(folder) {
  const began = performance.now();
  const { stdout } = await runCommand('npx', ['--no-install', 'retort', 'quickstart'], {
    cwd: folder,
    env: environment,
  });
  const seconds = (performance.now() - began) / 1000;
  for (const student of ['baseline', 'equal', 'agent']) {
    if (!new RegExp(`^${student}\\b.*\\d %`, 'm').test(stdout))
      throw new Error(`no accuracy of ${student} in\n${stdout}`);
  }
  const report = readFileSync(join(folder, 'quickstart/report.html'), 'utf8');
  if (!/^<!doctype html>/i.test(report)) throw new Error('quickstart/report.html is not a page');
  const remote = report.match(/(?:src|href)="https?:[^"]*"/g);
  if (remote) throw new Error(`quickstart/report.html is not self-contained: ${remote[0]}`);
  if (seconds > 360) throw new Error(`took ${Math.round(seconds)} s; 6 minutes are promised`);
}
