import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  createRegistry,
  type Environment,
  InputError,
  type PartReference,
  type Picture,
  type Registry,
  resolvePart,
  Seeds,
  startBackend,
  writeWhole,
} from '@retort/core';
import { encodeGif, sideBySide, terminalText } from '@retort/environments';
import { checkSameSpaces, createPolicyPlayer, type Episode, type Player, writeRecording } from '@retort/trainer-policy';
import { parse } from 'yaml';
import { createFilm, cutTogether, type Film } from '../film.js';
import { loadManifestOrRun } from '../manifest-or-run.js';
import { plugins } from '../plugins.js';
import { createRecorder, type Recorder } from '../recorder.js';
import { findPolicy, type FoundPolicy, openPolicy, type SavedPolicy } from '../saved-policy.js';
import type { WhichStudent } from '../student-folder.js';
import type { Terminal } from '../terminal.js';
import { bytes, count, plain, plural, table } from '../text.js';
import { createStage, type Stage, watchEpisode } from '../watched-episode.js';

export interface PlayOptions {
  student?: WhichStudent;
  beside: string[];
  episodes: number;
  seed: number;
  sampled?: boolean;
  environment?: string;
  set: string[];
  gif?: string;
  fps: number;
  record?: string;
  overwrite?: boolean;
  backend: string;
}

/** Most frames of a GIF. */
const mostFrames = 600;

/** Seconds that the end of an episode stands still. */
const pauseSeconds = 0.7;

export async function play(path: string, options: PlayOptions, terminal: Terminal): Promise<number> {
  checkFile('--gif', options.gif, '.gif', options.overwrite);
  checkFile('--record', options.record, '.safetensors', options.overwrite);
  if (options.record !== undefined && options.beside.length > 0) {
    throw new InputError('--record keeps the play of one policy, and --beside names others', {
      hints: ['record each by itself'],
    });
  }
  const found: FoundPolicy[] = [];
  for (const one of [path, ...options.beside]) found.push(await findPolicy(one, options.student));
  const { registry, reference } = await findEnvironment(path, found[0], options);
  await startBackend(registry, resolvePart(registry, 'backend', options.backend, '--backend'), () => undefined);
  const policies: SavedPolicy[] = [];
  for (const one of found) policies.push(await openPolicy(one));
  const names = distinct(policies);

  const scope = registry.createScope();
  const seeds = new Seeds(options.seed);
  const stage = await createStage(scope, reference, seeds);
  const first = await stage.make(seeds.within('play/0'));
  policies.forEach(({ metadata, folder }) => checkSameSpaces(metadata, first, folder));
  tellOfOther(policies, first, terminal);
  const players = policies.map(({ student }) =>
    createPolicyPlayer(student, first, {
      count: stage.copies,
      // Each its own, so that who plays beside changes nothing.
      ...(options.sampled && { random: new Seeds(options.seed).stream('play/actions') }),
    }),
  );
  try {
    const recorder = options.record === undefined ? undefined : createRecorder(policies[0].student, first, names[0]);
    const played = await playAll(players, { stage, names, recorder }, options, terminal);
    await tell({ names, policies, environment: first, stage, played, recorder }, options, terminal);
    return 0;
  } finally {
    for (const player of players) player.dispose();
    for (const { student } of policies) student.model.dispose();
    await scope.dispose();
  }
}

/** Where it is played: what was asked for, or what the run was trained in. */
async function findEnvironment(
  path: string,
  { run, metadata }: FoundPolicy,
  { environment, set }: PlayOptions,
): Promise<{ registry: Registry; reference: PartReference<'environment'> }> {
  const loaded = run === undefined ? undefined : await loadManifestOrRun(run, set);
  const registry = loaded?.registry ?? createRegistry(plugins);
  if (environment !== undefined) {
    const written: unknown = parse(environment);
    return { registry, reference: resolvePart(registry, 'environment', written as string, '--environment') };
  }
  if (loaded?.manifest.environment) return { registry, reference: loaded.manifest.environment };
  throw new InputError(`${path} lies outside a run folder, so its environment is not known`, {
    hints: [
      `it was trained in ${metadata.environment}`,
      "name one: --environment cart-pole, or --environment '{ use: cart-pole, timeLimit: 200 }'",
    ],
  });
}

function tellOfOther(policies: readonly SavedPolicy[], { identity }: Environment, terminal: Terminal): void {
  for (const { metadata, folder } of policies) {
    if (metadata.environment === identity) continue;
    terminal.note(`${folder} was trained in ${metadata.environment}, and plays ${identity}`);
  }
}

interface Played {
  /** [episode][player]. */
  episodes: Episode[][];
  films: Film[][];
}

interface Show {
  stage: Stage;
  names: readonly string[];
  recorder?: Recorder;
}

