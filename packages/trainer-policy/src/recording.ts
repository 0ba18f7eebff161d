import {
  type ActionSpace,
  decodeSafetensors,
  encodeSafetensors,
  type Environment,
  type EnvironmentSpaces,
  type HostTensor,
  InputError,
  messageOf,
  readInputFile,
  writeWhole,
} from '@retort/core';
import type { Player } from './policy-player.js';
import { checkSameSpaces } from './save-policy.js';
import { stepEnvironment } from './step-environment.js';

/** Play of N copies, step by step: row t · N + i is step t of copy i. n rows in all. */
export interface Recording {
  /** Where it was recorded: the environment's `identity`. */
  environment: string;
  observationShape: number[];
  actionSpace: ActionSpace;
  /** Who played, for people. */
  player: string;
  /** N. */
  copies: number;
  /** [n, …shape] what was acted on. */
  states: HostTensor;
  /** [n] int32 numbers of discrete actions, or [n, k] of a box. */
  actions: HostTensor;
  /** [n]. */
  rewards: HostTensor;
  /** [n] uint8, 1 where the episode ended by its own rules. */
  terminated: HostTensor;
  /** [n] uint8, 1 where it was cut off. */
  truncated: HostTensor;
  /** By name, [n, …]: what a teacher says of the states, so that it need not be there to teach. */
  outputs?: Record<string, HostTensor>;
}

const columns = ['states', 'actions', 'rewards', 'terminated', 'truncated'] as const;
const format = 'retort play 1';

/**
 * Plays and keeps what happens.
 *
 * @param steps of each copy; the environment is started anew first
 * @param by who plays, for people
 * @param outputs what a teacher says of observations [N, …shape], by name [N, …]
 */
export async function recordPlay(
  environment: Environment,
  player: Pick<Player, 'act' | 'forget'>,
  {
    steps,
    by,
    outputs: ask,
  }: { steps: number; by: string; outputs?(observations: Float32Array): Promise<Record<string, HostTensor>> },
): Promise<Recording> {
  const { identity, count, observationSpace, actionSpace } = environment;
  const kept: Record<string, HostTensor['data'][]> = {};
  const shapes: Record<string, number[]> = {};
  const keep = (name: string, data: HostTensor['data'], shape: number[]) => {
    (kept[name] ??= []).push(data.slice());
    shapes[name] = shape;
  };
  environment.reset();
  player.forget();
  for (let step = 0; step < steps; step++) {
    const observations = environment.observations.slice();
    keep('states', observations, observationSpace.shape);
    for (const [name, { data, shape }] of Object.entries((await ask?.(observations)) ?? {})) {
      keep(`outputs/${name}`, data, shape.slice(1));
    }
    const actions = await player.act(observations);
    const { rewards, terminated, truncated } = stepEnvironment(environment, actions, step);
    keep('actions', actions, actionSpace.kind === 'box' ? [actionSpace.low.length] : []);
    keep('rewards', rewards, []);
    keep('terminated', terminated, []);
    keep('truncated', truncated, []);
    player.forget(terminated.map((end, copy) => end | truncated[copy]));
  }
  const tensors = Object.fromEntries(
    Object.entries(kept).map(([name, parts]) => [name, joined(parts, [steps * count, ...shapes[name]])]),
  );
  return {
    ...{ environment: identity, observationShape: observationSpace.shape, actionSpace, player: by, copies: count },
    ...fromColumns(tensors),
  };
}

function joined(parts: HostTensor['data'][], shape: number[]): HostTensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const data = new (parts[0].constructor as Float32ArrayConstructor)(size) as HostTensor['data'];
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, shape };
}

function fromColumns(tensors: Record<string, HostTensor>) {
  const outputs = Object.entries(tensors).filter(([name]) => name.startsWith('outputs/'));
  return {
    ...(Object.fromEntries(columns.map((name) => [name, tensors[name]])) as Pick<Recording, (typeof columns)[number]>),
    ...(outputs.length > 0 && {
      outputs: Object.fromEntries(outputs.map(([name, tensor]) => [name.slice('outputs/'.length), tensor])),
    }),
  };
}

/** Writes a recording as a safetensors file. @throws RunError when the disk refuses */
export function writeRecording(path: string, recording: Recording): void {
  const { environment, observationShape, actionSpace, player, copies, outputs = {}, ...tensors } = recording;
  const named = Object.entries(outputs).map(([name, tensor]): [string, HostTensor] => [`outputs/${name}`, tensor]);
  const about = { environment, observationShape, actionSpace, player, copies };
  writeWhole(
    path,
    encodeSafetensors({ ...tensors, ...Object.fromEntries(named) }, { format, play: JSON.stringify(about) }),
  );
}

/** @throws InputError when there is no such file, or it holds no recording */
export async function readRecording(path: string, where: string): Promise<Recording> {
  const bytes = await readInputFile(path, { where });
  const fail = (what: string, cause?: unknown) => new InputError(`${where}: ${path} ${what}`, { cause });
  let decoded: ReturnType<typeof decodeSafetensors>;
  try {
    decoded = decodeSafetensors(bytes);
  } catch (error) {
    throw fail(`is no recording: ${messageOf(error)}`, error);
  }
  const { tensors, metadata } = decoded;
  const missing = columns.find((name) => !(name in tensors));
  if (metadata.format !== format || missing !== undefined) {
    throw fail(
      `is no recording of play: ${missing === undefined ? `its format is not "${format}"` : `it has no ${missing}`}`,
    );
  }
  const about = JSON.parse(metadata.play) as Omit<Recording, keyof ReturnType<typeof fromColumns>>;
  return { ...about, ...fromColumns(tensors) };
}

/** @throws InputError naming both, when a recording is of another environment or of other spaces */
export function checkRecording(
  recording: Recording,
  environment: EnvironmentSpaces & { identity: string },
  whose: string,
): void {
  if (recording.environment !== environment.identity) {
    throw new InputError(
      `${whose} was recorded in ${recording.environment}, and this run's environment is ${environment.identity}`,
      { hints: ['record again, or give the environment the same options'] },
    );
  }
  checkSameSpaces(recording, environment, whose);
}
