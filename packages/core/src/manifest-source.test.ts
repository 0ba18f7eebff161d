import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from './errors.js';
import {
  applySettings,
  expandEnvironment,
  formatPath,
  locateError,
  manifestFromValue,
  parseManifest,
  readManifest,
} from './manifest-source.js';
import { goodManifest } from './test-support/registry.js';

const parse = (text = goodManifest) => parseManifest(text, 'some/run.yaml', 'some');
const set = (...settings: string[]) => applySettings(parse(), settings).value as Record<string, never>;

/** The error's text: message, hints, place. */
function textOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof InputError) return error.text;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('reading a manifest', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-manifest-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes YAML and JSON alike', () => {
    const yaml = join(folder, 'run.yaml');
    const json = join(folder, 'run.json');
    writeFileSync(yaml, goodManifest);
    writeFileSync(json, JSON.stringify(readManifest(yaml).value, undefined, 2));
    expect(readManifest(json).value).toEqual(readManifest(yaml).value);
    expect(readManifest(yaml)).toMatchObject({
      baseFolder: folder,
      value: { name: 'a-run', losses: [{ id: 'task' }, { weight: 3 }] },
    });
    expect(readManifest(json).where(['seed'])).toBe(`${json}:3`);
  });

  it('names a file that is not there', () => {
    expect(textOf(() => readManifest(join(folder, 'none.yaml')))).toContain(
      `no such manifest: ${join(folder, 'none.yaml')}`,
    );
  });

  it('names the line where the YAML ends to be YAML', () => {
    expect(textOf(() => parse('name: a\nseed: 1\ntrainer: { use: plain\nlosses: []\n'))).toMatch(
      /not valid YAML: [^]*some\/run\.yaml:[34]$/,
    );
    expect(textOf(() => parse('name: a\nname: b\n'))).toMatch(/unique[^]*some\/run\.yaml:2$/);
  });

  it.each([
    ['an alias of nothing', 'name: a\nseed: *b\n', 'not valid YAML: no anchor &b before *b', 2],
    ['a list as a key', 'name: a\n? [b]\n: c\n', 'not valid YAML: a key must be a word', 2],
    ['a tag that would be left out', 'name: a\nseed: !big 1\n', 'not valid YAML: Unresolved tag: !big', 2],
    [
      'a value inside itself',
      'name: a\nrun: &b { folder: *b }\n',
      'run.folder.folder: nested too deeply, or contains itself',
      2,
    ],
    ['lists without end', `name: a\nseed: ${'['.repeat(2e4)}`, 'not valid YAML: nested too deeply', 2],
  ])('refuses %s', (_, text, message, line) => {
    const told = textOf(() => parse(text));
    expect(told).toContain(message);
    expect(told).toContain(line > 0 ? `some/run.yaml:${line}` : 'some/run.yaml');
  });

  it('refuses aliases of aliases that would fill the memory', () => {
    const names = [...'abcdefghi'];
    const lines = names.map(
      (name, i) =>
        `${name}: &${name} [${Array(10)
          .fill(i === 0 ? 'x' : `*${names[i - 1]}`)
          .join(', ')}]`,
    );
    expect(textOf(() => parse(lines.join('\n')))).toContain('Excessive alias count');
  });
});

describe('where', () => {
  it('is the line of a key, in maps, flow maps and lists', () => {
    const { where } = parse();
    expect(where(['dataset', 'radius'])).toBe('some/run.yaml:3');
    expect(where(['teachers', 1, 'path'])).toBe('some/run.yaml:9');
    expect(where(['losses', 1])).toBe('some/run.yaml:17');
  });

  it('falls back to what surrounds a key that is not there, and to the file', () => {
    const { where } = parse();
    expect(where(['trainer', 'optimizer', 'nesterov'])).toBe('some/run.yaml:13');
    expect(where(['agents'])).toBe('some/run.yaml');
  });
});

describe('environment', () => {
  it('is put in wherever a string asks for it', () => {
    const { value } = expandEnvironment(parse(), { HOME_OF_MODELS: '/models' });
    expect(value).toMatchObject({ teachers: [{ path: '/models/big.bin' }, { path: 'small.bin' }] });
  });

  it('is missed by name, with the path and the line', () => {
    const text = textOf(() => expandEnvironment(parse(), {}));
    expect(text).toContain('teachers[0].path: the environment variable HOME_OF_MODELS is not set');
    expect(text).toContain('some/run.yaml:6');
  });
});

