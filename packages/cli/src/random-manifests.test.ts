import {
  createRegistry,
  InputError,
  manifestJsonSchema,
  type PartKind,
  resolveManifest,
  writtenManifest,
  z,
} from '@retort/core';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { stringify } from 'yaml';
// What core keeps to itself: the sections of a manifest, and which schemas stand for a part.
import { manifestSchema } from '../../core/src/manifest.js';
import {
  applySettings,
  expandEnvironment,
  formatPath,
  type ManifestPath,
  parseManifest,
} from '../../core/src/manifest-source.js';
import { referenceMeta } from '../../core/src/part-reference.js';
import { pluginsOf } from '../../core/src/resolve-manifest.js';
import { plugins } from './plugins.js';

const registry = createRegistry(plugins);
const acceptsJson = new Ajv2020({ strict: false, strictNumbers: true }).compile(manifestJsonSchema(registry));

/** Validates a text as `retort train` does, up to the plugins it would import: that of a file called manifest.yaml. */
function load(text: string, set: string[] = []) {
  const source = expandEnvironment(applySettings(parseManifest(text, 'manifest.yaml', '.'), set));
  pluginsOf(source);
  return resolveManifest(source, registry);
}

/** What came of it: undefined when it was accepted. */
function refusal(text: string, set: string[] = []): unknown {
  try {
    load(text, set);
  } catch (error) {
    return error;
  }
  return undefined;
}

type Value = fc.Arbitrary<unknown>;
type Tree = Record<string, unknown>;

const isOptional = (schema: z.ZodType) => schema.safeParse(undefined).success;
const innerOf = (schema: z.ZodType) => (schema.def as { innerType?: z.ZodType }).innerType;

/** Whether its values are parts, or lists of parts. */
const holdsParts = (schema: z.ZodType): boolean =>
  referenceMeta(schema) !== undefined || (schema instanceof z.ZodArray && holdsParts(schema.element as z.ZodType));

/** What the checks of a schema ask for: bounds of numbers and lengths, a pattern. */
interface Bounds {
  isInteger?: boolean;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  pattern?: RegExp;
}

function boundsOf(schema: z.ZodType): Bounds {
  const bounds: Bounds = { isInteger: (schema.def as { format?: string }).format === 'safeint' };
  for (const check of schema.def.checks ?? []) {
    const { check: kind, ...of } = check._zod.def as unknown as { check: string; value: number; inclusive: boolean };
    const { minimum, maximum, length, pattern } = of as {
      minimum?: number;
      maximum?: number;
      length?: number;
    } & Bounds;
    if (kind === 'greater_than') bounds[of.inclusive ? 'minimum' : 'exclusiveMinimum'] = of.value;
    else if (kind === 'less_than') bounds[of.inclusive ? 'maximum' : 'exclusiveMaximum'] = of.value;
    else if (kind === 'min_length') bounds.minimum = minimum;
    else if (kind === 'max_length') bounds.maximum = maximum;
    else if (kind === 'length_equals') bounds.minimum = bounds.maximum = length;
    else if (kind === 'string_format' && pattern) bounds.pattern = pattern;
    else if (kind === 'number_format') bounds.isInteger = true;
    else if (kind !== 'custom') throw new Error(`this test knows no check "${kind}": teach it`);
  }
  return bounds;
}

/** Texts that YAML, or whoever quotes for it, could take for something else. */
const awkward = [
  '',
  ' ',
  'null',
  '~',
  'yes',
  '1e3',
  '0x10',
  '-',
  '- a',
  'a: b',
  '#',
  '"',
  "'",
  '*a',
  '&a',
  '!a',
  '%',
  '\t',
  'a\nb',
  '\u2028',
  '{',
  ']',
  '<<',
  '日本',
  '🧪',
  '\u0000',
];
const texts = fc
  .oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom(...awkward))
  .filter(namesNoVariable);

const textsOfForm = (pattern: RegExp) => fc.stringMatching(pattern).filter(namesNoVariable);

function namesNoVariable(text: string): boolean {
  return !text.includes('${');
}

/** References this deep have no others in them, where they can do without. */
const DEEPEST = 3;

