import {
  type ActionSpace,
  type AgentNetwork,
  type Batch,
  type Environment,
  type EnvironmentSpaces,
  InputError,
  type PartReference,
  type Seeds,
  type Student,
  type Teacher,
  type TrainerContext,
} from '@retort/core';

/** Numbers of one observation: the product of its shape. */
export function observationSize({ observationSpace }: EnvironmentSpaces): number {
  return observationSpace.shape.reduce((product, length) => product * length, 1);
}

/** Numbers of one action on the host: 1 of a discrete one, n of a box. */
export function actionSize(space: ActionSpace): number {
  return space.kind === 'box' ? space.low.length : 1;
}

/** Names of the actions, or of the components of one: their numbers, `['0', '1']`. */
export function actionNames(space: ActionSpace): string[] {
  const count = space.kind === 'box' ? space.low.length : space.size;
  return Array.from({ length: count }, (_, i) => String(i));
}

/** The output that says what to do: `logits` of discrete actions, `mean` of a box. */
export function actionOutput(space: ActionSpace): 'logits' | 'mean' {
  return space.kind === 'box' ? 'mean' : 'logits';
}

/** What students and teachers are told of where they act: a grid's own shape, [1, 1, S] of anything else. */
export function imageShapeOf({ observationSpace }: EnvironmentSpaces): [number, number, number] {
  const { shape } = observationSpace;
  return shape.length === 3 ? [shape[0], shape[1], shape[2]] : [1, 1, shape.reduce((a, b) => a * b, 1)];
}

/**
 * Makes copies of an environment that a network can act in.
 *
 * @param seeds decide what the copies show; give evaluations others than training
 * @throws InputError when it has no time limit, or actions that are neither discrete nor of a finite box
 */
export async function createActingEnvironment(
  { scope }: Pick<TrainerContext, 'scope'>,
  reference: PartReference<'environment'>,
  { count, seeds }: { count: number; seeds: Seeds },
): Promise<Environment> {
  const environment = await scope.create(reference, { count, seeds, scope, path: reference.path });
  const { identity, timeLimit, actionSpace } = environment;
  if (!Number.isFinite(timeLimit)) {
    throw new InputError(`${reference.path}: ${identity} has no time limit, so an episode may never end`, {
      hints: ['wrap it: { use: time-limit, timeLimit: 1000, environment: … }'],
    });
  }
  if (actionSpace.kind === 'simplex') {
    throw new InputError(
      `${reference.path}: actions of ${identity} are a simplex; networks act discretely or in a box`,
    );
  }
  if (actionSpace.kind === 'box' && ![...actionSpace.low, ...actionSpace.high].every(Number.isFinite)) {
    throw new InputError(
      `${reference.path}: actions of ${identity} have no finite bounds: [${actionSpace.low}] to [${actionSpace.high}]`,
    );
  }
  return environment;
}

/**
 * Makes a network that acts between these spaces. The run's scope does not own it: the caller disposes its model.
 *
 * @param seeds of its initial values
 * @throws InputError when it does not read `state` of this shape, or its outputs do not fit the actions
 */
export async function createActingStudent(
  { scope, baseFolder }: Pick<TrainerContext, 'scope' | 'baseFolder'>,
  reference: PartReference<'student'>,
  spaces: EnvironmentSpaces,
  seeds: Seeds,
): Promise<Student> {
  const imageShape = imageShapeOf(spaces);
  const student = await scope.create(reference, {
    classes: actionNames(spaces.actionSpace),
    imageShape,
    // None: what is normalized of observations is the network's own affair.
    normalization: { mean: Array<number>(imageShape[2]).fill(0), deviation: Array<number>(imageShape[2]).fill(1) },
    environment: { observationSpace: spaces.observationSpace, actionSpace: spaces.actionSpace },
    seeds,
    baseFolder,
    path: reference.path,
  });
  try {
    checkActs(student, spaces, `${reference.path}: "${reference.use}"`);
  } catch (error) {
    student.model.dispose();
    throw error;
  }
  return student;
}

