import { z } from 'zod';
import type { PartKind } from './registry.js';

/**
 * A part named in a manifest, `{ use: name, …options }` or just `name`, after validation: `options` are parsed by the part's
 * own schema, with defaults filled in; `keys` are those the surrounding section defines (`id`, `weight` …).
 */
export interface PartReference<K extends PartKind = PartKind> {
  kind: K;
  use: string;
  options: Record<string, unknown>;
  keys: Record<string, unknown>;
  /** Where it stands: `trainer.optimizer`, `losses[2]`. */
  path: string;
}

/** Whether a value among options is a reference, resolved. */
export function isReference(value: object): value is PartReference {
  return (
    'use' in value && 'kind' in value && 'options' in value && 'keys' in value && typeof value.options === 'object'
  );
}

interface ReferenceMeta {
  partKind: PartKind;
  /** Keys of the surrounding section that stand beside `use` and the part's options. */
  keys: z.ZodObject | undefined;
}

/** By definition, which a schema shares with the copies that `.describe()` makes of it. */
const references = new WeakMap<object, ReferenceMeta>();

/**
 * A schema for "a part of this kind". The manifest validator replaces what it finds there by a PartReference; options schemas
 * use it for parts inside parts (`optimizer: partReference('optimizer').default({ use: 'sgd' })`).
 */
export function partReference<K extends PartKind>(kind: K, keys?: z.ZodObject): z.ZodType<PartReference<K>, unknown> {
  const schema = z.custom<PartReference<K>>((value) => value !== undefined);
  references.set(schema.def, { partKind: kind, keys });
  return schema;
}

/** The kind a schema refers to, looking through optional and default wrappers; undefined for other schemas. */
export function referenceMeta(schema: z.ZodType): ReferenceMeta | undefined {
  for (let inner: unknown = schema; inner instanceof z.ZodType;) {
    const meta = references.get(inner.def);
    if (meta) return meta;
    const definition = inner.def as { innerType?: unknown };
    inner = definition.innerType;
  }
  return undefined;
}