/** Anything that a schema accepts. */
function valuesOf(schema: z.ZodType, depth = 0): Value {
  const meta = referenceMeta(schema);
  if (meta) return references(meta.partKind, meta.keys, depth);
  const values = withoutRefinements(schema, depth);
  const isRefined = schema.def.checks?.some((check) => check._zod.def.check === 'custom');
  return isRefined ? values.filter((value) => schema.safeParse(value).success) : values;
}

function withoutRefinements(schema: z.ZodType, depth: number): Value {
  const inner = innerOf(schema);
  if (inner) return valuesOf(inner, depth);
  if (schema instanceof z.ZodObject) return objectsOf(schema, depth);
  if (schema instanceof z.ZodNumber) return numbersOf(boundsOf(schema));
  if (schema instanceof z.ZodString) {
    const { pattern } = boundsOf(schema);
    return pattern ? textsOfForm(pattern) : texts;
  }
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodUnion)
    return fc.oneof(...schema.options.map((option) => valuesOf(option as z.ZodType, depth)));
  if (schema instanceof z.ZodTuple)
    return fc.tuple(...schema.def.items.map((item) => valuesOf(item as z.ZodType, depth)));
  if (schema instanceof z.ZodArray) {
    const { minimum = 0, maximum = minimum + 3 } = boundsOf(schema);
    return fc.array(valuesOf(schema.element as z.ZodType, depth), { minLength: minimum, maxLength: maximum });
  }
  if (schema instanceof z.ZodRecord) {
    const keys = texts.filter((key) => key !== '__proto__');
    return fc.dictionary(keys, valuesOf(schema.valueType as z.ZodType, depth), { maxKeys: 3 });
  }
  const { anyOf } = (schema.meta() ?? {}) as Json;
  if (anyOf) return fc.oneof(...anyOf.map(valuesOfJson));
  throw new Error(`this test knows no values of schema "${schema.def.type}": teach it`);
}

interface Json extends Omit<Bounds, 'pattern'> {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Json[];
  oneOf?: Json[];
  prefixItems?: Json[];
  items?: Json;
  minItems?: number;
  pattern?: string;
  properties?: Record<string, Json>;
  required?: string[];
}

/** Values of a schema that says in JSON what it takes. */
function valuesOfJson(json: Json): Value {
  const choices = json.anyOf ?? json.oneOf;
  if (choices) return fc.oneof(...choices.map(valuesOfJson));
  if ('const' in json) return fc.constant(json.const);
  if (json.enum) return fc.constantFrom(...json.enum);
  if (json.prefixItems) return fc.tuple(...json.prefixItems.map(valuesOfJson));
  if (json.properties) {
    const values = Object.fromEntries(Object.entries(json.properties).map(([key, item]) => [key, valuesOfJson(item)]));
    return fc.record(values, { requiredKeys: json.required ?? [], noNullPrototype: true });
  }
  if (json.type === 'array' && json.items) {
    const { minItems = 0 } = json;
    return fc.array(valuesOfJson(json.items), { minLength: minItems, maxLength: minItems + 3 });
  }
  if (json.type === 'string') return json.pattern ? textsOfForm(new RegExp(json.pattern)) : texts;
  if (json.type === 'boolean') return fc.boolean();
  if (json.type === 'integer') return numbersOf({ ...json, isInteger: true });
  if (json.type === 'number') return numbersOf(json);
  throw new Error(`this test knows no values of ${JSON.stringify(json)}: teach it`);
}

function numbersOf({
  isInteger,
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum,
}: Omit<Bounds, 'pattern'>): Value {
  if (isInteger) {
    const low = Math.max(minimum ?? Number.MIN_SAFE_INTEGER, (exclusiveMinimum ?? -Infinity) + 1);
    const high = Math.min(maximum ?? Number.MAX_SAFE_INTEGER, (exclusiveMaximum ?? Infinity) - 1);
    const near = Math.max(low, Math.min(high - 100, 0));
    return fc.oneof(fc.integer({ min: near, max: Math.min(high, near + 100) }), fc.integer({ min: low, max: high }));
  }
  const min = Math.max(minimum ?? -Infinity, exclusiveMinimum ?? -Infinity);
  const max = Math.min(maximum ?? Infinity, exclusiveMaximum ?? Infinity);
  return fc
    .double({
      ...(min > -Infinity && { min, minExcluded: min === exclusiveMinimum }),
      ...(max < Infinity && { max, maxExcluded: max === exclusiveMaximum }),
      noNaN: true,
      noDefaultInfinity: true,
    })
    .map((value) => value + 0); // −0 is written as 0 in JSON
}

