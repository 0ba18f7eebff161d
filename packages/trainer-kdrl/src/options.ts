import { partReference, selectionOptions, z } from '@retort/core';
// For the kinds optimizer and schedule.
import type {} from '@retort/nn';
import { annealOptions } from './anneal.js';
// For the kind decision-reward.
import type {} from './decision-reward.js';
import { policyOptions } from './policy.js';

const rewardKeys = z.strictObject({
  weight: z.number().nonnegative().default(0.5).describe('How much this reward counts beside the others.'),
});

const stageOptions = (epochs: number, learningRate: number) => ({
  epochs: z.int().nonnegative().default(epochs).describe('Passes over the train split; 0 leaves the stage out.'),
  optimizer: partReference('optimizer')
    .prefault({ use: 'adamw', learningRate, weightDecay: 0.01 })
    .describe('Trains the student, its auxiliary taps and the adapters of its losses.'),
  schedule: partReference('schedule')
    .prefault({ use: 'cosine' })
    .describe('Learning rate over the stage, which begins anew with each.'),
});

/** What an objective is used with, where the manifest does not say. */
export const algorithmDefaults: Record<string, { baseline?: 'group'; samples?: number; updates?: number }> = {
  grpo: { baseline: 'group', samples: 4, updates: 2 },
  ppo: { updates: 2 },
};

export const kdrlOptions = z.strictObject({
  stage1: z
    .strictObject(stageOptions(20, 1e-3))
    .prefault({})
    .describe('Distillation: task loss, logit and feature distillation, each as weighted in `losses`.'),
  stage2: z
    .strictObject({
      ...stageOptions(10, 3e-4),
      algorithm: partReference('objective')
        .prefault('reinforce')
        .describe('How what was sampled becomes more or less probable: reinforce, ppo, grpo.'),
      updates: z
        .int()
        .positive()
        .optional()
        .describe('Steps on the same decisions; by default 2 for ppo and grpo, else 1.'),
      rewards: z
        .array(partReference('decision-reward', rewardKeys))
        .prefault([{ use: 'confidence' }, { use: 'cluster-cosine' }])
        .describe('What a decision earns; none for λ(t) · L1 alone.'),
      ...policyOptions.shape,
      baseline: policyOptions.shape.baseline
        .unwrap()
        .optional()
        .describe(`${policyOptions.shape.baseline.description} By default group for grpo, else self-critical.`),
      samples: policyOptions.shape.samples
        .unwrap()
        .optional()
        .describe('Decisions drawn per image; by default 4 for grpo, else 1.'),
      anneal: annealOptions.prefault({}).describe('How the supervised terms give way to the rewards.'),
    })
    .prefault({})
    .describe(
      'Reinforcement: the student decides, and rewards move it, while the supervised terms count less and less.',
    ),
  centers: z
    .strictObject({
      from: z
        .enum(['k-means', 'class-means'])
        .default('k-means')
        .describe(
          "k-means: spherical k-means of the teacher's embeddings of the train split. class-means: one a class.",
        ),
      clusters: z
        .int()
        .min(1)
        .optional()
        .describe('Centers of k-means; by default as many as classes, and 256 where there are none.'),
      miniBatch: z
        .strictObject({
          size: z.int().positive().default(4096).describe('Embeddings in a mini-batch.'),
          steps: z.int().positive().default(200).describe('Mini-batches.'),
        })
        .optional()
        .describe('k-means from random samples and one pass, for sets of a million and more.'),
      recompute: z
        .enum(['never', 'per-epoch'])
        .default('never')
        .describe('per-epoch: anew before each epoch of stage 2, from the images as that epoch shows them.'),
      control: z
        .enum(['none', 'random', 'shuffled'])
        .default('none')
        .describe(
          'For comparison. random: random directions as centers. shuffled: each sample has the cluster of another.',
        ),
    })
    .prefault({})
    .describe('Where the features of a sample are to lie.'),
  aux: z
    .strictObject({
      taps: z
        .array(z.string())
        .optional()
        .describe(
          'Outputs or layers of the student to tap; by default blocks of its image encoder, see depth. [] for none.',
        ),
      depth: z
        .array(z.number().gt(0).max(1))
        .min(1)
        .default([0.5, 0.75, 1])
        .describe('Where the taps lie, in parts of the depth.'),
      pool: z
        .enum(['class-token', 'mean'])
        .optional()
        .describe(
          'What stands for the tokens of an image; by default the class token where they have one, else their mean.',
        ),
      loss: z
        .enum(['cosine', 'mse'])
        .default('cosine')
        .describe(
          "Feature distillation at the taps: 1 − cos, or the squared distance, to the teacher's unit embedding.",
        ),
      weight: z.number().nonnegative().default(1).describe('Factor of that term in L1.'),
    })
    .prefault({})
    .describe('Heads on inner layers of the student that are not part of the student that is saved.'),
  from: z
    .string()
    .optional()
    .describe('Folder of a run of this trainer whose stage 1 this one begins with: student, taps and adapters.'),
  ...selectionOptions,
});

export type KdrlOptions = z.output<typeof kdrlOptions>;
