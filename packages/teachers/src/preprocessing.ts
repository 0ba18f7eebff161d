import { z } from '@retort/core';
import { clipNormalization } from '@retort/models';

/** Per channel: (pixel − mean) / deviation, with pixels in [0, 1]. */
export interface Normalization {
  mean: number[];
  deviation: number[];
}

const named = {
  none: { mean: [0, 0, 0], deviation: [1, 1, 1] },
  clip: clipNormalization,
  imagenet: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  'cifar-10': { mean: [0.4914, 0.4822, 0.4465], deviation: [0.247, 0.2435, 0.2616] },
  'cifar-100': { mean: [0.5071, 0.4867, 0.4408], deviation: [0.2675, 0.2565, 0.2761] },
} satisfies Record<string, Normalization>;

const names = Object.keys(named) as (keyof typeof named)[];

/** What a foreign network was trained on. Has no default: a wrong guess costs accuracy and shows nowhere. */
export const preprocessingOption = z
  .union([
    z.enum(names),
    z.strictObject({
      mean: z.array(z.number()).length(3).describe('Per channel, of pixels in [0, 1].'),
      deviation: z.array(z.number().positive()).length(3).describe('Per channel, of pixels in [0, 1].'),
    }),
  ])
  .describe(`How pixels in [0, 1] are normalized for this network: ${names.join(', ')}, or { mean, deviation }.`);

/** Mean and deviation behind the option. */
export function normalizationOf(preprocessing: z.output<typeof preprocessingOption>): Normalization {
  return typeof preprocessing === 'string' ? named[preprocessing] : preprocessing;
}
