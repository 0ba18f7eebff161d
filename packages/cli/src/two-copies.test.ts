import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let folder: string;

/** A second copy of tfjs, as npm installs one where two packages ask for versions that differ. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-copies-'));
  const [from, to] = [join(root, 'node_modules'), join(folder, 'node_modules')];
  mkdirSync(to);
  for (const name of readdirSync(from)) if (name !== '@tensorflow') symlinkSync(join(from, name), join(to, name));
  for (const name of ['', '-core', '-layers', '-converter', '-data', '-backend-cpu', '-backend-webgl']) {
    const path = `@tensorflow/tfjs${name}`;
    const { main } = JSON.parse(readFileSync(join(from, path, 'package.json'), 'utf8')) as { main: string };
    mkdirSync(dirname(join(to, path, main)), { recursive: true });
    for (const file of ['package.json', main]) copyFileSync(join(from, path, file), join(to, path, file));
  }
  writeFileSync(
    join(folder, 'program.mjs'),
    `
import { createRequire } from 'node:module';
const theirs = () => createRequire(import.meta.url)('@tensorflow/tfjs');
const backend = () => import(${JSON.stringify(pathToFileURL(join(root, 'packages/backend-onnxruntime/dist/index.js')).href)});
let tf, onnxruntime;
if (process.argv[2] === 'theirs') [tf, onnxruntime] = [theirs(), await backend()];
else [onnxruntime, tf] = [await backend(), theirs()];
const ours = createRequire(${JSON.stringify(join(root, 'package.json'))})('@tensorflow/tfjs');
onnxruntime.register();
await tf.setBackend('onnxruntime');
const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
const mixed = ours.relu(x.matMul(ours.ones([2, 2])).add(1));
const variable = ours.variable(tf.tensor1d([1, 2]));
const { grads } = tf.variableGrads(() => ours.sum(tf.square(variable)));
const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3], kernelInitializer: 'zeros' })] });
model.compile({ optimizer: ours.train.sgd(0.1), loss: 'meanSquaredError' });
const { history } = await model.fit(tf.ones([8, 3]), ours.ones([8, 1]), { epochs: 2, verbose: 0 });
console.log(JSON.stringify({
  two: tf !== ours && tf.Tensor !== ours.Tensor,
  backend: [tf.getBackend(), ours.getBackend()],
  mixed: [...mixed.dataSync()],
  gradient: [...Object.values(grads)[0].dataSync()],
  losses: history.loss,
}));
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

// Copies of tfjs share one engine and one registry of kernels through the global object, so nothing is lost.
it.each(['theirs', 'ours'])('two copies of tfjs in one process share the backend, %s loaded first', async (first) => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'program.mjs'), first]);
  const { losses, ...told } = JSON.parse(stdout) as { losses: number[] };
  expect(told).toEqual({
    two: true,
    backend: ['onnxruntime', 'onnxruntime'],
    mixed: [4, 4, 8, 8],
    gradient: [2, 4],
  });
  // From a kernel of zeros: 1, and after one step of 0.1 down the gradient −2, each output is 0.8.
  expect(losses[0]).toBeCloseTo(1, 5);
  expect(losses[1]).toBeCloseTo(0.04, 5);
});
