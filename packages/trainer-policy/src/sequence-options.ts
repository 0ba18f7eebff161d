import { partReference, selectionOptions, z } from '@retort/core';
// For the kinds optimizer and schedule.
import type {} from '@retort/nn';

const phaseOptions = (epochs: number, learningRate: number) => ({
  epochs: z.int().nonnegative().default(epochs).describe('Passes over the train split; 0 leaves the phase out.'),
  optimizer: partReference('optimizer')
    .prefault({ use: 'adamw', learningRate, weightDecay: 0.01 })
    .describe('Trains the student; begins anew with the phase.'),
  schedule: partReference('schedule')
    .prefault({ use: 'cosine' })
    .describe('Learning rate over the phase, which begins anew with it.'),
});

const temperature = () => z.number().positive().default(1).describe('Divides the logits that answers are drawn from.');

export const sequenceOptions = z.strictObject({
  distillation: z
    .strictObject({
      ...phaseOptions(20, 2e-3),
      ownAnswers: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe(
          "Fraction of steps on answers that the student draws and the teacher judges, λ of GKD; the others are on the data set's. " +
            'Losses without a teacher have no part in the former.',
        ),
      temperature: temperature(),
    })
    .prefault({})
    .describe('Learning from given answers and from the teacher, by `losses`.'),
  grpo: z
    .strictObject({
      ...phaseOptions(0, 3e-4),
      objective: partReference('objective')
        .prefault('grpo')
        .describe('How what was drawn becomes more or less probable: grpo, ppo, reinforce.'),
      samples: z.int().min(2).default(8).describe('Answers drawn per prompt, and compared with each other.'),
      temperature: temperature(),
      steps: z.int().positive().default(2).describe('Updates on the same answers.'),
      kl: z.number().nonnegative().default(0.04).describe('How much the distance from the reference counts.'),
      reference: z
        .enum(['start', 'teacher'])
        .default('start')
        .describe('What the student is kept near: what it was when this phase began, or the teacher.'),
    })
    .prefault({})
    .describe('Group relative policy optimization on what answers earn.'),
  from: z
    .string()
    .optional()
    .describe('Run folder whose last student this one begins as; several second phases can go on from one first.'),
  ...selectionOptions,
  select: z
    .enum(['exact-match', 'reward', 'token-accuracy', 'nll', 'teacher-kl'])
    .default('exact-match')
    .describe('The metric by which the best student is chosen on the validation split.'),
});

export type SequenceOptions = z.output<typeof sequenceOptions>;
