import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { composeRun, InputError, readLog, resume, RunError, sha256 } from '@retort/core';
import { held } from '@retort-tools/testing';
import { distillationLosses, plugins, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';

const folder = temporaryFolder();
const teacherFolders = ['a', 'b'].map((name) => join(folder, `teacher-${name}`));
const teachers = teacherFolders.map((path, m) => ({ id: 'ab'[m], use: 'run', path }));
const digest = (run: string) => sha256(readFileSync(join(run, 'student/last/weights.bin')));
/** What manifests say until a describe says otherwise. */
let backend = 'wasm';
const manifest = (name: string, sections: Parameters<typeof tinyManifest>[1] = {}) =>
  tinyManifest(join(folder, name), { backend, ...sections });
const distilling = (name: string, weighting: unknown, sections: object = {}) =>
  manifest(name, {
    teachers,
    losses: distillationLosses,
    agent: { use: 'pg' },
    ...sections,
    trainer: { weighting, epochs: 2, ...(sections as { trainer?: object }).trainer },
  });

const few = { use: 'scenes', classes: 3, size: 16, train: 60, test: 6, batchSize: 16, validation: 0.2 };

beforeAll(async () => {
  for (const [m, path] of teacherFolders.entries()) {
    await runQuietly(tinyManifest(path, { seed: 10 + m, trainer: { epochs: 4 } }));
  }
});

// Whole runs, which take minutes on cpu: there, only that bits are the same.
describe.each(['wasm', 'onnxruntime'])('mtkd on %s', (name) => {
  beforeAll(() => void (backend = name));

  it('lowers the loss and writes a student, a log and checkpoints', async () => {
    const { events, results } = await runQuietly(manifest('baseline', { trainer: { epochs: 6 } }));
    const losses = events.flatMap((event) => (event.type === 'step' ? [event.values['loss/task']] : []));
    expect(losses.at(-1)).toBeLessThan(losses[0] * 0.8);
    expect(Object.keys(results)).toEqual(['last', 'best']);
    expect(readLog(join(folder, 'baseline')).filter(({ type }) => type === 'epoch')).toHaveLength(6);
  });

  it('gives equal weights 1/M and, with one teacher, the same student as an agent that has no choice', async () => {
    const { events } = await runQuietly(distilling('equal', 'equal'));
    const epoch = events.find((event) => event.type === 'epoch');
    expect(epoch?.weights?.logit.a).toBeCloseTo(0.5, 6);
    await runQuietly(distilling('equal-one', 'equal', { teachers: [teachers[0]] }));
    await runQuietly(distilling('agent-one', 'agent', { teachers: [teachers[0]] }));
    expect(digest(join(folder, 'agent-one'))).toBe(digest(join(folder, 'equal-one')));
  });

  it.each(['pg', 'ppo', 'grpo', 'dpg', 'ddpg'])(
    'logs generator and fused weights that sum to one with %s',
    async (use) => {
      const { events } = await runQuietly(
        distilling(`agent-${use}`, 'agent', { agent: { use }, run: { verifyReplay: 2 } }),
      );
      const last = events.filter((event) => event.type === 'epoch').at(-1)!;
      for (const key of ['logit', 'feature', 'generator-logit', 'generator-feature']) {
        expect(Object.values(last.weights![key]).reduce((a, b) => a + b)).toBeCloseTo(1, 4);
        expect(last.weightsByClass![key]).toHaveLength(3);
      }
    },
  );

  it('keeps the number of tensors constant from step to step', async () => {
    const counts: ReturnType<typeof held>[] = [];
    const count = (step: number) => step > 2 && counts.push(held());
    const loneStep = { weighting: { use: 'agent', updateEvery: 1 } };
    await runQuietly(distilling('leaks', loneStep.weighting), {
      onEvent: (event) => void (event.type === 'progress' && event.step % 11 < 9 && count(event.step)),
    });
    expect(counts.length).toBeGreaterThan(8);
    for (const each of counts) expect(each).toEqual(counts[0]);
  });

  it('resumes as if it had never stopped, agent and streams included', async () => {
    for (const use of ['pg', 'ppo', 'ddpg']) {
      const sections = { agent: { use }, run: { checkpoint: { every: '4 steps' } }, trainer: { epochs: 3 } };
      await runQuietly(distilling(`whole-${use}`, 'agent', sections));
      const controller = new AbortController();
      const stopped = await runQuietly(distilling(`stopped-${use}`, 'agent', sections), {
        signal: controller.signal,
        onEvent: (event) => void (event.type === 'progress' && event.step === 16 && controller.abort()),
      });
      expect(stopped.status).toBe('interrupted');
      await resume(join(folder, `stopped-${use}`), { plugins });
      expect(digest(join(folder, `stopped-${use}`))).toBe(digest(join(folder, `whole-${use}`)));
    }
  });

  it('gives losses their pass over the train split before the first step, and keeps what they learned over a resume', async () => {
    const losses = [...distillationLosses, { id: 'nd', use: 'nd', weightedBy: 'feature' }];
    const sections = { losses, run: { checkpoint: { every: '4 steps' } } };
    await runQuietly(distilling('whole-nd', 'equal', sections));
    const controller = new AbortController();
    await runQuietly(distilling('stopped-nd', 'equal', sections), {
      signal: controller.signal,
      onEvent: (event) => void (event.type === 'progress' && event.step === 13 && controller.abort()),
    });
    await resume(join(folder, 'stopped-nd'), { plugins });
    expect(digest(join(folder, 'stopped-nd'))).toBe(digest(join(folder, 'whole-nd')));
  });

  it.each([
    'eb-kd',
    'ca-mkd',
    { use: 'aekd', tolerance: 0.7 },
    'amtml-kd',
    { use: 'mmkd', every: 2, capacity: 20 },
    { use: 'agent', reward: 'look-ahead', updateEvery: 2 },
    'random',
    'oracle',
    'best-single',
    'priors-only',
    { use: 'permuted', of: 'ca-mkd' },
    { use: 'constant', from: 'equal' },
  ])('distils and resumes with weighting %j', async (weighting) => {
    if (typeof weighting === 'object' && weighting.use === 'constant') await runQuietly(distilling('equal', 'equal'));
    const name = typeof weighting === 'string' ? weighting : weighting.use;
    const at =
      typeof weighting === 'object' && 'from' in weighting ? { ...weighting, from: join(folder, 'equal') } : weighting;
    const sections = { dataset: few, run: { checkpoint: { every: '2 steps' }, verifyReplay: 1 } };
    await runQuietly(distilling(`whole-${name}`, at, sections));
    const controller = new AbortController();
    const { status } = await runQuietly(distilling(`stopped-${name}`, at, sections), {
      signal: controller.signal,
      onEvent: (event) => void (event.type === 'progress' && event.step === 3 && controller.abort()),
    });
    expect(status).toBe('interrupted');
    const { results } = await resume(join(folder, `stopped-${name}`), { plugins });
    expect(digest(join(folder, `stopped-${name}`))).toBe(digest(join(folder, `whole-${name}`)));
    expect(Number.isFinite(results.last['test/top-1'])).toBe(true);
  });

  it('evaluates and saves the average of the student, and takes it up again', async () => {
    const sections = { run: { checkpoint: { every: '4 steps' } } };
    const averaged = { ...sections, trainer: { ema: { decay: 0.9 } } };
    await runQuietly(distilling('whole-ema', 'equal', averaged));
    await runQuietly(distilling('no-ema', 'equal', sections));
    expect(digest(join(folder, 'whole-ema'))).not.toBe(digest(join(folder, 'no-ema')));
    // What is trained is the same; only what is shown differs.
    const losses = (name: string) =>
      readLog(join(folder, name)).flatMap((event) => (event.type === 'step' ? [event.values] : []));
    expect(losses('whole-ema')).toEqual(losses('no-ema'));
    const controller = new AbortController();
    await runQuietly(distilling('stopped-ema', 'equal', averaged), {
      signal: controller.signal,
      onEvent: (event) => void (event.type === 'progress' && event.step === 13 && controller.abort()),
    });
    await resume(join(folder, 'stopped-ema'), { plugins });
    expect(digest(join(folder, 'stopped-ema'))).toBe(digest(join(folder, 'whole-ema')));
  });

  it('stops at a loss that is not finite, names the step and the term, and keeps the last good checkpoint', async () => {
    const diverging = manifest('diverging', {
      run: { checkpoint: { every: '1 steps' }, logEvery: 1 },
      trainer: { optimizer: { use: 'sgd', learningRate: 1e18 }, schedule: 'constant' },
    });
    const error = await runQuietly(diverging).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).message).toMatch(/^(loss "task"|the gradient) was not finite at step [1-9]/);
    await expect(resume(join(folder, 'diverging'), { plugins })).rejects.toThrow('not finite');
  });

  it('names the teacher that gives numbers which are none', async () => {
    const broken = join(folder, 'broken');
    cpSync(join(teacherFolders[1], 'student/last'), broken, { recursive: true });
    const model = JSON.parse(readFileSync(join(broken, 'model.json'), 'utf8')) as tf.io.ModelJSON;
    const weights = readFileSync(join(broken, 'weights.bin'));
    let offset = 0;
    for (const { name, shape } of model.weightsManifest.flatMap((group) => group.weights)) {
      if (name === 'logits/bias') weights.writeFloatLE(NaN, offset);
      offset += 4 * shape.reduce((a, b) => a * b, 1);
    }
    writeFileSync(join(broken, 'weights.bin'), weights);
    const taps = { logits: 'logits', embedding: 'pool', featureMap: 'layer3_relu' };
    const other = { id: 'b', use: 'layers-model', path: join(broken, 'model.json'), preprocessing: 'none', taps };
    const run = runQuietly(distilling('nan', 'equal', { teachers: [teachers[0], other], run: { logEvery: 1 } }));
    await expect(run).rejects.toThrow('loss "kd" of teacher b was not finite at step 0');
  });

  it('stops early when the validation split stops improving', async () => {
    const { events } = await runQuietly(
      manifest('early', {
        trainer: { epochs: 30, optimizer: { use: 'sgd', learningRate: 1e-9 }, earlyStopping: { patience: 2 } },
      }),
    );
    expect(events.filter(({ type }) => type === 'epoch').length).toBeLessThan(6);
  });

  it('starts warm from a saved student and refuses that of another network', async () => {
    const warm = {
      warmStart: join(teacherFolders[0], 'student/last'),
      optimizer: { use: 'sgd', learningRate: 1e-12 },
      epochs: 1,
    };
    const { results } = await runQuietly(manifest('warm', { trainer: warm }));
    const teacher = await runQuietly(tinyManifest(join(folder, 'again'), { seed: 10, trainer: { epochs: 4 } }));
    expect(results.last['test/top-1']).toBeCloseTo(teacher.results.last['test/top-1'] as number, 1);
    const other = manifest('other', { student: { use: 'cifar-resnet', depth: 8 }, trainer: warm });
    await expect(runQuietly(other)).rejects.toThrow(/warmStart: .* is another network/);
  });
});

