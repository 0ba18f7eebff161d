import { type Batch, type BatchTensors, type LossTerm, type NetworkOutput, outputTensors } from '@retort/core';
import {
  batchTensors,
  compile,
  forward,
  gradientsWithAux,
  group,
  mapValues,
  namedWeights,
  type TensorMap,
  toHost,
  toTensor,
  ungroup,
  untaped,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type DrawnAnswers, groupAdvantages, grpoLoss, takenLogProbability } from './sequence-policy.js';
import { type Prompts, promptsOf, rewardsOf } from './sequence-prompts.js';
import { allWeights, phaseAt, type SequenceRun, sequenceLearningRate } from './sequence-run.js';
import type { Written } from './sequence-writer.js';

/** Names of what the log of each phase watches and tells. */
export const phaseNames = {
  distillation: (terms: readonly LossTerm[]) => ({
    watched: terms.map(({ id }) => `loss/${id}`),
    told: ['token-accuracy', 'own-answers'],
  }),
  grpo: (kl: number) => ({
    watched: ['loss/grpo'],
    told: ['reward', 'mixed-groups', 'answer-length', ...(kl > 0 ? ['reference-kl'] : [])],
  }),
};

/** Runs a step of the run on a batch. What the student writes is read back once, for whoever judges it: teacher or reward. */
export type RunSequenceStep = (step: number, batch: Batch) => Promise<void>;

/** The steps of both phases, each compiled by itself: distillation on given and on own answers, and GRPO. */
export function createSequenceSteps(run: SequenceRun): RunSequenceStep {
  const { phases, options, seeds, terms, sequences, writer } = run;
  const { verifyReplay } = run.context.manifest.run;
  const [first, second] = phases.map(({ optimizer, log }) => ({
    variables: {
      ...run.trainable,
      ...group('frozen/', run.frozen),
      ...group('optimizer/', optimizer.variables),
      ...group('log/', log.variables),
    },
    verifyReplay,
  }));
  const onGiven = compile((inputs: TensorMap) => distillationStep(run, inputs, false), first);
  const onOwn = compile((inputs: TensorMap) => distillationStep(run, inputs, true), first);
  const onDrawn = compile((inputs: TensorMap) => grpoStep(run, inputs), second);
  const score = scoring(run);
  const needsTeacher = terms.some(({ head }) => head !== undefined);

  const common = (step: number, update: number) => ({
    learningRate: tf.scalar(sequenceLearningRate(run, step)),
    at: tf.scalar(step + 1),
    update: tf.scalar(update),
  });
  const draw = (step: number, temperature: number) => ({
    random: (name: string, k: number) => seeds.at(`answers/${name}`, step, k),
    temperature,
  });

  async function distill(step: number, batch: Batch): Promise<void> {
    const { ownAnswers, temperature } = options.distillation;
    const isOwn = seeds.at('own-answers', step).uniform() < ownAnswers;
    let shown = batch;
    if (isOwn) {
      const prompts = promptsOf(batch, sequences);
      const written = writer.write(prompts, draw(step, temperature));
      shown = await batchOfWritten(batch, prompts, written);
      tf.dispose([written.tokens, written.answerMask]);
    }
    const answer = needsTeacher ? await run.teacher!.infer(shown) : {};
    tf.tidy(() => {
      const { size: _, ...tensors } = batchTensors(shown);
      const noise = run.student.noise?.(batch.size, step + 1) ?? {};
      const inputs = {
        ...common(step, step + 1),
        ...group('batch/', tensors),
        ...group('teacher/', answer as TensorMap),
        ...group('student-noise/', mapValues(noise, toTensor)),
      };
      (isOwn ? onOwn : onGiven)(inputs);
    });
    tf.dispose(outputTensors(answer));
  }

  async function reinforce(step: number, batch: Batch): Promise<void> {
    const { samples, temperature, steps } = options.grpo;
    const prompts = promptsOf(batch, sequences, samples);
    const written = writer.write(prompts, draw(step, temperature));
    const shown = await batchOfWritten(batch, prompts, written);
    const rewards = rewardsOf(prompts, shown.inputs.tokens!.data, sequences);
    const { advantages, mixed } = groupAdvantages(rewards, samples);
    const scores = await score(shown, written);
    tf.tidy(() => {
      const experience = {
        tokens: written.tokens,
        answerMask: written.answerMask,
        ...scores,
        advantage: tf.tensor1d(advantages),
        reward: tf.scalar(rewards.reduce((a, b) => a + b) / rewards.length),
        mixed: tf.scalar(mixed / batch.size),
      };
      const inPhase = step - phases[1].start;
      for (let k = 0; k < steps; k++) onDrawn({ ...experience, ...common(step, inPhase * steps + k + 1) });
    });
    tf.dispose([written.tokens, written.answerMask, ...Object.values(scores)]);
  }

  return (step, batch) => (phaseAt(run, step) === 0 ? distill(step, batch) : reinforce(step, batch));
}

