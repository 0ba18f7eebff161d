/**
 * Where the time of a compiled graph goes: by operator, by tfjs kernel and by node.
 *
 *   node packages/backend-onnxruntime/tools/profile.mjs GRAPH.onnx [--threads 1] [--runs 20] [--rows 15]
 *
 * Graphs are written by the backend's option `dumpGraphs` as they are compiled; the largest file is the training step. The graph is
 * run on made-up inputs, and of each node the fastest run counts, which other work on the machine disturbs least.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '20' },
    rows: { type: 'string', default: '15' },
  },
});
const [path] = positionals;
if (path === undefined) {
  console.error(
    'usage: node packages/backend-onnxruntime/tools/profile.mjs GRAPH.onnx [--threads 1] [--runs 20] [--rows 15]',
  );
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'onnxruntime-profile-'));
try {
  const nodes = await profile();
  const total = nodes.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  console.log(`${nodes.length} nodes, ${total.toFixed(1)} ms, ${options.threads} thread(s)\n`);
  print('operator', nodes, ({ operator }) => operator);
  print('tfjs kernel', nodes, ({ kernel }) => kernel);
  print('node', nodes, ({ operator, kernel, shapes }) => `${operator} of ${kernel}: ${shapes}`);
} finally {
  rmSync(folder, { recursive: true });
}

/** Every node with its fastest run. */
async function profile() {
  const session = await InferenceSession.create(path, {
    intraOpNumThreads: Number(options.threads),
    interOpNumThreads: 1,
    executionProviders: ['cpu'],
    enableProfiling: true,
    profileFilePrefix: join(folder, 'profile'),
  });
  const feeds = Object.fromEntries(session.inputMetadata.map(({ name, type, shape }) => [name, madeUp(type, shape)]));
  for (let run = 0; run < Number(options.runs); run++) await session.run(feeds);
  session.endProfiling();
  const [file] = readdirSync(folder);
  const nodes = new Map();
  for (const { cat, name, dur, args } of JSON.parse(readFileSync(join(folder, file), 'utf8'))) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
    const milliseconds = dur / 1000;
    const known = nodes.get(name);
    if (known) known.milliseconds = Math.min(known.milliseconds, milliseconds);
    else nodes.set(name, { milliseconds, operator: args.op_name, kernel: kernelOf(name), shapes: shapesOf(args) });
  }
  return [...nodes.values()];
}

/** Names are `n12 Conv2D(float32[64,32,32,16], …)`; onnxruntime gives those that it makes others. */
function kernelOf(name) {
  return /^n\d+ (\w+)\(/.exec(name)?.[1] ?? 'onnxruntime';
}

function shapesOf({ input_type_shape: inputs = [], output_type_shape: outputs = [] }) {
  const text = (shapes) => shapes.map((shape) => `[${Object.values(shape)[0].join()}]`).join(' ');
  return `${text(inputs)} -> ${text(outputs)}`;
}

function madeUp(type, shape) {
  const size = shape.reduce((product, n) => product * n, 1);
  if (type === 'float32')
    return new Tensor(
      type,
      Float32Array.from({ length: size }, (_, i) => Math.sin(i) + 1.5),
      shape,
    );
  return new Tensor(type, type === 'bool' ? new Uint8Array(size) : new Int32Array(size), shape);
}

function print(title, nodes, group) {
  const groups = new Map();
  for (const node of nodes) {
    const entry = groups.get(group(node)) ?? { milliseconds: 0, count: 0 };
    entry.milliseconds += node.milliseconds;
    entry.count++;
    groups.set(group(node), entry);
  }
  const rows = [...groups].sort(([, a], [, b]) => b.milliseconds - a.milliseconds).slice(0, Number(options.rows));
  console.log(`${'ms'.padStart(9)}${'nodes'.padStart(7)}  ${title}`);
  for (const [name, { milliseconds, count }] of rows) {
    console.log(`${milliseconds.toFixed(2).padStart(9)}${String(count).padStart(7)}  ${name}`);
  }
  console.log();
}
