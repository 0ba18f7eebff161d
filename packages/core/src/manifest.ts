import { z } from 'zod';
import { partReference } from './part-reference.js';

const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, ".", "_" and "-" only, starting with a letter or digit');

/** Keys of an entry of `teachers`, beside its adapter's own options. */
export const teacherKeys = z.strictObject({
  id: identifier.describe('Name of this teacher in losses, logs and reports.'),
});

/** Keys of an entry of `losses`, beside the loss's own options. */
export const lossKeys = z.strictObject({
  id: identifier.describe('Name of this term in logs and reports.'),
  weight: z.number().nonnegative().default(1).describe('Factor of this term in the total.'),
  weightedBy: z
    .enum(['logit', 'feature'])
    .optional()
    .describe('Which teacher weights multiply this term, sample by sample. Losses with a teacher only; default logit.'),
  student: z.string().optional().describe("The student's output that stands in for the one the loss reads."),
  teacher: z
    .union([z.string(), z.record(z.string(), z.string())])
    .optional()
    .describe("The teachers' output that stands in for the one the loss reads: one name, or a name per teacher id."),
});

/** `2 epochs`, `50 steps`. */
const interval = z
  .string()
  .regex(/^\d+ (epoch|step)s?$/, 'a number and a unit: "1 epoch" or "50 steps"')
  .refine((text) => Number.parseInt(text, 10) > 0, 'at least 1');

/** The sections every manifest has. Parts inside it are resolved against the registry. */
export const manifestSchema = z.strictObject({
  name: identifier.describe('Name of the run; its folder is runs/NAME unless run.folder says otherwise.'),
  description: z.string().optional().describe('For people.'),
  seed: z.int().nonnegative().default(1).describe('Root of every random stream.'),
  backend: partReference('backend')
    .prefault('auto')
    .describe('auto takes the fastest that is installed; `retort doctor` lists them.'),
  plugins: z.array(z.string()).default([]).describe('Packages or files that register further parts.'),
  dataset: partReference('dataset').optional().describe('What is learned from; of trainers that learn from data.'),
  environment: partReference('environment').optional().describe('Where is acted; of trainers that learn by acting.'),
  student: partReference('student'),
  teachers: z.array(partReference('teacher', teacherKeys)).default([]),
  cache: partReference('cache')
    .optional()
    .describe("Keeps teachers' outputs, so that later epochs and runs need not compute them again."),
  trainer: partReference('trainer'),
  agent: partReference('agent').optional(),
  losses: z.array(partReference('loss', lossKeys)).default([]).describe('Terms of the total; most trainers need one.'),
  metrics: z.array(partReference('metric')).default([]),
  run: z
    .strictObject({
      folder: z.string().optional().describe('Where results go; relative to the current folder.'),
      checkpoint: z
        .strictObject({
          every: interval.default('1 epoch').describe('How often everything is saved: "1 epoch", "50 steps".'),
          keep: z.int().positive().default(2).describe('How many checkpoints are kept.'),
        })
        .prefault({}),
      logEvery: z.int().positive().default(20).describe('Steps between two reads of the log values.'),
      verifyReplay: z
        .int()
        .nonnegative()
        .default(0)
        .describe('Check the first so many replayed steps against the plain ones (backends that replay).'),
    })
    .prefault({}),
  locked: z
    .strictObject({
      baseFolder: z.string(),
      fingerprints: z.record(z.string(), z.string()),
      versions: z.record(z.string(), z.string()),
      backend: z
        .union([z.string(), z.looseObject({ use: z.string() })])
        .describe('The one that was started, its options spelled out.'),
      threads: z.int().optional().describe('CPU threads it computed on.'),
    })
    .optional()
    .describe('Written into manifest.lock.yaml by a run; not for manifests.'),
});

/** A manifest with every part resolved and every default filled in. */
export type ResolvedManifest = z.output<typeof manifestSchema>;
