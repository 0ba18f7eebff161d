import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunEvent } from './events.js';
import { definePart, definePlugin } from './registry.js';
import { loadManifest, resume, run, type RunOptions } from './run.js';
import { readLog } from './run-folder.js';
import type { Trainer } from './trainer.js';
import { validating } from './test-support/registry.js';

/** What the data looks like to a run; a test changes it to see whether a resumed run notices. */
let data = 'sha of the rings';
let disposed = 0;
let beforeStep: (() => Promise<void>) | undefined;

/** Counts to `epochs`, a draw from a stream per step, and can be stopped between two. */
const counting = definePart('trainer', {
  name: 'counting',
  summary: 'counts',
  options: z.strictObject({ epochs: z.int(), explodeAt: z.int().optional() }),
  create: ({ epochs, explodeAt }, { seeds }): Trainer & { dispose(): void } => ({
    fingerprints: { dataset: data },
    async train({ folder, checkpoints, resumeFrom, signal, emit }) {
      const draws = ((resumeFrom as { draws: number[] } | undefined)?.draws ?? []).slice();
      if (resumeFrom) seeds.load((resumeFrom as { streams: Record<string, number[]> }).streams);
      let status: 'finished' | 'interrupted' = 'finished';
      for (let step = draws.length; step < epochs; step++) {
        await beforeStep?.();
        if (signal.aborted) {
          status = 'interrupted';
          break;
        }
        if (step === explodeAt) throw new Error('exploded');
        draws.push(seeds.stream('draws').uniform());
        emit({ type: 'step', epoch: step, step, learningRate: 1, values: { draw: draws.at(-1)! } });
        checkpoints.write(step + 1, { draws, streams: seeds.save() });
      }
      const results = { last: { draws } };
      emit({ type: 'run-end', status, seconds: 1, results });
      if (status === 'finished') writeFileSync(folder.file('results.json'), JSON.stringify(results));
      return { status, results };
    },
    estimate: async () => ({ parameters: 0, checkpointBytes: 0, memoryBytes: 0, seconds: 0, stepsPerEpoch: 1, epochs }),
    evaluate: async () => ({}),
    dispose: () => void disposed++,
  }),
});

const options: RunOptions = {
  plugins: [validating, definePlugin({ name: 'counting', register: (registry) => void registry.add(counting) })],
};

let base: string;
let folder: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'retort-run-'));
  folder = join(base, 'results');
  data = 'sha of the rings';
  disposed = 0;
});
afterEach(() => rmSync(base, { recursive: true }));

const manifest = (further: object = {}) => ({
  name: 'count',
  seed: 3,
  backend: 'cpu',
  dataset: 'rings',
  student: { use: 'tiny', depth: 1 },
  trainer: { use: 'counting', epochs: 5 },
  losses: [{ id: 'task', use: 'cross-entropy' }],
  run: { folder, checkpoint: { keep: 9 } },
  ...further,
});

/** Interrupts after so many epochs. */
function stopAfter(epochs: number): Pick<RunOptions, 'signal' | 'onEvent'> {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onEvent: (event: RunEvent) => {
      if (event.type === 'step' && event.epoch === epochs - 1) controller.abort();
    },
  };
}

const drawsOf = (outcome: { results: Record<string, Record<string, unknown>> }) =>
  outcome.results.last.draws as number[];
const withoutTime = (path: string) => readLog(path).map(({ time: _, ...event }) => event);

