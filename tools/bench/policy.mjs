/**
 * Environment steps in a second, and the time PPO takes to balance CartPole's pole, here and in NumPy and PyTorch.
 *
 *   node tools/bench/policy.mjs [--arms onnxruntime,wasm,cpu,torch] [--rounds 5] [--seconds 3] [--copies 1000]
 *     [--python /usr/bin/python3] [--json FILE] [--write PAGE]
 *
 * Arms take turns within a round, each a process of its own on one thread. All have the same network, algorithm and hyperparameters;
 * round k is seed k in all of them, and random numbers differ between the two sides. A run ends when 20 greedy episodes, looked at
 * every 5 updates, earn 475 on average; its time is that of training, looking and starting not counted. --write puts the tables
 * between the page's `<!-- policy -->` marks.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
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

const allArms = ['onnxruntime', 'wasm', 'cpu', 'torch'];
/** Its threads are PyTorch's own. */
const openBlas = '/usr/lib/x86_64-linux-gnu/openblas-openmp';
const settings = JSON.stringify({
  copies: 8,
  horizon: 128,
  minibatches: 4,
  epochs: 4,
  learningRate: 2.5e-3,
  hidden: [64, 64],
  steps: 200 * 1024,
  evaluateEvery: 5,
  episodes: 20,
  mark: 475,
});

const { values: options } = parseArgs({
  options: {
    arms: { type: 'string', default: allArms.join() },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    copies: { type: 'string', default: '1000' },
    python: { type: 'string', default: '/usr/bin/python3' },
    json: { type: 'string' },
    write: { type: 'string' },
  },
});
const asked = chosen('arms', options.arms, allArms);
const noTorch = asked.includes('torch') ? torchMissing(options.python) : undefined;
if (noTorch) console.error(noTorch);
const arms = asked.filter((arm) => !noTorch || arm !== 'torch');

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const env = existsSync(openBlas) ? { LD_LIBRARY_PATH: openBlas } : {};
const rounds = Number(options.rounds);

const speed = await runRounds(
  {
    retort: () => runArm(process.execPath, [here('policy-arm.mjs'), 'environment', options.copies, options.seconds]),
    ...(!noTorch && {
      numpy: () => runArm(options.python, [here('numpy_cart_pole.py'), options.copies, options.seconds]),
    }),
  },
  rounds,
  ({ stepsPerSecond }) => `${(stepsPerSecond / 1e6).toFixed(2)} M steps/s`,
);

let seed = 0;
const ppo = await runRounds(
  Object.fromEntries(
    arms.map((arm, i) => [
      arm,
      () => {
        if (i === 0) seed++;
        return arm === 'torch'
          ? runArm(options.python, [here('torch_ppo.py'), String(seed), '1', settings], { env })
          : runArm(process.execPath, [here('policy-arm.mjs'), 'ppo', String(seed), arm, settings]);
      },
    ]),
  ),
  rounds,
  ({ seconds, steps, stepsPerSecond }) =>
    `${seconds.toFixed(1)} s, ${steps ? `475 after ${steps} steps` : 'not reached'}, ${stepsPerSecond.toFixed(0)} steps/s`,
);
if (options.json) writeJson(options.json, { options, settings: JSON.parse(settings), speed, ppo });

const perSecond = ({ stepsPerSecond }) => stepsPerSecond;
const spreadOf = (results, field, digits) => written(spread(results.map(field)), digits);
/** Runs that did not reach the mark would make a median of times meaningless. */
const time = (results) =>
  results.every(({ steps }) => steps)
    ? spreadOf(results, ({ seconds }) => seconds, 1)
    : `${results.filter(({ steps }) => steps).length} of ${results.length} reached it`;
const comparable = arms.filter((arm) => arm !== 'torch' && ppo.torch);
const report = [
  `\`node tools/bench/policy.mjs\`: ${rounds} rounds; ${machine()}${ppo.torch ? `; ${ppo.torch[0].libraries}` : ''}; one thread. ` +
    'Median (lowest–highest) over the rounds.',
  ...(noTorch ? [noTorch] : []),
  table(
    [`CartPole, ${options.copies} copies`, 'million steps/s'],
    Object.entries(speed).map(([name, results]) => [name, spreadOf(results, (one) => perSecond(one) / 1e6, 2)]),
  ),
  ...(speed.numpy ? [`retort / numpy: **${written(ratio(speed.retort, speed.numpy, perSecond), 2)}**`] : []),
  table(
    ['PPO', 'seconds to 475', 'environment steps to 475', 'steps/s'],
    arms.map((arm) => [
      arm,
      time(ppo[arm]),
      ppo[arm].every(({ steps }) => steps) ? spreadOf(ppo[arm], ({ steps }) => steps, 0) : '',
      spreadOf(ppo[arm], perSecond, 0),
    ]),
  ),
  table(
    ['ratio to torch', 'seconds to 475', 'steps/s'],
    comparable.map((arm) => [
      arm,
      [...ppo[arm], ...ppo.torch].every(({ steps }) => steps)
        ? written(ratio(ppo[arm], ppo.torch, ({ seconds }) => seconds))
        : '',
      written(ratio(ppo[arm], ppo.torch, perSecond)),
    ]),
  ),
]
  .filter(Boolean)
  .join('\n\n');
console.log(report);
if (options.write) writeSection(options.write, 'policy', report);
