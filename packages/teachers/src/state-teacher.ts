import {
  type ActionSpace,
  type EnvironmentSpaces,
  InputError,
  type NetworkOutput,
  type Teacher,
  type TeacherContext,
} from '@retort/core';
import { compile, modelWithTaps, networkOutput, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapesOf } from './output-shapes.js';

interface StateTeacherOptions {
  /** Becomes the teacher's: disposed with it, and when {@link stateTeacher} throws. */
  loaded: tf.LayersModel;
  /** Layer names by output. */
  layers: Record<string, string>;
  file: string;
  /** Where it was trained, when its file says so. */
  actedIn?: { identity: string; observationShape: readonly number[]; actionSpace: ActionSpace };
  fingerprint: string;
  format: string;
}

/** Whether a network acts in environments. */
export function readsStates(model: tf.LayersModel): boolean {
  return model.inputNames.includes('state');
}

/**
 * A LayersModel that acts as a teacher, on tfjs's current backend: reads a batch's `state` [B, …shape] and gives `logits`, `mean`,
 * `value`, `advantages` and whatever else it has.
 *
 * @throws InputError in a run without an environment; when teacher and student act between different spaces, or in environments of
 *   different names; for a network with a memory, which a batch of states in any order cannot feed
 */
export function stateTeacher(options: StateTeacherOptions, context: TeacherContext): Teacher {
  try {
    return create(options, context);
  } catch (error) {
    options.loaded.dispose();
    throw error;
  }
}

function create(
  { loaded, layers, file, actedIn, fingerprint, format }: StateTeacherOptions,
  { id, environment, path: where }: TeacherContext,
): Teacher {
  if (!environment) {
    throw new InputError(`teacher "${id}" acts in environments: ${file} reads states, and this run has a data set`, {
      where,
    });
  }
  const { shape } = environment.observationSpace;
  const fail = (what: string, hints: string[] = []) => {
    throw new InputError(`teacher "${id}" ${what}`, { where, hints });
  };
  if (loaded.inputNames.length > 1) {
    fail(`reads ${loaded.inputNames.join(' and ')}; of networks with a memory none can teach`, [
      'states are asked about in any order, and a memory needs that of the episode: take a teacher that sees all it needs',
    ]);
  }
  if (actedIn) checkSameActing(actedIn, environment, fail);
  const reads = loaded.inputs[0].shape.slice(1);
  if (reads.length !== shape.length || reads.some((length, i) => length !== null && length !== shape[i])) {
    fail(`reads states of [${reads.join(', ')}], the student's environment shows [${shape.join(', ')}]: ${file}`);
  }

  const { memory: _, ...tapped } = layers;
  const model = modelWithTaps(loaded, tapped, { where });
  const names = Object.keys(tapped);
  const outputsOf = (state: tf.Tensor): TensorMap => {
    const outputs = model.apply(state, { training: false }) as tf.Tensor | tf.Tensor[];
    return Object.fromEntries([outputs].flat().map((output, i) => [names[i], output]));
  };
  // For its shapes only: nothing reads it.
  const trial = tf.tidy(() => outputsOf(tf.zeros([1, ...shape])));
  const provides = shapesOf(networkOutput(names, Object.values(trial)), where);
  tf.dispose(trial);
  const { actionSpace } = environment;
  const [output, size] = actionSpace.kind === 'box' ? ['mean', actionSpace.low.length] : ['logits', actionSpace.size];
  if (output in provides && provides[output as string].join() !== String(size)) {
    fail(
      `gives "${output}" as [B, ${provides[output as string].join(', ')}], the student has ${actionsText(actionSpace)}`,
    );
  }
  // A teacher's weights never change, so none of them is listed: a backend that records makes them part of the graph.
  const infer = compile(({ state }: TensorMap) => outputsOf(state), { variables: {} });
  const thousands = loaded.countParams() / 1e3;
  return {
    id,
    describe: () => ({
      provides,
      fingerprint,
      settings: JSON.stringify({ layers: tapped }),
      summary: `${format}, ${thousands.toFixed(1)} k weights`,
    }),
    infer: async ({ inputs }): Promise<NetworkOutput> => {
      const given = inputs.state?.shape.slice(1).join();
      if (!inputs.state || given !== shape.join()) {
        throw new InputError(`teacher "${id}" was made for states of [${shape.join(', ')}], the batch has ${given ? `[${given}]` : 'none'}`, { where }); // prettier-ignore
      }
      const state = toTensor(inputs.state);
      const outputs = infer({ state });
      state.dispose();
      return networkOutput(Object.keys(outputs), Object.values(outputs));
    },
    dispose: () => void loaded.dispose(),
  };
}

function checkSameActing(
  then: NonNullable<StateTeacherOptions['actedIn']>,
  now: EnvironmentSpaces,
  fail: (what: string, hints: string[]) => void,
): void {
  const identity = now.identity ?? 'its environment';
  const texts = [
    spacesText(then.observationShape, then.actionSpace),
    spacesText(now.observationSpace.shape, now.actionSpace),
  ];
  const hints = [`teacher: ${then.identity}: ${texts[0]}`, `student: ${identity}: ${texts[1]}`];
  if (texts[0] !== texts[1]) {
    fail('acts between other spaces than the student', [
      ...hints,
      'a teacher reads and does what the student does; wrap the environment as it was when the teacher was trained',
    ]);
  }
  if (now.identity !== undefined && gameOf(then.identity) !== gameOf(now.identity)) {
    fail(`was trained in another environment: ${then.identity}, the student acts in ${now.identity}`, hints);
  }
}

/** What is played, whatever its options and wrappers: the name of the innermost environment. */
function gameOf(identity: string): string {
  return identity.split(' of ').at(-1)!.split(' ')[0];
}

function spacesText(shape: readonly number[], space: ActionSpace): string {
  return `observations [${shape.join(', ')}], ${actionsText(space)}`;
}

function actionsText(space: ActionSpace): string {
  return space.kind === 'box'
    ? `actions in a box from [${space.low.join(', ')}] to [${space.high.join(', ')}]`
    : `${space.size} actions`;
}
