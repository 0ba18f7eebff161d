import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { backendsPlugin, startBackend, type StartedBackend } from './backend.js';
import { Checkpoints } from './checkpoint.js';
import { InputError, messageOf } from './errors.js';
import type { Emit, RunEvent } from './events.js';
import { loadPlugins } from './load-plugins.js';
import type { ResolvedManifest } from './manifest.js';
import {
  applySettings,
  expandEnvironment,
  locateError,
  manifestFromValue,
  type ManifestSource,
  parseManifest,
  readManifest,
} from './manifest-source.js';
import { type Plugin, Registry, type RunScope } from './registry.js';
import { pluginsOf, resolveManifest, resolvePart, writtenManifest, writtenPart } from './resolve-manifest.js';
import { readLock, RunFolder } from './run-folder.js';
import { Seeds } from './seeds.js';
import type { Trainer, TrainingResult } from './trainer.js';

export interface ComposeOptions {
  /** Parts to compose from; a manifest's own `plugins` are added. */
  plugins: readonly Plugin[];
  /** `key.path=value` settings over the manifest. */
  set?: readonly string[];
  /** Where relative paths of a manifest given as a value start; the current folder if not given. */
  baseFolder?: string;
  onEvent?: Emit;
}

/** A run that is composed and checked but not started. */
export interface ComposedRun {
  manifest: ResolvedManifest;
  trainer: Trainer;
  scope: RunScope;
  seeds: Seeds;
  backend: StartedBackend;
  baseFolder: string;
  dispose(): Promise<void>;
}

export interface RunOptions extends ComposeOptions {
  signal?: AbortSignal;
  /** Replace a run that is already in the folder. */
  overwrite?: boolean;
}

export interface RunOutcome extends TrainingResult {
  folder: string;
}

/** A registry with tfjs's own backends and these plugins. */
export function createRegistry(plugins: readonly Plugin[]): Registry {
  const registry = new Registry().use(backendsPlugin);
  for (const plugin of plugins) registry.use(plugin);
  return registry;
}

/** A manifest that is valid, with what its parts are made from. */
export interface LoadedManifest {
  manifest: ResolvedManifest;
  registry: Registry;
  baseFolder: string;
  /** `file:line` of a path in it. */
  where: ManifestSource['where'];
}

/** Reads, validates and resolves a manifest: a file's path, or a value. Nothing is loaded but plugins. */
export async function loadManifest(
  manifest: string | object,
  { plugins, set = [], baseFolder }: ComposeOptions,
): Promise<LoadedManifest> {
  const read = typeof manifest === 'string' ? readManifest(manifest) : manifestFromValue(manifest, baseFolder);
  return loadSource(applySettings(read, set), plugins);
}

async function loadSource(source: ManifestSource, plugins: readonly Plugin[]): Promise<LoadedManifest> {
  const expanded = expandEnvironment(source);
  const registry = createRegistry(plugins);
  await loadPlugins(pluginsOf(expanded), expanded.baseFolder, registry, (index) => expanded.where(['plugins', index]));
  const { baseFolder, where } = expanded;
  return { manifest: resolveManifest(expanded, registry), registry, baseFolder, where };
}

/** Validates a manifest, starts its backend, loads data and teachers and builds the student. Nothing is written. */
export async function composeRun(manifest: string | object, options: ComposeOptions): Promise<ComposedRun> {
  return compose(await loadManifest(manifest, options), options.onEvent ?? ignore);
}

async function compose({ manifest, registry, baseFolder, where }: LoadedManifest, emit: Emit): Promise<ComposedRun> {
  const scope = registry.createScope();
  const seeds = new Seeds(manifest.seed);
  try {
    const backend = await startBackend(registry, manifest.backend, emit);
    const trainer = await scope.create(manifest.trainer, { manifest, scope, seeds, emit, baseFolder });
    return { manifest, trainer, scope, seeds, backend, baseFolder, dispose: () => scope.dispose() };
  } catch (error) {
    await scope.dispose();
    throw error instanceof InputError ? locateError(error, where) : error;
  }
}

/**
 * Runs a manifest from start to end.
 *
 * @param manifest a file's path, or the manifest as a value
 * @throws InputError for what the user can mend, before anything is written; RunError for failures on the way
 */
export async function run(manifest: string | object, options: RunOptions): Promise<RunOutcome> {
  const told: RunEvent[] = [];
  const loaded = await loadManifest(manifest, options);
  const path = resolve(loaded.manifest.run.folder ?? join('runs', loaded.manifest.name));
  // Before data and teachers are loaded, which takes a while.
  if (!options.overwrite) RunFolder.refuseTaken(path);
  const composed = await compose(loaded, keeping(told, options.onEvent));
  try {
    const folder = RunFolder.create(path, lockText(composed), { overwrite: options.overwrite });
    return await train(composed, folder, options, undefined, told);
  } finally {
    await composed.dispose();
  }
}

/**
 * Composes the run that a run folder was made by, from its locked manifest: the same backend, data and teachers.
 *
 * @throws InputError when the folder holds no run, its backend cannot be had, or the data or a teacher has changed; RunError when
 *   its lock was edited
 */
