import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { z } from 'zod';
import { manifestJsonSchema } from './manifest-json-schema.js';
import { definePart } from './registry.js';
import { goodManifest, validatingRegistry } from './test-support/registry.js';

const schema = manifestJsonSchema(validatingRegistry());
const validate = new Ajv2020({ strict: false, allErrors: true }).compile(schema);
const good = () => parse(goodManifest) as Record<string, never>;

it('accepts a good manifest, with defaults left out', () => {
  expect(validate(good())).toBe(true);
});

it.each<[string, (manifest: Record<string, never>) => void]>([
  ['an unknown section', (manifest) => Object.assign(manifest, { metrcs: [] })],
  ['an unknown option', (manifest) => Object.assign(manifest.dataset, { raduis: 1 })],
  [
    'an unknown option of a part in a part',
    (manifest) => Object.assign((manifest.trainer as { optimizer: object }).optimizer, { momentumm: 1 }),
  ],
  ['a wrong type', (manifest) => Object.assign(manifest.trainer, { epochs: 'five' })],
  ['a part that is not registered', (manifest) => Object.assign(manifest, { agent: 'ppoo' })],
  ['a missing section', (manifest) => void delete (manifest as Record<string, unknown>).student],
  ['an entry without its id', (manifest) => void delete (manifest.losses as { id?: string }[])[0].id],
])('refuses %s', (_, spoil) => {
  const manifest = good();
  spoil(manifest);
  expect(validate(manifest)).toBe(false);
});

it('tells editors what options are for', () => {
  const definitions = schema.$defs as Record<string, { anyOf: Record<string, never>[] }>;
  const trainer = definitions.trainer.anyOf.find((part) => 'properties' in part);
  expect(trainer).toMatchObject({
    description: 'the plain trainer',
    properties: {
      use: { const: 'plain' },
      epochs: { description: 'Passes over the data.' },
      mode: { default: 'fast' },
    },
  });
  expect(schema).toMatchObject({ properties: { seed: { description: 'Root of every random stream.', default: 1 } } });
});

it("an entry's own keys do not leak into parts of the same kind elsewhere", () => {
  const definitions = schema.$defs as Record<string, unknown>;
  expect(Object.keys(definitions)).toEqual(
    expect.arrayContaining(['loss-entry', 'teacher-entry', 'optimizer', 'agent']),
  );
});

it('a section of a kind that has no parts takes nothing', () => {
  expect(validate({ ...good(), cache: 'disk' })).toBe(false);
  expect(validate({ ...good(), cache: { use: 'disk' } })).toBe(false);
});

it('a bound at infinity is left out, for JSON has no number for it', () => {
  const endless = definePart('metric', {
    name: 'endless',
    summary: 'no end',
    options: z.strictObject({ steps: z.number().min(1).max(Infinity) }),
    create: () => ({}) as never,
  });
  const registry = validatingRegistry().add(endless);
  const written = JSON.parse(JSON.stringify(manifestJsonSchema(registry))) as object;
  const accepts = new Ajv2020({ strict: false }).compile(written);
  expect(accepts({ ...good(), metrics: [{ use: 'endless', steps: 1e9 }] })).toBe(true);
  expect(accepts({ ...good(), metrics: [{ use: 'endless', steps: 0 }] })).toBe(false);
});
