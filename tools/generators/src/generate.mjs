import { basename, join } from 'node:path';
import { Script } from 'node:vm';
import devkit from '@nx/devkit';
import * as prettier from 'prettier';
import { addExport, addImport, addRegistration, addTableRow, addToList, addToSentence } from './source-edits.mjs';

const { generateFiles } = devkit;

/** @typedef {import('@nx/devkit').Tree} Tree */

/**
 * What differs from one kind of part to another.
 *
 * @typedef {object} Kind
 * @property {string} noun as people call it
 * @property {string} package folder of the package of ours that has such parts
 * @property {(name: string) => string} file without extension
 * @property {(id: string) => string[]} exports names that the package exports, the part first
 * @property {(text: string, name: string) => string} readme the package's README with a row for the part
 * @property {{ file: string, known: string }[]} lists sources that list every part of the kind, each with one that they list
 * @property {(text: string, name: string) => string} manual docs/manifest.md with the part's name
 * @property {string[]} needs packages of ours beside core that the part imports
 * @property {(name: string) => string} usage the lines of a manifest that use it
 * @property {boolean} computes whether it makes tensors, so that its test runs on every backend
 * @property {string} options for the README of a package of its own
 */

/** @type {Record<'loss' | 'agent' | 'weighting' | 'teacher' | 'dataset', Kind>} */
const kinds = {
  loss: {
    noun: 'loss',
    package: 'packages/losses',
    file: (name) => name,
    exports: (id) => [id, `${id}Distance`],
    readme: (text, name) =>
      addTableRow(
        text,
        ['loss'],
        [`\`${name}\``, 'both `logits`', 'squared distance of softmax(z / T)', '`temperature` 1'],
      ),
    lists: [{ file: 'packages/losses/src/index.test.ts', known: 'kd' }],
    manual: (text, name) => addToSentence(text, '`losses`', 'kd', name),
    needs: ['nn'],
    usage: (name) => `losses:\n  - { id: task, use: cross-entropy }\n  - { id: mine, use: ${name}, temperature: 2 }`,
    computes: true,
    options: '`temperature` (1)',
  },
  agent: {
    noun: 'agent',
    package: 'packages/rl-agents',
    file: (name) => name,
    exports: (id) => [id],
    readme: (text, name) =>
      addTableRow(
        text,
        ['agent', 'actions'],
        [
          `\`${name}\``,
          'simplex',
          'Multiplicative weights, the same in every state, by what each component would have earned. Option: `learningRate` 0.1.',
        ],
      ),
    lists: [{ file: 'packages/cli/src/cli.test.ts', known: 'ddpg' }],
    manual: (text, name) => addToSentence(text, '`agent`', 'pg', name),
    needs: ['nn'],
    usage: (name) => `trainer: { use: mtkd, weighting: agent }\nagent: { use: ${name}, learningRate: 0.1 }`,
    computes: true,
    options: '`learningRate` (0.1)',
  },
  weighting: {
    noun: 'weighting',
    package: 'packages/trainer-mtkd',
    file: (name) => `weighting-${name}`,
    exports: (id) => [id, `${id}Weights`],
    readme: (text, name) =>
      addTableRow(
        text,
        ['part of kind', 'name'],
        ['`weighting`', `\`${name}\``, 'a softmax of minus the cross-entropies on the label: `temperature` (1)'],
        '`weighting`',
      ),
    lists: [],
    manual: (text, name) => {
      const bullet = '- Controls:';
      if (!text.includes(bullet)) throw new Error(`there is no line "${bullet}"`);
      return text.replace(
        bullet,
        `- \`${name}\`: a softmax of minus the teachers' cross-entropies on the label.\n${bullet}`,
      );
    },
    needs: [],
    usage: (name) => `trainer: { use: mtkd, weighting: { use: ${name}, temperature: 1 } }`,
    computes: true,
    options: '`temperature` (1)',
  },
  teacher: {
    noun: 'teacher adapter',
    package: 'packages/teachers',
    file: (name) => `${name}-teacher`,
    exports: (id) => [id],
    readme: (text, name) =>
      addTableRow(
        text,
        ['teacher', 'options'],
        [
          `\`${name}\``,
          "`path` of a JSON file with `classes`, `kernel` [3][C] and `bias` [C]: a linear classifier of an image's mean color",
        ],
      ),
    lists: [],
    manual: (text, name) => addToSentence(text, '`teachers`', 'onnx', name),
    needs: [],
    usage: (name) => `teachers:\n  - { id: mine, use: ${name}, path: colors.json }`,
    computes: true,
    options: '`path` of a JSON file with `classes`, `kernel` [3][C] and `bias` [C]',
  },
  dataset: {
    noun: 'data set',
    package: 'packages/datasets',
    file: (name) => name,
    exports: (id) => [id],
    readme: (text, name) =>
      addTableRow(
        text,
        ['data set'],
        [
          `\`${name}\``,
          '`root`, `size` (32)',
          'classes.txt, train.bin and test.bin: rows of a label byte and `size` · `size` RGB pixels',
        ],
      ),
    lists: [{ file: 'packages/datasets/src/cifar.test.ts', known: 'scenes' }],
    manual: (text, name) => addToSentence(text, '`dataset`', 'scenes', name),
    needs: ['datasets'],
    usage: (name) => `dataset: { use: ${name}, root: data, size: 32 }`,
    computes: false,
    options:
      '`root` folder, `size` (32), and those of every data set of images: `batchSize`, `validation`, `augment` …',
  },
};