describe('mtkd', () => {
  it.each(['cpu', 'wasm', 'onnxruntime'])('gives the same bits for the same seed on %s', async (on) => {
    const weighting = { use: 'agent', updateEvery: 1 };
    for (const name of ['first', 'second'])
      await runQuietly(distilling(name, weighting, { dataset: few, trainer: { epochs: 1 }, backend: on }));
    await runQuietly(distilling('third', weighting, { dataset: few, trainer: { epochs: 1 }, backend: on, seed: 2 }));
    expect(digest(join(folder, 'second'))).toBe(digest(join(folder, 'first')));
    expect(digest(join(folder, 'third'))).not.toBe(digest(join(folder, 'first')));
  });

  it.each([
    ['no agent section', { agent: undefined }, 'agent', /needs the section agent/],
    ['no teachers', { teachers: [] }, 'equal', /needs teachers and the manifest lists none/],
    ['two teachers of one id', { teachers: [teachers[0], teachers[0]] }, 'equal', /two are called "a"/],
    [
      'a loss that reads what a teacher lacks',
      { losses: [{ id: 'kd', use: 'kd', teacher: 'logit' }] },
      'equal',
      /reads "logit" of teacher a/,
    ],
    [
      'two losses of one id',
      { losses: [...distillationLosses, distillationLosses[0]] },
      'equal',
      /another loss is called "task"/,
    ],
    [
      'a task loss weighted by teachers',
      { losses: [{ id: 'task', use: 'cross-entropy', weightedBy: 'logit' }] },
      'equal',
      /reads no teacher/,
    ],
    ['a metric that nothing gives', { trainer: { select: 'top-7' } }, 'equal', /no metric gives "top-7"/],
    [
      'a metric of what the student does not give',
      { metrics: ['top-1', 'retrieval'] },
      'equal',
      /metrics\[1\]: metric "retrieval" reads imageEmbedding, which the student does not give/,
    ],
    [
      'rewards on reserved samples where none are reserved',
      { dataset: { ...few, validation: 0 } },
      { use: 'agent', reward: 'look-ahead' },
      /the data set has no validation split/,
    ],
    ['gammas that do not sum to 1', {}, { use: 'agent', gammas: { divergence: 0.5 } }, /must sum to 1/],
  ])('refuses %s before anything is written', async (_, sections, weighting, message) => {
    const refused = distilling('refused', weighting, sections);
    const error = await composeRun(refused, { plugins }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).text).toMatch(message);
  });
});
