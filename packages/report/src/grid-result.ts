import { readFileSync } from 'node:fs';
import { InputError, messageOf, z } from '@retort/core';

/** Numbers by name. JSON has no NaN: a value that was not finite is null. */
const scalars = z.record(z.string(), z.number().nullable());
const series = z.record(z.string(), z.array(z.number().nullable()));

const resultSchema = z.object({
  arm: z.string(),
  seed: z.int(),
  /** Of the retort command. */
  version: z.string().optional(),
  /** Of the git repository it was run in, `+` after it where files had been changed; several if it went on after a change. */
  commit: z.string().optional(),
  machine: z.string(),
  backend: z.string(),
  threads: z.int().optional(),
  /** Of training, evaluations left out. */
  seconds: z.number(),
  /** Most that the run's process held at once; of one that was stopped and gone on with, the last process. */
  memoryBytes: z.number().optional(),
  /** The student after the last epoch. */
  last: scalars,
  /** The one of the best validation; absent where there is no validation split. */
  best: scalars.optional(),
  /** The student in training, `epoch` counted from 1. */
  validation: series.optional(),
  /** What had been seen by then, where it is no images: `environment steps`, at each entry of `validation`. */
  seen: z.object({ unit: z.string(), counts: z.array(z.number()) }).optional(),
  /** Mean teacher weights of every epoch, by head and teacher. */
  weightsByEpoch: z.record(z.string(), series).optional(),
  /** sha256 of data and teachers. */
  fingerprints: z.record(z.string(), z.string()).optional(),
  /** The arm's manifest, every default spelled out; name, seed and run folder left out. */
  manifest: z.record(z.string(), z.unknown()).optional(),
});

/** What one finished run of a grid came to: the content of a file `runs/ARM-seed-S.json`. */
export type GridResult = z.output<typeof resultSchema>;

/** @throws InputError naming the file when it is not one that a run wrote */
export function readGridResult(file: string): GridResult {
  const refuse = (why: string, cause?: unknown): never => {
    throw new InputError(`${file} is damaged: ${why}`, {
      hints: ['remove it to have that run made again, or bring it back as it was written'],
      cause,
    });
  };
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return refuse(messageOf(error), error);
  }
  const parsed = resultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  return refuse(`${path.join('.') || 'the whole'}: ${message}`);
}
