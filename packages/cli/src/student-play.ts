import { join } from 'node:path';
import { messageOf, type RunScope, Seeds, type Teacher, writeWhole } from '@retort/core';
import { encodeGif } from '@retort/environments';
import { playedFiles, type PlayedEpisodes } from '@retort/report';
import { createActingEnvironment, createActingTeachers, createPolicyPlayer, type Player } from '@retort/trainer-policy';
import { createFilm, cutTogether } from './film.js';
import { type LoadedManifest, loadManifestOrRun } from './manifest-or-run.js';
import { findPolicy, openPolicy, teacherPlayer } from './saved-policy.js';
import { watchEpisode } from './watched-episode.js';

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
    const makeEnvironment = () => createActingEnvironment({ scope }, reference, { count: 1, seeds });
    const spaces = await makeEnvironment();
    const policy = await openPolicy(await findPolicy(folder));
    scope.own({ dispose: () => void policy.student.model.dispose() });
    const players: { name: string; player: Player }[] = [
      { name: 'student', player: createPolicyPlayer(policy.student, spaces, { count: 1 }) },
    ];
    for (const teacher of await teachersOf(loaded, scope, spaces, note)) {
      try {
        players.push({ name: teacher.id, player: teacherPlayer(teacher, spaces) });
      } catch (error) {
        note(`not shown beside the student: ${messageOf(error)}`);
      }
    }
    const films = players.map(() => createFilm(mostFrames));
    const episodes: PlayedEpisodes['episodes'] = [];
    for (const [i, { name, player }] of players.entries()) {
      const look = (environment: Awaited<ReturnType<typeof makeEnvironment>>) => films[i].add(environment.render(0));
      const { return: earned, length } = await watchEpisode(await makeEnvironment(), player, { look });
      episodes.push({ name, return: earned, length });
      player.dispose();
    }
    const { frames, every } = cutTogether([films], framesPerSecond);
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
