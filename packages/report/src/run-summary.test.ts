import { bestValidation, placeOf, metricSeries } from './run-metrics.js';
import { finalEvaluations, summarize } from './run-summary.js';
import { syntheticRun } from './test-support/synthetic-run.js';

describe('summarize', () => {
  it('gathers what a run was', () => {
    const summary = summarize(syntheticRun({ name: 'a', epochs: 3, seed: 5 }));
    expect(summary).toMatchObject({
      name: 'a',
      status: 'finished',
      seed: 5,
      backend: 'wasm',
      epochs: 3,
      epochsDone: 3,
      seconds: 96,
      teachers: ['r20', 'r56', 'vit'],
      lossIds: ['task', 'kd', 'hint'],
    });
    expect(summary.parts).toContainEqual(['Agent', 'ppo']);
    expect(summary.parts).toContainEqual(['Weighting', 'agent']);
  });

  it('tells how a run stands', () => {
    expect(summarize(syntheticRun({ epochs: 2, end: 'interrupted' })).status).toBe('interrupted');
    expect(summarize(syntheticRun({ epochs: 2, end: 'none' })).status).toBe('no end');
    expect(summarize({ folder: 'runs/x', events: [], problems: [] })).toMatchObject({ status: 'empty', name: 'x' });
    const resumed = syntheticRun({ epochs: 2, end: 'interrupted' });
    const start = resumed.events.find((event) => event.type === 'run-start')!;
    resumed.events.push({ ...start, resumedAt: { epoch: 1, step: 150 } });
    expect(summarize(resumed)).toMatchObject({ status: 'no end', resumedAt: [{ epoch: 1, step: 150 }] });
  });

  it('adds up the time of a run that was resumed', () => {
    const run = syntheticRun({ epochs: 4 });
    const end = run.events.at(-1)!;
    if (end.type === 'run-end') end.seconds = 10;
    expect(summarize(run).seconds).toBeGreaterThan(4 * 31);
  });

  it('counts warnings that repeat', () => {
    const run = syntheticRun({ epochs: 1, warnings: ['a', 'b', 'a'] });
    run.problems.push('manifest damaged');
    expect(summarize(run).warnings.map(({ message, count }) => [message, count])).toEqual([
      ['manifest damaged', 1],
      ['a', 2],
      ['b', 1],
    ]);
  });

  it('survives a manifest that is no YAML or has another shape', () => {
    for (const manifest of ['{', '', '- 1', 'teachers: 3\nlosses: x\ntrainer: [1]']) {
      expect(summarize({ ...syntheticRun({ epochs: 1 }), manifest }).lossIds).toEqual([]);
    }
  });
});

describe('finalEvaluations', () => {
  it('keeps the last value of each metric, results of the end first, test before validation', () => {
    const finals = finalEvaluations(
      [
        { split: 'validation', student: 'last', values: { 'top-1': 0.1, loss: 2 } },
        { split: 'validation', student: 'last', values: { 'top-1': 0.2 } },
        { split: 'train', student: 'current', values: { 'top-1': 0.6 } },
        { split: 'validation', student: 'current', values: { 'top-1': 0.2 } },
      ],
      { best: { epoch: 3, 'test/top-1': 0.4, 'test/agreement/r20': 0.5 }, last: { 'test/top-1': 0.3 } },
    );
    expect(finals).toEqual([
      { split: 'test', student: 'last', values: { 'top-1': 0.3 } },
      { split: 'test', student: 'best', values: { 'top-1': 0.4, 'agreement/r20': 0.5 } },
      { split: 'validation', student: 'last', values: { 'top-1': 0.2, loss: 2 } },
      { split: 'train', student: 'current', values: { 'top-1': 0.6 } },
    ]);
  });
});

describe('metricSeries', () => {
  it('is a line in training and points of the end, the best student where it was taken', () => {
    const run = summarize(syntheticRun({ epochs: 6, seed: 3 }));
    const series = metricSeries(run, 'top-1');
    expect(series.map(({ name, points }) => [name, points.length])).toEqual([
      ['validation', 6],
      ['test, last', 1],
      ['validation, best', 1],
      ['test, best', 1],
    ]);
    const line = series[0].points;
    const highest = Math.max(...line.map(({ y }) => y!));
    expect(series[3].points[0].x).toBe(line.find(({ y }) => y === highest)!.x);
    expect(series[1].points[0].x).toBe(6);
  });
});

describe('bestValidation', () => {
  it('finds the first highest value and its epoch', () => {
    const run = syntheticRun({ epochs: 4, end: 'interrupted' });
    const evaluations = run.events.filter((event) => event.type === 'evaluation' && event.split === 'validation');
    [0.5, 0.9, 0.9, 0.7].forEach((value, i) => {
      const event = evaluations[i];
      if (event.type === 'evaluation') event.values['top-1'] = value;
    });
    expect(bestValidation(summarize(run), 'top-1')).toEqual({ value: 0.9, epoch: 2 });
  });
});

it('placeOf counts done steps in epochs', () => {
  const run = summarize(syntheticRun({ epochs: 2, stepsPerEpoch: 40 }));
  expect(placeOf(run, { epoch: 0, step: 19 })).toBe(0.5);
  expect(placeOf(run, { epoch: 1, step: 79 })).toBe(2);
  expect(placeOf({ ...run, stepsPerEpoch: undefined }, { epoch: 1, step: 79 })).toBe(2);
});

describe('the second stage', () => {
  const told = (trainer: string) =>
    summarize({ ...syntheticRun({ epochs: 1 }), manifest: `name: a\ntrainer: ${trainer}\n` }).secondStage;

  it('is what the manifest says of it, wherever it says so', () => {
    expect(
      told('{ use: kdrl, stage2: { gradient: pathwise, baseline: self-critical, algorithm: reinforce, rewards: [] } }'),
    ).toEqual([
      ['Gradient', 'pathwise: the derivative of the rewards is followed'],
      ['Algorithm', 'reinforce'],
      ['Rewards', 'none'],
    ]);
    expect(
      told('{ use: kdrl, options: { stage2: { policy: { gradient: other, samples: 3 }, objective: { use: ppo } } } }'),
    ).toEqual([
      ['Gradient', 'other'],
      ['Algorithm', 'ppo, 3 decisions an image'],
    ]);
    expect(told('{ use: kdrl, stage2: { anneal: { schedule: cosine, from: 1, to: 0, terms: task } } }')).toEqual([
      ['λ', 'cosine, 1 to 0, on task only'],
    ]);
  });

  it('is none where there is none, and nothing is said where nothing is known', () => {
    expect(told('mtkd')).toBeUndefined();
    expect(told('{ use: kdrl, stage2: { epochs: 0, gradient: score } }')).toBeUndefined();
    expect(told('{ use: kdrl, stage2: null }')).toEqual([]);
  });
});
