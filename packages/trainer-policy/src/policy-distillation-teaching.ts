import {
  type ActionSpace,
  type Environment,
  type EnvironmentTask,
  InputError,
  outputNamed,
  outputTensors,
  type OutputShapes,
  type Random,
  type Teacher,
} from '@retort/core';
import { actionNames, actionOutput, actionSize, stateBatch } from './compose-acting.js';

/** What a teacher of a task with fewer actions says of those that it does not have. */
const lackingAction = -1e9;

/** Somebody whose outputs are learned from: a teacher, or all teachers of several tasks, of whom each says something of its own. */
interface TeachingSource {
  id: string;
  /** Outputs as the student's losses see them. */
  provides: OutputShapes;
}

/** Who teaches, and how they are asked. */
export interface Teaching {
  sources: TeachingSource[];
  /**
   * What the sources say of what N copies show, numbers by `SOURCE/OUTPUT`, SOURCE counted from 0.
   *
   * @param observations [N, …shape]; row i is of a copy that plays task i mod K
   * @param wanted outputs by source
   */
  ask(observations: Float32Array, wanted: readonly (readonly string[])[]): Promise<Record<string, Float32Array>>;
}

/** Teachers of one task: each is a source, asked about every state. */
export function teachersOfOneTask(teachers: readonly Teacher[], shape: readonly number[]): Teaching {
  return {
    sources: teachers.map((teacher) => ({ id: teacher.id, provides: teacher.describe().provides })),
    async ask(observations, wanted) {
      const asked = teachers.map((teacher, m) => answers(teacher, observations, shape, wanted[m]));
      const said = await Promise.all(asked);
      return Object.fromEntries(
        said.flatMap((outputs, m) => Object.entries(outputs).map(([name, data]) => [`${m}/${name}`, data])),
      );
    },
  };
}

/** @throws InputError when there is not one teacher a task */
export function checkTeacherOfEachTask(teachers: number, tasks: readonly EnvironmentTask[], identity: string): void {
  if (teachers === tasks.length) return;
  throw new InputError(`teachers: ${teachers} for the ${tasks.length} tasks of ${identity}`, {
    hints: [`list one a task, in their order: ${tasks.map(({ name }) => name).join(', ')}`],
  });
}

/**
 * Teacher k of task k: together one source, who is asked about the task's own observations. What they say of actions is padded with
 * −10⁹ for those that their task lacks.
 */
export function teachersOfTasks(
  teachers: readonly Teacher[],
  tasks: readonly EnvironmentTask[],
  { actionSpace, observationSpace }: Pick<Environment, 'actionSpace' | 'observationSpace'>,
): Teaching {
  const actions = actionNames(actionSpace).length;
  const isOfActions = (name: string) => name === 'logits' || name === 'advantages';
  const described = teachers.map((teacher) => teacher.describe().provides);
  const shapeOf = (provides: OutputShapes, name: string) => (isOfActions(name) ? [actions] : provides[name]);
  const names = Object.keys(described[0]).filter((name) =>
    described.every((each) => name in each && shapeOf(each, name).join() === shapeOf(described[0], name).join()),
  );
  const provides = Object.fromEntries(names.map((name) => [name, shapeOf(described[0], name)]));
  return {
    sources: [{ id: 'tasks', provides }],
    async ask(observations, [wanted]) {
      const total = tasks.length;
      const width = observationSpace.low.length;
      const rows = observations.length / width;
      const asked = tasks.map((task, k) => {
        const playing = Math.ceil((rows - k) / total);
        const shown = new Float32Array(playing * width);
        for (let i = 0; i < playing; i++) {
          shown.set(observations.subarray((k + i * total) * width, (k + i * total + 1) * width), i * width);
        }
        return answers(teachers[k], task.own(shown), task.observationSpace.shape, wanted);
      });
      const said = await Promise.all(asked);
      return Object.fromEntries(
        wanted.map((name) => {
          const length = provides[name].reduce((product, each) => product * each, 1);
          const data = new Float32Array(rows * length).fill(isOfActions(name) ? lackingAction : 0);
          for (let row = 0; row < rows; row++) {
            const [from, i] = [said[row % total][name], Math.floor(row / total)];
            const own = described[row % total][name].reduce((product, each) => product * each, 1);
            data.set(from.subarray(i * own, (i + 1) * own), row * length);
          }
          return [`0/${name}`, data];
        }),
      );
    },
  };
}

async function answers(
  teacher: Teacher,
  observations: Float32Array,
  shape: readonly number[],
  wanted: readonly string[],
): Promise<Record<string, Float32Array>> {
  const output = await teacher.infer(stateBatch(observations, shape));
  const read = await Promise.all(
    wanted.map(async (name) => [name, ((await outputNamed(output, name)!.data()) as Float32Array).slice()] as const),
  );
  for (const tensor of outputTensors(output)) tensor.dispose();
  return Object.fromEntries(read);
}

/** Whether every source says what to do. */
export function canAct(
  { sources }: Pick<Teaching, 'sources'>,
  { actionSpace }: Pick<Environment, 'actionSpace'>,
): boolean {
  const [output, actions] = [actionOutput(actionSpace), actionNames(actionSpace).length];
  return sources.length > 0 && sources.every(({ provides }) => provides[output]?.join() === String(actions));
}

/**
 * What teachers do: source i mod M in copy i, where there are several.
 *
 * @param said with the output that actions are read off
 * @param random draws from softmax(logits) instead of taking the best; discrete actions only
 * @returns [N] int32, or [N, n]
 */
export function actionsOf(
  said: Record<string, Float32Array>,
  sources: number,
  actionSpace: ActionSpace,
  random?: Random,
): Int32Array | Float32Array {
  const output = actionOutput(actionSpace);
  const width = actionNames(actionSpace).length;
  const count = said[`0/${output}`].length / width;
  const row = (copy: number) => said[`${copy % sources}/${output}`].subarray(copy * width, (copy + 1) * width);
  if (actionSpace.kind === 'box') {
    const { low, high } = actionSpace;
    return Float32Array.from({ length: count * actionSize(actionSpace) }, (_, i) => {
      const [copy, j] = [Math.floor(i / width), i % width];
      return (low[j] + high[j]) / 2 + ((high[j] - low[j]) / 2) * Math.tanh(row(copy)[j]);
    });
  }
  return Int32Array.from({ length: count }, (_, copy) => {
    // −log(−log u): added to logits, their arg max is a draw from their softmax.
    const scores = Array.from(row(copy), (logit) =>
      random ? logit - Math.log(-Math.log((random.bits() + 0.5) / 2 ** 32)) : logit,
    );
    return scores.indexOf(Math.max(...scores));
  });
}
