import { join } from 'node:path';
import { type Environment, messageOf, type RunScope, Seeds, type Teacher, writeWhole } from '@retort/core';
import { encodeGif } from '@retort/environments';
import { playedFiles, type PlayedEpisodes } from '@retort/report';
import { createActingTeachers, createPolicyPlayer, type Player } from '@retort/trainer-policy';
import { createFilm, cutTogether, type Film } from './film.js';
import { type LoadedManifest, loadManifestOrRun } from './manifest-or-run.js';
import { findPolicy, openPolicy, teacherPlayer } from './saved-policy.js';
import { createStage, watchEpisode } from './watched-episode.js';

/** Frames of the picture in a report: a few seconds, and a page that opens fast. */
const mostFrames = 150;

const framesPerSecond = 20;

/**
 * Plays an episode by a finished run's best student and one by each of its teachers, all from the same start, and writes them into the
 * run folder as a GIF with what was earned beside it. Nothing for a run that learns from data. The backend must be running.
 *
 * @param note is told about teachers that cannot be shown
 */
export async function writeStudentPlay(folder: string, note: (text: string) => void): Promise<void> {
  const loaded = await loadManifestOrRun(folder);
  const { environment: reference } = loaded.manifest;
  if (!reference) return;
  const scope = loaded.registry.createScope();
  try {
    const seeds = new Seeds(loaded.manifest.seed).within('play');
    const stage = await createStage(scope, reference, seeds);
    const spaces = await stage.make(seeds);
    const policy = await openPolicy(await findPolicy(folder));
    scope.own({ dispose: () => void policy.student.model.dispose() });
    const players: { name: string; player: Player }[] = [
      { name: 'student', player: createPolicyPlayer(policy.student, spaces, { count: stage.copies }) },
    ];
    // Those of several tasks know one each, and have spaces of their own.
    for (const teacher of stage.tasks ? [] : await teachersOf(loaded, scope, spaces, note)) {
      try {
        players.push({ name: teacher.id, player: teacherPlayer(teacher, spaces) });
      } catch (error) {
        note(`not shown beside the student: ${messageOf(error)}`);
      }
    }
    const films: Film[][] = [];
    const episodes: PlayedEpisodes['episodes'] = [];
    for (const [copy, task] of (stage.tasks ?? [undefined]).entries()) {
      films[copy] = [];
      for (const { name, player } of players) {
        const film = createFilm(Math.ceil(mostFrames / stage.copies));
        const look = (environment: Environment) => film.add(environment.render(copy));
        const { return: earned, length } = await watchEpisode(await stage.make(seeds), player, { copy, look });
        episodes.push({ name: [name, task].filter(Boolean).join(', '), return: earned, length });
        films[copy].push(film);
      }
    }
    for (const { player } of players) player.dispose();
    const { frames, every } = cutTogether(films, framesPerSecond);
    writeWhole(join(folder, playedFiles.picture), await encodeGif(frames, framesPerSecond));
    const facts: Omit<PlayedEpisodes, 'picture'> = { episodes, every };
    writeWhole(join(folder, playedFiles.facts), `${JSON.stringify(facts)}\n`);
  } finally {
    await scope.dispose();
  }
}

async function teachersOf(
  { manifest, baseFolder }: LoadedManifest,
  scope: RunScope,
  spaces: Parameters<typeof createActingTeachers>[1],
  note: (text: string) => void,
): Promise<Teacher[]> {
  const seeds = new Seeds(manifest.seed).within('play');
  try {
    return await createActingTeachers({ manifest, scope, baseFolder, seeds, emit: () => undefined }, spaces);
  } catch (error) {
    note(`not shown beside the student: ${messageOf(error)}`);
    return [];
  }
}
