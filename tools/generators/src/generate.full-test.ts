import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
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
import { promisify, stripVTControlCharacters } from 'node:util';

const root = join(import.meta.dirname, '../../..');
const kinds = ['loss', 'agent', 'weighting', 'teacher', 'dataset'] as const;
const homes = {
  loss: { folder: 'packages/losses', file: 'new-loss' },
  agent: { folder: 'packages/rl-agents', file: 'new-agent' },
  weighting: { folder: 'packages/trainer-mtkd', file: 'weighting-new-weighting' },
  teacher: { folder: 'packages/teachers', file: 'new-teacher-teacher' },
  dataset: { folder: 'packages/datasets', file: 'new-dataset' },
};

let workspace: string;
beforeAll(async () => {
  workspace = mkdtempSync(join(tmpdir(), 'retort-generators-'));
  await copyWorkspace();
});
afterAll(() => rmSync(workspace, { recursive: true }));

/** The files of the workspace as they are, its build, and what npm installed, by links. */
async function copyWorkspace(): Promise<void> {
  const listed = await promisify(execFile)('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const file of listed.stdout.trim().split('\n')) {
    // One that is deleted and not committed yet is still listed.
    if (existsSync(join(root, file))) cpSync(join(root, file), join(workspace, file));
  }
  const link = (path: string) => {
    mkdirSync(dirname(join(workspace, path)), { recursive: true });
    symlinkSync(join(root, path), join(workspace, path));
  };
  for (const name of readdirSync(join(root, 'packages'))) {
    for (const path of ['dist', 'node_modules'])
      if (existsSync(join(root, 'packages', name, path))) link(`packages/${name}/${path}`);
  }
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!['@retort', '@retort-tools', '.cache'].includes(name)) link(`node_modules/${name}`);
  }
  // Those of the workspace itself lead to the copy.
  const own = (scope: string, name: string, to: string) => {
    mkdirSync(join(workspace, 'node_modules', scope), { recursive: true });
    symlinkSync(join(workspace, to), join(workspace, 'node_modules', scope, name));
  };
  for (const name of readdirSync(join(root, 'packages'))) own('@retort', name, `packages/${name}`);
  for (const name of ['testing', 'generators']) own('@retort-tools', name, `tools/${name}`);
}

/** Runs a program of the workspace's node_modules. @throws Error with everything it printed */
async function run(cwd: string, program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const script = join(workspace, 'node_modules', program);
  const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', NX_ISOLATE_PLUGINS: 'false' };
  const options = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...options, script, ...args], {
      cwd: join(workspace, cwd),
      env,
      maxBuffer: 1e8,
    });
    // On CI some programs write in color.
    return { stdout: stripVTControlCharacters(stdout), stderr: stripVTControlCharacters(stderr) };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
}

const nx = (...args: string[]) => run('.', 'nx/dist/bin/nx.js', ...args);
const [eslint, tsc, jest, prettier] = [
  'eslint/bin/eslint.js',
  'typescript/bin/tsc',
  'jest/bin/jest.js',
  'prettier/bin/prettier.cjs',
];

describe('a part in the package of ours that has its kind', () => {
  beforeAll(async () => {
    for (const kind of kinds) {
      const { stdout } = await nx('g', `@retort-tools/generators:${kind}`, `new-${kind}`);
      expect(stdout).toContain(`CREATE ${homes[kind].folder}/src/${homes[kind].file}.ts`);
    }
  });

  it.each(kinds)('%s: lint, types and its test hold', async (kind) => {
    const { folder, file } = homes[kind];
    await run(folder, eslint, '.');
    await run(folder, tsc, '--noEmit');
    expect((await run(folder, jest, `src/${file}.test.ts`)).stderr).toMatch(/Tests: +\d+ passed, \d+ total/);
  });

  it('is formatted, is no dead code, and the tests that list all parts know it', async () => {
    const files = Object.values(homes).flatMap(({ folder, file }) =>
      [`${file}.ts`, `${file}.test.ts`, 'index.ts'].map((name) => `${folder}/src/${name}`),
    );
    const documents = [
      ...Object.values(homes).map(({ folder }) => `${folder}/README.md`),
      'docs/manifest.md',
      '.changeset/*.md',
    ];
    await run('.', prettier, '--check', ...files, ...documents);
    await run('.', 'knip/bin/knip.js', '--no-config-hints');
    await run('packages/losses', jest, 'src/index.test.ts');
    await run('packages/datasets', jest, 'src/cifar.test.ts');
  });
});

