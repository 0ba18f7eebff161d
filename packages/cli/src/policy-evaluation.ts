import { InputError, Seeds, type Split, type TrainerContext } from '@retort/core';
import {
  checkSameSpaces,
  createActingTeachers,
  createPolicyEvaluation,
  createPolicyPlayer,
  episodeMetrics,
} from '@retort/trainer-policy';
import type { ListedTeacher, LoadedManifest } from './manifest-or-run.js';
import { resultsTable } from './results.js';
import { findPolicy, openPolicy, teacherPlayer } from './saved-policy.js';
import type { Terminal } from './terminal.js';
import { plural } from './text.js';

/** Who is measured. */
export type Measured = { kind: 'student'; folder: string } | { kind: 'teacher'; listed: ListedTeacher };

/** Episodes where neither the command nor the manifest's trainer says how many. */
const usualEpisodes = 20;

/**
 * Measures a saved policy, or a teacher, by the returns of whole episodes in the environment of a manifest: those that a run of the
 * manifest would evaluate a split by. The backend must be running.
 *
 * @throws InputError when metrics are asked for, or the network acts between other spaces
 */
export async function evaluatePolicy(
  measured: Measured,
  { manifest, registry, baseFolder }: LoadedManifest,
  { split, metrics, episodes: asked }: { split: Split; metrics?: readonly string[]; episodes?: number },
  terminal: Terminal,
): Promise<number> {
  if (metrics !== undefined) {
    throw new InputError('--metrics: what acts in an environment is measured by its returns', {
      hints: ['leave it out; --episodes N says how many are played'],
    });
  }
  const scope = registry.createScope();
  try {
    const context: TrainerContext = {
      ...{ manifest, scope, baseFolder, emit: () => undefined },
      seeds: new Seeds(manifest.seed),
    };
    const { episodes: ofTrainer } = manifest.trainer.options as { episodes?: unknown };
    const count = asked ?? (typeof ofTrainer === 'number' ? ofTrainer : usualEpisodes);
    const evaluation = await createPolicyEvaluation(context, split, count);
    const { environment } = evaluation;
    let name: string;
    let player;
    if (measured.kind === 'student') {
      const policy = await openPolicy(await findPolicy(measured.folder));
      scope.own({ dispose: () => void policy.student.model.dispose() });
      checkSameSpaces(policy.metadata, environment, measured.folder);
      name = measured.folder;
      player = createPolicyPlayer(policy.student, environment, { count });
    } else {
      const { file, id, index, loaded } = measured.listed;
      const own = loaded.registry.createScope();
      scope.own(own);
      const listing = { ...loaded.manifest, teachers: [loaded.manifest.teachers[index]] };
      const [teacher] = await createActingTeachers(
        { ...context, scope: own, manifest: listing, baseFolder: loaded.baseFolder },
        environment,
      );
      name = `${file}#${id}`;
      player = teacherPlayer(teacher, environment);
    }
    scope.own(player);
    terminal.note(`${plural(count, 'episode')} of ${environment.identity}, ${split} split`);
    const values = episodeMetrics(await evaluation.play(player), environment);
    if (terminal.json) {
      const facts = { [measured.kind]: name, environment: environment.identity, split, episodes: count };
      terminal.print(JSON.stringify({ ...facts, values }, undefined, 2));
    } else {
      const named = Object.fromEntries(Object.entries(values).map(([metric, value]) => [`${split}/${metric}`, value]));
      terminal.print(resultsTable({ [name]: named }, measured.kind));
    }
    return 0;
  } finally {
    await scope.dispose();
  }
}
