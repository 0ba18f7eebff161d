/**
 * Images per second and memory of whole distillation steps (MTKD-RL's Table 6 c): student alone, equal weights, CA-MKD, and an agent
 * that learns every step or every epoch, with teachers asked at each step and with their outputs read from a cache (`-cached`), by
 * backend, and what PyTorch makes of the same work.
 *
 *   node tools/bench/mtkd-step.mjs [--engines wasm,onnxruntime-1,onnxruntime-2,torch-1,torch-2] [--weightings equal,agent-step-cached]
 *     [--rounds 5] [--steps 10] [--peer ../shared/peers/torch_mtkd.py] [--python /usr/bin/python3] [--json FILE] [--write PAGE]
 *
 * The number behind an engine is its threads; wasm has one. Student ResNet-8, teachers ResNet-20, -32 and -56 (random weights), 32 × 32
 * images, batches of 64, KD and feature loss. Each arm of a round is a process of its own, one after the other, so that ratios within
 * a round share the machine's mood and peak memory is the arm's. The first of two epochs warms up and fills the cache; the second is
 * timed. The peer is a
 * Python program that takes THREADS and SECONDS and prints images per second; RETORT_TORCH_PEER names another one.
 * --write puts the tables between the page's `<!-- mtkd-step -->` marks.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { plugins } from '@retort/cli';
import { composeRun, run, Seeds } from '@retort/core';
import { saveLayersModel } from '@retort/nn';
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

/** By name: the trainer's weighting, and what the peer calls the same step. */
const uncached = {
  none: { weighting: 'none', peer: 'baseline' },
  equal: { weighting: 'equal', peer: 'aver' },
  'ca-mkd': { weighting: 'ca-mkd' },
  'agent-epoch': { weighting: { use: 'agent', updateEvery: 'epoch' } },
  'agent-step': { weighting: { use: 'agent', updateEvery: 1 }, peer: 'mtkd_rl' },
};
const weightings = {
  ...uncached,
  ...Object.fromEntries(
    Object.entries(uncached)
      .filter(([name]) => name !== 'none')
      .map(([name, { weighting }]) => [`${name}-cached`, { weighting, cached: true }]),
  ),
};
const allEngines = ['wasm', 'onnxruntime-1', 'onnxruntime-2', 'torch-1', 'torch-2'];
const depths = [20, 32, 56];
const repository = fileURLToPath(new URL('../..', import.meta.url));

if (process.argv[2] === '--arm') {
  const [folder, engine, weighting, steps] = process.argv.slice(3);
  await measure(folder, engine, weighting, Number(steps));
} else {
  await compare();
}

