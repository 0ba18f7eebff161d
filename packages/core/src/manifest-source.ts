import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isSeq, LineCounter, parse, parseDocument } from 'yaml';
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
  const line = path.length > 0 && path[0] in manifestSchema.shape ? where(path) : undefined;
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

/** A manifest from text. */
export function parseManifest(text: string, file: string, baseFolder: string): ManifestSource {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const error = document.errors[0];
  if (error) {
    throw new InputError(`${file} is not valid YAML: ${error.message.split('\n')[0]}`, {
      where: `${file}:${lineCounter.linePos(error.pos[0]).line}`,
    });
  }
  const where = (path: ManifestPath): string => {
    for (let length = path.length; length > 0; length--) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const key = path[length - 1];
      const node = isMap(parent)
        ? parent.items.find((pair) => isNode(pair.key) && String(pair.key) === String(key))?.key
        : isSeq(parent)
          ? parent.items[Number(key)]
          : undefined;
      if (isNode(node) && node.range) return `${file}:${lineCounter.linePos(node.range[0]).line}`;
    }
    return file;
  };
  return { value: document.toJS() as unknown, baseFolder, where };
}

/** A manifest from code. Its values are copied. */
export function manifestFromValue(value: unknown, baseFolder = process.cwd()): ManifestSource {
  return { value: structuredClone(value), baseFolder, where: () => undefined };
}

/**
 * Applies `key.path=value` settings; values are YAML. A list entry is named by its number or its `id`: `losses.hint.weight=2`.
 *
 * @throws InputError for a setting that is not `key=value` or names a list entry that is not there
 */
export function applySettings(source: ManifestSource, settings: readonly string[]): ManifestSource {
  const value = structuredClone(source.value);
  const places: { path: ManifestPath; setting: string }[] = [];
  for (const setting of settings) {
    const equals = setting.indexOf('=');
    if (equals < 1) throw new InputError(`--set ${setting}: write key=value, such as --set trainer.epochs=5`);
    const keys = setting.slice(0, equals).split('.');
    let parsed: unknown;
    try {
      parsed = parse(setting.slice(equals + 1));
    } catch (error) {
      throw new InputError(`--set ${setting}: the value is not valid YAML: ${messageOf(error).split('\n')[0]}`);
    }
    const path: (string | number)[] = [];
    let target: unknown = value;
    keys.forEach((key, i) => {
      if (typeof target !== 'object' || target === null) {
        throw new InputError(`--set ${setting}: the manifest is not a map of sections`, { where: source.where([]) });
      }
      const entry = Array.isArray(target) ? entryIndex(target, key, setting) : key;
      const container = target as Record<string | number, unknown>;
      if (i === keys.length - 1) container[entry] = parsed;
      else container[entry] = withPlaceFor(container[entry] ?? (i === 0 ? presetOf(key) : undefined));
      target = container[entry];
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
  const preset = (manifestSchema.shape as Record<string, z.ZodType>)[section]?.safeParse(undefined);
  return typeof preset?.data === 'string' ? preset.data : undefined;
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
      if (replacement === undefined) {
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
