import { z } from 'zod';
import type { Emit } from './events.js';
import { InputError, messageOf } from './errors.js';
import { nearestHint } from './nearest-name.js';
import { type Backend, definePart, definePlugin, type Part, type Registry } from './registry.js';

/** What `auto` tries, fastest first. */
export const backendPreference = ['tensorflow-gpu', 'tensorflow', 'onnxruntime', 'wasm', 'cpu'] as const;

/**
 * Makes a backend tfjs's current one and tells which and why.
 *
 * @param name a registered backend, or `auto` for the first of {@link backendPreference} that starts
 * @throws InputError when the named one cannot be had
 */
export async function startBackend(registry: Registry, name: string, emit: Emit): Promise<string> {
  if (name !== 'auto') {
    if (!registry.has('backend', name)) {
      const names = ['auto', ...registry.list('backend').map(({ part }) => part.name)];
      throw new InputError(`backend: none is called "${name}"; ${nearestHint(name, names)}`);
    }
    try {
      const { description } = await start(registry, name);
      emit({ type: 'backend', name, reason: `asked for; ${description}` });
      return name;
    } catch (error) {
      throw new InputError(`backend: ${name} cannot be used: ${messageOf(error)}`, {
        hints: ['backend: auto takes the best that works; `retort doctor` lists them'],
        cause: error,
      });
    }
  }
  const refused: string[] = [];
  for (const candidate of backendPreference) {
    if (!registry.has('backend', candidate)) continue;
    try {
      const { description } = await start(registry, candidate);
      const because = refused.length > 0 ? `; not ${refused.join(', not ')}` : '';
      emit({ type: 'backend', name: candidate, reason: `fastest that works; ${description}${because}` });
      return candidate;
    } catch (error) {
      refused.push(`${candidate} (${messageOf(error).split('\n')[0]})`);
    }
  }
  throw new InputError(`backend: none works: ${refused.join('; ')}`);
}

async function start(registry: Registry, name: string): Promise<{ description: string }> {
  const backend: Backend = await registry.get('backend', name).create({} as never, undefined);
  return backend.start();
}

/** How a native binding is imported; a parameter so that a test can stand in for it. */
export type ImportModule = (specifier: string) => Promise<unknown>;

const importModule: ImportModule = (specifier) => import(specifier);

/** tfjs's own backends: plain JavaScript, and TensorFlow's native library where the user has installed it. */
export function coreBackends(load: ImportModule = importModule): Part<'backend'>[] {
  const native = (name: string, specifier: string, summary: string) =>
    definePart('backend', {
      name,
      summary,
      options: z.strictObject({}),
      create: () => ({
        async start() {
          try {
            await load(specifier);
          } catch (error) {
            if (['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? ''))
              throw new Error(`${specifier} is not installed`, { cause: error });
            throw new Error(`${specifier}: ${messageOf(error).split('\n')[0]}`, { cause: error });
          }
          return { description: await setBackend('tensorflow') };
        },
      }),
    });
  return [
    native(
      'tensorflow-gpu',
      '@tensorflow/tfjs-node-gpu',
      "TensorFlow's native library on an NVIDIA GPU, if you installed it.",
    ),
    native('tensorflow', '@tensorflow/tfjs-node', "TensorFlow's native library, if you installed it."),
    definePart('backend', {
      name: 'cpu',
      summary: 'Plain JavaScript: always there, always slow.',
      options: z.strictObject({}),
      create: () => ({ start: async () => ({ description: await setBackend('cpu') }) }),
    }),
  ];
}

async function setBackend(name: string): Promise<string> {
  const tf = await import('@tensorflow/tfjs');
  if (!(await tf.setBackend(name))) throw new Error(`tfjs could not start its backend "${name}"`);
  await tf.ready();
  if (name === 'cpu') {
    // Its first tensor prints an advertisement for tfjs-node, which cannot be installed on current Node.
    tf.env().set('PROD', true);
    tf.scalar(0).dispose();
    tf.env().set('PROD', false);
  }
  return `tfjs ${tf.version_core}`;
}

export const backendsPlugin = definePlugin({
  name: '@retort/core',
  register(registry) {
    for (const backend of coreBackends()) registry.add(backend);
  },
});