function objectsOf(schema: z.ZodObject, depth: number, without: string[] = []): fc.Arbitrary<Tree> {
  const fields = (Object.entries(schema.shape) as [string, z.ZodType][]).filter(
    ([key, field]) => !without.includes(key) && !(depth >= DEEPEST && isOptional(field) && referenceMeta(field)),
  );
  const requiredKeys = fields.filter(([, field]) => !isOptional(field)).map(([key]) => key);
  const values = Object.fromEntries(fields.map(([key, field]) => [key, valuesOf(field, depth)]));
  return fc.record(values, { requiredKeys, noNullPrototype: true }) as fc.Arbitrary<Tree>;
}

const known = new Map<string, Value>();

function references(kind: PartKind, keys: z.ZodObject | undefined, depth: number): Value {
  const place = `${kind} ${keys ? 'entry' : ''} ${depth}`;
  const values = known.get(place) ?? referencesAt(kind, keys, depth);
  known.set(place, values);
  return values;
}

function referencesAt(kind: PartKind, keys: z.ZodObject | undefined, depth: number): Value {
  const parts = registry
    .list(kind)
    .map(({ part }) => part)
    .filter(
      ({ options }) =>
        depth < DEEPEST ||
        !Object.values(options.shape).some(
          (field) => !isOptional(field as z.ZodType) && holdsParts(field as z.ZodType),
        ),
    );
  return fc.oneof(
    ...parts.map((part) => {
      const options = valuesOf(part.options, depth + 1) as fc.Arbitrary<Tree>;
      const whole = fc
        .tuple(keys ? objectsOf(keys, depth) : fc.constant({}), options)
        .map(([own, others]) => ({ use: part.name, ...own, ...others }));
      const isNameEnough = !keys && part.options.safeParse({}).success;
      return isNameEnough ? fc.oneof(fc.constant(part.name), whole) : whole;
    }),
  );
}

/** Values of the sections that trainers may need. */
function sections(): fc.Arbitrary<Tree> {
  const { dataset, environment, agent, teachers, losses } = manifestSchema.shape;
  const one = (schema: z.ZodType) => valuesOf(innerOf(schema)!);
  const entries = (schema: z.ZodType) => fc.tuple(valuesOf((innerOf(schema) as z.ZodArray).element as z.ZodType));
  return fc.record({
    dataset: one(dataset),
    environment: one(environment),
    agent: one(agent),
    teachers: entries(teachers),
    losses: entries(losses),
  });
}

/** Any manifest of the parts that come with Retort. Plugins would be imported, `locked` is for runs to write. */
const manifests = fc.tuple(objectsOf(manifestSchema, 0, ['plugins', 'locked']), sections()).map(([manifest, given]) => {
  const trainer = manifest.trainer as string | { use: string };
  const use = typeof trainer === 'string' ? trainer : trainer.use;
  const needed = registry.get('trainer', use).needs?.sections ?? [];
  for (const section of ['dataset', 'environment'] as const) if (!needed.includes(section)) delete manifest[section];
  for (const section of needed) {
    const value = manifest[section];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) manifest[section] = given[section];
  }
  for (const section of ['teachers', 'losses']) {
    const entries = (manifest[section] ?? []) as { id: string }[];
    const ids = entries.map(({ id }) => id);
    entries.forEach((entry, i) => {
      if (ids.indexOf(entry.id) < i) entry.id += `.${i}`;
    });
  }
  return manifest;
});

/** Something in a manifest that can be damaged. */
interface Site {
  path: ManifestPath;
  schema: z.ZodType;
  value: unknown;
}

