import { InputError, type Part } from '@retort/core';
import { constant, cosine, multiStep, oneCycle, type Schedule, schedules } from './schedule.js';

const make = (part: Part<'schedule'>, options: object, epochs = 10, stepsPerEpoch = 10) =>
  part.create(part.options.parse(options) as never, { epochs, stepsPerEpoch, path: 'trainer.schedule' }) as Schedule;

describe('schedules', () => {
  it('constant is 1', () => {
    const schedule = make(constant, {});
    expect([0, 57, 99].map(schedule)).toEqual([1, 1, 1]);
  });

  it('multi-step drops at the first step of each milestone', () => {
    const schedule = make(multiStep, { milestones: [3, 6], gamma: 0.1 });
    expect([0, 29, 30, 59].map(schedule)).toEqual([1, 1, 0.1, 0.1]);
    expect(schedule(60)).toBeCloseTo(0.01, 15);
    expect(schedule(99)).toBeCloseTo(0.01, 15);
  });

  it('cosine goes half a wave from 1 to its end', () => {
    const schedule = make(cosine, {});
    expect(schedule(0)).toBe(1);
    expect(schedule(25)).toBeCloseTo((1 + Math.SQRT1_2) / 2, 12);
    expect(schedule(50)).toBeCloseTo(0.5, 12);
    expect(schedule(99)).toBeCloseTo((1 + Math.cos(0.99 * Math.PI)) / 2, 12);
    expect(make(cosine, { final: 0.2 })(50)).toBeCloseTo(0.6, 12);
    expect(make(cosine, { final: 0.2 })(100)).toBeCloseTo(0.2, 12);
  });

  it('one-cycle rises for its share of the run and falls further than it came from', () => {
    const schedule = make(oneCycle, { rise: 0.3, divide: 25, finalDivide: 1e4 });
    expect(schedule(0)).toBeCloseTo(1 / 25, 12);
    expect(schedule(15)).toBeCloseTo((1 + 1 / 25) / 2, 12);
    expect(schedule(30)).toBe(1);
    expect(schedule(65)).toBeCloseTo((1 + 1 / 25e4) / 2, 12);
    expect(schedule(100)).toBeCloseTo(1 / 25e4, 12);
  });

  it.each([constant, multiStep, cosine])('$name warms up linearly to its own start', (part) => {
    const options = { warmupEpochs: 0.5, ...(part === multiStep && { milestones: [5] }) };
    const schedule = make(part, options);
    expect([0, 1, 2, 3, 4].map(schedule)).toEqual([1, 2, 3, 4, 5].map((n) => n / 6));
    expect(schedule(5)).toBe(1);
  });

  it('a cosine is stretched over what the warm-up leaves', () => {
    expect(make(cosine, { warmupEpochs: 2 })(60)).toBeCloseTo(0.5, 12);
  });

  it('milestones count from the start of the run, warm-up included', () => {
    const schedule = make(multiStep, { milestones: [3], warmupEpochs: 2 });
    expect([29, 30].map(schedule)).toEqual([1, 0.1]);
  });

  it.each(schedules)('$name stays in (0, 1] over a run', (part) => {
    const schedule = make(part, part === multiStep ? { milestones: [1, 2] } : {});
    for (let step = 0; step < 100; step++) {
      expect(schedule(step)).toBeGreaterThan(0);
      expect(schedule(step)).toBeLessThanOrEqual(1);
    }
  });

  it('refuses a warm-up as long as the run, saying where', () => {
    expect(() => make(cosine, { warmupEpochs: 10 })).toThrow(InputError);
    expect(() => make(cosine, { warmupEpochs: 10 })).toThrow(
      'trainer.schedule: warmupEpochs (10) must be less than epochs (10)',
    );
  });
});