/** The batch that a judge sees: the prompts, gone on with as the student wrote. */
async function batchOfWritten(batch: Batch, { index }: Prompts, written: Written): Promise<Batch> {
  const [tokens, answerMask] = await Promise.all([toHost(written.tokens), toHost(written.answerMask)]);
  return {
    ...batch,
    size: index.length,
    index,
    view: new Int32Array(index.length),
    inputs: { tokens },
    targets: { answerMask },
  };
}

/** What the policy that drew, and the reference, say of answers: [R, N − 1] each. */
function scoring(run: SequenceRun) {
  const { student, reference, options, teacher } = run;
  const { kl, temperature } = options.grpo;
  const scoreOf = ({ model, offers }: typeof student) =>
    compile(
      ({ tokens }: TensorMap) => {
        const { tokenLogits } = forward({ model, offers }, { tokens }, { training: false });
        return { score: takenLogProbability(tokenLogits!, tokens as tf.Tensor2D, temperature) };
      },
      { variables: allWeights(namedWeights(model)) },
    );
  const ofStudent = scoreOf(student);
  const ofReference = reference && scoreOf(reference);
  const ofTeacher = compile(
    ({ tokens, tokenLogits }: TensorMap) => ({
      score: takenLogProbability(tokenLogits as tf.Tensor3D, tokens as tf.Tensor2D, temperature),
    }),
    { variables: {} },
  );
  return async (shown: Batch, { tokens }: Written): Promise<TensorMap> => {
    const oldLogProbability = tf.tidy(() => ofStudent({ tokens }).score);
    if (kl === 0) return { oldLogProbability };
    if (ofReference)
      return { oldLogProbability, referenceLogProbability: tf.tidy(() => ofReference({ tokens }).score) };
    const answer = await teacher!.infer(shown);
    const referenceLogProbability = tf.tidy(() => ofTeacher({ tokens, tokenLogits: answer.tokenLogits! }).score);
    tf.dispose(outputTensors(answer));
    return { oldLogProbability, referenceLogProbability };
  };
}