describe('a part in a package of its own', () => {
  const folderOf = (kind: (typeof kinds)[number]) => `outside/retort-${kind}`;
  beforeAll(async () => {
    for (const kind of kinds)
      await nx('g', `@retort-tools/generators:${kind}`, `own-${kind}`, '--package', `./${folderOf(kind)}`);
  });

  it.each(kinds)('%s: it compiles and its test holds', async (kind) => {
    const folder = folderOf(kind);
    await run('.', eslint, folder);
    await run('.', prettier, '--check', folder);
    await run(folder, tsc);
    const { scripts } = JSON.parse(readFileSync(join(workspace, folder, 'package.json'), 'utf8')) as {
      scripts: { test: string };
    };
    expect(scripts.test).toBe('tsc && cd dist && node --test');
    const tests = readdirSync(join(workspace, folder, 'dist')).filter((file) => file.endsWith('.test.js'));
    expect(tests).toHaveLength(1);
    // As `node --test` would, whose own process cannot be told from this one's test runner.
    expect((await run(folder, `../${folder}/dist/${tests[0]}`)).stdout).toMatch(/# fail 0|ℹ fail 0/);
  });

  it('all five train a student together', async () => {
    const folder = join(workspace, 'outside');
    const random = (seed: number) => (seed * 48271) % 0x7fffffff;
    const colors = { red: [200, 60, 60], green: [60, 200, 60], blue: [60, 60, 200] };
    const row = (i: number) => {
      const color = Object.values(colors)[i % 3];
      let state = i + 1;
      return [
        i % 3,
        ...Array.from({ length: 16 * 16 * 3 }, (_, at) => ((state = random(state)), color[at % 3] + (state % 50))),
      ];
    };
    writeFileSync(join(folder, 'classes.txt'), Object.keys(colors).join('\n'));
    writeFileSync(join(folder, 'train.bin'), Uint8Array.from(Array.from({ length: 96 }, (_, i) => row(i)).flat()));
    writeFileSync(
      join(folder, 'test.bin'),
      Uint8Array.from(Array.from({ length: 30 }, (_, i) => row(i + 1000)).flat()),
    );
    const identity = (size: number) => [0, 1, 2].map((a) => [0, 1, 2].map((b) => (a === b ? size : 0)));
    writeFileSync(
      join(folder, 'right.json'),
      JSON.stringify({ classes: Object.keys(colors), kernel: identity(9), bias: [0, 0, 0] }),
    );
    writeFileSync(
      join(folder, 'wrong.json'),
      JSON.stringify({ classes: Object.keys(colors), kernel: identity(-9), bias: [0, 0, 0] }),
    );
    writeFileSync(
      join(folder, 'manifest.yaml'),
      `name: own
plugins: [${kinds.map((kind) => `./retort-${kind}/dist/index.js`).join(', ')}]
backend: wasm
dataset: { use: own-dataset, root: ., size: 16, batchSize: 16 }
student: { use: small-cnn, width: 4 }
teachers:
  - { id: right, use: own-teacher, path: right.json }
  - { id: wrong, use: own-teacher, path: wrong.json }
trainer: { use: mtkd, epochs: 6, weighting: own-weighting }
losses: [{ id: task, use: cross-entropy }, { id: mine, use: own-loss, weight: 4, weightedBy: logit }]
metrics: [top-1]
`,
    );
    const train = async (name: string, ...settings: string[]) => {
      const { stdout } = await run(
        'outside',
        '@retort/cli/dist/main.js',
        'train',
        'manifest.yaml',
        '--json',
        '--folder',
        name,
        ...settings,
      );
      const { results } = JSON.parse(stdout) as {
        results: { last: Record<string, number> };
      };
      const log = readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n');
      const epochs = log
        .map((line) => JSON.parse(line) as { type: string; weights: { logit: Record<string, number> } })
        .filter(({ type }) => type === 'epoch');
      return { accuracy: results.last['test/top-1'], weights: epochs.at(-1)!.weights.logit };
    };
    const weighted = await train('weighted');
    expect(weighted.accuracy).toBeGreaterThan(0.8);
    expect(weighted.weights.right).toBeGreaterThan(0.7);
    const learned = await train(
      'learned',
      '--set',
      'trainer.weighting=agent',
      '--set',
      'agent={ use: own-agent, learningRate: 1 }',
    );
    expect(learned.accuracy).toBeGreaterThan(0.8);
    expect(learned.weights.right).toBeGreaterThan(0.5);
  });
});
