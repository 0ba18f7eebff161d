import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { retort as retortIn } from './test-support/retort.js';

const packages = fileURLToPath(new URL('../..', import.meta.url));
const installed = fileURLToPath(new URL('../../../node_modules', import.meta.url));

let folder: string;
const inModules = (...path: string[]) => join(folder, 'node_modules', ...path);

/** The command as installed, in a folder of its own whose node_modules lacks onnxruntime-node. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-missing-'));
  mkdirSync(inModules('@retort'), { recursive: true });
  for (const name of readdirSync(installed)) {
    if (name !== '@retort' && name !== 'onnxruntime-node') symlinkSync(join(installed, name), inModules(name));
  }
  for (const name of readdirSync(packages)) {
    for (const part of ['package.json', 'dist']) {
      cpSync(join(packages, name, part), inModules('@retort', name, part), { recursive: true });
    }
    const own = join(packages, name, 'node_modules');
    if (existsSync(own)) symlinkSync(own, inModules('@retort', name, 'node_modules'));
  }
  writeFileSync(
    join(folder, 'tiny.yaml'),
    `name: tiny
dataset: { use: scenes, classes: 3, size: 16, train: 32, test: 9, batchSize: 16 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 1, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (...args: string[]) =>
  retortIn(args, { cwd: folder, main: inModules('@retort', 'cli', 'dist', 'main.js') });

/** onnxruntime-node with its native part replaced by these files. */
function install(files: Record<string, string>, version = '1.30.0'): void {
  const target = inModules('onnxruntime-node');
  rmSync(target, { recursive: true, force: true });
  cpSync(join(installed, 'onnxruntime-node', 'dist'), join(target, 'dist'), { recursive: true });
  writeFileSync(join(target, 'package.json'), JSON.stringify({ name: 'onnxruntime-node', version, main: 'dist' }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  }
}

const elsewhere = process.platform === 'darwin' ? 'win32' : 'darwin';
const library = (platform: string) => `bin/napi-v6/${platform}/${process.arch}/onnxruntime_binding.node`;

it.each([
  {
    what: 'not installed',
    prepare: () => undefined,
    reason: 'onnxruntime-node is not installed',
    hint: 'npm install onnxruntime-node@',
  },
  {
    what: 'installed for another platform',
    prepare: () => install({ [library(elsewhere)]: '' }),
    reason: `onnxruntime-node 1.30.0 has no library for ${process.platform} ${process.arch}`,
    hint: `it has: ${elsewhere} ${process.arch}`,
  },
  {
    what: 'damaged',
    prepare: () => install({ [library(process.platform)]: 'half a file' }),
    reason: 'onnxruntime-node 1.30.0 does not load: ',
    hint: 'not for this system, or damaged',
  },
  {
    what: 'too old',
    prepare: () => install({}, '1.17.0'),
    reason: 'onnxruntime-node 1.17.0 is not supported',
    hint: 'npm install onnxruntime-node@',
  },
])('where onnxruntime is $what, auto takes wasm and says why, and asking for it is an error', async (given) => {
  given.prepare();
  const automatic = await retort('validate', 'tiny.yaml');
  expect(automatic.stderr).toContain(`not onnxruntime (${given.reason}`);
  expect(automatic.stderr).toContain('backend wasm: fastest that works');
  expect(automatic.code).toBe(0);

  const asked = await retort('train', 'tiny.yaml', '--set', 'backend=onnxruntime');
  expect(asked.stderr).toMatch(/^retort: backend: onnxruntime cannot be used: /);
  expect(asked.stderr).toContain(given.reason);
  expect(asked.stderr).toContain(given.hint);
  expect(asked.stderr).not.toContain('    at ');
  expect(asked.code).toBe(2);
  expect(readdirSync(folder)).not.toContain('runs');
});
