import { z } from 'zod';
import { referenceMeta } from './part-reference.js';

/** One option of a part, as people read it. */
export interface OptionDescription {
  /** `temperature`, `augment.crop`. */
  name: string;
  /** `number > 0`, `"easy" | "hard"`, `a list of strings`, `optimizer` (a part of that kind). */
  type: string;
  /** Must be given. */
  required: boolean;
  /** What it is when not given; undefined when nothing takes its place. */
  default?: unknown;
  description: string;
}

type JsonSchema = Record<string, unknown>;

/** The options of a part in the order of its schema, those of nested objects by their path. */
export function describeOptions(schema: z.ZodObject): OptionDescription[] {
  return describe(schema, '', false);
}

/** @param optional whether the object as a whole may be left out, and with it what it requires */
function describe(schema: z.ZodObject, prefix: string, optional: boolean): OptionDescription[] {
  return (Object.entries(schema.shape) as [string, z.ZodType][]).flatMap(([key, field]) => {
    const name = prefix + key;
    const nested = innerObject(field);
    if (nested && !referenceMeta(field)) return describe(nested, `${name}.`, optional || isOptional(field));
    const json = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any', override: nameReferences }) as JsonSchema;
    return [
      {
        name,
        type: typeText(json),
        required: !optional && !isOptional(field),
        ...('default' in json ? { default: json.default } : {}),
        description: field.description ?? (json.description as string | undefined) ?? '',
      },
    ];
  });
}

function isOptional(field: z.ZodType): boolean {
  return field.safeParse(undefined).success;
}

function innerObject(field: z.ZodType): z.ZodObject | undefined {
  let inner: unknown = field;
  while (inner instanceof z.ZodType && !(inner instanceof z.ZodObject)) {
    inner = (inner.def as { innerType?: unknown }).innerType;
  }
  return inner instanceof z.ZodObject ? inner : undefined;
}

const nameReferences: NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override'] = ({ zodSchema, jsonSchema }) => {
  const meta = referenceMeta(zodSchema as unknown as z.ZodType);
  if (meta) jsonSchema.type = meta.partKind as never;
};

function typeText(json: JsonSchema): string {
  if (Array.isArray(json.enum)) return json.enum.map((value) => JSON.stringify(value)).join(' | ');
  if ('const' in json) return JSON.stringify(json.const);
  if (Array.isArray(json.anyOf)) return (json.anyOf as JsonSchema[]).map(typeText).join(' or ');
  if (Array.isArray(json.prefixItems)) return `[${(json.prefixItems as JsonSchema[]).map(typeText).join(', ')}]`;
  if (json.type === 'array') return `list of ${typeText(json.items as JsonSchema)}`;
  if (json.type === 'object' && typeof json.additionalProperties === 'object') {
    return `map of ${typeText(json.additionalProperties as JsonSchema)}`;
  }
  const bounds = [
    ['exclusiveMinimum', '>'],
    ['minimum', '≥'],
    ['exclusiveMaximum', '<'],
    ['maximum', '≤'],
  ].flatMap(([key, sign]) =>
    typeof json[key] === 'number' && Math.abs(json[key]) < Number.MAX_SAFE_INTEGER ? [`${sign} ${json[key]}`] : [],
  );
  return [String(json.type ?? 'any value'), ...bounds].join(' ');
}