describe('run', () => {
  it('trains, logs and leaves a folder that says what was run', async () => {
    const events: RunEvent[] = [];
    const outcome = await run(manifest(), { ...options, onEvent: (event) => events.push(event) });
    expect(outcome).toMatchObject({ status: 'finished', folder });
    expect(drawsOf(outcome)).toHaveLength(5);
    expect(disposed).toBe(1);
    expect(events.map(({ type }) => type)).toEqual(['backend', ...Array<string>(5).fill('step'), 'run-end']);
    expect(withoutTime(folder)).toEqual(events);
    const lock = readFileSync(join(folder, 'manifest.lock.yaml'), 'utf8');
    expect(lock).toContain('dataset: sha of the rings');
    expect(lock).toMatch(/versions:\n +node: v.*\n +backend: tfjs 4.*\n +backend:\n +use: cpu\n +threads: 1\n$/);
  });

  it('is a function of its seed', async () => {
    const first = await run(manifest(), options);
    const again = await run(manifest(), { ...options, overwrite: true });
    const other = await run(manifest(), { ...options, overwrite: true, set: ['seed=4'] });
    expect(drawsOf(again)).toEqual(drawsOf(first));
    expect(drawsOf(other)).not.toEqual(drawsOf(first));
  });

  it('does not write over a run unless told to', async () => {
    await run(manifest(), options);
    const before = readFileSync(join(folder, 'manifest.lock.yaml'), 'utf8');
    await expect(run(manifest({ seed: 4 }), options)).rejects.toMatchObject({
      exitCode: 2,
      message: `${folder} holds a run already`,
    });
    expect(readFileSync(join(folder, 'manifest.lock.yaml'), 'utf8')).toBe(before);
    await run(manifest({ seed: 4, trainer: { use: 'counting', epochs: 2 } }), { ...options, overwrite: true });
    expect(withoutTime(folder).filter(({ type }) => type === 'step')).toHaveLength(2);
  });

  it('writes nothing for a manifest that is refused', async () => {
    await expect(run(manifest({ agent: 'ppoo' }), options)).rejects.toThrow('no agent is called "ppoo"');
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps a second run out of a folder in use', async () => {
    let second: unknown;
    beforeStep = async () => {
      beforeStep = undefined;
      second = await run(manifest(), { ...options, overwrite: true }).catch((error: unknown) => error);
    };
    const first = await run(manifest(), options);
    expect(second).toMatchObject({ exitCode: 2, message: `${folder} is in use by process ${process.pid}` });
    expect(first.status).toBe('finished');
    expect(withoutTime(folder).filter(({ type }) => type === 'step')).toHaveLength(5);
  });

  it('disposes its parts and gives the folder back when training fails', async () => {
    await expect(run(manifest({ trainer: { use: 'counting', epochs: 5, explodeAt: 2 } }), options)).rejects.toThrow(
      'exploded',
    );
    expect(disposed).toBe(1);
    expect(existsSync(join(folder, 'run.lock'))).toBe(false);
  });
});

