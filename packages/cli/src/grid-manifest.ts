import { readFileSync } from 'node:fs';
import { loadManifest, writtenManifest } from '@retort/core';
import { parse } from 'yaml';
import type { Arm } from './grid-protocol.js';
import { filledIn } from './grid-placeholders.js';
import { plugins } from './plugins.js';

type Json = Record<string, unknown>;

/**
 * What an arm's runs are made from: its manifest, validated, every default spelled out. Values that come from environment
 * variables stand as they were written, since they differ from machine to machine.
 *
 * @throws InputError for a manifest or a setting that is not valid
 */
export async function resolveArm({ manifest, settings, seeds }: Arm): Promise<Json> {
  const loaded = await loadManifest(manifest, { plugins, set: filledIn(settings, seeds[0], (arm) => arm) });
  const written = parse(readFileSync(manifest, 'utf8')) as Json;
  for (const setting of settings) place(written, setting);
  return restoreVariables(comparable(writtenManifest(loaded.manifest)), written) as Json;
}

/** A resolved manifest without its seed and what does not decide about a run's numbers. */
export function comparable(manifest: Json): Json {
  const { name: _, description: _text, seed: _seed, run: _run, locked: _locked, ...rest } = manifest;
  // As it reads back from a file.
  return JSON.parse(JSON.stringify(rest)) as Json;
}

/** Sets a setting's value in a manifest as it was written. */
function place(manifest: Json, setting: string): void {
  const equals = setting.indexOf('=');
  const keys = setting.slice(0, equals).split('.');
  let target = manifest;
  keys.forEach((key, i) => {
    const entry =
      Array.isArray(target) && !/^\d+$/.test(key)
        ? String(target.findIndex((item: Json | null) => item?.id === key))
        : key;
    if (i === keys.length - 1) target[entry] = parse(setting.slice(equals + 1));
    else {
      if (!isObject(target[entry])) target[entry] = {};
      target = target[entry] as Json;
    }
  });
}

function restoreVariables(resolved: unknown, written: unknown): unknown {
  if (typeof written === 'string' && written.includes('${')) return written;
  if (!isObject(resolved) || !isObject(written)) return resolved;
  if (Array.isArray(resolved)) return resolved.map((item, i) => restoreVariables(item, (written as unknown[])[i]));
  return Object.fromEntries(
    Object.entries(resolved).map(([key, value]) => [key, restoreVariables(value, (written as Json)[key])]),
  );
}

function isObject(value: unknown): value is Json | unknown[] {
  return typeof value === 'object' && value !== null;
}
