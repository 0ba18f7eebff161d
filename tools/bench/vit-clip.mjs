/**
 * A training step of a vision transformer, and CLIP's encoders, on the onnxruntime backend and in PyTorch.
 *
 *   node tools/bench/vit-clip.mjs [--tasks vit-step,clip-images,clip-texts] [--arms onnxruntime-1,torch-1] [--rounds 5]
 *     [--seconds 5] [--python /usr/bin/python3] [--json FILE] [--write PAGE]
 *
 * Every arm of a round is a process of its own, one after the other; it takes the median of its runs after three of warming up
 * (recording and compiling among them). All arms start from the same weights and input, and what comes out is compared: the losses of
 * the first three steps, or the embeddings. --write puts the tables between the page's `<!-- vit-clip -->` marks.
 */
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { buildStudent } from '@retort/models';
import {
  chosen,
  machine,
  ratio,
  runArm,
  runRounds,
  spread,
  table,
  torchMissing,
  writeJson,
  writeSection,
  written,
} from './rounds.mjs';
import { hyperparameters, madeUpInput, tasks } from './transformers.mjs';

const allArms = ['onnxruntime-1', 'torch-1', 'onnxruntime-2', 'torch-2'];
/** Of 1 or the largest number that comes out: float32 sums in another order, through twelve blocks. */
const tolerance = 1e-3;
/**
 * Of Debian's libopenblas0-openmp: it shares PyTorch's threads. Those of libopenblas0-pthread come on top of them, and on two cores
 * each waits for the other.
 */
