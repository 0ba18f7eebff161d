import { z } from 'zod';
import { InputError } from './errors.js';
import { manifestSchema, type ResolvedManifest } from './manifest.js';
import { formatPath, type ManifestPath, type ManifestSource } from './manifest-source.js';
import { nearestHint } from './nearest-name.js';
import { isReference, type PartReference, referenceMeta } from './part-reference.js';
import type { Part, PartKind, Registry } from './registry.js';

interface Issue {
  path: ManifestPath;
  message: string;
}

/**
 * Validates a manifest against the registry: sections by the manifest's schema, each part's options by the part's own.
 *
 * @throws InputError that lists every fault with its path and line, unknown keys with the nearest valid name
 */
export function resolveManifest(source: ManifestSource, registry: Registry): ResolvedManifest {
  const issues: Issue[] = [];
  const resolved = resolveObject(registry, manifestSchema, source.value, [], [], issues);
  issues.push(...takenIds(source.value));
  issues.push(...sectionsOfTrainer(registry, source.value));
  if (issues.length > 0) throw issueError(issues, source);
  return resolved as ResolvedManifest;
}

/** Sections that the trainer cannot do without, and those it has no use for. */
function sectionsOfTrainer(registry: Registry, manifest: unknown): Issue[] {
  const trainer = valueAt(manifest, ['trainer']);
  const use = typeof trainer === 'string' ? trainer : valueAt(trainer, ['use']);
  if (typeof use !== 'string' || !registry.has('trainer', use)) return [];
  const needed = registry.get('trainer', use).needs?.sections;
  if (!needed) return [];
  const isGiven = (section: string) => {
    const value = valueAt(manifest, [section]);
    return value !== undefined && !(Array.isArray(value) && value.length === 0);
  };
  const missing = needed.filter((section) => !isGiven(section));
  const unread = (['dataset', 'environment'] as const).filter((name) => !needed.includes(name) && isGiven(name));
  return [
    ...missing.map((name) => ({ path: [name], message: `missing; trainer ${use} needs ${sectionWords[name]}` })),
    ...unread.map((name) => ({ path: [name], message: `trainer ${use} reads no ${name}; leave it out` })),
  ];
}

const sectionWords = {
  dataset: 'a data set',
  environment: 'an environment',
  teachers: 'at least one teacher',
  agent: 'an agent',
  losses: 'at least one loss',
};

/** Entries of one section are told apart by their ids, in logs and in settings. */
function takenIds(manifest: unknown): Issue[] {
  return Object.entries({ teachers: 'two are called', losses: 'another loss is called' }).flatMap(([section, told]) => {
    const entries = valueAt(manifest, [section]);
    const ids = Array.isArray(entries) ? entries.map((entry) => valueAt(entry, ['id'])) : [];
    return ids.flatMap((id, i) =>
      typeof id === 'string' && ids.indexOf(id) < i ? [{ path: [section, i, 'id'], message: `${told} "${id}"` }] : [],
    );
  });
}

/** Resolves one part given in code, `{ use: 'sgd', momentum: 0.9 }` or `'sgd'`. @throws InputError */
export function resolvePart<K extends PartKind>(
  registry: Registry,
  kind: K,
  value: unknown,
  path = kind as string,
): PartReference<K> {
  const issues: Issue[] = [];
  const reference = resolveReference(registry, kind, undefined, value, [path], issues);
  if (issues.length > 0) throw issueError(issues, { where: () => undefined });
  return reference as PartReference<K>;
}

/** The plugins a manifest asks for, read before anything else can be validated. */
export function pluginsOf(source: ManifestSource): string[] {
  const { value } = source;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError('a manifest is a map of sections: name, dataset, student, trainer, losses …', {
      where: source.where([]),
    });
  }
  const result = manifestSchema.shape.plugins.safeParse((value as Record<string, unknown>).plugins);
  if (!result.success) {
    throw new InputError('plugins: expected a list of packages or files', { where: source.where(['plugins']) });
  }
  return result.data;
}

/** Parses an object by its schema and resolves the parts among its values. */
function resolveObject(
  registry: Registry,
  schema: z.ZodObject,
  value: unknown,
  path: ManifestPath,
  furtherNames: string[],
  issues: Issue[],
): Record<string, unknown> | undefined {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) issues.push(...describeIssue(issue, schema, value, path, furtherNames));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  }
  // After a fault the parts are looked at as they were written, so that theirs are told in the same go.
  const resolved = resolveFields(registry, schema, (parsed.success ? parsed.data : value) as object, path, issues);
  return parsed.success ? resolved : undefined;
}

/** An object's values with the parts among them resolved, those in objects inside it too. */
function resolveFields(
  registry: Registry,
  schema: z.ZodObject,
  value: object,
  path: ManifestPath,
  issues: Issue[],
): Record<string, unknown> {
  const resolved = { ...value } as Record<string, unknown>;
  for (const [key, field] of Object.entries(schema.shape) as [string, z.ZodType][]) {
    if (resolved[key] === undefined) continue;
    const meta = referenceMeta(field);
    if (meta) {
      resolved[key] = resolveReference(registry, meta.partKind, meta.keys, resolved[key], [...path, key], issues);
      continue;
    }
    const element = arrayElement(field);
    const elementMeta = element && referenceMeta(element);
    if (elementMeta && Array.isArray(resolved[key])) {
      resolved[key] = resolved[key].map((item, i) =>
        resolveReference(registry, elementMeta.partKind, elementMeta.keys, item, [...path, key, i], issues),
      );
      continue;
    }
    const inner = objectAt(schema, [key]);
    const own = resolved[key];
    if (inner && typeof own === 'object' && own !== null && !Array.isArray(own)) {
      resolved[key] = resolveFields(registry, inner, own, [...path, key], issues);
    }
  }
  return resolved;
}

