import { z } from 'zod';
import { backendsPlugin } from '../backend.js';
import { partReference } from '../part-reference.js';
import { definePart, definePlugin, Registry, type PartKind } from '../registry.js';

declare module '../registry.js' {
  interface PartKinds {
    optimizer: { context: undefined; instance: object };
  }
}

export const bare = (kind: PartKind, name: string, options: z.ZodObject = z.strictObject({})) =>
  definePart(kind, { name, summary: `the ${name} ${kind}`, options, create: () => ({}) as never });

/** Parts that only validate. */
export const validating = definePlugin({
  name: 'validating',
  register(registry) {
    const augment = z.strictObject({ crop: z.boolean().default(true), flip: z.boolean().default(false) });
    registry
      .add(
        bare(
          'dataset',
          'rings',
          z.strictObject({ radius: z.number().positive().default(1), augment: augment.prefault({}) }),
        ),
      )
      .add(bare('student', 'tiny', z.strictObject({ depth: z.int(), width: z.int().default(4) })))
      .add(bare('teacher', 'file', z.strictObject({ path: z.string() })))
      .add(bare('agent', 'pg'))
      .add(bare('agent', 'ppo', z.strictObject({ clip: z.number().default(0.2) })))
      .add(bare('loss', 'kd', z.strictObject({ temperature: z.number().positive().default(4) })))
      .add(bare('loss', 'cross-entropy'))
      .add(bare('metric', 'top-1'))
      .add(
        bare(
          'optimizer',
          'sgd',
          z.strictObject({ momentum: z.number().default(0.9), nesterov: z.boolean().default(true) }),
        ),
      )
      .add(bare('optimizer', 'adamw', z.strictObject({ decay: z.number().default(0.01) })))
      .add(
        bare(
          'trainer',
          'plain',
          z.strictObject({
            epochs: z.int().positive().describe('Passes over the data.'),
            mode: z.enum(['fast', 'slow']).default('fast'),
            optimizer: partReference('optimizer').prefault({ use: 'sgd' }),
            further: z.array(partReference('optimizer')).default([]),
          }),
        ),
      );
  },
});

export const validatingRegistry = () => new Registry().use(backendsPlugin).use(validating);

/** Every line of it is named by some test: add at the end only. */
export const goodManifest = `name: a-run
seed: 7
dataset: { use: rings, radius: 2 }
student: { use: tiny, depth: 3 }
teachers:
  - { id: big, use: file, path: '\${HOME_OF_MODELS}/big.bin' }
  - id: small
    use: file
    path: small.bin
trainer:
  use: plain
  epochs: 5
  optimizer: { use: sgd, momentum: 0.8 }
agent: pg
losses:
  - { id: task, use: cross-entropy }
  - { id: hint, use: kd, temperature: 2, weight: 3 }
metrics: [top-1]
`;