/**
 * Adds a part of a kind, to the package of ours that has its kind or in a new package of its own.
 *
 * @param {keyof typeof kinds} kindName
 * @returns {(tree: Tree, options: { name: string, package?: string }) => Promise<() => void>} says what is left to do
 */
function generatorOf(kindName) {
  const kind = kinds[kindName];
  return async (tree, { name, package: folder }) => {
    const id = identifierOf(name);
    const file = kind.file(name);
    const template = { name, id, file, inside: folder === undefined, exports: kind.exports(id), dot: '.' };
    if (folder === undefined) addToOurs(tree, kindName, template);
    else makePackage(tree, kindName, folder, template);
    await format(tree);
    const todo = folder === undefined ? todoInside(kind, file) : todoOutside(folder);
    return () => console.log(`\n${todo}`);
  };
}

export const loss = generatorOf('loss');
export const agent = generatorOf('agent');
export const weighting = generatorOf('weighting');
export const teacher = generatorOf('teacher');
export const dataset = generatorOf('dataset');

/** @typedef {{ name: string, id: string, file: string, inside: boolean, exports: string[], dot: string }} Template */

/**
 * `my-loss` as `myLoss`.
 *
 * @param {string} name
 */
function identifierOf(name) {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new Error(`"${name}": a name is words in lower case joined by hyphens, such as my-part`);
  }
  const id = name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  try {
    // A word of the language is a name that no constant can have.
    new Script(`'use strict'; const ${id} = 0;`);
  } catch {
    throw new Error(`"${name}" is a word of JavaScript: choose another`);
  }
  return id;
}

/**
 * @param {Tree} tree
 * @param {keyof typeof kinds} kindName
 * @param {Template} template
 */
function addToOurs(tree, kindName, template) {
  const kind = kinds[kindName];
  const { name, id, file, exports } = template;
  const source = `${kind.package}/src`;
  const taken = tree
    .children(source)
    .filter((child) => child.endsWith('.ts') && !child.endsWith('test.ts'))
    .find((child) => child === `${file}.ts` || read(tree, `${source}/${child}`).includes(`name: '${name}'`));
  if (taken) throw new Error(`${source}/${taken} is there already: choose another name`);
  const index = `${source}/index.ts`;
  const double = exports.find((word) => new RegExp(`\\b${word}\\b`).test(read(tree, index)));
  if (double) throw new Error(`${index} has something called ${double}: choose another name`);

  generateFiles(tree, filesOf(kindName), source, template);
  edit(tree, index, (text) => addRegistration(addExport(addImport(text, id, file), [...exports].sort(), file), id));
  edit(tree, `${kind.package}/README.md`, (text) => kind.readme(text, name));
  edit(tree, 'docs/manifest.md', (text) => kind.manual(text, name));
  for (const list of kind.lists) edit(tree, list.file, (text) => addToList(text, list.known, name));
  const { name: packageName } = JSON.parse(read(tree, `${kind.package}/package.json`));
  tree.write(
    `.changeset/${kind.noun.replaceAll(' ', '-')}-${name}.md`,
    `---\n'${packageName}': minor\n---\n\n${sentence(kind.noun)} ${name}.\n`,
  );
}