const openBlas = '/usr/lib/x86_64-linux-gnu/openblas-openmp';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: Object.keys(tasks).join() },
    arms: { type: 'string', default: allArms.join() },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    python: { type: 'string', default: '/usr/bin/python3' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const names = chosen('tasks', options.tasks, Object.keys(tasks));
const asked = chosen('arms', options.arms, allArms);
const noTorch = asked.some((arm) => arm.startsWith('torch')) ? torchMissing(options.python) : undefined;
if (noTorch) console.error(noTorch);
else if (!existsSync(openBlas))
  console.error(`no ${openBlas}: on two threads PyTorch is slow; apt-get install libopenblas0-openmp`);
const arms = asked.filter((arm) => !noTorch || !arm.startsWith('torch'));

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const results = {};
const differences = {};
const failures = [];
for (const name of names) {
  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  try {
    const parameters = await writeStart(name, folder);
    console.error(`${name}, ${parameters.toLocaleString('en')} parameters`);
    const rounds = await runRounds(
      Object.fromEntries(arms.map((arm) => [arm, () => measure(arm, name, folder)])),
      Number(options.rounds),
      ({ milliseconds, steps, peakMegabytes }) =>
        `${milliseconds.toFixed(1).padStart(8)} ms, ${steps} runs, ${peakMegabytes.toFixed(0)} MB`,
    );
    differences[name] = disagreement(rounds);
    failures.push(...problems(name, rounds, parameters));
    for (const each of Object.values(rounds).flat()) delete each.check;
    results[name] = rounds;
    // Now, in case that what follows is interrupted.
    if (options.json) writeJson(options.json, { options, differences, results });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const of = (field, digits) => (arm) => [
  arm,
  ...names.map((name) => written(spread(results[name][arm].map((result) => field(result))), digits)),
];
const recorded = arms.filter((arm) => arm.startsWith('onnxruntime'));
const report = [
  `\`node tools/bench/vit-clip.mjs\`: ${options.rounds} rounds; ${machine()}${librariesOfTorch() ?? ''}. Median (lowest–highest) ` +
    'over the rounds.',
  ...(noTorch ? [noTorch] : []),
  table(
    ['ratio of times', ...names],
    [
      ['onnxruntime-1', 'torch-1'],
      ['onnxruntime-2', 'torch-2'],
      ['onnxruntime-1', 'onnxruntime-2'],
      ['torch-1', 'torch-2'],
    ]
      .filter((pair) => pair.every((arm) => arms.includes(arm)))
      .map(([a, b]) => [
        `${a} / ${b}`,
        ...names.map((name) => written(ratio(results[name][a], results[name][b], ({ milliseconds }) => milliseconds))),
      ]),
  ),
  table(['ms a run', ...names], arms.map(of(({ milliseconds }) => milliseconds, 1))),
  table(['peak memory of the process, MB', ...names], arms.map(of(({ peakMegabytes }) => peakMegabytes, 0))),
  table(['memory at the end, MB', ...names], arms.map(of(({ megabytes }) => megabytes, 0))),
  table(["outside onnxruntime's run, %", ...names], recorded.map(of(({ overhead }) => 100 * overhead, 1))),
  table(['compile, ms, once', ...names], recorded.map(of(({ statistics }) => statistics.compileMilliseconds, 0))),
  `What the arms compute differs by at most ${Math.max(...Object.values(differences)).toExponential(1)}.`,
  ...failures.map((failure) => `**Not comparable:** ${failure}`),
]
  .filter(Boolean)
  .join('\n\n');
console.log(report);
if (failures.length > 0) process.exitCode = 1;
if (options.write) writeSection(options.write, 'vit-clip', report);

/** Weights and input for all arms. @returns the number of parameters */
async function writeStart(name, folder) {
  const task = tasks[name];
  const spec = task.spec();
  const { buffer } = madeUpInput(task, spec);
  writeFileSync(join(folder, 'input.bin'), new Uint8Array(buffer));
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ batch: task.batch, hyperparameters }));
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  const random = new Random([1, 2]);
  const { model } = buildStudent(spec, name, random);
  const file = openSync(join(folder, 'weights.bin'), 'w');
  let at = 0;
  const layers = spec.layers.map(({ name: layer, config }) => {
    const start = at;
    const weights = config.type === 'normalize' ? [] : model.getLayer(layer).getWeights();
    for (const weight of weights) {
      const numbers = weight.dataSync();
      // Else biases are zeros and scales are ones, and one that is forgotten would not be seen.
      if (weight.rank === 1) numbers.forEach((_, i) => (numbers[i] += 0.02 * random.normal()));
      at += writeSync(file, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    }
    return { name: layer, start, shapes: weights.map(({ shape }) => shape) };
  });
  closeSync(file);
  writeFileSync(join(folder, 'layers.json'), JSON.stringify(layers.filter(({ shapes }) => shapes.length > 0)));
  model.dispose();
  return at / 4;
}

function measure(arm, name, folder) {
  const [backend, threads] = arm.split('-');
  const args = [name, threads, options.seconds, folder];
  if (backend !== 'torch') return runArm(process.execPath, [here('vit-clip-arm.mjs'), ...args]);
  const env = existsSync(openBlas) ? { LD_LIBRARY_PATH: openBlas } : {};
  return runArm(options.python, [here('torch_vit_clip.py'), ...args], { env });
}

/** The largest difference of any number that came out from that of the first arm, in parts of 1 or the largest number. */
function disagreement(rounds) {
  const [[{ check: first }]] = Object.values(rounds);
  const scale = Math.max(1, ...first.map(Math.abs));
  const worst = (numbers) => Math.max(...numbers.map((number, i) => Math.abs(number - first[i]))) / scale;
  return Math.max(
    ...Object.values(rounds)
      .flat()
      .map(({ check }) => worst(check)),
  );
}

/** Why the arms did not do the same work. */
function problems(name, rounds, parameters) {
  const found = [];
  for (const [arm, [result]] of Object.entries(rounds)) {
    if (result.parameters !== parameters) {
      found.push(`${name} has ${parameters} parameters, on ${arm} ${result.parameters}`);
    }
    for (const [kernel, count] of Object.entries(result.statistics?.fallbacks ?? {})) {
      found.push(`${name} on ${arm}: kernel ${kernel} ran ${count} times on tfjs's cpu backend`);
    }
  }
  if (!(differences[name] <= tolerance)) {
    found.push(`${name}: what comes out differs by ${differences[name].toExponential(1)} between the arms`);
  }
  return found;
}

function librariesOfTorch() {
  const torch = arms.find((arm) => arm.startsWith('torch'));
  return torch && `; ${results[names[0]][torch][0].libraries}`;
}
