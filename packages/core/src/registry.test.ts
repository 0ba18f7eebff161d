import { InputError, RunError } from './errors.js';
import type { Loss } from './loss.js';
import type { PartReference } from './part-reference.js';
import { definePart, definePlugin, Registry } from './registry.js';
import { Seeds } from './seeds.js';
import { z } from 'zod';

const options = z.strictObject({ weight: z.number().default(2) });
const loss = (name: string, create: (options: { weight: number }) => Loss | Promise<Loss> = () => emptyLoss()) =>
  definePart('loss', { name, summary: 'for a test', options, create });
const emptyLoss = (dispose?: () => void): Loss => ({ apply: () => ({ perSample: undefined as never }), dispose });
const plugin = (name: string, ...losses: string[]) =>
  definePlugin({ name, register: (registry) => losses.forEach((each) => registry.add(loss(each))) });
const reference = (use: string): PartReference<'loss'> => ({
  kind: 'loss',
  use,
  options: { weight: 3 },
  keys: {},
  path: 'losses[0]',
});
const context = { student: {}, seeds: new Seeds(1), path: 'losses[0]' };

describe('Registry', () => {
  it('lists parts in order with the package each came from', () => {
    const registry = new Registry()
      .use(plugin('one', 'a', 'b'))
      .use(plugin('two', 'c'))
      .add(loss('d'));
    expect(registry.list('loss').map(({ part, plugin }) => `${plugin}/${part.name}`)).toEqual([
      'one/a',
      'one/b',
      'two/c',
      'this process/d',
    ]);
    expect(registry.list('agent')).toEqual([]);
    expect(registry.kinds()).toEqual(['loss']);
    expect(registry.has('loss', 'c')).toBe(true);
    expect(registry.has('metric', 'c')).toBe(false);
  });

  it('names both packages when two claim one name', () => {
    const registry = new Registry().use(plugin('@a/losses', 'kd'));
    expect(() => registry.use(plugin('@b/losses', 'kd'))).toThrow(InputError);
    expect(() => new Registry().use(plugin('@a/losses', 'kd')).use(plugin('@c/losses', 'kd'))).toThrow(
      'loss "kd" of @c/losses is already registered by @a/losses',
    );
  });

  it('takes one name for two kinds, and a plugin twice', () => {
    const metric = definePart('metric', {
      name: 'kd',
      summary: '',
      options: z.strictObject({}),
      create: () => ({ update: () => {}, result: () => ({}) }),
    });
    const losses = plugin('one', 'kd');
    const registry = new Registry().use(losses).use(losses).add(metric);
    expect(registry.list('loss')).toHaveLength(1);
    expect(registry.get('metric', 'kd')).toBe(metric);
  });

  it('names the nearest part when there is none of a name', () => {
    const registry = new Registry().use(plugin('one', 'fitnet', 'kd'));
    expect.assertions(2);
    try {
      registry.get('loss', 'fitnets');
    } catch (error) {
      expect((error as InputError).message).toBe('no loss is called "fitnets"');
      expect((error as InputError).hints).toEqual(['did you mean "fitnet"? choose from: fitnet, kd']);
    }
  });

  it('names a plugin that throws, with what it said', () => {
    const broken = definePlugin({
      name: 'broken',
      register() {
        throw new TypeError('no such thing');
      },
    });
    expect(() => new Registry().use(broken)).toThrow('plugin "broken" failed to register: no such thing');
  });

  it('shares nothing with another registry', () => {
    new Registry().use(plugin('one', 'kd'));
    expect(new Registry().has('loss', 'kd')).toBe(false);
  });
});

describe('RunScope', () => {
  it('makes a part with the options and the context it is given', async () => {
    const made: unknown[] = [];
    const part = definePart('loss', {
      name: 'kd',
      summary: '',
      options,
      create: (...given) => {
        made.push(given);
        return emptyLoss();
      },
    });
    const scope = new Registry().add(part).createScope();
    const [first, second] = [
      await scope.create(reference('kd'), context),
      await scope.create(reference('kd'), context),
    ];
    expect(made[0]).toEqual([{ weight: 3 }, context]);
    expect(first).not.toBe(second);
    expect(scope.part(reference('kd'))).toBe(part);
  });

  it('disposes what it made, last first, once, whatever one of them throws', async () => {
    const gone: string[] = [];
    const disposing = (name: string, fails = false) =>
      loss(name, () =>
        emptyLoss(() => {
          gone.push(name);
          if (fails) throw new Error(`${name} would not go`);
        }),
      );
    const scope = new Registry().add(disposing('a')).add(disposing('b', true)).add(disposing('c')).createScope();
    for (const name of ['a', 'b', 'c']) await scope.create(reference(name), context);
    await expect(scope.dispose()).rejects.toThrow('b would not go');
    expect(gone).toEqual(['c', 'b', 'a']);
    await scope.dispose();
    expect(gone).toHaveLength(3);
  });

  it('says which part failed and where, and lets errors of ours through', async () => {
    const scope = new Registry()
      .add(
        loss('bug', () => {
          throw new TypeError('x is undefined');
        }),
      )
      .add(loss('refusing', () => Promise.reject(new InputError('shapes differ'))))
      .createScope();
    const failure = await scope.create(reference('bug'), context).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RunError);
    expect((failure as RunError).message).toBe('losses[0]: loss "bug" failed: x is undefined');
    expect((failure as RunError).cause).toBeInstanceOf(TypeError);
    await expect(scope.create(reference('refusing'), context)).rejects.toThrow(/^shapes differ$/);
  });

  it('keeps what one run provides from another', () => {
    const registry = new Registry();
    const [one, two] = [registry.createScope(), registry.createScope()];
    one.provide('cache', { size: 3 });
    expect(one.find('cache')).toEqual({ size: 3 });
    expect(two.find('cache')).toBeUndefined();
  });
});