async function compare() {
  const { values: options } = parseArgs({
    options: {
      engines: { type: 'string', default: allEngines.join() },
      weightings: { type: 'string', default: Object.keys(weightings).join() },
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '10' },
      peer: {
        type: 'string',
        default: process.env.RETORT_TORCH_PEER ?? resolve(repository, '../shared/peers/torch_mtkd.py'),
      },
      python: { type: 'string', default: '/usr/bin/python3' },
      json: { type: 'string' },
      write: { type: 'string' },
    },
  });
  const asked = chosen('engines', options.engines, allEngines);
  const names = chosen('weightings', options.weightings, Object.keys(weightings));
  const noPeer = asked.some(isTorch) ? peerMissing(options) : undefined;
  if (noPeer) console.error(noPeer);
  const engines = asked.filter((engine) => !noPeer || !isTorch(engine));

  const folder = mkdtempSync(join(tmpdir(), 'retort-bench-'));
  let results;
  try {
    await saveTeachers(folder);
    results = await runRounds(armsOf(engines, names, folder, options), Number(options.rounds), (result) =>
      Object.entries(result.imagesPerSecond)
        .map(([name, speed]) => `${name} ${speed.toFixed(1)}`)
        .join(', '),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  const report = summarize(results, engines, names, options, noPeer);
  console.log(report);
  if (options.json) writeJson(options.json, { options, results });
  if (options.write) writeSection(options.write, 'mtkd-step', report);
}

function isTorch(engine) {
  return engine.startsWith('torch');
}

function peerMissing({ peer, python }) {
  if (!existsSync(peer))
    return `PyTorch is left out: there is no ${peer}; --peer or RETORT_TORCH_PEER names the program`;
  return torchMissing(python);
}

/** An arm is a process: of ours one weighting, of the peer's all. Results are images per second by weighting. */
function armsOf(engines, names, folder, { python, peer, steps }) {
  const threadsOf = (engine) => engine.split('-')[1] ?? '1';
  const arms = {};
  for (const engine of engines) {
    if (isTorch(engine)) {
      const threads = threadsOf(engine);
      arms[engine] = async () => {
        // OpenBLAS has threads of its own, which the peer does not set.
        const env = { OPENBLAS_NUM_THREADS: threads, OMP_NUM_THREADS: threads };
        const printed = await runArm(python, [peer, threads, '2'], { env });
        const known = names.filter((name) => weightings[name].peer);
        return {
          imagesPerSecond: Object.fromEntries(known.map((name) => [name, printed[weightings[name].peer].images_per_s])),
        };
      };
      continue;
    }
    for (const name of names) {
      arms[`${engine} ${name}`] = async () => {
        const args = [fileURLToPath(import.meta.url), '--arm', folder, engine, name, steps];
        const { imagesPerSecond, ...rest } = await runArm(process.execPath, args);
        return { imagesPerSecond: { [name]: imagesPerSecond }, ...rest };
      };
    }
  }
  return arms;
}

function summarize(results, engines, names, options, noPeer) {
  const rounds = (engine, name) => results[isTorch(engine) ? engine : `${engine} ${name}`];
  const speed = (name) => (result) => result.imagesPerSecond[name];
  const measured = (engine, name) => !isTorch(engine) || weightings[name].peer !== undefined;
  const cells = (of) => names.map((name) => of(name) ?? '–');
  // The ratio of times is the inverse of that of speeds.
  const times = (engine, other, name) =>
    measured(engine, name) && measured(other, name)
      ? written(ratio(rounds(other, name), rounds(engine, name), speed(name)))
      : undefined;
  const pairs = [
    ['wasm', 'onnxruntime-1'],
    ['onnxruntime-1', 'torch-1'],
    ['onnxruntime-2', 'torch-2'],
    ['onnxruntime-1', 'onnxruntime-2'],
  ].filter((pair) => pair.every((engine) => engines.includes(engine)));
  const ours = engines.filter((engine) => !isTorch(engine));
  const torchOf = (engine) => engines.find((other) => isTorch(other) && other.endsWith(`-${engine.split('-')[1]}`));
  const againstTorch = ours.filter(torchOf);
  const secondsOf = ({ imagesPerSecond }) => 1 / Object.values(imagesPerSecond)[0];
  const memoryOf = ({ peakMegabytes }) => peakMegabytes;
  const comparisons = [
    ['agent-epoch / equal', 'time', 'agent-epoch', 'equal', secondsOf],
    ['ca-mkd / equal', 'time', 'ca-mkd', 'equal', secondsOf],
    ['agent-epoch-cached / equal-cached', 'time', 'agent-epoch-cached', 'equal-cached', secondsOf],
    ['agent-epoch-cached / none', 'time', 'agent-epoch-cached', 'none', secondsOf],
    ['agent-epoch / equal', 'memory', 'agent-epoch', 'equal', memoryOf],
    ['agent-epoch-cached / equal-cached', 'memory', 'agent-epoch-cached', 'equal-cached', memoryOf],
  ];
  return [
    `\`node tools/bench/mtkd-step.mjs\`: batch 64, ${options.rounds} rounds of ${options.steps} steps; ${machine()}. ` +
      'Median (lowest–highest) over the rounds.',
    ...(noPeer ? [noPeer] : []),
    table(
      ['images/s', ...names],
      engines.map((engine) => [
        engine,
        ...cells((name) =>
          measured(engine, name) ? written(spread(rounds(engine, name).map(speed(name))), 1) : undefined,
        ),
      ]),
    ),
    table(
      ['ratio of times', ...names],
      pairs.map(([a, b]) => [`${a} / ${b}`, ...cells((name) => times(a, b, name))]),
    ),
    table(
      ['of one round', 'what', ...ours],
      comparisons
        .filter(([, , a, b]) => names.includes(a) && names.includes(b))
        .map(([title, what, a, b, of]) => [
          title,
          what,
          ...ours.map((engine) => written(ratio(rounds(engine, a), rounds(engine, b), of), 3)),
        ]),
    ),
    againstTorch.length > 0 &&
      table(
        ['images/s, ours / PyTorch', ...againstTorch],
        ['none', 'equal', 'agent-step', 'equal-cached', 'agent-step-cached']
          .filter((name) => names.includes(name))
          .map((name) => [
            `${name} / ${name.replace('-cached', '')}`,
            ...againstTorch.map((engine) => {
              const theirs = name.replace('-cached', '');
              return written(
                spread(
                  rounds(engine, name).map(
                    (result, i) => speed(name)(result) / speed(theirs)(rounds(torchOf(engine), theirs)[i]),
                  ),
                ),
              );
            }),
          ]),
      ),
    ...(names.includes('equal')
      ? [
          table(
            ['time / equal', ...names],
            engines.map((engine) => [
              engine,
              ...cells((name) =>
                measured(engine, name)
                  ? written(
                      spread(
                        rounds(engine, 'equal').map(
                          (result, i) => speed('equal')(result) / speed(name)(rounds(engine, name)[i]),
                        ),
                      ),
                      3,
                    )
                  : undefined,
              ),
            ]),
          ),
        ]
      : []),
    table(
      ['peak memory, MB', ...names],
      ours.map((engine) => [
        engine,
        ...cells((name) => written(spread(rounds(engine, name).map(({ peakMegabytes }) => peakMegabytes)), 0)),
      ]),
    ),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function manifest(folder, backend, weighting, steps) {
  return {
    name: 'bench',
    backend,
    // One view of each image, so that the second epoch finds what the first one kept.
    dataset: { use: 'scenes', size: 32, train: 64 * steps, validation: 0, test: 9, batchSize: 64, views: 1 },
    ...(weightings[weighting].cached && {
      cache: { use: 'disk', folder: join(folder, `cache-${backend.use ?? backend}`) },
    }),
    student: { use: 'cifar-resnet', depth: 8 },
    teachers: depths.map((depth) => ({
      id: `r${depth}`,
      use: 'layers-model',
      path: join(folder, `r${depth}`, 'model.json'),
      preprocessing: 'none',
      taps: { logits: 'logits', embedding: 'pool', featureMap: `stage3_block${(depth - 2) / 6}_relu` },
    })),
    agent: { use: 'pg' },
    trainer: { use: 'mtkd', epochs: 2, weighting: weightings[weighting].weighting },
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
      { ...manifest(folder, 'wasm', 'none', 1), student: { use: 'cifar-resnet', depth } },
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

/** One arm: prints a JSON line. */
async function measure(folder, engine, weighting, steps) {
  const [name, threads] = engine.split('-');
  const backend = threads ? { use: name, threads: Number(threads) } : name;
  const events = [];
  await run(manifest(folder, backend, weighting, steps), {
    plugins,
    overwrite: true,
    onEvent: (event) => events.push(event),
  });
  const { imagesPerSecond } = events.findLast(({ type }) => type === 'epoch');
  // Kilobytes on Linux.
  console.log(JSON.stringify({ imagesPerSecond, peakMegabytes: process.resourceUsage().maxRSS / 1024 }));
}
