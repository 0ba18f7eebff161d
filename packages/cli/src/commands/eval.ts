import { relative } from 'node:path';
import { composeFromRun, InputError, resolvePart, type Split, startBackend } from '@retort/core';
import { type EvaluationResult, evaluateNetwork } from '../evaluation.js';
import { createImageProgress } from '../image-progress.js';
import { createDataset, createTeacher, findTeacher, loadManifestOrRun } from '../manifest-or-run.js';
import { plugins } from '../plugins.js';
import { evaluatePolicy } from '../policy-evaluation.js';
import { resultsTable } from '../results.js';
import { findStudent } from '../student-folder.js';
import { createStudentNetwork } from '../student-network.js';
import type { Terminal } from '../terminal.js';
import { count, plural } from '../text.js';

export interface EvalOptions {
  split: Split;
  teacher?: string;
  data?: string;
  metrics?: string[];
  episodes?: number;
  set: string[];
  backend?: string;
}

export async function evaluate(path: string | undefined, options: EvalOptions, terminal: Terminal): Promise<number> {
  const { teacher, data, metrics, episodes, set, backend } = options;
  if ((path === undefined) === (teacher === undefined)) {
    throw new InputError('eval needs one network: a run or student, or --teacher', {
      hints: ['retort eval RUN, or retort eval --teacher MANIFEST#ID'],
    });
  }
  if (teacher !== undefined) return evaluateTeacher(teacher, options, terminal);
  const { student, run } = findStudent(path!);
  const dataFile = data ?? run;
  if (dataFile === undefined) {
    throw new InputError(`${path} lies outside a run folder, so its data set is not known`, {
      hints: [
        `name a manifest with one: retort eval ${path} --data MANIFEST`,
        `to classify images with it: retort predict FOLDER --student ${path}`,
      ],
    });
  }
  const asInItsRun = [data, metrics, episodes, backend].every((one) => one === undefined) && set.length === 0;
  return asInItsRun
    ? evaluateInRun(student, dataFile, options, terminal)
    : evaluateStudent(student, dataFile, options, terminal);
}

/** By the run's trainer, its metrics and its backend. */
async function evaluateInRun(
  student: string,
  run: string,
  { split }: EvalOptions,
  terminal: Terminal,
): Promise<number> {
  const composed = await composeFromRun(run, { plugins });
  try {
    const values = await composed.trainer.evaluate(student, split);
    if (terminal.json) terminal.print(JSON.stringify({ student, split, values }, undefined, 2));
    else {
      const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [`${split}/${name}`, value]));
      terminal.print(resultsTable({ [student]: named }));
    }
    return 0;
  } finally {
    await composed.dispose();
  }
}

async function evaluateStudent(
  student: string,
  dataFile: string,
  options: EvalOptions,
  terminal: Terminal,
): Promise<number> {
  const loaded = await loadManifestOrRun(dataFile, options.set);
  const { registry } = loaded;
  if (loaded.manifest.environment) {
    await start(loaded, options);
    return evaluatePolicy({ kind: 'student', folder: student }, loaded, options, terminal);
  }
  refuseEpisodes(options, dataFile);
  const scope = registry.createScope();
  try {
    await start(loaded, options);
    const dataset = await createDataset(loaded, scope);
    const network = await createStudentNetwork(student, dataset, { registry, scope });
    const measured = { kind: 'student', name: student, dataFile } as const;
    return await measure(measured, { network, dataset, loaded, scope }, options, terminal);
  } finally {
    await scope.dispose();
  }
}

async function evaluateTeacher(name: string, options: EvalOptions, terminal: Terminal): Promise<number> {
  const { data, set } = options;
  const listed = await findTeacher(name, data === undefined ? set : []);
  const loaded = data === undefined ? listed.loaded : await loadManifestOrRun(data, set);
  if (loaded.manifest.environment) {
    await start(loaded, options);
    return evaluatePolicy({ kind: 'teacher', listed }, loaded, options, terminal);
  }
  refuseEpisodes(options, data ?? listed.file);
  // Each of the two manifests has plugins of its own.
  const [scope, scopeOfTeacher] = [loaded.registry.createScope(), listed.loaded.registry.createScope()];
  try {
    await start(loaded, options);
    const dataset = await createDataset(loaded, scope);
    const network = await createTeacher(listed, dataset, scopeOfTeacher);
    const measured = { kind: 'teacher', name: `${listed.file}#${listed.id}`, dataFile: data ?? listed.file } as const;
    return await measure(measured, { network, dataset, loaded, scope }, options, terminal);
  } finally {
    await scopeOfTeacher.dispose();
    await scope.dispose();
  }
}

function refuseEpisodes({ episodes }: EvalOptions, dataFile: string): void {
  if (episodes === undefined) return;
  throw new InputError(`--episodes: ${dataFile} has a data set and no environment`, { hints: ['leave it out'] });
}

async function start({ registry }: Awaited<ReturnType<typeof loadManifestOrRun>>, { backend = 'auto' }: EvalOptions) {
  await startBackend(registry, resolvePart(registry, 'backend', backend, '--backend'), () => undefined);
}

interface Measured {
  kind: 'student' | 'teacher';
  name: string;
  dataFile: string;
}

interface Composed {
  network: Awaited<ReturnType<typeof createTeacher>>;
  dataset: Awaited<ReturnType<typeof createDataset>>;
  loaded: Awaited<ReturnType<typeof loadManifestOrRun>>;
  scope: Parameters<typeof createDataset>[1];
}

async function measure(
  { kind, name, dataFile }: Measured,
  { network, dataset, loaded, scope }: Composed,
  { split, metrics }: EvalOptions,
  terminal: Terminal,
): Promise<number> {
  const total = dataset.sizes[split];
  const data = relative('.', dataFile) || '.';
  const progress = createImageProgress(0, total, terminal);
  let result: EvaluationResult;
  try {
    result = await evaluateNetwork(
      network,
      dataset,
      split,
      { registry: loaded.registry, scope, asked: metrics, listed: loaded.manifest.metrics },
      {
        began: (tasks, chosen) =>
          terminal.note(
            `${tasks.join(', ')} on ${count(total)} images of ${data}, ${split} split; metrics: ${chosen.join(', ')}`,
          ),
        done: (images) => progress.update(images),
      },
    );
  } finally {
    progress.stop();
  }
  const { tasks, images, texts, values } = result;
  if (terminal.json) {
    const facts = { [kind]: name, data, split, tasks, images, ...(texts > 0 && { texts }) };
    terminal.print(JSON.stringify({ ...facts, values }, undefined, 2));
    return 0;
  }
  const named = Object.fromEntries(Object.entries(values).map(([metric, value]) => [`${split}/${metric}`, value]));
  terminal.print(resultsTable({ [name]: named }, kind));
  if (texts > 0) terminal.note(`\n${plural(images, 'image')}, ${plural(texts, 'text')}`);
  return 0;
}