describe('resume', () => {
  it('ends as if it had never stopped', async () => {
    const whole = await run(manifest(), options);
    const log = withoutTime(folder);
    const stopped = await run(manifest(), { ...options, ...stopAfter(2), overwrite: true });
    expect(stopped.status).toBe('interrupted');
    expect(drawsOf(stopped)).toHaveLength(2);
    const resumed = await resume(folder, options);
    expect(resumed).toMatchObject({ status: 'finished', results: whole.results });
    expect(withoutTime(folder).filter(({ type }) => type !== 'backend')).toEqual(
      log.filter(({ type }) => type !== 'backend'),
    );
  });

  it('goes on from an earlier step when asked, and lists the steps when there is none', async () => {
    const whole = await run(manifest(), options);
    const resumed = await resume(folder, { ...options, step: 1 });
    expect(resumed.results).toEqual(whole.results);
    await expect(resume(folder, { ...options, step: 7 })).rejects.toMatchObject({
      message: `${folder} has no checkpoint at step 7`,
      hints: ['there are: 1, 2, 3, 4, 5'],
    });
  });

  it('starts over when there is no checkpoint yet', async () => {
    const whole = await run(manifest(), options);
    rmSync(join(folder, 'checkpoints'), { recursive: true });
    const resumed = await resume(folder, options);
    expect(resumed.results).toEqual(whole.results);
    expect(withoutTime(folder).filter(({ type }) => type === 'step')).toHaveLength(5);
  });

  it('needs none of the environment that the manifest was read with', async () => {
    process.env.RETORT_TEST_SEED = 'described';
    await run(manifest({ description: '${RETORT_TEST_SEED}' }), { ...options, ...stopAfter(2) });
    delete process.env.RETORT_TEST_SEED;
    expect((await resume(folder, options)).status).toBe('finished');
  });

  it('is refused when the data has changed', async () => {
    await run(manifest(), { ...options, ...stopAfter(2) });
    data = 'sha of other rings';
    await expect(resume(folder, options)).rejects.toMatchObject({
      exitCode: 2,
      message: 'dataset is not the one this run was started with',
      hints: ['then: sha of the rings', 'now:  sha of other rings', 'bring it back, or start a new run'],
    });
    expect(existsSync(join(folder, 'run.lock'))).toBe(false);
  });

  describe('of a run on a backend with options', () => {
    let [version, installed] = ['engine 1.0', true];
    const asked: object[] = [];
    const engine = definePlugin({
      name: 'engine',
      register: (registry) =>
        void registry.add(
          definePart('backend', {
            name: 'onnxruntime',
            summary: '',
            options: z.strictObject({ threads: z.int().default(1), level: z.string().default('all') }),
            create: (own) => ({
              async start() {
                if (!installed) throw new Error('it is not installed');
                asked.push(own);
                return { description: version, version, threads: own.threads };
              },
            }),
          }),
        ),
    });
    const withEngine: RunOptions = { ...options, plugins: [...options.plugins, engine] };
    beforeEach(async () => {
      [version, installed] = ['engine 1.0', true];
      asked.length = 0;
      const { backend: _, ...rest } = manifest();
      await run(rest, { ...withEngine, ...stopAfter(2), set: ['backend.threads=2'] });
    });

    it('starts the one that auto had taken, with its options, and says nothing more', async () => {
      expect(asked).toEqual([{ threads: 2, level: 'all' }]);
      const lock = readFileSync(join(folder, 'manifest.lock.yaml'), 'utf8');
      expect(lock).toMatch(/ {2}backend:\n +use: onnxruntime\n +threads: 2\n +level: all\n {2}threads: 2\n$/);
      const events: RunEvent[] = [];
      await resume(folder, { ...withEngine, onEvent: (event) => events.push(event) });
      expect(asked).toEqual(Array(2).fill({ threads: 2, level: 'all' }));
      expect(events[0]).toEqual({ type: 'backend', name: 'onnxruntime', reason: 'asked for; engine 1.0' });
      expect(events.filter(({ type }) => type === 'warning')).toEqual([]);
    });

    it('warns when its library is another', async () => {
      version = 'engine 2.0';
      const warnings: string[] = [];
      await resume(folder, {
        ...withEngine,
        onEvent: (event) => void (event.type === 'warning' && warnings.push(event.message)),
      });
      expect(warnings).toEqual([
        'this run was started on engine 1.0, now engine 2.0: its numbers may differ in the last bits from those of a run that never stopped',
      ]);
    });

    it('is refused, not put on another, when it cannot be had', async () => {
      installed = false;
      await expect(resume(folder, withEngine)).rejects.toMatchObject({
        exitCode: 2,
        message: 'backend: onnxruntime cannot be used: it is not installed',
        hints: [expect.stringContaining('a run goes on only on the one it began on')],
      });
      await expect(resume(folder, options)).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringContaining('this run was started on the backend onnxruntime, which cannot be had now'),
      });
    });
  });

  it('is refused when the lock was edited, or when there is none', async () => {
    await run(manifest(), { ...options, ...stopAfter(2) });
    appendFileSync(join(folder, 'manifest.lock.yaml'), 'seed: 9\n');
    await expect(resume(folder, options)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('damaged or was edited'),
    });
    await expect(resume(base, options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('holds no run'),
    });
  });
});

it('a manifest is read from a file, plugins and settings included', async () => {
  const file = join(base, 'run.json');
  writeFileSync(
    join(base, 'extra.mjs'),
    `export const plugin = { name: 'extra', register() { globalThis.extraWasHere = true; } };`,
  );
  writeFileSync(file, JSON.stringify(manifest({ plugins: ['./extra.mjs'] })));
  const loaded = await loadManifest(file, { ...options, set: ['trainer.epochs=8'] });
  expect(loaded.baseFolder).toBe(base);
  expect(loaded.manifest.trainer.options).toEqual({ epochs: 8 });
  expect((globalThis as { extraWasHere?: boolean }).extraWasHere).toBe(true);
});