export async function composeFromRun(folderPath: string, options: ComposeOptions): Promise<ComposedRun> {
  const text = readLock(folderPath);
  const source = parseManifest(text, join(folderPath, 'manifest.lock.yaml'), folderPath);
  const { locked } = source.value as ResolvedManifest;
  if (!locked) throw new InputError(`${folderPath} has a manifest.lock.yaml without a "locked" section`);
  const loaded = await loadSource({ ...source, baseFolder: locked.baseFolder }, options.plugins);
  const emit = options.onEvent ?? ignore;
  const composed = await compose(withBackendOf(locked, loaded), emit);
  compareBackends(locked, composed.backend, emit);
  for (const [what, fingerprint] of Object.entries(composed.trainer.fingerprints)) {
    if (locked.fingerprints[what] === fingerprint) continue;
    await composed.dispose();
    throw new InputError(`${what} is not the one this run was started with`, {
      hints: [
        `then: ${locked.fingerprints[what] ?? 'absent'}`,
        `now:  ${fingerprint}`,
        'bring it back, or start a new run',
      ],
    });
  }
  return composed;
}

type Locked = NonNullable<ResolvedManifest['locked']>;

/** The backend that was started then, not the one that was wished for: another one would give other bits. */
function withBackendOf({ backend }: Locked, loaded: LoadedManifest): LoadedManifest {
  const { registry, manifest } = loaded;
  try {
    return { ...loaded, manifest: { ...manifest, backend: resolvePart(registry, 'backend', backend) } };
  } catch (error) {
    const name = typeof backend === 'string' ? backend : backend.use;
    throw new InputError(`this run was started on the backend ${name}, which cannot be had now: ${messageOf(error)}`, {
      hints: ['a run is bit-equal on its own backend only; bring its package back, or start a new run'],
      cause: error,
    });
  }
}

/** What else decides about the last bits and may have changed since. */
function compareBackends({ versions, threads }: Locked, now: StartedBackend, emit: Emit): void {
  const changes = [
    ...(versions.backend !== now.version ? [`${versions.backend ?? 'unknown'}, now ${now.version ?? 'unknown'}`] : []),
    ...(threads !== now.threads ? [`${threadsText(threads)}, now ${threadsText(now.threads)}`] : []),
  ];
  if (changes.length === 0) return;
  emit({
    type: 'warning',
    message: `this run was started on ${changes.join('; and on ')}: its numbers may differ in the last bits from those of a run that never stopped`,
  });
}

function threadsText(threads: number | undefined): string {
  return threads === undefined ? 'threads unknown' : `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/**
 * Goes on with a run from its last checkpoint, or the one at `step`. The outcome is the same, bit for bit, as if it had never
 * stopped.
 *
 * @throws InputError when the folder holds no run or the data or a teacher has changed; RunError for a damaged checkpoint
 */
export async function resume(
  folderPath: string,
  options: Omit<RunOptions, 'set' | 'overwrite'> & { step?: number },
): Promise<RunOutcome> {
  const told: RunEvent[] = [];
  const composed = await composeFromRun(folderPath, { ...options, onEvent: keeping(told, options.onEvent) });
  try {
    const folder = RunFolder.open(resolve(folderPath));
    const checkpoints = new Checkpoints(folder.file('checkpoints'), composed.manifest.run.checkpoint.keep);
    const step = options.step ?? checkpoints.steps().at(-1);
    if (step !== undefined && !checkpoints.steps().includes(step)) {
      folder.close();
      throw new InputError(`${folderPath} has no checkpoint at step ${step}`, {
        hints: [`there are: ${checkpoints.steps().join(', ') || 'none'}`],
      });
    }
    return await train(composed, folder, options, step, told);
  } finally {
    await composed.dispose();
  }
}

async function train(
  composed: ComposedRun,
  folder: RunFolder,
  options: RunOptions,
  step: number | undefined,
  told: readonly RunEvent[],
): Promise<RunOutcome> {
  const { trainer } = composed;
  const checkpoints = new Checkpoints(folder.file('checkpoints'), composed.manifest.run.checkpoint.keep);
  try {
    const resumeFrom = step === undefined ? undefined : checkpoints.read(step);
    // A checkpoint's number is that of the steps done, so the step of that number is the first to be logged again.
    folder.rewindLog((step ?? 0) - 1);
    for (const event of told) folder.log(event);
    const result = await trainer.train({
      folder,
      checkpoints,
      resumeFrom,
      signal: options.signal ?? new AbortController().signal,
      emit: (event) => tell(event, folder, options.onEvent),
    });
    return { ...result, folder: folder.path };
  } finally {
    folder.close();
  }
}

function tell(event: RunEvent, folder: RunFolder, onEvent: Emit = ignore): void {
  folder.log(event);
  onEvent(event);
}

/** Tells on, and keeps what was told before there was a folder to log it in. */
function keeping(told: RunEvent[], onEvent: Emit = ignore): Emit {
  return (event) => {
    told.push(event);
    onEvent(event);
  };
}

function lockText({ manifest, trainer, backend, baseFolder }: ComposedRun): string {
  const { reference, version, threads } = backend;
  return stringify({
    ...writtenManifest(manifest),
    locked: {
      baseFolder,
      fingerprints: trainer.fingerprints,
      versions: { node: process.version, ...(version !== undefined && { backend: version }) },
      backend: writtenPart(reference),
      ...(threads !== undefined && { threads }),
    },
  });
}

function ignore(): void {}