/** Every value of a manifest with the schema it was made by; those of parts are their options' schemas. */
function sitesOf(schema: z.ZodType, value: unknown, path: ManifestPath): Site[] {
  const inner = referenceMeta(schema) ? undefined : innerOf(schema);
  if (inner) return sitesOf(inner, value, path);
  const here = { path, schema, value };
  if (Array.isArray(value) && schema instanceof z.ZodArray) {
    return [here, ...value.flatMap((item, i) => sitesOf(schema.element as z.ZodType, item, [...path, i]))];
  }
  const shape = shapeAt(here);
  if (!shape) return [here];
  const fields = Object.entries(value as Tree).filter(([key]) => key in shape);
  return [here, ...fields.flatMap(([key, item]) => sitesOf(shape[key], item, [...path, key]))];
}

/** What may stand in a map: the fields of an object, or the keys and options of a part. */
function shapeAt({ schema, value }: Site): Record<string, z.ZodType> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (schema instanceof z.ZodObject) return schema.shape as Record<string, z.ZodType>;
  const meta = referenceMeta(schema);
  return meta && { ...meta.keys?.shape, ...registry.get(meta.partKind, (value as { use: string }).use).options.shape };
}

/** A wrong value in a manifest that was right. */
interface Damage {
  what: string;
  manifest: unknown;
  /** What the error must name. */
  path: ManifestPath;
}

const remove = Symbol('remove');

/** The manifest with another value at a path. */
function changed(value: unknown, [key, ...rest]: ManifestPath, to: unknown): unknown {
  if (key === undefined) return to;
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? changed(item, rest, to) : item));
  const entries = Object.entries(value as Tree).filter(([name]) => name !== key);
  const next = rest.length === 0 ? to : changed((value as Tree)[key], rest, to);
  // By entries: a key called `__proto__` is one like any other.
  return Object.fromEntries(next === remove ? entries : [...entries, [key, next]]);
}

/** Every way in which a site can be wrong. */
function damagesAt(site: Site, manifest: unknown): Damage[] {
  const { path, schema, value } = site;
  const damage = (what: string, to: unknown, at = path): Damage => ({
    what,
    manifest: changed(manifest, at, to),
    path: at,
  });
  const wrongTypes = (...values: unknown[]) => values.map((to) => damage(`wrong type: ${JSON.stringify(to)}`, to));
  const meta = referenceMeta(schema);
  const shape = shapeAt(site);
  const inMap = Object.entries(shape ?? {}).flatMap(([key, field]) =>
    isOptional(field) ? [] : [damage('missing', remove, [...path, key])],
  );
  if (shape) {
    for (const key of ['zzz', 'toString', 'constructor', '__proto__', '<<', ''])
      inMap.push(damage('unknown key', 1, [...path, key]));
    const [known] = Object.keys(value as Tree);
    if (known !== undefined) inMap.push(damage('unknown key', 1, [...path, `${known}z`]));
  }
  if (meta) {
    const parts = [damage('no such part', 'no such part'), ...wrongTypes(3, null, true, [])];
    if (!shape) return parts;
    const use = [...path, 'use'];
    const misspelled = `${(value as { use: string }).use}z`;
    return [
      ...parts,
      ...inMap,
      damage('no such part', misspelled, use),
      damage('no such part', 'constructor', use),
      { ...damage('missing', remove, use), path },
    ];
  }
  if (schema instanceof z.ZodObject) return [...inMap, ...wrongTypes(3, null, 'text', [])];
  if (schema instanceof z.ZodNumber) {
    return [
      ...wrongTypes('5', null, true, [], {}),
      ...outOfRange(boundsOf(schema)).map((to) => damage('out of range', to)),
    ];
  }
  if (schema instanceof z.ZodString) {
    const unset = damage('environment', '${RETORT_THAT_NOBODY_SETS}');
    const shapeless = boundsOf(schema).pattern ? [damage('no such form', ''), damage('no such form', '- ')] : [];
    return [...wrongTypes(3, null, true, [], {}), unset, ...shapeless];
  }
  if (schema instanceof z.ZodBoolean) return wrongTypes('yes', 0, null, []);
  if (schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral)
    return [damage('no such choice', `${String(value)}z`), ...wrongTypes(null, [], {})];
  if (schema instanceof z.ZodRecord) return wrongTypes(3, null, [], { key: [[]] });
  // Lists, tuples and alternatives: none of ours is of lists of lists.
  return wrongTypes(null, [[[]]], { zzz: { zzz: [] } });
}