/** @throws InputError when a network does not read these observations, or does not say which of these actions it takes */
export function checkActs({ model, offers }: Student, spaces: EnvironmentSpaces, whose: string): void {
  const at = model.inputNames.indexOf('state');
  if (at < 0) {
    throw new InputError(`${whose} reads ${model.inputNames.join(', ')}, and an environment shows a state`, {
      hints: ['take a network that acts, such as policy-mlp, policy-cnn or policy-lstm'],
    });
  }
  const { shape } = spaces.observationSpace;
  const reads = model.inputs[at].shape.slice(1);
  if (reads.length !== shape.length || reads.some((length, i) => length !== null && length !== shape[i])) {
    throw new InputError(
      `${whose} reads states of shape [${reads.join(', ')}]; the environment shows [${shape.join(', ')}]`,
    );
  }
  const output = actionOutput(spaces.actionSpace);
  const wanted = actionNames(spaces.actionSpace).length;
  if (offers[output]?.join() !== String(wanted)) {
    const given = offers[output] ? `gives ${output} [B, ${offers[output].join(', ')}]` : `gives no ${output}`;
    throw new InputError(`${whose} ${given}; this environment's actions need ${output} [B, ${wanted}]`, {
      hints: [`it offers: ${Object.keys(offers).join(', ')}`],
    });
  }
  if (model.inputNames.includes('memory') !== 'memory' in offers) {
    throw new InputError(`${whose} must both read and give \`memory\`, or neither`);
  }
}

/** What trainers that learn by acting have in common, made from a manifest. */
export interface Acting {
  /** The copies that are learned from, not reset yet. */
  environment: Environment;
  /** Owned by the run. */
  student: Student;
  network: AgentNetwork;
}

/**
 * The environment and the student of a manifest. Streams of the environment: `environment/train`.
 *
 * @param copies of the environment, to learn from
 */
export async function composeActing(context: TrainerContext, copies: number): Promise<Acting> {
  const { manifest, scope, seeds } = context;
  const environment = await createActingEnvironment(context, manifest.environment!, {
    count: copies,
    seeds: seeds.within('environment/train'),
  });
  const student = await createActingStudent(context, manifest.student, environment, seeds.within('student'));
  scope.own({ dispose: () => void student.model.dispose() });
  let made = 0;
  const network: AgentNetwork = {
    student,
    observationShape: environment.observationSpace.shape,
    copy: () => createActingStudent(context, manifest.student, environment, seeds.within(`student/copy-${++made}`)),
  };
  return { environment, student, network };
}

/** The teachers of a manifest, told where they act. @param spaces of all, or of each */
export async function createActingTeachers(
  { manifest, scope, baseFolder }: TrainerContext,
  spaces: EnvironmentSpaces | readonly EnvironmentSpaces[],
): Promise<Teacher[]> {
  const teachers: Teacher[] = [];
  for (const [number, reference] of manifest.teachers.entries()) {
    const id = reference.keys.id as string;
    const { identity, observationSpace, actionSpace } = Array.isArray(spaces)
      ? (spaces as readonly EnvironmentSpaces[])[number]
      : (spaces as EnvironmentSpaces);
    teachers.push(
      await scope.create(reference, {
        id,
        classes: actionNames(actionSpace),
        imageShape: imageShapeOf({ observationSpace, actionSpace }),
        environment: { identity, observationSpace, actionSpace },
        scope,
        baseFolder,
        path: `${reference.path} (${id})`,
      }),
    );
  }
  return teachers;
}

/** What a teacher is asked about: observations [B · S] as a batch with `inputs.state` [B, …shape]. The array is kept. */
export function stateBatch(observations: Float32Array, shape: readonly number[]): Batch {
  const size = observations.length / shape.reduce((product, length) => product * length, 1);
  return {
    ...{ split: 'train', epoch: 0, step: 0, size },
    index: Int32Array.from({ length: size }, (_, i) => i),
    view: new Int32Array(size),
    inputs: { state: { data: observations, shape: [size, ...shape] } },
    targets: {},
  };
}
