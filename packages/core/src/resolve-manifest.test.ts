import { InputError } from './errors.js';
import { applySettings, expandEnvironment, manifestFromValue, parseManifest } from './manifest-source.js';
import { resolveManifest, resolvePart, writtenManifest } from './resolve-manifest.js';
import { backendsPlugin } from './backend.js';
import { Registry } from './registry.js';
import { bare, goodManifest, validating, validatingRegistry } from './test-support/registry.js';

const registry = validatingRegistry();
const good = () => expandEnvironment(parseManifest(goodManifest, 'run.yaml', '.'), { HOME_OF_MODELS: '/m' });
const resolve = (text = goodManifest) =>
  resolveManifest(expandEnvironment(parseManifest(text, 'run.yaml', '.'), { HOME_OF_MODELS: '/m' }), registry);

/** The text of the error of a manifest in which `from` is replaced by `to`. */
function faultOf(from: string, to: string): string {
  expect(goodManifest).toContain(from);
  try {
    resolve(goodManifest.replace(from, to));
  } catch (error) {
    if (error instanceof InputError) return error.text;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a good manifest', () => {
  it('is resolved: parts with their own options, keys of the section apart, defaults filled in', () => {
    const manifest = resolve();
    expect(manifest.dataset).toEqual({
      kind: 'dataset',
      use: 'rings',
      options: { radius: 2, augment: { crop: true, flip: false } },
      keys: {},
      path: 'dataset',
    });
    expect(manifest.losses[1]).toEqual({
      kind: 'loss',
      use: 'kd',
      options: { temperature: 2 },
      keys: { id: 'hint', weight: 3 },
      path: 'losses[1]',
    });
    expect(manifest.agent).toMatchObject({ use: 'pg', options: {} });
    expect(manifest).toMatchObject({
      backend: { use: 'auto', options: {} },
      plugins: [],
      run: { checkpoint: { every: '1 epoch', keep: 2 }, logEvery: 20 },
    });
  });

  it('has parts inside parts, given or by default', () => {
    expect(resolve().trainer.options.optimizer).toEqual({
      kind: 'optimizer',
      use: 'sgd',
      options: { momentum: 0.8, nesterov: true },
      keys: {},
      path: 'trainer.optimizer',
    });
    const bare = resolve(goodManifest.replace('  optimizer: { use: sgd, momentum: 0.8 }\n', ''));
    expect(bare.trainer.options.optimizer).toMatchObject({ use: 'sgd', options: { momentum: 0.9, nesterov: true } });
    const further = resolve(goodManifest.replace('  epochs: 5\n', '  epochs: 5\n  further: [adamw, { use: sgd }]\n'));
    expect(further.trainer.options.further).toMatchObject([
      { use: 'adamw', options: { decay: 0.01 }, path: 'trainer.further[0]' },
      { use: 'sgd', options: { momentum: 0.9 }, path: 'trainer.further[1]' },
    ]);
  });

  it('written out and resolved again is the same', () => {
    const manifest = resolve();
    const written = writtenManifest(manifest);
    expect(written.trainer).toMatchObject({
      use: 'plain',
      mode: 'fast',
      optimizer: { use: 'sgd', momentum: 0.8, nesterov: true },
    });
    const again = resolveManifest(manifestFromValue(JSON.parse(JSON.stringify(written))), registry);
    expect(again).toEqual(manifest);
    expect(writtenManifest(again)).toEqual(written);
  });
});

describe('an unknown key', () => {
  it.each([
    ['at the top', 'metrics: [top-1]', 'metrcs: [top-1]', 'metrcs: unknown key; did you mean "metrics"?', 18],
    [
      'in an object',
      'seed: 7',
      'run: { checkpoint: { evry: 1 epoch } }',
      'run.checkpoint.evry: unknown key; did you mean "every"?',
      2,
    ],
    ['in a part', 'radius: 2', 'raduis: 2', 'dataset.raduis: unknown key; did you mean "radius"?', 3],
    [
      'in an object of a part',
      'radius: 2',
      'augment: { flop: true }',
      'dataset.augment.flop: unknown key; did you mean "flip"?',
      3,
    ],
    ['in a list of parts', 'weight: 3', 'wieght: 3', 'losses[1].wieght: unknown key; did you mean "weight"?', 17],
    [
      'in a part of a part',
      'momentum: 0.8',
      'momentumm: 0.8',
      'trainer.optimizer.momentumm: unknown key; did you mean "momentum"?',
      13,
    ],
    [
      'in a list of parts of a part',
      '  epochs: 5',
      '  epochs: 5\n  further: [sgd, { use: adamw, decoy: 1 }]',
      'trainer.further[1].decoy: unknown key; did you mean "decay"?',
      13,
    ],
  ])('%s is told with its path, the nearest name and its line', (_, from, to, message, line) => {
    const text = faultOf(from, to);
    expect(text).toContain(message);
    expect(text).toContain(`run.yaml:${line}`);
    expect(text.startsWith(message)).toBe(true);
  });
});

