/**
 * Runs tfjs-core's own published test suite on a backend, and compares what fails with skipped.json.
 *
 *   node tfjs-suite/run.mjs [onnxruntime|cpu] [--only TEXT] [--json FILE] [--failures]
 *
 * --only runs the specs whose name contains the text, --failures prints the message of each failure, --json writes the result of
 * every spec. Exits with 1 when a spec fails that is not listed, or passes though it is, or when a kernel with an ONNX
 * form ran on cpu. On cpu nothing is listed.
 */
import { build } from 'esbuild';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = dirname(fileURLToPath(import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, json: { type: 'string' }, failures: { type: 'boolean' } },
});
const backend = positionals[0] ?? 'onnxruntime';

// One bundle for suite, tfjs and backend, so that they share one copy of tfjs-core. tfjs marks its tests as free of side effects,
// hence ignoreAnnotations.
const work = mkdtempSync(join(folder, '.bundle-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
await build({
  stdin: {
    contents: `
      export { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
      import '@tensorflow/tfjs-core/dist/register_all_gradients';
      import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
      import '@tensorflow/tfjs-backend-cpu';
      ${backend === 'onnxruntime' ? `import { register } from '../src/index.ts'; export { kernels } from '../src/kernels/index.ts'; register();` : ''}
      export * as tf from '@tensorflow/tfjs-core';
      export const loadTests = () => require('@tensorflow/tfjs-core/dist/tests');
    `,
    resolveDir: folder,
  },
  outfile: join(work, 'suite.cjs'),
  bundle: true,
  ignoreAnnotations: true,
  platform: 'node',
  mainFields: ['module', 'main'],
  conditions: ['@retort/source'],
  external: ['onnxruntime-node', 'onnxruntime-common', 'jasmine-core'],
  // Our sources look for onnxruntime beside themselves.
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: `const importMetaUrl = require('node:url').pathToFileURL(__filename).href;` },
  logLevel: 'error',
});

const require = createRequire(import.meta.url);
const jasmineRequire = require('jasmine-core/lib/jasmine-core/jasmine.js');
const jasmine = jasmineRequire.core(jasmineRequire);
const env = jasmine.getEnv({ suppressLoadErrors: true });
Object.assign(globalThis, jasmineRequire.interface(jasmine, env), { jasmine });
jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000;

const suite = require(join(work, 'suite.cjs'));
suite.setTestEnvs([{ name: 'test', backendName: backend, flags: {}, isDataSync: true }]);
await suite.tf.setBackend(backend);
suite.loadTests();

const results = { passed: [], failed: [], pending: [] };
const messages = new Map();
env.configure({
  random: false,
  failFast: false,
  specFilter: (spec) => !options.only || spec.getFullName().includes(options.only),
});
env.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    if (status === 'excluded') return;
    // The suite disposes the backend and makes it anew now and then.
    if (backend === 'onnxruntime') backends.add(suite.tf.findBackend(backend));
    results[status].push(fullName);
    if (status === 'failed') messages.set(fullName, failedExpectations.map(({ message }) => message).join('\n'));
  },
  suiteDone({ fullName, failedExpectations }) {
    if (failedExpectations.length > 0) {
      results.failed.push(fullName);
      messages.set(fullName, failedExpectations.map(({ message }) => message).join('\n'));
    }
  },
});
const backends = new Set();
const began = performance.now();
await new Promise((resolve) => {
  env.addReporter({ jasmineDone: resolve });
  env.execute();
});

const fallbacks = {};
for (const each of backends)
  for (const [name, count] of each.fallbacks) fallbacks[name] = (fallbacks[name] ?? 0) + count;

const listFile = join(folder, 'skipped.json');
const listed = backend === 'onnxruntime' && existsSync(listFile) ? JSON.parse(readFileSync(listFile, 'utf8')) : {};
const unlisted = results.failed.filter((name) => !(name in listed));
const passing = results.passed.filter((name) => name in listed);
if (options.failures) for (const [name, message] of messages) console.log(`${name}\n    ${message.slice(0, 600)}\n`);
else for (const name of unlisted) console.log(`fails: ${name}`);
for (const name of passing) console.log(`passes, though skipped.json lists it: ${name}`);
if (options.json)
  writeFileSync(
    options.json,
    JSON.stringify({ ...results, messages: Object.fromEntries(messages), fallbacks }, null, 1),
  );
if (backends.size > 0) {
  const counts = Object.entries(fallbacks).sort(([, a], [, b]) => b - a);
  console.log(`on tfjs's cpu kernels: ${counts.map(([name, count]) => `${name} ${count}`).join(', ')}`);
}
// What is recorded has to be recorded: strings, complex numbers and empty tensors are counted under names of their own.
const strayed = (suite.kernels ?? []).map(({ name }) => name).filter((name) => fallbacks[name]);
for (const name of strayed) console.log(`${name} has an ONNX form and ran on tfjs's cpu kernel`);
console.log(
  `${backend}: ${results.passed.length} passed, ${results.failed.length} failed (${unlisted.length} not listed), ` +
    `${results.pending.length} pending, ${((performance.now() - began) / 1000).toFixed(0)} s`,
);
process.exit(unlisted.length + passing.length + strayed.length > 0 ? 1 : 0);
