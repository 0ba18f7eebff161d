import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Dataset,
  InputError,
  loadManifest,
  nearestHint,
  readLock,
  type RunScope,
  Seeds,
  type Teacher,
} from '@retort/core';
import { parse } from 'yaml';
import { plugins } from './plugins.js';
import { refuseProtocol } from './protocol-not-manifest.js';

export type LoadedManifest = Awaited<ReturnType<typeof loadManifest>>;

/**
 * A manifest, or that of a run.
 *
 * @param path of a file, or of a run's folder
 * @param set settings over it
 */
export function loadManifestOrRun(path: string, set: readonly string[] = []): Promise<LoadedManifest> {
  if (!existsSync(join(path, 'manifest.lock.yaml'))) {
    refuseProtocol(path);
    return loadManifest(path, { plugins, set });
  }
  const locked = parse(readLock(path)) as { locked: { baseFolder: string } };
  return loadManifest(locked, { plugins, set, baseFolder: locked.locked.baseFolder });
}

/** A teacher as a manifest lists it. */
export interface ListedTeacher {
  /** The manifest, or the run's folder. */
  file: string;
  id: string;
  index: number;
  loaded: LoadedManifest;
}

/**
 * @param name MANIFEST#ID, or RUN#ID; the id may be left out where one teacher is listed
 * @param set settings over the manifest
 * @throws InputError when there is no such teacher
 */
export async function findTeacher(name: string, set: readonly string[] = []): Promise<ListedTeacher> {
  const [file, id] = splitAtHash(name);
  const loaded = await loadManifestOrRun(file, set);
  const ids = loaded.manifest.teachers.map(({ keys }) => keys.id as string);
  const index = id === undefined && ids.length === 1 ? 0 : ids.indexOf(id ?? '');
  if (index >= 0) return { file, id: ids[index], index, loaded };
  const asked = id === undefined ? `${file} lists ${ids.length} teachers` : `${file} lists no teacher "${id}"`;
  throw new InputError(asked, {
    hints: ids.length === 0 ? [] : [id === undefined ? `name one: --teacher ${file}#${ids[0]}` : nearestHint(id, ids)],
  });
}

/** Its data set. @param scope of the manifest's registry */
export async function createDataset({ manifest, baseFolder }: LoadedManifest, scope: RunScope): Promise<Dataset> {
  if (!manifest.dataset)
    throw new InputError(`${manifest.name} has no data set`, { hints: ['name a manifest that has one'] });
  const seeds = new Seeds(manifest.seed).within('dataset');
  return scope.create(manifest.dataset, { scope, seeds, baseFolder, path: 'dataset' });
}

/** @param scope of the registry of the teacher's manifest */
export function createTeacher(
  { id, index, loaded }: ListedTeacher,
  { classes, imageShape, text }: Dataset,
  scope: RunScope,
): Promise<Teacher> {
  const { manifest, baseFolder } = loaded;
  const path = `teachers[${index}] (${id})`;
  return scope.create(manifest.teachers[index], { id, classes, imageShape, text, scope, baseFolder, path });
}

/** At the last #, unless that belongs to a path that is there. */
function splitAtHash(path: string): [string, string | undefined] {
  const at = path.lastIndexOf('#');
  return at < 0 || existsSync(path) ? [path, undefined] : [path.slice(0, at), path.slice(at + 1)];
}
