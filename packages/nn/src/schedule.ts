import { definePart, InputError, type Part, z } from '@retort/core';

declare module '@retort/core' {
  interface PartKinds {
    schedule: { context: ScheduleContext; instance: Schedule };
  }
}

export interface ScheduleContext {
  epochs: number;
  stepsPerEpoch: number;
  path: string;
}

/** Factor on the learning rate at a step (0-based, over the whole run). Pure. */
export type Schedule = (step: number) => number;

const warmup = {
  warmupEpochs: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Linear rise from 0 over so many epochs (fractions allowed) first.'),
};

/** A schedule over the fraction of the run after warm-up, `t` in [0, 1), or over epochs since the start. */
function withWarmup(
  { warmupEpochs }: { warmupEpochs: number },
  { epochs, stepsPerEpoch, path }: ScheduleContext,
  factor: (t: number, epoch: number) => number,
): Schedule {
  if (warmupEpochs >= epochs && warmupEpochs > 0) {
    throw new InputError(`${path}: warmupEpochs (${warmupEpochs}) must be less than epochs (${epochs})`);
  }
  const [warmupSteps, steps] = [warmupEpochs * stepsPerEpoch, epochs * stepsPerEpoch];
  return (step) =>
    step < warmupSteps
      ? (step + 1) / (warmupSteps + 1)
      : factor((step - warmupSteps) / (steps - warmupSteps), Math.floor(step / stepsPerEpoch));
}

/** Constant: 1. */
export const constant = definePart('schedule', {
  name: 'constant',
  summary: 'The same learning rate throughout.',
  options: z.strictObject(warmup),
  create: (options, context) => withWarmup(options, context, () => 1),
});

/** Multi-step: γ^(number of milestones reached); epochs counted from 0. */
export const multiStep = definePart('schedule', {
  name: 'multi-step',
  summary: 'Drops the learning rate at given epochs.',
  options: z.strictObject({
    ...warmup,
    milestones: z
      .array(z.int().nonnegative())
      .min(1)
      .describe('Epochs, counted from 0, from which a further drop applies.'),
    gamma: z.number().positive().default(0.1).describe('Factor of one drop.'),
  }),
  create: ({ milestones, gamma, ...options }, context) =>
    withWarmup(options, context, (_, epoch) => gamma ** milestones.filter((milestone) => epoch >= milestone).length),
});

/** Cosine: final + (1 − final)(1 + cos πt)/2 (Loshchilov & Hutter 2017, eq. 5, without restarts). */
export const cosine = definePart('schedule', {
  name: 'cosine',
  summary: 'Half a cosine from the peak down.',
  options: z.strictObject({
    ...warmup,
    final: z.number().min(0).max(1).default(0).describe('Where it ends, as a fraction of the peak.'),
  }),
  create: ({ final, ...options }, context) =>
    withWarmup(options, context, (t) => final + ((1 - final) * (1 + Math.cos(Math.PI * t))) / 2),
});

/** One cycle (Smith & Topin 2018): cosine from 1/divide to 1 over `rise` of the run, then cosine to 1/(divide · finalDivide). */
export const oneCycle = definePart('schedule', {
  name: 'one-cycle',
  summary: 'Up to the peak and down again, further than it came from.',
  options: z.strictObject({
    rise: z.number().gt(0).lt(1).default(0.3).describe('Fraction of the run spent rising.'),
    divide: z.number().min(1).default(25).describe('The start is the peak over this.'),
    finalDivide: z.number().min(1).default(1e4).describe('The end is the start over this.'),
  }),
  create: ({ rise, divide, finalDivide }, { epochs, stepsPerEpoch }) => {
    const between = (from: number, to: number, t: number) => to + ((from - to) * (1 + Math.cos(Math.PI * t))) / 2;
    return (step) => {
      const t = step / (epochs * stepsPerEpoch);
      return t < rise
        ? between(1 / divide, 1, t / rise)
        : between(1, 1 / (divide * finalDivide), (t - rise) / (1 - rise));
    };
  },
});

export const schedules: Part<'schedule'>[] = [constant, multiStep, cosine, oneCycle];
