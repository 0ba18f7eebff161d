import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isCollection, isMap, isNode, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { InputError, messageOf } from './errors.js';
import { manifestSchema } from './manifest.js';

export type ManifestPath = readonly (string | number)[];

/** A manifest as written: plain values, and a way to say where each stands. */
export interface ManifestSource {
  value: unknown;
  /** Folder that relative paths in it start from. */
  baseFolder: string;
  /** `file:line` of a key or the nearest one above it. */
  where(path: ManifestPath): string | undefined;
}

/** `losses[2].weight` */
export function formatPath(path: ManifestPath): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`)).join('');
}

/**
 * An error of composing a run, with the line of the section it is about: the one it names as its place (`teachers[1] (r56)`) or
 * its message starts with (`losses[2].adapter: …`).
 */
export function locateError(error: InputError, where: ManifestSource['where']): InputError {
  const [named] = /^[a-zA-Z]+(\[\d+\]|\.[a-zA-Z]+)*/.exec(error.where ?? error.message) ?? [];
  const path = (named ?? '')
    .split(/[.[\]]+/)
    .filter(Boolean)
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  const line = path.length > 0 && Object.hasOwn(manifestSchema.shape, path[0]) ? where(path) : undefined;
  if (line === undefined) return error;
  const place = error.where === undefined ? line : `${error.where}, ${line}`;
  return new InputError(error.message, { hints: error.hints, where: place, cause: error.cause ?? error });
}

/** Reads a manifest file, YAML or JSON. @throws InputError with file and line when it cannot be read */
export function readManifest(file: string): ManifestSource {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(missing ? `no such manifest: ${file}` : `cannot read ${file}: ${messageOf(error)}`, {
      hints: missing ? ['`retort init` writes manifests to start from'] : [],
    });
  }
  return parseManifest(text, file, dirname(resolve(file)));
}

/** A manifest from text. @throws InputError with file and line of what is not YAML or no plain value */
export function parseManifest(text: string, file: string, baseFolder: string): ManifestSource {
  const lineCounter = new LineCounter();
  const lineAt = (offset: number) => `${file}:${lineCounter.linePos(offset).line}`;
  const { document, value } = readYaml(text, lineCounter, (message, offset) => {
    const where = offset === undefined ? file : lineAt(offset);
    return new InputError(`${file} is not valid YAML: ${message}`, { where });
  });
  const where = (path: ManifestPath): string => {
    for (let length = path.length; length > 0; length--) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const key = path[length - 1];
      const node = isMap(parent)
        ? parent.items.find((pair) => isNode(pair.key) && String(pair.key) === String(key))?.key
        : isSeq(parent)
          ? parent.items[Number(key)]
          : undefined;
      if (isNode(node) && node.range) return lineAt(node.range[0]);
    }
    return file;
  };
  return { value: plainCopy(value, where), baseFolder, where };
}

/** A manifest from code. Its values are copied. @throws InputError naming the place of what is no plain value */
export function manifestFromValue(value: unknown, baseFolder = process.cwd()): ManifestSource {
  const where = () => undefined;
  return { value: plainCopy(value, where), baseFolder, where };
}

/**
 * Reads one YAML document whose keys are words. A warning is an error: it is about a tag or a directive that would be left out.
 *
 * @param refuse makes the error of what is wrong, at an offset in the text where it has one
 */
function readYaml(
  text: string,
  lineCounter: LineCounter,
  refuse: (message: string, offset?: number) => InputError,
): { document: ReturnType<typeof parseDocument>; value: unknown } {
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault) throw refuse(toldOf(fault), fault.pos[0]);
    visit(document, {
      Alias: (_, alias) => {
        if (!alias.resolve(document))
          throw refuse(`no anchor &${alias.source} before *${alias.source}`, alias.range?.[0]);
      },
      Pair: (_, { key }) => {
        if (isCollection(key)) throw refuse('a key must be a word, not a list or a map', key.range?.[0]);
      },
    });
    return { document, value: document.toJS() as unknown };
  } catch (error) {
    if (error instanceof InputError) throw error;
    // Aliases of aliases that would fill the memory.
    throw refuse(toldOf(error));
  }
}

/** What YAML says of an error, by its first line. The parser runs out of stack where lists or maps have no end. */
function toldOf(error: unknown): string {
  const [told] = messageOf(error).split('\n');
  return told.startsWith('Maximum call stack') ? 'nested too deeply' : told;
}

/** Far deeper than any manifest, and far less deep than the stack. */
const DEEPEST = 100;

/**
 * A copy of maps, lists, texts, numbers and booleans in which nothing is shared, so that a setting changes one of two aliases.
 *
 * @throws InputError naming the place of anything else, and of what contains itself
 */
function plainCopy(value: unknown, where: ManifestSource['where'], path: ManifestPath = []): unknown {
  const copyOf = (item: unknown, key: string | number) => plainCopy(item, where, [...path, key]);
  const isTree = Array.isArray(value) || isPlainObject(value);
  if (isTree && path.length > DEEPEST) {
    const start = path.slice(0, 3);
    throw new InputError(`${formatPath(start)}: nested too deeply, or contains itself`, { where: where(start) });
  }
  if (Array.isArray(value)) return value.map(copyOf);
  if (isPlainObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyOf(item, key)]));
  if (value === null || ['undefined', 'string', 'number', 'boolean'].includes(typeof value)) return value;
  const got = typeof value === 'object' ? value.constructor.name : typeof value;
  throw new InputError(`${formatPath(path) || 'manifest'}: not something that YAML could say: ${got}`, {
    where: where(path),
  });
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Not by identity: a value may come from another realm, whose objects have a prototype of their own.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Applies `key.path=value` settings; values are YAML. A list entry is named by its number or its `id`: `losses.hint.weight=2`.
 *
 * @throws InputError for a setting that is not `key=value` or names a list entry that is not there
 */
export function applySettings(source: ManifestSource, settings: readonly string[]): ManifestSource {
  const value = plainCopy(source.value, source.where);
  const places: { path: ManifestPath; setting: string }[] = [];
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw new InputError(`--set ${setting}: write key=value, such as --set trainer.epochs=5`);
    const keys = setting.slice(0, equals).split('.');
    const { value: parsed } = readYaml(
      setting.slice(equals + 1),
      new LineCounter(),
      (message) => new InputError(`--set ${setting}: the value is not valid YAML: ${message}`),
    );
    const path: (string | number)[] = [];
    let target: unknown = value;
    keys.forEach((key, i) => {
      if (typeof target !== 'object' || target === null) {
        throw new InputError(`--set ${setting}: the manifest is not a map of sections`, { where: source.where([]) });
      }
      const entry = Array.isArray(target) ? entryIndex(target, key, setting) : key;
      const container = target as Record<string | number, unknown>;
      const present = Object.hasOwn(container, entry) ? container[entry] : undefined;
      target =
        i === keys.length - 1
          ? plainCopy(parsed, () => `--set ${setting}`, [...path, entry])
          : withPlaceFor(present ?? (i === 0 ? presetOf(key) : undefined));
      // Not by assignment, which is something else for `__proto__`.
      Object.defineProperty(container, entry, { value: target, enumerable: true, writable: true, configurable: true });
      path.push(entry);
    });
    places.push({ path, setting });
  }
  const where = (path: ManifestPath) => {
    const setting = places.findLast((place) => place.path.every((key, i) => key === path[i]))?.setting;
    return setting === undefined ? source.where(path) : `--set ${setting}`;
  };
  return { ...source, value, where };
}

/** A value that keys can be set in. */
function withPlaceFor(value: unknown): unknown {
  // `agent: ppo` is short for `agent: { use: ppo }`.
  if (typeof value === 'string') return { use: value };
  return typeof value === 'object' && value !== null ? value : {};
}

/** The part that a section left out of the manifest stands for: `backend.threads=2` sets an option of `auto`. */
function presetOf(section: string): unknown {
  if (!Object.hasOwn(manifestSchema.shape, section)) return undefined;
  const { data } = (manifestSchema.shape as Record<string, z.ZodType>)[section].safeParse(undefined);
  return typeof data === 'string' ? data : undefined;
}

function entryIndex(list: unknown[], key: string, setting: string): number {
  const index = /^\d+$/.test(key)
    ? Number(key)
    : list.findIndex((item) => (item as { id?: unknown } | null)?.id === key);
  if (index >= 0 && index < list.length) return index;
  const ids = list.map((item, i) => (item as { id?: string } | null)?.id ?? String(i));
  throw new InputError(`--set ${setting}: the list has no entry "${key}"`, { hints: [`entries: ${ids.join(', ')}`] });
}

/** Replaces `${NAME}` in every string. @throws InputError naming a variable that is not set, and where it is asked for */
export function expandEnvironment(
  source: ManifestSource,
  environment: NodeJS.ProcessEnv = process.env,
): ManifestSource {
  const expand = (value: unknown, path: ManifestPath): unknown => {
    if (Array.isArray(value)) return value.map((item, i) => expand(item, [...path, i]));
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, [...path, key])]));
    }
    if (typeof value !== 'string') return value;
    return value.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
      const replacement = environment[name];
      if (typeof replacement !== 'string') {
        throw new InputError(`${formatPath(path)}: the environment variable ${name} is not set`, {
          hints: [`set it, for example: ${name}=/path/to/it retort …`],
          where: source.where(path),
        });
      }
      return replacement;
    });
  };
  return { ...source, value: expand(source.value, []) };
}