function outOfRange({
  isInteger,
  minimum = -Infinity,
  maximum = Infinity,
  exclusiveMinimum,
  exclusiveMaximum,
}: Bounds): number[] {
  return [
    ...[NaN, Infinity, -Infinity],
    ...(isInteger ? [0.5, 2 ** 60, -(2 ** 60)] : []),
    ...[minimum - 1, maximum + 1].filter(Number.isSafeInteger),
    ...[exclusiveMinimum, exclusiveMaximum].filter((bound) => bound !== undefined),
  ];
}

/** Two entries of one name. */
function sameIds(manifest: Tree): Damage[] {
  return ['teachers', 'losses'].flatMap((section) => {
    const entries = (manifest[section] ?? []) as { id: string }[];
    const last = entries.length - 1;
    const path = [section, last, 'id'];
    return last < 1 ? [] : [{ what: 'same id', manifest: changed(manifest, path, entries[0].id), path }];
  });
}

/** A manifest with one fault in it. */
const damaged = fc.tuple(manifests, fc.nat(), fc.nat()).map(([manifest, first, second]) => {
  const sites = sitesOf(manifestSchema, manifest, []);
  const twins = first % 20 === 0 ? sameIds(manifest) : [];
  const damages = twins.length > 0 ? twins : damagesAt(sites[first % sites.length], manifest);
  return damages[second % damages.length];
});

/** Damages that the JSON schema cannot see. */
const beyondJson = ['same id', 'environment'];

const runs = { seed: 20, numRuns: 500 };

describe('a thousand manifests made of the schemas of every part that ships', () => {
  it('are accepted, are the same when written out and read again, and are good in the eyes of the JSON schema', () => {
    fc.assert(
      fc.property(manifests, (manifest) => {
        const resolved = load(stringify(manifest));
        const written = writtenManifest(resolved);
        const again = load(stringify(written));
        expect(again).toEqual(resolved);
        expect(writtenManifest(again)).toEqual(written);
        expect({ errors: acceptsJson(manifest) ? null : acceptsJson.errors }).toEqual({ errors: null });
        expect(acceptsJson(written)).toBe(true);
      }),
      runs,
    );
  });

  it('are refused with one value spoiled, naming its path and line, and by the JSON schema too', () => {
    fc.assert(
      fc.property(damaged, ({ what, manifest, path }) => {
        const error = refusal(stringify(manifest));
        expect({
          what,
          path,
          refused: error instanceof InputError,
          error: error instanceof InputError ? null : error,
        }).toEqual({ what, path, refused: true, error: null });
        const { text, where } = error as InputError;
        expect(text).toContain(formatPath(path));
        // A section that is missing has no line.
        expect(where).toMatch(path.length > 1 ? /manifest\.yaml:\d+$/ : /manifest\.yaml(:\d+)?$/);
        if (!beyondJson.includes(what))
          expect({ what, path, accepted: acceptsJson(manifest) }).toEqual({ what, path, accepted: false });
      }),
      runs,
    );
  });

  it('never crash with some of their characters changed, left out or put in', () => {
    const edits = fc.array(
      fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom(...'\t\n :-[]{}&*!|>%@`#"\'0\u0000\ufeff\ud83e')),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(manifests, edits, (manifest, changes) => {
        let text = stringify(manifest);
        for (const [place, length, put] of changes) {
          const at = place % (text.length + 1);
          text = text.slice(0, at) + put + text.slice(at + length);
        }
        const error = refusal(text);
        if (error !== undefined) expect(error).toBeInstanceOf(InputError);
      }),
      { ...runs, numRuns: 300 },
    );
  });
});

