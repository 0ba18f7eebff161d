import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { RetortError } from './errors.js';
import { loadPlugins } from './load-plugins.js';
import { Registry } from './registry.js';
import { validating } from './test-support/registry.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-plugins-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const plugin = (name: string, kind: string, part: string) =>
  `export const plugin = { name: '${name}', register(registry) {
     registry.add({ kind: '${kind}', name: '${part}', summary: '', options: {}, create: () => ({}) });
   } };`;

async function failureOf(...names: string[]): Promise<RetortError> {
  try {
    await loadPlugins(names, folder, new Registry().use(validating), (index) => `run.yaml:${index + 1}`);
  } catch (error) {
    if (error instanceof RetortError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

it('registers the parts of a file beside the manifest and of an installed package', async () => {
  write('mine.mjs', plugin('mine', 'loss', 'mine'));
  write('node_modules/theirs/package.json', '{ "name": "theirs", "type": "module", "exports": "./main.js" }');
  write('node_modules/theirs/main.js', plugin('theirs', 'agent', 'theirs'));
  const registry = new Registry();
  await loadPlugins(['./mine.mjs', 'theirs', './mine.mjs'], folder, registry);
  expect(registry.list('loss').map(({ part, plugin }) => [part.name, plugin])).toEqual([['mine', 'mine']]);
  expect(registry.has('agent', 'theirs')).toBe(true);
});

it('a plugin that is not there is named with what to do', async () => {
  expect((await failureOf('./none.mjs')).text).toBe(
    `plugin "./none.mjs": no such file: ${join(folder, 'none.mjs')}\n  the path is relative to the manifest\n  run.yaml:1`,
  );
  expect((await failureOf('not-installed')).text).toBe(
    `plugin "not-installed" is not installed where ${folder} could find it\n  install it: npm install not-installed\n  run.yaml:1`,
  );
});

it('a plugin that fails is named with its reason', async () => {
  write('throws.mjs', `throw new Error('out of coffee');`);
  expect((await failureOf('./throws.mjs')).text).toBe(
    'plugin "./throws.mjs" failed to load: out of coffee\n  run.yaml:1',
  );

  write('registers.mjs', `export const plugin = { name: 'registers', register() { throw new Error('no license'); } };`);
  expect((await failureOf('./registers.mjs')).text).toBe(
    'plugin "registers" failed to register: no license\n  run.yaml:1',
  );
});

it("a plugin's own missing dependency is not taken for the plugin", async () => {
  write('lacks.mjs', `import 'something-it-needs';\nexport const plugin = {};`);
  expect((await failureOf('./lacks.mjs')).message).toMatch(/"\.\/lacks\.mjs" failed to load: .*something-it-needs/);
});

it('a module without a plugin is told what to export', async () => {
  write('other.mjs', 'export const parts = [];');
  expect((await failureOf('./other.mjs')).text).toMatch(/exports no plugin\n {2}export const plugin = definePlugin/);
});

it('a taken name is an error that names both packages', async () => {
  write('taker.mjs', plugin('taker', 'loss', 'kd'));
  write('first.mjs', plugin('first', 'loss', 'own'));
  expect((await failureOf('./first.mjs', './taker.mjs')).text).toBe(
    'loss "kd" of taker is already registered by validating; rename one of them\n  run.yaml:2',
  );
});