describe('a wrong value', () => {
  it.each([
    ['a type', 'epochs: 5', 'epochs: five', 'trainer.epochs: expected number; got "five"', 12],
    ['a whole number', 'seed: 7', 'seed: 1.5', 'seed: expected int; got 1.5', 2],
    ['a bound', 'temperature: 2', 'temperature: -1', 'losses[1].temperature: expected number to be >0; got -1', 17],
    [
      'a choice',
      'epochs: 5',
      'epochs: 5\n  mode: fats',
      'trainer.mode: no such choice: "fats"; did you mean "fast"?',
      13,
    ],
    [
      'a unit',
      'seed: 7',
      'run: { checkpoint: { every: daily } }',
      'run.checkpoint.every: a number and a unit: "1 epoch" or "50 steps"; got "daily"',
      2,
    ],
    ['an alternative', 'weight: 3', 'teacher: 3', 'losses[1].teacher: expected string or record; got 3', 17],
    ['in an alternative', 'weight: 3', 'teacher: { big: 3 }', 'losses[1].teacher.big: expected string; got 3', 17],
    ['a part', 'agent: pg', 'agent: 3', 'agent: expected the name of one or { use: NAME, … }; got 3', 14],
    ['a list', 'metrics: [top-1]', 'metrics: top-1', 'metrics: expected array; got "top-1"', 18],
    [
      'a part that is not there',
      'use: kd',
      'use: kdd',
      'losses[1].use: no loss is called "kdd"; did you mean "kd"?',
      17,
    ],
    ['a part without a name', 'use: rings, ', '', 'dataset: which dataset? add use: NAME; choose from: rings', 3],
    ['a missing option', 'depth: 3', 'width: 3', 'student.depth: missing; expected number', 4],
    ['a missing id', 'id: hint, ', '', 'losses[1].id: missing; expected string', 17],
  ])('%s is told with its path, what was expected, and its line', (_, from, to, message, line) => {
    const text = faultOf(from, to);
    expect(text.startsWith(message)).toBe(true);
    expect(text).toContain(`run.yaml:${line}`);
  });

  it.each([
    ['a teacher', 'id: small', 'id: big', 'teachers[1].id: two are called "big"', 7],
    ['a loss', 'id: hint', 'id: task', 'losses[1].id: another loss is called "task"', 17],
  ])('the id of %s that is taken is told with its line', (_, from, to, message, line) => {
    const text = faultOf(from, to);
    expect(text.startsWith(message)).toBe(true);
    expect(text).toContain(`run.yaml:${line}`);
  });

  it('a number that JSON does not know is shown as it is', () => {
    expect(faultOf('radius: 2', 'radius: .nan')).toMatch(/^dataset\.radius: expected number; got NaN/);
  });

  it('a name that every object has is no key', () => {
    expect(faultOf('weight: 3', 'toString: 3')).toMatch(/^losses\[1\]\.toString: unknown key; /);
    expect(faultOf('seed: 7', '__proto__: 7')).toMatch(/^__proto__: unknown key; /);
  });

  it('a missing section is named', () => {
    expect(faultOf('student: { use: tiny, depth: 3 }\n', '')).toMatch(/^student: missing\n {2}run.yaml$/);
    expect(() => resolve('')).toThrow(/manifest: expected object/);
  });

  it('a section that the trainer needs and one that it has no use for are named', () => {
    const other = new Registry()
      .use(backendsPlugin)
      .use(validating)
      .add(bare('environment', 'maze'))
      .add({ ...bare('trainer', 'acting'), needs: { sections: ['environment', 'agent'] } });
    const trainer = goodManifest.slice(goodManifest.indexOf('trainer:'), goodManifest.indexOf('losses:'));
    const text = goodManifest.replace(trainer, 'trainer: acting\n').replace('${HOME_OF_MODELS}', '');
    const resolveText = (written: string) => resolveManifest(parseManifest(written, 'run.yaml', '.'), other);
    expect(() => resolveText(text)).toThrow(
      expect.objectContaining({
        message: 'environment: missing; trainer acting needs an environment',
        hints: [
          'also agent: missing; trainer acting needs an agent (run.yaml)',
          'also dataset: trainer acting reads no dataset; leave it out (run.yaml:3)',
        ],
      }),
    );
    const acting = text.replace(/dataset: .*/, 'environment: maze\nagent: pg');
    expect(resolveText(acting).environment).toMatchObject({ use: 'maze' });
  });
});

it('several faults are listed together, those in parts with those in sections', () => {
  const text = faultOf(
    goodManifest,
    goodManifest
      .replace('seed: 7', 'sede: 7')
      .replace('radius: 2', 'raduis: 2')
      .replace('momentum: 0.8', 'momentum: high'),
  );
  expect(text).toContain('sede: unknown key; did you mean "seed"?');
  expect(text).toContain('also dataset.raduis: unknown key');
  expect(text).toContain('(run.yaml:3)');
  expect(text).toContain('also trainer.optimizer.momentum: expected number; got "high" (run.yaml:13)');
});

it('a fault that a setting brought is placed at the setting', () => {
  expect(() => resolveManifest(applySettings(good(), ['trainer.epochs=many']), registry)).toThrow(
    expect.objectContaining({ where: '--set trainer.epochs=many' }),
  );
});

describe('resolvePart', () => {
  it('resolves a name or a map given in code', () => {
    expect(resolvePart(registry, 'loss', 'kd')).toMatchObject({ use: 'kd', options: { temperature: 4 }, path: 'loss' });
    expect(resolvePart(registry, 'agent', { use: 'ppo', clip: 0.1 }).options).toEqual({ clip: 0.1 });
  });

  it('refuses what does not validate', () => {
    expect(() => resolvePart(registry, 'agent', { use: 'ppo', clipp: 0.1 }, 'weighting.agent')).toThrow(
      'weighting.agent.clipp: unknown key; did you mean "clip"?',
    );
  });
});
