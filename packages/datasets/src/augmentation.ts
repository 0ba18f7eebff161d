import { nearestHint, z } from '@retort/core';
import { cutMix, mixup } from './mixing.js';
import { randAugment } from './rand-augment.js';
import { randomErasing } from './random-erasing.js';
import { randomResizedCrop } from './random-resized-crop.js';

const withOptions = [randomResizedCrop, randAugment, randomErasing, mixup, cutMix] as const;
const kinds = [
  z.strictObject({ use: z.literal('crop') }),
  z.strictObject({ use: z.literal('flip') }),
  ...withOptions,
] as const;
const names = kinds.map((kind) => kind.shape.use.value);

/** A change of train images. Those with options are written out in full, the others are names. */
export type Augmentation = 'crop' | 'flip' | z.output<(typeof withOptions)[number]>;

/** A name, or `{ use: NAME, …options }`, of which the first is short for the second, as for parts. */
const augmentation = z
  .custom<Augmentation>()
  .check((payload) => {
    const written: unknown = payload.value;
    const value = typeof written === 'string' ? { use: written } : written;
    const use = (value as { use?: unknown } | null)?.use;
    const kind = kinds.find(({ shape }) => shape.use.value === use);
    if (!kind) {
      const path = typeof written === 'string' ? [] : ['use'];
      payload.issues.push({ code: 'invalid_value', values: names, input: written, path });
      return;
    }
    const parsed = kind.safeParse(value);
    if (parsed.success) {
      payload.value = parsed.data.use === 'crop' || parsed.data.use === 'flip' ? parsed.data.use : parsed.data;
      return;
    }
    for (const issue of parsed.error.issues) {
      if (issue.code !== 'unrecognized_keys') {
        payload.issues.push({ ...issue, input: written } as z.core.$ZodRawIssue);
        continue;
      }
      // Told here: who reads the error cannot know which of the kinds was meant.
      const hint = nearestHint(issue.keys[0], Object.keys(kind.shape));
      payload.issues.push({ code: 'custom', message: `unknown key; ${hint}`, input: written, path: [issue.keys[0]] });
    }
  })
  .meta({
    anyOf: [
      { type: 'string', enum: names },
      { type: 'object', oneOf: kinds.map(jsonOf) },
    ],
  });

function jsonOf(kind: (typeof kinds)[number]): object {
  const { $schema: _, ...json } = z.toJSONSchema(kind, { io: 'input' });
  return json;
}

/** The random changes of train images, with a default that suits the set. */
export function augmentOption(standard: ('crop' | 'flip')[]) {
  return z
    .array(augmentation)
    .default(standard)
    .describe(
      'Random changes of train images, each a name or { use: NAME, …options }, made in this order whatever the order here: ' +
        'crop (a shifted cut out of a black border), random-resized-crop (area, aspect), flip (left to right), ' +
        'rand-augment (operations, magnitude, deviation, probability), random-erasing (probability, area, aspect, fill), ' +
        'mixup (alpha, probability), cut-mix (alpha, probability).',
    );
}