function resolveReference(
  registry: Registry,
  kind: PartKind,
  keysSchema: z.ZodObject | undefined,
  value: unknown,
  path: ManifestPath,
  issues: Issue[],
): PartReference | undefined {
  const written = typeof value === 'string' ? { use: value } : value;
  const names = registry.list(kind).map(({ part }) => part.name);
  const choices = names.length > 0 ? `choose from: ${names.join(', ')}` : `no ${kind} is registered`;
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    issues.push({
      path,
      message: `expected the name of one or { use: NAME, … }; got ${show(value)}; ${choices}`,
    });
    return undefined;
  }
  const { use, ...rest } = written as Record<string, unknown>;
  if (typeof use !== 'string') {
    issues.push({ path, message: `which ${kind}? add use: NAME; ${choices}` });
    return undefined;
  }
  if (!registry.has(kind, use)) {
    issues.push({ path: [...path, 'use'], message: `no ${kind} is called "${use}"; ${nearestHint(use, names)}` });
    return undefined;
  }
  const part: Part = registry.get(kind, use);
  const isKey = (name: string) => keysSchema !== undefined && Object.hasOwn(keysSchema.shape, name);
  const pick = (wanted: boolean) => Object.fromEntries(Object.entries(rest).filter(([name]) => isKey(name) === wanted));
  const furtherNames = ['use', ...Object.keys(keysSchema?.shape ?? {})];
  const keys = keysSchema ? resolveObject(registry, keysSchema, pick(true), path, [], issues) : {};
  const options = resolveObject(registry, part.options, pick(false), path, furtherNames, issues);
  if (!keys || !options) return undefined;
  return { kind, use, options, keys, path: formatPath(path) };
}

function arrayElement(schema: z.ZodType): z.ZodType | undefined {
  for (
    let inner: unknown = schema;
    inner instanceof z.ZodType;
    inner = (inner.def as { innerType?: unknown }).innerType
  ) {
    if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  }
  return undefined;
}

function describeIssue(
  issue: z.core.$ZodIssue,
  schema: z.ZodObject,
  value: unknown,
  path: ManifestPath,
  furtherNames: string[],
): Issue[] {
  const at = [...path, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(objectAt(schema, issue.path)?.shape ?? {});
    // `locked` is for runs to write, not for people.
    const names = [...furtherNames, ...known.filter((name) => name !== 'locked')];
    return issue.keys.map((key) => ({ path: [...at, key], message: `unknown key; ${nearestHint(key, names)}` }));
  }
  const isMissing = valueAt(value, issue.path) === undefined;
  if (isMissing && issue.code === 'invalid_type') return [{ path: at, message: `missing; expected ${issue.expected}` }];
  if (isMissing) return [{ path: at, message: 'missing' }];
  const received = valueAt(value, issue.path);
  if (issue.code === 'invalid_value') {
    return [
      {
        path: at,
        message: `no such choice: ${show(received)}; ${nearestHint(String(received), issue.values.map(String))}`,
      },
    ];
  }
  if (issue.code === 'invalid_union') {
    // The alternative that the value got into is the one that was meant.
    const meant = issue.errors.find((inner) =>
      inner.every(({ code, path: deeper }) => deeper.length > 0 || code === 'unrecognized_keys'),
    );
    const inside = meant?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }) as z.core.$ZodIssue);
    if (inside) return inside.flatMap((inner) => describeIssue(inner, schema, value, path, []));
  }
  const told =
    issue.code === 'invalid_union'
      ? `expected ${issue.errors.map(([inner]) => (inner as { expected?: string }).expected ?? 'something else').join(' or ')}`
      : issue.message.replace(/^(Invalid input|Too small|Too big): |, received .*$/g, '');
  return [{ path: at, message: `${told}; got ${show(received)}` }];
}

/** A value as a short text. */
function show(value: unknown): string {
  // JSON knows no NaN.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

/** The object schema at a path inside another, through optional and default wrappers and alternatives. */
function objectAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodObject | undefined {
  let current: unknown = schema;
  const unwrap = () => {
    while (current instanceof z.ZodType && !(current instanceof z.ZodObject) && !(current instanceof z.ZodArray)) {
      const { innerType, options } = current.def as { innerType?: unknown; options?: unknown[] };
      current = innerType ?? options?.find((option) => option instanceof z.ZodObject);
    }
  };
  unwrap();
  for (const key of path) {
    current =
      current instanceof z.ZodArray ? current.element : (current as z.ZodObject | undefined)?.shape[key as string];
    unwrap();
  }
  return current instanceof z.ZodObject ? current : undefined;
}

function issueError(issues: Issue[], source: Pick<ManifestSource, 'where'>): InputError {
  const [first, ...others] = issues.map(({ path, message }) => ({
    text: `${formatPath(path) || 'manifest'}: ${message}`,
    where: source.where(path),
  }));
  return new InputError(first.text, {
    where: first.where,
    hints: others.map(({ text, where }) => (where ? `also ${text} (${where})` : `also ${text}`)),
  });
}

/** A resolved manifest as it would be written, every default spelled out. Resolving it again gives the same. */
export function writtenManifest(manifest: ResolvedManifest): Record<string, unknown> {
  return write(manifest) as Record<string, unknown>;
}

/** One part of it, likewise. */
export function writtenPart(reference: PartReference): Record<string, unknown> {
  return write(reference) as Record<string, unknown>;
}

function write(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(write);
  if (typeof value !== 'object' || value === null) return value;
  if (isReference(value)) {
    return { ...(write(value.keys) as object), use: value.use, ...(write(value.options) as object) };
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, write(item)]),
  );
}
