/**
 * One training step (forward, backward, SGD with momentum) of four networks: stock tfjs wasm, our backends and PyTorch.
 *
 *   node tools/bench/train-step.mjs [--models resnet-8,vit] [--arms wasm,onnxruntime-1,torch-1] [--rounds 5] [--seconds 3]
 *     [--batch 64] [--python /usr/bin/python3] [--json FILE] [--write PAGE]
 *
 * Every arm of a round is a process of its own, one after the other; it takes the median of its steps after three of warming up
 * (recording and compiling among them). All arms start from the same parameters and images, and the loss after three steps is
 * compared. --write puts the tables between the page's `<!-- train-step -->` marks.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { createNetwork, imageShape, networks } from './networks.mjs';
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

const allArms = ['stock-wasm', 'wasm', 'onnxruntime-1', 'onnxruntime-2', 'torch-1', 'torch-2'];
/**
 * Relative. A rounding error flips a ReLU6 here and there, which moves the gradients of MobileNetV2 by up to a percent from one float32
 * backend to the next; the learning rate of 0.001 keeps that small in the loss.
 */
const tolerance = 1e-3;

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: Object.keys(networks).join() },
    arms: { type: 'string', default: allArms.join() },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '64' },
    python: { type: 'string', default: '/usr/bin/python3' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const models = chosen('models', options.models, Object.keys(networks));
const asked = chosen('arms', options.arms, allArms);
const noTorch = asked.some((arm) => arm.startsWith('torch')) ? torchMissing(options.python) : undefined;
if (noTorch) console.error(noTorch);
const arms = asked.filter((arm) => !noTorch || !arm.startsWith('torch'));

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
const results = {};
const failures = [];
try {
  for (const model of models) {
    const data = join(folder, `${model}.f32`);
    const parameters = await writeStart(model, data);
    console.error(`${model}, ${parameters.toLocaleString('en')} parameters`);
    results[model] = await runRounds(
      Object.fromEntries(arms.map((arm) => [arm, () => measure(arm, model, data)])),
      Number(options.rounds),
      ({ milliseconds, steps, losses }) =>
        `${milliseconds.toFixed(1).padStart(8)} ms, ${steps} steps, loss ${losses[3].toFixed(5)}`,
    );
    failures.push(...problems(model, parameters));
    // Now, in case that what follows is interrupted.
    if (options.json) writeJson(options.json, { options, results });
  }
} finally {
  rmSync(folder, { recursive: true });
}

const report = [
  `\`node tools/bench/train-step.mjs\`: batch ${options.batch}, ${options.rounds} rounds; ${machine()}` +
    `${librariesOfTorch() ?? ''}. Median (lowest–highest) over the rounds.`,
  ...(noTorch ? [noTorch] : []),
  table(
    ['ms a step', ...models],
    arms.map((arm) => [arm, ...models.map((model) => written(spread(results[model][arm].map(milliseconds)), 1))]),
  ),
  table(
    ['ratio of times', ...models],
    [
      ['stock-wasm', 'onnxruntime-1'],
      ['wasm', 'onnxruntime-1'],
      ['stock-wasm', 'wasm'],
      ['onnxruntime-1', 'torch-1'],
      ['onnxruntime-2', 'torch-2'],
      ['onnxruntime-1', 'onnxruntime-2'],
      ['torch-1', 'torch-2'],
    ]
      .filter((pair) => pair.every((arm) => arms.includes(arm)))
      .map(([a, b]) => [
        `${a} / ${b}`,
        ...models.map((model) => written(ratio(results[model][a], results[model][b], milliseconds))),
      ]),
  ),
  table(
    ['onnxruntime, of a step', ...models],
    arms
      .filter((arm) => arm.startsWith('onnxruntime'))
      .flatMap((arm) => [
        [
          `outside onnxruntime's run, % (${arm.at(-1)})`,
          ...models.map((model) => written(spread(results[model][arm].map(({ overhead }) => 100 * overhead)), 1)),
        ],
        [
          `compile, ms, once (${arm.at(-1)})`,
          ...models.map((model) =>
            written(spread(results[model][arm].map(({ statistics }) => statistics.compileMilliseconds)), 0),
          ),
        ],
      ]),
  ),
  table(
    ['peak memory of the process, MB', ...models],
    arms.map((arm) => [
      arm,
      ...models.map((model) => written(spread(results[model][arm].map(({ peakMegabytes }) => peakMegabytes)), 0)),
    ]),
  ),
  `The loss after three steps differs between the arms by at most ${Math.max(...models.map(disagreement)).toExponential(1)}.`,
  ...failures.map((failure) => `**Not comparable:** ${failure}`),
]
  .filter(Boolean)
  .join('\n\n');
console.log(report);
if (failures.length > 0) process.exitCode = 1;
if (options.write) writeSection(options.write, 'train-step', report);

function milliseconds(result) {
  return result.milliseconds;
}

/** Images and parameters for all arms. @returns the number of parameters */
async function writeStart(model, file) {
  const random = new Random([1, 2]);
  const images = random.fill(new Float32Array(Number(options.batch) * tf.util.sizeFromShape(imageShape)), 'normal');
  const parts = [images];
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  const network = createNetwork(model, (shape, deviation, mean) => {
    const values = new Float32Array(tf.util.sizeFromShape(shape)).fill(mean);
    if (deviation > 0) random.fill(values, 'normal').forEach((value, i) => (values[i] = value * deviation));
    parts.push(values);
    return values;
  });
  tf.dispose([network.parameters, network.averages]);
  writeFileSync(file, Buffer.concat(parts.map(({ buffer }) => new Uint8Array(buffer))));
  return parts.slice(1).reduce((sum, { length }) => sum + length, 0);
}

function measure(arm, model, data) {
  const [, backend, threads = '1'] = /^(.*?)(?:-(\d+))?$/.exec(arm);
  const { batch, seconds } = options;
  if (backend !== 'torch') {
    return runArm(process.execPath, [here('train-step-arm.mjs'), model, backend, threads, batch, seconds, data]);
  }
  return runArm(options.python, [here('torch_train_step.py'), model, threads, batch, seconds, data]);
}

/** The largest difference of the loss after three steps from that of the first arm. */
function disagreement(model) {
  const losses = Object.values(results[model]).flatMap((rounds) => rounds.map(({ losses }) => losses[3]));
  return Math.max(...losses.map((loss) => Math.abs(loss - losses[0]) / Math.max(1, Math.abs(losses[0]))));
}

/** Why the arms did not do the same work. */
function problems(model, parameters) {
  const found = [];
  for (const [arm, [result]] of Object.entries(results[model])) {
    if (result.parameters !== parameters) {
      found.push(`${model} has ${parameters} parameters, on ${arm} ${result.parameters}`);
    }
  }
  if (!(disagreement(model) <= tolerance)) {
    const losses = Object.entries(results[model]).map(([arm, [result]]) => `${arm} ${result.losses.join(' ')}`);
    found.push(`${model}: losses of the first steps: ${losses.join('; ')}`);
  }
  return found;
}

function librariesOfTorch() {
  const torch = arms.find((arm) => arm.startsWith('torch'));
  return torch && `; ${results[models[0]][torch][0].libraries}`;
}