describe('the JSON schema', () => {
  const good = {
    name: 'a',
    dataset: 'scenes',
    student: 'small-cnn',
    trainer: 'mtkd',
    losses: [{ id: 'kd', use: 'kd' }],
  };

  it.each<[string, Tree]>([
    ['that an id is taken', { losses: [good.losses[0], good.losses[0]] }],
    ['that a variable is not set', { description: '${RETORT_THAT_NOBODY_SETS}' }],
    ['that something happens every 0 epochs', { run: { checkpoint: { every: '0 epochs' } } }],
    ['of what form a number is', { student: { use: 'cifar-resnet', depth: 9 } }],
    ['which options exclude each other', { trainer: { use: 'mtkd', weighting: { use: 'constant' } } }],
    [
      'which end of a range is the greater',
      { dataset: { use: 'scenes', augment: [{ use: 'random-erasing', area: [0.5, 0.1] }] } },
    ],
  ])('cannot know %s; validation does', (_, change) => {
    expect(acceptsJson({ ...good, ...change })).toBe(true);
    expect(refusal(stringify({ ...good, ...change }))).toBeInstanceOf(InputError);
  });

  it('does not offer what only runs write', () => {
    const locked = { baseFolder: '.', fingerprints: {}, versions: {}, backend: 'cpu' };
    expect(refusal(stringify({ ...good, locked }))).toBeUndefined();
    expect(acceptsJson({ ...good, locked })).toBe(false);
  });
});

