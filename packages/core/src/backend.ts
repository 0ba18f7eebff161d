import { z } from 'zod';
import type { Emit } from './events.js';
import { InputError, messageOf } from './errors.js';
import type { PartReference } from './part-reference.js';
import { type BackendStart, definePart, definePlugin, type Part, type Registry } from './registry.js';
import { resolvePart } from './resolve-manifest.js';

/** What `auto` tries, fastest first. */
export const backendPreference = ['tensorflow-gpu', 'tensorflow', 'onnxruntime', 'wasm', 'cpu'] as const;

/** A backend that runs, and what it was started with. */
export interface StartedBackend extends BackendStart {
  /** Its name and options; never `auto`. */
  reference: PartReference<'backend'>;
}

/**
 * Makes a backend tfjs's current one and tells which and why.
 *
 * @throws InputError when it cannot be had
 */
export async function startBackend(
  registry: Registry,
  reference: PartReference<'backend'>,
  emit: Emit,
): Promise<StartedBackend> {
  const { use, options } = reference;
  const backend = await registry.get('backend', use).create(options as never, { registry });
  let start: BackendStart;
  try {
    start = await backend.start();
  } catch (error) {
    throw new InputError(`backend: ${use} cannot be used: ${messageOf(error)}`, {
      hints: [
        ...(error instanceof InputError ? error.hints : []),
        '`backend: auto` takes the best that works, `retort doctor` lists them; a run goes on only on the one it began on',
      ],
      cause: error,
    });
  }
  const { took = reference } = start;
  emit({ type: 'backend', name: took.use, reason: start.took ? start.description : `asked for; ${start.description}` });
  return { ...start, reference: took };
}

/** The first of {@link backendPreference} that starts. */
const auto = definePart('backend', {
  name: 'auto',
  summary: 'The fastest that works: tensorflow-gpu, tensorflow, onnxruntime, wasm or cpu, in this order.',
  options: z.strictObject({
    threads: z
      .int()
      .positive()
      .optional()
      .describe('CPU threads, where the backend it takes has a choice of them; the run says which it has.'),
  }),
  create: ({ threads }, { registry }) => ({
    async start() {
      const refused: string[] = [];
      for (const use of backendPreference) {
        if (!registry.has('backend', use)) continue;
        const part = registry.get('backend', use);
        const written = threads !== undefined && 'threads' in part.options.shape ? { use, threads } : use;
        const took = resolvePart(registry, 'backend', written);
        try {
          const backend = await part.create(took.options as never, { registry });
          const start = await backend.start();
          const because = refused.length > 0 ? `; not ${refused.join(', not ')}` : '';
          return { ...start, description: `fastest that works; ${start.description}${because}`, took };
        } catch (error) {
          refused.push(`${use} (${messageOf(error).split('\n')[0]})`);
        }
      }
      throw new Error(`none of them works: ${refused.join('; ')}`);
    },
  }),
});

/** How a native binding is imported; a parameter so that a test can stand in for it. */
export type ImportModule = (specifier: string) => Promise<unknown>;

const importModule: ImportModule = (specifier) => import(specifier);

/** `auto`, and tfjs's own backends: plain JavaScript, and TensorFlow's native library where the user has installed it. */
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
          return setBackend('tensorflow');
        },
      }),
    });
  return [
    auto,
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
      create: () => ({ start: async () => ({ ...(await setBackend('cpu')), threads: 1 }) }),
    }),
  ];
}

async function setBackend(name: string): Promise<BackendStart> {
  const tf = await import('@tensorflow/tfjs');
  if (!(await tf.setBackend(name))) throw new Error(`tfjs could not start its backend "${name}"`);
  await tf.ready();
  if (name === 'cpu') {
    // Its first tensor prints an advertisement for tfjs-node, which cannot be installed on current Node.
    tf.env().set('PROD', true);
    tf.scalar(0).dispose();
    tf.env().set('PROD', false);
  }
  const version = `tfjs ${tf.version_core}`;
  return { description: version, version };
}

export const backendsPlugin = definePlugin({
  name: '@retort/core',
  register(registry) {
    for (const backend of coreBackends()) registry.add(backend);
  },
});