function distillationStep(run: SequenceRun, inputs: TensorMap, isOwn: boolean): TensorMap {
  const { student, terms, trainable } = run;
  const tensors = ungroup(inputs, 'batch/');
  const batch = { size: tensors.tokens.shape[0]!, ...tensors } as BatchTensors;
  const teacher = ungroup(inputs, 'teacher/') as NetworkOutput;
  const noise = ungroup(inputs, 'student-noise/');
  const counted = terms.filter(({ head }) => head !== undefined || !isOwn);
  const { gradients, aux } = gradientsWithAux(() => {
    const output = forward(student, batch, { training: true, noise });
    const values = counted.map(({ losses: [{ loss, student: view, teacher: teacherView }], head }) => {
      const { perSample, batch: whole } = loss.apply(view(output), head && teacherView(teacher), batch, {
        training: true,
      });
      const mean = perSample.mean<tf.Scalar>();
      return whole ? mean.add<tf.Scalar>(whole) : mean;
    });
    return {
      value: tf.addN(values.map((value, i) => value.mul(counted[i].weight))) as tf.Scalar,
      aux: {
        ...Object.fromEntries(counted.map(({ id }, i) => [`loss/${id}`, values[i]])),
        ...untaped(() => tokenHits(output, batch)),
      } as TensorMap,
    };
  }, trainable);
  const { hits, count, ...losses } = aux as Record<string, tf.Scalar>;
  const none = tf.scalar(0);
  finishStep(run, 0, gradients, inputs, {
    watched: terms.map(({ id }) => losses[`loss/${id}`] ?? none),
    values: {
      ...Object.fromEntries(terms.map(({ id }) => [`loss/${id}`, losses[`loss/${id}`] ?? { sum: none, count: none }])),
      'token-accuracy': { sum: hits, count },
      'own-answers': tf.scalar(isOwn ? 1 : 0),
    },
  });
  return {};
}

function grpoStep(run: SequenceRun, inputs: TensorMap): TensorMap {
  const { student, options, objective, trainable } = run;
  const { kl, temperature } = options.grpo;
  const tokens = inputs.tokens as tf.Tensor2D;
  const [rows, length] = tokens.shape;
  const mask = inputs.answerMask.slice([0, 1], [rows, length - 1]).cast<tf.Tensor2D>('float32');
  const drawn = { ...inputs, mask } as unknown as DrawnAnswers;
  const { gradients, aux } = gradientsWithAux(() => {
    // As when it drew: with noise of its own in training, ratios would not be those of two policies.
    const { tokenLogits } = forward(student, { tokens }, { training: false });
    const logProbability = takenLogProbability(tokenLogits!, tokens, temperature);
    const { loss, kl: distance } = grpoLoss(objective, logProbability, drawn, kl);
    return { value: loss, aux: { 'loss/grpo': loss, ...(distance && { 'reference-kl': distance }) } as TensorMap };
  }, trainable);
  finishStep(run, 1, gradients, inputs, {
    watched: [aux['loss/grpo'] as tf.Scalar],
    values: {
      ...(aux as Record<string, tf.Scalar>),
      reward: inputs.reward as tf.Scalar,
      'mixed-groups': inputs.mixed as tf.Scalar,
      'answer-length': mask.sum(1).mean(),
    },
  });
  return {};
}

/** The end of a step of either phase: its record in the log, and the update. */
function finishStep(
  run: SequenceRun,
  phase: 0 | 1,
  gradients: Record<string, tf.Tensor>,
  inputs: TensorMap,
  {
    watched,
    values,
  }: { watched: tf.Scalar[]; values: Record<string, tf.Scalar | { sum: tf.Scalar; count: tf.Scalar }> },
): void {
  const { optimizer, log } = run.phases[phase];
  const accept = log.record({
    watched: tf.stack(watched) as tf.Tensor1D,
    gradients,
    update: inputs.at as tf.Scalar,
    values,
  });
  optimizer.apply(gradients, {
    learningRate: inputs.learningRate as tf.Scalar,
    step: inputs.update as tf.Scalar,
    accept,
  });
}

/** How many tokens of the answers the student would have said, each given those before it, and how many there are. */
export function tokenHits(
  { tokenLogits }: NetworkOutput,
  { tokens, answerMask }: BatchTensors,
): { hits: tf.Scalar; count: tf.Scalar } {
  const [rows, length] = tokens!.shape;
  const [next, mask] = [tokens!, answerMask!].map((all) => all.slice([0, 1], [rows, length - 1]));
  const said = tokenLogits!.argMax<tf.Tensor2D>(2).slice([0, 0], [rows, length - 1]);
  const counted = mask.cast('float32');
  return { hits: said.toInt().equal(next).cast('float32').mul(counted).sum(), count: counted.sum() };
}