describe('settings', () => {
  it('reach into maps and lists, by number and by id', () => {
    const value = set(
      'trainer.epochs=9',
      'losses.hint.weight=0.5',
      'losses.0.weight=2',
      'trainer.optimizer.nesterov=false',
      'run.checkpoint.keep=4',
    );
    expect(value).toMatchObject({
      trainer: { epochs: 9, optimizer: { use: 'sgd', momentum: 0.8, nesterov: false } },
      losses: [
        { id: 'task', weight: 2 },
        { id: 'hint', weight: 0.5 },
      ],
      run: { checkpoint: { keep: 4 } },
    });
  });

  it('set an option of a part that is left out because it has a default', () => {
    expect(set('backend.threads=2').backend).toEqual({ use: 'auto', threads: 2 });
    expect(set('backend=wasm', 'backend.threads=2').backend).toEqual({ use: 'wasm', threads: 2 });
    expect(set('run.logEvery=5').run).toEqual({ logEvery: 5 });
  });

  it('swap a part by its name, or one key of it', () => {
    expect(set('agent=ppo').agent).toBe('ppo');
    expect(set('agent.use=ppo').agent).toEqual({ use: 'ppo' });
    expect(set('agent={ use: ppo, clip: 0.1 }').agent).toEqual({ use: 'ppo', clip: 0.1 });
    expect(set('agent=ppo', 'agent.clip=0.3').agent).toEqual({ use: 'ppo', clip: 0.3 });
  });

  it('read their values as YAML', () => {
    expect(set('description=a = b: c'.replace(': ', ' ')).description).toBe('a = b c');
    expect(set('metrics=[]').metrics).toEqual([]);
    expect(textOf(() => set('metrics=[top-1'))).toContain('--set metrics=[top-1: the value is not valid YAML');
  });

  it('change one of two places that an alias made equal', () => {
    const source = parse('losses:\n  - &kd { use: kd }\n  - *kd\n');
    expect(applySettings(source, ['losses.1.weight=2']).value).toEqual({
      losses: [{ use: 'kd' }, { use: 'kd', weight: 2 }],
    });
  });

  it('have no way into what every object has', () => {
    const { value } = applySettings(parse(), ['__proto__.polluted=1', 'constructor.name=a']);
    expect(Object.keys(value as object)).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('leave the manifest they are applied to alone', () => {
    const source = parse();
    applySettings(source, ['trainer.epochs=9']);
    expect(source.value).toMatchObject({ trainer: { epochs: 5 } });
  });

  it('are named as the place of the values they brought', () => {
    const { where } = applySettings(parse(), ['trainer.optimizer={ use: sgd, momentumm: 1 }']);
    expect(where(['trainer', 'optimizer', 'momentumm'])).toBe('--set trainer.optimizer={ use: sgd, momentumm: 1 }');
    expect(where(['trainer', 'epochs'])).toBe('some/run.yaml:12');
  });

  it('are refused when they name no value or an entry that is not there', () => {
    expect(textOf(() => set('trainer.epochs'))).toContain('write key=value');
    expect(textOf(() => set('losses.hnit.weight=1'))).toMatch(/no entry "hnit"\n.*task, hint/);
    expect(textOf(() => set('losses.2.weight=1'))).toContain('no entry "2"');
    expect(textOf(() => applySettings(parse(''), ['seed=1']))).toContain('not a map');
  });
});

it('a manifest from code is copied', () => {
  const value = { name: 'a', losses: [{ use: 'kd' }] };
  const source = applySettings(manifestFromValue(value), ['losses.0.use=fitnet']);
  expect(value.losses[0].use).toBe('kd');
  expect(source.value).toEqual({ name: 'a', losses: [{ use: 'fitnet' }] });
});

it.each([
  ['a function', { run: { folder: () => 'a' } }, 'run.folder: not something that YAML could say: function'],
  ['a date', { losses: [{ since: new Date(0) }] }, 'losses[0].since: not something that YAML could say: Date'],
])('a manifest from code with %s is refused', (_, value, message) => {
  expect(textOf(() => manifestFromValue(value))).toContain(message);
});

it('a manifest from code that contains itself is refused', () => {
  const value: Record<string, unknown> = { name: 'a' };
  value.run = value;
  expect(textOf(() => manifestFromValue(value))).toContain('run.run.run: nested too deeply, or contains itself');
});

it('paths are written as one would in code', () => {
  expect(formatPath(['losses', 2, 'weight'])).toBe('losses[2].weight');
  expect(formatPath([])).toBe('');
});

describe('locateError', () => {
  const source = parseManifest(
    'name: a\nteachers:\n  - { id: x }\n  - { id: y }\nlosses:\n  - { id: k, weight: 1 }\n',
    'm.yaml',
    '.',
  );
  const located = (message: string, where?: string) =>
    locateError(new InputError(message, { where }), source.where).where;

  it('adds the line of the section an error is about', () => {
    expect(located('cut off', 'teachers[1] (y)')).toBe('teachers[1] (y), m.yaml:4');
    expect(located('losses[0].weight: too much')).toBe('m.yaml:6');
    expect(located('losses: none is left')).toBe('m.yaml:5');
  });

  it('leaves an error alone that is about no section', () => {
    expect(located('the disk is full')).toBeUndefined();
    expect(located('no such file: x', 'elsewhere.yaml:3')).toBe('elsewhere.yaml:3');
  });
});
