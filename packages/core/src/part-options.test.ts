import { z } from 'zod';
import { describeOptions } from './part-options.js';
import { partReference } from './part-reference.js';

it('describes options as people read them', () => {
  const schema = z.strictObject({
    path: z.string().describe('Where it is.'),
    temperature: z.number().positive().default(4).describe('How soft.'),
    steps: z.int().min(1).max(9).optional(),
    mode: z.enum(['easy', 'hard']).default('easy'),
    width: z.tuple([z.int().positive(), z.int().positive()]).default([1, 2]),
    classes: z.array(z.string()).default([]),
    teacher: z.union([z.string(), z.record(z.string(), z.number())]).optional(),
    augment: z.strictObject({ crop: z.boolean().default(true).describe('Cut out.') }).prefault({}),
    stopping: z.strictObject({ patience: z.int() }).optional(),
    optimizer: partReference('agent').prefault({ use: 'pg' }).describe('Who learns.'),
    critic: partReference('agent').describe('Who judges.'),
  });
  expect(describeOptions(schema)).toEqual([
    { name: 'path', type: 'string', required: true, description: 'Where it is.' },
    { name: 'temperature', type: 'number > 0', required: false, default: 4, description: 'How soft.' },
    { name: 'steps', type: 'integer ≥ 1 ≤ 9', required: false, description: '' },
    { name: 'mode', type: '"easy" | "hard"', required: false, default: 'easy', description: '' },
    { name: 'width', type: '[integer > 0, integer > 0]', required: false, default: [1, 2], description: '' },
    { name: 'classes', type: 'list of string', required: false, default: [], description: '' },
    { name: 'teacher', type: 'string or map of number', required: false, description: '' },
    { name: 'augment.crop', type: 'boolean', required: false, default: true, description: 'Cut out.' },
    { name: 'stopping.patience', type: 'integer', required: false, description: '' },
    { name: 'optimizer', type: 'agent', required: false, default: { use: 'pg' }, description: 'Who learns.' },
    { name: 'critic', type: 'agent', required: true, description: 'Who judges.' },
  ]);
});