/** Every player plays every episode from the same start; all of them step together, so that they can be shown together. */
async function playAll(
  players: readonly Player[],
  { stage, names, recorder }: Show,
  { episodes, gif, fps, seed }: PlayOptions,
  terminal: Terminal,
): Promise<Played> {
  const screen = !terminal.quiet && !terminal.json && process.stdout.isTTY ? createScreen(fps) : undefined;
  const most = Math.max(20, Math.floor(mostFrames / episodes));
  const played: Played = { episodes: [], films: [] };
  for (let episode = 0; episode < episodes; episode++) {
    const films = players.map(() => createFilm(most));
    const shown: (Shown | undefined)[] = players.map(() => undefined);
    const results: Episode[] = [];
    for (const [i, player] of players.entries()) {
      const environment = await stage.make(new Seeds(seed).within(`play/${episode}`));
      // Where there are several tasks, they take turns.
      const copy = episode % stage.copies;
      results[i] = await watchEpisode(environment, player, {
        copy,
        look: async (environment) => {
          if (gif === undefined && !screen) return;
          const picture = environment.render(copy);
          films[i].add(picture);
          shown[i] = { picture, text: environment.text(copy) };
          // Whoever plays later is shown beside the ends of those before.
          await screen?.draw(
            shown.flatMap((one) => one ?? []),
            `${names[i]}, episode ${episode + 1}`,
          );
        },
        tell: (step) => recorder?.add(step),
      });
      screen?.end();
    }
    played.episodes.push(results);
    played.films.push(films);
  }
  return played;
}

interface Shown {
  picture: Picture;
  text: string;
}

/** Draws over what it drew before, so many times a second at most. */
function createScreen(fps: number) {
  let lines = 0;
  let next = 0;
  return {
    async draw(shown: readonly Shown[], title: string): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
      next = performance.now() + 1000 / fps;
      const columns = process.stdout.columns ?? 80;
      const text =
        shown.length === 1
          ? shown[0].text
          : terminalText(sideBySide(shown.map(({ picture }) => picture)), Math.min(columns, 60 * shown.length));
      const up = lines > 0 ? `\x1b[${lines}A\x1b[J` : '';
      const drawn = `${title}\n${text.endsWith('\n') ? text : `${text}\n`}`;
      lines = drawn.split('\n').length - 1;
      process.stdout.write(up + drawn);
    },
    /** Leaves what was drawn last. */
    end() {
      lines = 0;
    },
  };
}

interface Outcome {
  names: readonly string[];
  policies: readonly SavedPolicy[];
  environment: Environment;
  stage: Stage;
  played: Played;
  recorder?: Recorder;
}

/** Writes the files and prints what was earned. */
async function tell(
  { names, policies, environment, stage, played, recorder }: Outcome,
  { gif, fps, record, seed }: PlayOptions,
  terminal: Terminal,
): Promise<void> {
  const returnsOf = (i: number) => played.episodes.map((results) => results[i]);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const files: string[] = [];
  if (gif !== undefined) {
    const { frames, every } = cutTogether(played.films, Math.round(pauseSeconds * fps));
    const image = await encodeGif(frames, fps);
    writeWhole(gif, image);
    const beside = names.length > 1 ? `; from the left: ${names.join(', ')}` : '';
    files.push(
      `${gif}  ${bytes(image.length)}, ${plural(frames.length, 'frame')}, one in ${plural(every, 'step')}${beside}`,
    );
  }
  if (record !== undefined && recorder) {
    const recording = await recorder.finish();
    writeRecording(record, recording);
    const said = recording.outputs ? `, with ${Object.keys(recording.outputs).join(', ')} of every state` : '';
    files.push(`${record}  ${plural(recorder.steps, 'step')}${said}`);
  }
  if (terminal.json) {
    const about = names.map((name, i) => ({
      name,
      student: policies[i].folder,
      return: mean(returnsOf(i).map((episode) => episode.return)),
      episodes: returnsOf(i),
    }));
    const written = { ...(gif !== undefined && { gif }), ...(record !== undefined && { record }) };
    terminal.print(
      JSON.stringify({ environment: environment.identity, seed, policies: about, ...written }, undefined, 2),
    );
    return;
  }
  const rows = names.flatMap((name, i) => [
    ...returnsOf(i).map((episode, e) => [
      e === 0 ? name : '',
      [String(e + 1), stage.tasks?.[e % stage.copies]].filter(Boolean).join(' '),
      plain(episode.return),
      count(episode.length),
      episode.terminated ? 'terminated' : 'time limit',
    ]),
    ...(played.episodes.length > 1
      ? [
          [
            '',
            'mean',
            plain(mean(returnsOf(i).map((episode) => episode.return))),
            count(mean(returnsOf(i).map(({ length }) => length))),
            '',
          ],
        ]
      : []),
  ]);
  terminal.print(table(['policy', 'episode', 'return', 'steps', 'end'], rows, [1, 2, 3]));
  terminal.note(['', environment.identity, ...files].join('\n'));
}

/** Names that tell policies apart: where two are the same, their folders. */
function distinct(policies: readonly SavedPolicy[]): string[] {
  return policies.map(({ name, folder }) =>
    policies.filter((other) => other.name === name).length > 1 ? folder : name,
  );
}

function checkFile(option: string, file: string | undefined, ending: string, overwrite = false): void {
  if (file === undefined) return;
  if (!file.toLowerCase().endsWith(ending)) {
    throw new InputError(`${option} ${file}: the name must end in ${ending}`);
  }
  if (existsSync(file) && !overwrite) {
    throw new InputError(`${file} is there already`, { hints: ['replace it: --overwrite', 'or name another file'] });
  }
  if (!existsSync(dirname(file))) throw new InputError(`no such folder: ${dirname(file)}`);
}