describe('a file', () => {
  const good = fc.sample(manifests, { seed: 1, numRuns: 1 })[0];
  const text = stringify({ ...good, description: undefined });
  const levels = [...'abcdefghij'];
  const aliasesOfAliases = levels
    .map(
      (level, i) =>
        `${level}: &${level} [${
          i === 0
            ? 'x'
            : Array(10)
                .fill(`*${levels[i - 1]}`)
                .join(', ')
        }]\n`,
    )
    .join('');

  it.each<[string, string, RegExp]>([
    ['that is empty', '', /a manifest is a map of sections/],
    ['of comments', '# nothing\n', /a manifest is a map of sections/],
    ['of a list', '- name: a\n', /a manifest is a map of sections/],
    ['of a number', '42\n', /a manifest is a map of sections/],
    ['of a text', 'name\n', /a manifest is a map of sections/],
    ['of a null section', `${text}description:\n`, /^description: expected string; got null/],
    ['with a tab as indentation', `${text}zzz:\n\tuse: a\n`, /[Tt]ab.*\n.*yaml:\d+$/],
    ['with a key twice', `${text}name: again\n`, /unique.*\n.*yaml:\d+$/],
    ['with a list that does not end', `${text}zzz: [a, b\n`, /not valid YAML.*\n.*yaml:\d+$/],
    ['of two documents', `${text}---\n${text}`, /multiple documents.*\n.*yaml:\d+$/],
    ['with an alias of nothing', `${text}description: *nothing\n`, /no anchor &nothing before \*nothing\n.*yaml:\d+$/],
    [
      'with an alias inside its anchor',
      `${text}zzz: &a [*a]\n`,
      /zzz\[0\]\[0\]: nested too deeply, or contains itself\n.*yaml:\d+$/,
    ],
    ['with aliases of aliases', `${text}${aliasesOfAliases}`, /Excessive alias count/],
    ['with a tag that nobody knows', `${text}description: !nonsense a\n`, /!nonsense\n.*yaml:\d+$/],
    ['with a directive that nobody knows', `%NONSENSE 1\n---\n${text}`, /%NONSENSE\n.*yaml:1$/],
    ['with a list as a key', `${text}? [a, b]\n: c\n`, /a key must be a word.*\n.*yaml:\d+$/],
    ['with a merge key', `${text}<<: { a: 1 }\n`, /^<<: unknown key.*\n.*yaml:\d+$/],
    ['nested 200 deep', `${text}zzz: ${'['.repeat(200)}${']'.repeat(200)}\n`, /nested too deeply.*\n.*yaml:\d+$/],
    ['nested 20,000 deep', `${text}zzz: ${'['.repeat(2e4)}${']'.repeat(2e4)}\n`, /nested too deeply/],
    [
      'nested 2,000 deep in blocks',
      `${text}zzz:\n${Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i + 1)}a:\n`).join('')}`,
      /nested too deeply/,
    ],
    ['with a name of a megabyte', `${text}${'z'.repeat(1e6)}: 1\n`, /at most 1024 chars/],
    ['of zeros', '\u0000'.repeat(100), /\n.*yaml/],
    ['of another format', '<?xml version="1.0"?>\n<manifest name="a" />\n', /\n.*yaml/],
  ])('%s is refused', (_, content, message) => {
    const error = refusal(content);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).text).toMatch(message);
  });

  it.each<[string, (content: string) => string]>([
    ['with a byte order mark', (content) => `\ufeff${content}`],
    ['with carriage returns', (content) => content.replaceAll('\n', '\r\n')],
    ['of JSON', () => JSON.stringify({ ...good, description: undefined })],
    ['of JSON with tabs', () => JSON.stringify({ ...good, description: undefined }, undefined, '\t')],
    ['with a marker of the document', (content) => `%YAML 1.2\n---\n${content}...\n`],
  ])('%s is read as the same without', (_, written) => {
    expect(load(written(text))).toEqual(load(text));
  });

  it('with aliases is read as if it repeated itself, and a setting changes one of them', () => {
    const content = stringify({ ...good, losses: undefined });
    const losses = (rest: string) => `${content}losses:\n  - &kd { id: a, use: kd }\n  - ${rest}\n`;
    expect(refusal(losses('*kd')) as Error).toMatchObject({
      message: 'losses[1].id: another loss is called "a"',
    });
    const { losses: changedOne } = load(losses('*kd'), ['losses.1.id=b', 'losses.1.temperature=2']);
    expect(changedOne).toMatchObject([
      { keys: { id: 'a' }, options: { temperature: 4 } },
      { keys: { id: 'b' }, options: { temperature: 2 } },
    ]);
  });
});

describe('a setting', () => {
  const [good] = fc.sample(manifests, { seed: 2, numRuns: 1 });

  const settings = [
    '=1',
    'name',
    'zzz=1',
    'zzz.zzz=1',
    'name.zzz=1',
    'losses.99.id=a',
    'losses.zzz.id=a',
    'constructor.name=a',
    '__proto__.zzz=1',
    'dataset.__proto__.zzz=1',
    'dataset.constructor.prototype.zzz=1',
    '.=1',
    'seed=1=2',
    'seed=[',
    'seed=&a [*a]',
    'seed=!nonsense 1',
    `seed=${'['.repeat(2e4)}`,
    'seed=${RETORT_THAT_NOBODY_SETS}',
  ];

  it('reaches parts inside objects and lists, by name or whole', () => {
    const manifest = stringify({
      ...{ name: 'a', dataset: 'scenes', student: 'small-cnn', losses: [{ id: 'task', use: 'cross-entropy' }] },
      trainer: { use: 'kdrl', stage2: { rewards: ['confidence', { use: 'cluster-cosine', weight: 0.2 }] } },
    });
    const stage2 = (...set: string[]) => {
      const { options } = load(manifest, set).trainer as { options: Tree };
      return options.stage2;
    };
    expect(stage2()).toMatchObject({ algorithm: { use: 'reinforce' } });
    expect(stage2('trainer.stage2.algorithm=ppo', 'trainer.stage2.algorithm.clip=0.1')).toMatchObject({
      algorithm: { kind: 'objective', use: 'ppo', options: { clip: 0.1 }, path: 'trainer.stage2.algorithm' },
    });
    expect(stage2('trainer.stage2.optimizer=sgd', 'trainer.stage2.anneal.to=0.3')).toMatchObject({
      optimizer: { use: 'sgd' },
      anneal: { to: 0.3 },
    });
    expect(stage2('trainer.stage2.rewards.0.weight=0.9', 'trainer.stage2.rewards.1=sharpening')).toMatchObject({
      rewards: [
        { use: 'confidence', keys: { weight: 0.9 }, path: 'trainer.stage2.rewards[0]' },
        { use: 'sharpening', keys: { weight: 0.5 }, path: 'trainer.stage2.rewards[1]' },
      ],
    });
    expect(stage2('trainer.stage2.rewards=[]')).toMatchObject({ rewards: [] });
  });

  it.each(settings.map((setting) => [setting.slice(0, 40), setting]))('%s is refused', (_, setting) => {
    expect(refusal(stringify(good), [setting])).toBeInstanceOf(InputError);
    expect(({} as Tree).zzz).toBeUndefined();
  });
});
