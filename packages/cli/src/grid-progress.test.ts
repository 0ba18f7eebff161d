import { PassThrough } from 'node:stream';
import { jobsOf } from './grid-jobs.js';
import { createGridProgress, secondsLeft } from './grid-progress.js';

const arm = (name: string) => ({ name, manifest: 'm.yaml', settings: [], seeds: [1, 2] });
const jobs = jobsOf([arm('a'), arm('b')]);

describe('secondsLeft', () => {
  const known = {
    shares: new Map(),
    taken: new Map<string, number[]>(),
    estimates: new Map<string, number>(),
    workers: 1,
  };

  it('goes by what runs of the arm took, else by the estimate, else by what any took', () => {
    expect(secondsLeft(jobs, known)).toBeUndefined();
    expect(
      secondsLeft(jobs, {
        ...known,
        estimates: new Map([
          ['a', 10],
          ['b', 30],
        ]),
      }),
    ).toBe(80);
    expect(secondsLeft(jobs, { ...known, taken: new Map([['a', [10, 20]]]), estimates: new Map([['b', 30]]) })).toBe(
      90,
    );
    expect(secondsLeft(jobs, { ...known, taken: new Map([['a', [10, 20]]]) })).toBe(60);
  });

  it('counts what is done of runs that go on, and never less than the longest', () => {
    const estimates = new Map([
      ['a', 10],
      ['b', 30],
    ]);
    expect(secondsLeft(jobs, { ...known, estimates, shares: new Map([[jobs[1], 0.5]]) })).toBe(65);
    expect(secondsLeft(jobs, { ...known, estimates, workers: 2 })).toBe(40);
    expect(secondsLeft(jobs, { ...known, estimates, workers: 8 })).toBe(30);
    expect(secondsLeft([], { ...known, estimates })).toBe(0);
  });
});

describe('progress of a grid in lines', () => {
  it('says which runs ended and how, what goes on, and how long it will take', () => {
    let time = 0;
    const stream = new PassThrough();
    const { events, stop } = createGridProgress({
      stream,
      bar: false,
      jobs,
      workers: 2,
      estimates: new Map([
        ['a', 60],
        ['b', 60],
      ]),
      now: () => time,
    });
    events.started(jobs[0]);
    events.started(jobs[1]);
    time = 30_000;
    events.progress(jobs[0], 0.5);
    time = 61_000;
    events.progress(jobs[1], 0.25);
    events.remark(jobs[1], 'warning: slow');
    events.finished(jobs[0], 100);
    events.failed(jobs[1], 'loss kd is not finite\n  at step 3');
    stop();
    expect((stream.read() as Buffer).toString()).toBe(`  a seed 1 50 %, b seed 1 25 % · ETA 1 min 38 s
b seed 1: warning: slow
1/4 a seed 1: finished in 1 min 40 s · ETA 1 min 43 s
2/4 b seed 1: failed: loss kd is not finite · ETA 1 min 40 s
`);
  });
});