/**
 * @param {Tree} tree
 * @param {keyof typeof kinds} kindName
 * @param {string} folder
 * @param {Template} template
 */
function makePackage(tree, kindName, folder, template) {
  const kind = kinds[kindName];
  if (tree.exists(folder)) throw new Error(`${folder} is there already: choose another folder`);
  const version = (/** @type {string} */ name) => JSON.parse(read(tree, `packages/${name}/package.json`)).version;
  const { devDependencies } = JSON.parse(read(tree, 'package.json'));
  // Before its first release a package of ours has no version to ask for.
  const range = (/** @type {string} */ name) => (version(name) === '0.0.0' ? '*' : `^${version(name)}`);
  const ours = (/** @type {string[]} */ names) => names.map((name) => [`@retort/${name}`, range(name)]);
  const packageName = basename(folder);
  const manifest = {
    name: packageName,
    version: '0.1.0',
    description: `The ${kind.noun} ${template.name} for Retort.`,
    license: 'Apache-2.0',
    keywords: ['retort-plugin'],
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20.19' },
    exports: { '.': { types: './dist/index.d.ts', import: './dist/index.js' }, './package.json': './package.json' },
    files: ['dist', '!dist/*.test.*', '!dist/backends.*'],
    scripts: { build: 'tsc', test: 'tsc && cd dist && node --test', prepack: 'tsc' },
    // As peers, so that a process has one copy of each.
    peerDependencies: Object.fromEntries([...ours(['core', ...kind.needs]), ['@tensorflow/tfjs', '^4.22.0']]),
    devDependencies: Object.fromEntries([
      ...ours(kind.computes ? ['backend-onnxruntime', 'backend-wasm'] : []),
      ['@types/node', devDependencies['@types/node']],
      ['expect', devDependencies.jest],
      ['typescript', devDependencies.typescript],
    ]),
  };
  generateFiles(tree, filesOf('package'), folder, {
    ...template,
    packageName,
    noun: kind.noun,
    usage: kind.usage(template.name),
    options: kind.options,
  });
  if (!kind.computes) tree.delete(join(folder, 'src/backends.ts'));
  generateFiles(tree, filesOf(kindName), join(folder, 'src'), template);
  tree.write(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * @param {Kind} kind
 * @param {string} file
 */
function todoInside(kind, file) {
  return [
    `The part is there, works, and is registered. What makes it yours is in ${kind.package}/src/${file}.ts and its test.`,
    `  cd ${kind.package} && npm test -- ${file}`,
    'Then bring the schema of manifests up to date:',
    '  npm run build && npm run generate-schema --workspace @retort/cli',
  ].join('\n');
}

/** @param {string} folder */
function todoOutside(folder) {
  return [
    `The package is there and works. ${folder}/README.md says how a manifest uses it.`,
    `  cd ${folder} && npm install && npm test`,
  ].join('\n');
}

/** @param {string} name */
function filesOf(name) {
  return join(import.meta.dirname, '..', 'files', name);
}

/**
 * @param {Tree} tree
 * @param {string} file
 */
function read(tree, file) {
  const text = tree.read(file, 'utf8');
  if (text === null) throw new Error(`there is no ${file}`);
  return text;
}

/**
 * @param {Tree} tree
 * @param {string} file
 * @param {(text: string) => string} change
 */
function edit(tree, file, change) {
  try {
    tree.write(file, change(read(tree, file)));
  } catch (cause) {
    throw new Error(`${file}: ${/** @type {Error} */ (cause).message}`, { cause });
  }
}

/**
 * Formats what was written as this workspace is, in a package outside it too, which devkit's own function refuses.
 *
 * @param {Tree} tree
 */
async function format(tree) {
  const config = await prettier.resolveConfig(join(tree.root, 'package.json'));
  for (const { path, content } of tree.listChanges()) {
    const { inferredParser } = await prettier.getFileInfo(path);
    if (!content || !inferredParser) continue;
    tree.write(path, await prettier.format(content.toString(), { ...config, filepath: path }));
  }
}

/** @param {string} noun */
function sentence(noun) {
  return noun[0].toUpperCase() + noun.slice(1);
}
