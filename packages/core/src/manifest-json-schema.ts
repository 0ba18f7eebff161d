import { z } from 'zod';
import { manifestSchema } from './manifest.js';
import { referenceMeta } from './part-reference.js';
import type { PartKind, Registry } from './registry.js';

type JsonSchema = Record<string, unknown>;

/** The JSON schema of manifests with the parts of this registry, for completion and checking in editors. */
export function manifestJsonSchema(registry: Registry): JsonSchema {
  const definitions: Record<string, JsonSchema> = {};
  const convert = (schema: z.ZodType): JsonSchema => {
    const { $schema: _, ...json } = z.toJSONSchema(schema, {
      io: 'input',
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        const meta = referenceMeta(zodSchema as unknown as z.ZodType);
        if (!meta) return;
        for (const key of Object.keys(jsonSchema))
          if (key !== 'default' && key !== 'description') delete jsonSchema[key];
        jsonSchema.$ref = reference(meta.partKind, meta.keys);
      },
    }) as JsonSchema;
    return json;
  };
  const reference = (kind: PartKind, keys: z.ZodObject | undefined): string => {
    // A section's entries have keys of their own beside the part's options.
    const name = keys ? `${kind}-entry` : (kind as string);
    if (!(name in definitions)) {
      definitions[name] = {}; // claimed first: a part may refer to its own kind
      const parts = registry.list(kind);
      definitions[name] = {
        anyOf: [
          // Of a kind that has no parts: a list of no choices is no JSON schema.
          ...(parts.length === 0 ? [{ not: {} }] : []),
          ...(keys || parts.length === 0 ? [] : [{ type: 'string', enum: parts.map(({ part }) => part.name) }]),
          ...parts.map(({ part }) => {
            const json = convert(keys ? part.options.extend(keys.shape) : part.options);
            const required = (json.required as string[] | undefined) ?? [];
            return {
              ...json,
              description: part.summary,
              properties: { use: { const: part.name }, ...(json.properties as JsonSchema) },
              required: ['use', ...required],
            };
          }),
        ],
      };
    }
    return `#/$defs/${name}`;
  };
  const schema = convert(manifestSchema.omit({ locked: true }));
  const whole = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Retort manifest',
    ...schema,
    $defs: definitions,
  };
  // A bound at infinity is none, and null where it has been through JSON.
  const isNone = (key: string, value: unknown) => /^(exclusiveM|m)(ax|in)imum$/.test(key) && !Number.isFinite(value);
  return JSON.parse(
    JSON.stringify(whole, (key, value: unknown) => (isNone(key, value) ? undefined : value)),
  ) as JsonSchema;
}
