import { type BatchTensors, type HostTensor, type LossTerm, type NetworkOutput, type Student } from '@retort/core';
import {
  type BoundOptimizer,
  compile,
  forward,
  gradientsWithAux,
  group,
  mapValues,
  networkOutput,
  type StepLog,
  type TensorMap,
  toTensor,
  ungroup,
  untaped,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { unrolled } from './policy-distillation-memory.js';

/** What an update learns from and what it moves. */
interface DistillationStep {
  student: Student;
  terms: readonly LossTerm[];
  /** How many there are, and the outputs kept of each. */
  sources: readonly (readonly string[])[];
  /** The student's weights and those of losses, by key. */
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  log: StepLog;
  /** Whether actions are discrete, so that students and teachers may agree on the best. */
  discrete: boolean;
  verifyReplay: number;
}

/** Rows of a replay, the sources' outputs as `SOURCE/OUTPUT`; of recurrent students with what {@link unrolled} reads. */
type LabeledRows = Record<string, HostTensor>;

/** Names of the values that updates leave in the log. The first ones have to be finite. */
export function loggedNames(
  terms: readonly LossTerm[],
  sources: readonly (readonly string[])[],
  discrete: boolean,
): { losses: string[]; others: string[] } {
  const agrees = discrete && sources.some((names) => names.includes('logits'));
  return { losses: terms.map(({ id }) => `loss/${id}`), others: ['loss', ...(agrees ? ['agreement'] : [])] };
}

/** Gradient descent on the manifest's losses: one batch an update. Nothing is read back. */
export function createDescent(
  step: DistillationStep,
  optimizer: BoundOptimizer,
): (rows: LabeledRows, hyper: { learningRate: number; update: number }) => void {
  const { trainable, frozen, log, verifyReplay } = step;
  const run = compile(
    (inputs: TensorMap): TensorMap => {
      const { gradients, accept } = gradientsAt(step, inputs);
      optimizer.apply(gradients, {
        learningRate: inputs.learningRate as tf.Scalar,
        step: inputs.update as tf.Scalar,
        accept,
      });
      return {};
    },
    {
      variables: {
        ...trainable,
        ...group('frozen/', frozen),
        ...group('optimizer/', optimizer.variables),
        ...group('log/', log.variables),
      },
      verifyReplay,
    },
  );
  return (rows, { learningRate, update }) =>
    tf.tidy(() => {
      run({ ...tensorsOf(rows), learningRate: tf.scalar(learningRate), update: tf.scalar(update) });
    });
}

interface MetaOptions {
  use: 'reptile' | 'fomaml';
  innerSteps: number;
  innerRate: number;
  outerRate: number;
}

/** One outer iteration: from one source's batches. */
export interface MetaDescent {
  /** Batches an iteration takes. */
  readonly batches: number;
  /**
   * @param batches of the task
   * @param source whose outputs count; 0 where there is one source of all tasks
   * @param scale on the outer rate
   */
  iterate(batches: readonly LabeledRows[], source: number, at: { scale: number; update: number }): void;
  dispose(): void;
}

/**
 * First-order meta learning over teachers (Nichol, Achiam & Schulman 2018). From θ, k steps θ' ← θ' − α ∇L(θ') on batches of one
 * teacher; then
 *
 *     reptile   θ ← θ + ε (θ' − θ)                                  (their algorithm 1, serial)
 *     fomaml    θ ← θ − ε ∇L(θ'), of one more batch                 (their §2; Finn et al. 2017, §5.2)
 */
export function createMetaDescent(
  step: DistillationStep,
  { use, innerSteps, innerRate, outerRate }: MetaOptions,
): MetaDescent {
  const { trainable, frozen, log, verifyReplay, sources } = step;
  const start = mapValues(trainable, (variable) => tf.tidy(() => tf.variable(variable.clone(), false)));
  const variables = {
    ...trainable,
    ...group('start/', start),
    ...group('frozen/', frozen),
    ...group('log/', log.variables),
  };
  const compiled = (run: (inputs: TensorMap) => void) =>
    compile(
      (inputs: TensorMap): TensorMap => {
        run(inputs);
        return {};
      },
      { variables, verifyReplay },
    );
  const moved = (key: string, value: tf.Tensor, accept: tf.Tensor) =>
    trainable[key].assign(tf.where(accept, value, trainable[key]));
  const begin = compiled(() => {
    for (const [key, variable] of Object.entries(start)) variable.assign(trainable[key]);
  });
  const inner = sources.map((_, only) =>
    compiled((inputs) => {
      const { gradients, accept } = gradientsAt(step, inputs, only);
      for (const [key, gradient] of Object.entries(gradients)) {
        moved(key, trainable[key].sub(gradient.mul(innerRate)), accept);
      }
    }),
  );
  const towards = compiled(({ rate }) => {
    for (const [key, variable] of Object.entries(trainable)) {
      variable.assign(start[key].add(variable.sub(start[key]).mul(rate)));
    }
  });
  const descend = sources.map((_, only) =>
    compiled((inputs) => {
      const { gradients, accept } = gradientsAt(step, inputs, only);
      // What has no gradient did not move in the inner steps either.
      for (const [key, gradient] of Object.entries(gradients)) {
        trainable[key].assign(tf.where(accept, start[key].sub(gradient.mul(inputs.rate)), start[key]));
      }
    }),
  );
  return {
    batches: use === 'reptile' ? innerSteps : innerSteps + 1,
    iterate(batches, source, { scale, update }) {
      tf.tidy(() => {
        const rate = tf.scalar(outerRate * scale);
        const at = tf.scalar(update);
        begin({});
        for (const rows of batches.slice(0, innerSteps)) inner[source]({ ...tensorsOf(rows), update: at });
        if (use === 'reptile') towards({ rate });
        else descend[source]({ ...tensorsOf(batches[innerSteps]), update: at, rate });
      });
    },
    dispose: () => tf.dispose(start),
  };
}

function tensorsOf(rows: LabeledRows): TensorMap {
  return group(
    'rows/',
    mapValues(rows, (tensor) => toTensor(tensor)),
  );
}

/** Gradients of Σ_k w_k L_k at the student as it is, recorded in the log. @param only the one source that counts; all without */
function gradientsAt(
  { student, terms, sources, trainable, log, discrete }: DistillationStep,
  inputs: TensorMap,
  only?: number,
): { gradients: Record<string, tf.Tensor>; accept: tf.Tensor } {
  const { state, label, memory, keep, ...others } = ungroup(inputs, 'rows/');
  const size = state.shape[0]!;
  const said = sources.map((names, m) => {
    const rows = ungroup(others, `${m}/`);
    return networkOutput(
      names,
      names.map((name) => rows[name]),
    );
  });
  const batch: BatchTensors = { size, ...(label && { label: label.cast('int32') as tf.Tensor1D }) };
  const { gradients, aux } = gradientsWithAux(() => {
    const output = (memory as tf.Tensor | undefined)
      ? unrolled(student, { state, memory, keep })
      : forward(student, { state }, { training: false });
    const values = terms.map((term) => valueOf(term, output, said, batch, only));
    const total = tf.addN(values.map((value, k) => value.mul(terms[k].weight))) as tf.Scalar;
    return {
      value: total,
      aux: {
        ...Object.fromEntries(values.map((value, k) => [`loss/${terms[k].id}`, value])),
        loss: total,
        ...(discrete && untaped(() => agreementOf(output, said))),
      } as TensorMap,
    };
  }, trainable);
  const accept = log.record({
    watched: tf.stack(terms.map(({ id }) => aux[`loss/${id}`])) as tf.Tensor1D,
    gradients,
    update: inputs.update as tf.Scalar,
    values: aux as Record<string, tf.Scalar>,
  });
  return { gradients, accept };
}

/** A term's mean over the batch and over the sources. */
function valueOf(
  { losses, head }: LossTerm,
  output: NetworkOutput,
  said: readonly NetworkOutput[],
  batch: BatchTensors,
  only?: number,
): tf.Scalar {
  const counted = losses
    .map((loss, m) => ({ ...loss, m }))
    .filter(({ m }) => !head || only === undefined || m === only);
  const values = counted.map(({ loss, student, teacher, m }) => {
    const given = loss.apply(student(output), head ? teacher(said[m]) : undefined, batch, { training: true });
    const mean = given.perSample.mean<tf.Scalar>();
    return given.batch ? mean.add<tf.Scalar>(given.batch) : mean;
  });
  return tf.addN(values).div(values.length);
}

/** How often student and sources take the same action for the best. */
function agreementOf(output: NetworkOutput, said: readonly NetworkOutput[]): TensorMap {
  const teaching = said.filter(({ logits }) => logits);
  if (teaching.length === 0) return {};
  const best = tf.argMax(output.logits!, 1);
  const same = teaching.map(({ logits }) => tf.equal(best, tf.argMax(logits!, 1)).cast('float32').mean());
  return { agreement: tf.addN(same).div(same.length) };
}
