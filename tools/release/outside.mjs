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
 * Trains the plain tfjs program of the example in an empty folder, with no package of ours but the backend and what it needs, by
 * the commands that its README prints.
 *
 * @param {string} root of the workspace
 * @param {string} folder that is not there yet, outside the workspace
 * @param {{ name: string, tarball: string }[]} packed
 */
export async function runDropIn(root, folder, packed) {
  cpSync(join(root, 'examples/tfjs-drop-in'), folder, { recursive: true });
  const needed = packed.filter(({ name }) => ['@retort/core', '@retort/backend-onnxruntime'].includes(name));
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  const outputs = {};
  for (const [, lines] of readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)) {
    for (const line of lines.trim().split('\n')) {
      // The only command that a test of tarballs has to change.
      const [command, args] = line.endsWith('npm install')
        ? ['npm', ['install', ...flags, ...needed.map(({ tarball }) => tarball)]]
        : ['sh', ['-c', line]];
      outputs[line] = (await runCommand(command, args, { cwd: folder, env: environment })).stdout;
    }
  }
  const number = (text, pattern) => Number(pattern.exec(text)?.[1] ?? fail(`no ${pattern} in\n${text}`));

  const trained = outputs['node train.js'];
  if (!/^backend onnxruntime$/m.test(trained)) fail(`it did not train on onnxruntime\n${trained}`);
  const losses = [...trained.matchAll(/: loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
  if (!(losses.at(-1) < losses[0] / 3)) fail(`the loss went ${losses.join(', ')}`);
  const accuracy = number(trained, /^test accuracy ([\d.]+)/m);
  if (!(accuracy > 0.8)) fail(`test accuracy is ${accuracy}; chance is a tenth`);
  for (const file of ['model.json', 'weights.bin']) readFileSync(join(folder, 'model', file));

  const compared = outputs['node compare.js'];
  const apart = number(compared, /^losses apart by (\S+)/m);
  if (!(apart < 1e-4)) fail(`the losses differ from those of cpu by ${apart} of their size\n${compared}`);
  const ratio = number(compared, /^([\d.]+) times as fast/m);
  if (!(ratio > 2)) fail(`it is ${ratio} times as fast as tfjs's cpu backend\n${compared}`);
  if (!/^on cpu kernels: none$/m.test(compared)) fail(`kernels ran on cpu\n${compared}`);
}

function fail(message) {
  throw new Error(message);
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
