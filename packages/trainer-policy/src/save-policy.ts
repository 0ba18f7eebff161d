import { join } from 'node:path';
import {
  type ActionSpace,
  type Environment,
  type EnvironmentSpaces,
  InputError,
  readInputFile,
  type Student,
} from '@retort/core';
import { loadStudentWeights, saveLayersModel } from '@retort/nn';
import { actionNames } from './compose-acting.js';

/** What model.json of a network that acts says of it, in `userDefinedMetadata`. */
export interface PolicyMetadata {
  /** Names of its outputs, in order. */
  outputs: string[];
  /** The environment it was trained in: its `identity`. */
  environment: string;
  observationShape: number[];
  actionSpace: ActionSpace;
  /** Names of actions. */
  classes: string[];
  /** How many observations the moments in its layer `normalize` are of; absent where it has none. */
  observations?: number;
  /** What a script imports before tfjs can load it. */
  imports?: string;
  /** The run that trained it. */
  run: string;
}

/**
 * Writes a network that acts as model.json and weights.bin, with what a reader has to know of it.
 *
 * @param environment it was trained in
 * @throws RunError when the disk refuses
 */
export async function savePolicy(
  { model, offers, imports }: Student,
  { identity, observationSpace, actionSpace }: Pick<Environment, 'identity' | keyof EnvironmentSpaces>,
  { run, observations }: { run: string; observations?: number },
  folder: string,
): Promise<void> {
  const metadata: PolicyMetadata = {
    outputs: Object.keys(offers),
    environment: identity,
    observationShape: observationSpace.shape,
    actionSpace,
    classes: actionNames(actionSpace),
    ...(observations !== undefined && { observations }),
    ...(imports !== undefined && { imports }),
    run,
  };
  await saveLayersModel(model, folder, { metadata: { ...metadata } });
}

/**
 * Gives a network the weights of a saved one that acts between the same spaces.
 *
 * @param folder of the saved one, model.json in it
 * @param where what asked for it, for errors
 * @returns what its file says of it
 * @throws InputError when it is no network that acts, its spaces differ, or it is another network
 */
export async function loadPolicy(
  student: Student,
  spaces: EnvironmentSpaces & { identity: string },
  folder: string,
  where: string,
): Promise<PolicyMetadata> {
  const metadata = await readPolicyMetadata(folder, where);
  checkSameSpaces(metadata, spaces, `${where}: ${folder}`);
  await loadStudentWeights(student, folder, where);
  return metadata;
}

/** @throws InputError when the folder holds no network that acts */
export async function readPolicyMetadata(folder: string, where: string): Promise<PolicyMetadata> {
  const path = join(folder, 'model.json');
  const text = (await readInputFile(path, { where })).toString();
  let metadata: Partial<PolicyMetadata> | undefined;
  try {
    metadata = (JSON.parse(text) as { userDefinedMetadata?: Partial<PolicyMetadata> }).userDefinedMetadata;
  } catch (error) {
    throw new InputError(`${where}: ${path} is not whole JSON`, { cause: error });
  }
  if (!metadata?.environment || !metadata.actionSpace || !metadata.observationShape) {
    throw new InputError(`${where}: ${path} does not say which environment its network acts in`, {
      hints: ['name a student that was trained by acting'],
    });
  }
  return metadata as PolicyMetadata;
}

/**
 * @param saved what a network was made for
 * @param whose it is, for errors
 * @throws InputError naming both, when the observations or actions are of another kind or size
 */
export function checkSameSpaces(
  saved: Pick<PolicyMetadata, 'environment' | 'observationShape' | 'actionSpace'>,
  { identity, observationSpace, actionSpace }: EnvironmentSpaces & { identity: string },
  whose: string,
): void {
  const then = spacesText(saved.observationShape, saved.actionSpace);
  const now = spacesText(observationSpace.shape, actionSpace);
  if (then === now) return;
  throw new InputError(`${whose} acts between other spaces than the environment`, {
    hints: [`it was made for ${saved.environment}: ${then}`, `here is ${identity}: ${now}`],
  });
}

function spacesText(shape: readonly number[], space: ActionSpace): string {
  const actions =
    space.kind === 'box'
      ? `actions in a box from [${space.low.join(', ')}] to [${space.high.join(', ')}]`
      : `${space.size} actions`;
  return `observations [${shape.join(', ')}], ${actions}`;
}
