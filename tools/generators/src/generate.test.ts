import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FsTree } from 'nx/src/generators/tree.js';
import * as generators from './generate.mjs';

const root = join(import.meta.dirname, '../../..');

type Kind = keyof typeof generators;

/** The files that a generator changes in the workspace as it is, by path. The changes stay in memory. */
async function generate(kind: Kind, options: { name: string; package?: string }): Promise<Record<string, string>> {
  const tree = new FsTree(root, false);
  await generators[kind](tree, options);
  return Object.fromEntries(tree.listChanges().map(({ path, content }) => [path, content!.toString()]));
}

/** Lines that are in a file now and were not. Columns of tables may have changed their width. */
function added(path: string, text: string): string[] {
  const plain = (line: string) => line.replace(/\s+|-{3,}/g, ' ').trim();
  const before = new Set(readFileSync(join(root, path), 'utf8').split('\n').map(plain));
  return text
    .split('\n')
    .map(plain)
    .filter((line) => !before.has(line));
}

it.each<[Kind, string, string, string[]]>([
  ['loss', 'packages/losses', 'my-part', ['packages/losses/src/index.test.ts']],
  ['agent', 'packages/rl-agents', 'my-part', ['packages/cli/src/cli.test.ts']],
  ['weighting', 'packages/trainer-mtkd', 'weighting-my-part', []],
  ['teacher', 'packages/teachers', 'my-part-teacher', []],
  ['dataset', 'packages/datasets', 'my-part', ['packages/datasets/src/cifar.test.ts']],
])('%s: source, test, export, registration, README, manual and changeset', async (kind, folder, file, lists) => {
  const files = await generate(kind, { name: 'my-part' });
  const changeset = `.changeset/${kind === 'teacher' ? 'teacher-adapter' : kind === 'dataset' ? 'data-set' : kind}-my-part.md`;
  const [source, test, index, readme] = [`src/${file}.ts`, `src/${file}.test.ts`, 'src/index.ts', 'README.md'].map(
    (path) => `${folder}/${path}`,
  );
  expect(Object.keys(files).sort()).toEqual(
    [source, test, index, readme, changeset, 'docs/manifest.md', ...lists].sort(),
  );

  expect(files[source]).toMatch(/\/\*\*[^]*\*\/\nexport const myPart = define/);
  expect(files[source]).toContain("name: 'my-part'");
  expect(files[source] + files[test]).not.toMatch(/<%|TODO|\/\/ \.\.\./);
  expect(files[test]).toContain(`from './${file}.js'`);
  expect(added(index, files[index]).join('\n')).toMatch(
    new RegExp(
      `import \\{ myPart \\} from './${file}.js';[^]*export \\{ myPart.*\\} from './${file}.js';[^]*add\\(myPart\\)`,
    ),
  );
  for (const path of [readme, 'docs/manifest.md', ...lists]) {
    expect({ path, added: added(path, files[path]).filter((line) => line.includes('my-part')).length }).toEqual({
      path,
      added: 1,
    });
  }
  expect(files[changeset]).toMatch(
    new RegExp(`^---\n'@retort/${folder.slice('packages/'.length)}': minor\n---\n\n.* my-part\\.\n$`),
  );
});

it.each<Kind>(['loss', 'agent', 'weighting', 'teacher', 'dataset'])('%s, in a package of its own', async (kind) => {
  const files = await generate(kind, { name: 'my-part', package: './outside/retort-my-part' });
  const paths = Object.keys(files).map((path) => path.replace('outside/retort-my-part/', ''));
  const part = {
    loss: 'my-part',
    agent: 'my-part',
    weighting: 'weighting-my-part',
    teacher: 'my-part-teacher',
    dataset: 'my-part',
  }[kind];
  expect(paths.sort()).toEqual(
    [
      '.gitignore',
      'README.md',
      'package.json',
      'tsconfig.json',
      'src/index.ts',
      ...(kind === 'dataset' ? [] : ['src/backends.ts']),
      `src/${part}.ts`,
      `src/${part}.test.ts`,
    ].sort(),
  );
  const read = (path: string) => files[`outside/retort-my-part/${path}`];
  const { name, peerDependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;
  expect(name).toBe('retort-my-part');
  expect(Object.keys(peerDependencies)).toEqual(expect.arrayContaining(['@retort/core', '@tensorflow/tfjs']));
  // Every package that the sources import is asked for.
  const imported = paths
    .filter((path) => path.startsWith('src/'))
    .flatMap((path) => [...read(path).matchAll(/from '((?:@[^/']+\/)?[^./'][^/']*)'/g)].map(([, from]) => from))
    .filter((from) => !from.startsWith('node:'));
  const asked = { ...peerDependencies, ...devDependencies };
  expect(imported.filter((from) => !(from in asked))).toEqual([]);
  expect(read('README.md')).toContain('plugins: [retort-my-part]');
  expect(read('README.md')).toContain('use: my-part');
  expect(Object.values(files).join('')).not.toMatch(/<%|&#|&lt;/);
});

describe('a name', () => {
  it.each([
    ['My-Part', /words in lower case/],
    ['my part', /words in lower case/],
    ['../x', /words in lower case/],
    ['switch', /a word of JavaScript/],
    ['dist', /dist\.ts is there already/],
    ['kd', /knowledge-distillation\.ts is there already/],
    ['knowledge-distillation', /is there already/],
    ['plugin', /something called plugin/],
  ])('%s is refused', async (name, message) => {
    await expect(generate('loss', { name })).rejects.toThrow(message);
  });

  it('of a folder that is there is refused', async () => {
    await expect(generate('loss', { name: 'my-part', package: 'packages/losses' })).rejects.toThrow('is there already');
  });
});
