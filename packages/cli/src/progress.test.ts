import { PassThrough } from 'node:stream';
import type { RunEvent } from '@retort/core';
import { createProgress } from './progress.js';

const start: RunEvent = {
  type: 'run-start',
  name: 'demo',
  epochs: 2,
  stepsPerEpoch: 4,
  batchSize: 10,
  parameters: 1234,
  classes: ['a', 'b'],
  teachers: ['big', 'small'],
};

/** Tells events to a progress whose clock moves a second with every step. */
function told(events: RunEvent[], { bar = false, every = 100 } = {}): string {
  const stream = new PassThrough() as PassThrough & { isTTY?: boolean; columns?: number };
  if (bar)
    Object.assign(stream, {
      isTTY: true,
      columns: 100,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    });
  let time = 5000;
  const progress = createProgress({ stream, bar, every, now: () => time });
  for (const event of events) {
    if (event.type === 'progress') time += 1000;
    progress.onEvent(event);
  }
  progress.stop();
  return (stream.read() as Buffer | null)?.toString() ?? '';
}

const steps = (epoch: number): RunEvent[] =>
  [0, 1, 2, 3].flatMap((stepInEpoch): RunEvent[] => {
    const step = epoch * 4 + stepInEpoch;
    const values = { 'loss/task': 2 - step / 10, 'loss/kd': 0.5, 'train-accuracy': 0.1 * step };
    return [
      { type: 'progress', epoch, step, stepInEpoch, images: 10 },
      { type: 'step', epoch, step, learningRate: 0.1, values },
    ];
  });
const endOf = (epoch: number): RunEvent[] => [
  { type: 'epoch', epoch, step: epoch * 4 + 3, seconds: 4, imagesPerSecond: 10 },
  {
    type: 'evaluation',
    epoch,
    step: epoch * 4 + 3,
    split: 'validation',
    student: 'current',
    values: { 'top-1': 0.6, nll: 1 },
  },
  { type: 'checkpoint', epoch, step: epoch * 4 + 3, path: '/runs/demo/checkpoints/000000004', bytes: 2048 },
];

describe('lines', () => {
  it('one for the start, one for each epoch with its means, one for the first checkpoint', () => {
    expect(told([start, ...steps(0), ...endOf(0), ...steps(1), ...endOf(1)]).split('\n')).toEqual([
      'demo: 1,234 parameters, 2 teachers (big, small), 2 epochs of 4 steps, 10 images each',
      'epoch 1/2 · loss task 1.85, kd 0.500 · accuracy 15.0 % · validation top-1 60.0 % · 10 images/s · ETA 4 s',
      'checkpoints of 2 KiB each in /runs/demo/checkpoints',
      'epoch 2/2 · loss task 1.45, kd 0.500 · accuracy 55.0 % · validation top-1 60.0 % · 10 images/s',
      '',
    ]);
  });

  it('work before the first epoch, with the time that is left, and nothing when it is done', () => {
    const work = (done: number): RunEvent => ({ type: 'work', what: 'asking the teacher', done, of: 400 });
    const tick: RunEvent = { type: 'progress', epoch: 0, step: 0, stepInEpoch: 0, images: 0 };
    const events = [work(0), tick, work(100), tick, tick, work(300), tick, work(400)];
    expect(told(events, { every: 2 })).toBe('  asking the teacher 300/400 · ETA 1 s\n');
    expect(told(events.slice(0, -1), { bar: true })).toContain('asking the teacher');
  });

  it('an epoch without a validation is told all the same', () => {
    const [epoch] = endOf(0);
    expect(told([start, ...steps(0), epoch])).toMatch(
      /\nepoch 1\/2 · loss task 1\.85, kd 0\.500 · accuracy 15\.0 % · 10 images\/s/,
    );
  });

  it('one now and then inside a long epoch, with the time that is left', () => {
    const lines = told([start, ...steps(0)], { every: 2 }).split('\n');
    expect(lines[1]).toBe('  epoch 1/2 · step 2/4 · loss task 2.00, kd 0.500 · accuracy 0.0 % · 10 images/s · ETA 6 s');
    expect(lines).toHaveLength(3);
  });

  it('say where a resumed run goes on, and reckon its time from there', () => {
    const text = told([{ ...start, resumedAt: { epoch: 1, step: 4 } }, ...steps(1).slice(0, 2)], { every: 1 });
    expect(text).toContain('going on at epoch 2, after step 4');
    expect(text).toContain('epoch 2/2 · step 1/4');
    expect(text).toContain('ETA 3 s');
  });

  it('of a run that acts count what it counts, and tell the mean return of its episodes', () => {
    const acting: RunEvent = { ...start, unit: 'environment steps', batchSize: 1024, teachers: [] };
    const step = (number: number, values: Record<string, number>): RunEvent[] => [
      { type: 'progress', epoch: 0, step: number, stepInEpoch: number, images: 1024 },
      { type: 'step', epoch: 0, step: number, learningRate: 0.1, values: { policyLoss: 0.1, ...values } },
    ];
    const [epoch] = endOf(0);
    const evaluation: RunEvent = {
      ...{ type: 'evaluation', epoch: 0, step: 3, split: 'validation', student: 'current' },
      values: { 'episode-length': 480, return: 480.25 },
    };
    // No episode ended in the first two steps.
    const events = [...step(0, {}), ...step(1, {}), ...step(2, { return: 20 }), ...step(3, { return: 40.5 })];
    expect(
      told([acting, ...events, epoch, evaluation], { every: 3 })
        .split('\n')
        .slice(0, 3),
    ).toEqual([
      'demo: 1,234 parameters, no teachers, 2 epochs of 4 steps, 1,024 environment steps each',
      '  epoch 1/2 · step 3/4 · 1,024 environment steps/s · ETA 5 s',
      'epoch 1/2 · return 30.3 · validation return 480.3 · 10 environment steps/s · ETA 4 s',
    ]);
  });

  it('pass on remarks and warnings', () => {
    const text = told([
      { type: 'backend', name: 'wasm', reason: 'fastest that works' },
      { type: 'warning', message: 'low on memory' },
      { type: 'info', message: 'stopping' },
    ]);
    expect(text).toBe('backend wasm: fastest that works\nwarning: low on memory\nstopping\n');
  });
});

it('a bar shows the share done, losses, speed and what is left', () => {
  const text = told([start, ...steps(0), ...endOf(0), ...steps(1).slice(0, 2)], { bar: true });
  expect(text).toMatch(/epoch 2\/2 █+░+ 62% ETA 3 s · 10 images\/s · accuracy 30\.0 % · loss task 1\.70, kd 0\.5/);
  expect(text).toContain('epoch 1/2 · loss task 1.85');
});
