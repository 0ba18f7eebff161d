import { batchesPerEpoch, type MetricValue, outputTensors, type Split } from '@retort/core';
import { compile, forward, group, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { takenLogProbability } from './sequence-policy.js';
import { promptsOf, rewardsOf } from './sequence-prompts.js';
import type { SequenceRun } from './sequence-run.js';
import { tokenHits } from './sequence-step.js';

/**
 * Metrics of the student over a split; nothing for an empty one.
 *
 * `exact-match`: share of problems whose most probable answer, token by token, earns 1. `reward`: mean of what one drawn answer earns,
 * with the same random numbers every time. `token-accuracy` and `nll` (nats a token): of the data set's answers, each token given those
 * before it. `teacher-kl`, with a teacher: KL(teacher ‖ student) per such token, nats.
 */
export type EvaluateSequences = (split: Split) => Promise<Record<string, MetricValue>>;

export function createSequenceEvaluation(run: SequenceRun): EvaluateSequences {
  const { dataset, sequences, student, teacher, writer, seeds } = run;
  const measure = compile(
    ({ teacherLogits, ...inputs }: TensorMap): TensorMap => {
      const [tokens, answerMask] = [inputs.tokens as tf.Tensor2D, inputs.answerMask as tf.Tensor2D];
      const output = forward(student, { tokens }, { training: false });
      const [rows, length] = tokens.shape;
      const mask = answerMask.slice([0, 1], [rows, length - 1]).cast('float32');
      const nll = takenLogProbability(output.tokenLogits!, tokens, 1).mul(mask).sum().neg();
      const measured = { ...tokenHits(output, { size: rows, tokens, answerMask }), nll };
      if (!teacherLogits) return measured;
      const [p, q] = [teacherLogits, output.tokenLogits!].map((logits) => tf.logSoftmax(logits as tf.Tensor3D));
      const divergence = p
        .exp()
        .mul(p.sub(q))
        .sum(2)
        .slice([0, 0], [rows, length - 1]);
      return { ...measured, divergence: divergence.mul(mask).sum() };
    },
    { variables: { ...run.trainable, ...group('frozen/', run.frozen) } },
  );

  return async (split) => {
    const total: Record<string, number> = {};
    const add = (name: string, value: number) => void (total[name] = (total[name] ?? 0) + value);
    for (let step = 0; step < batchesPerEpoch(dataset, split); step++) {
      const batch = await dataset.batch({ split, epoch: 0, step }, { augment: false });
      const prompts = promptsOf(batch, sequences);
      const greedy = writer.write(prompts);
      const drawn = writer.write(prompts, {
        random: (name, k) => seeds.at(`evaluation/${split}/${name}`, step, k),
        temperature: 1,
      });
      const answer = await teacher?.infer(batch);
      const measured = tf.tidy(() =>
        measure({
          tokens: toTensor(batch.inputs.tokens!),
          answerMask: toTensor(batch.targets.answerMask!),
          ...(answer && { teacherLogits: answer.tokenLogits! }),
        }),
      );
      const earned = async (tokens: tf.Tensor2D) => Array.from(rewardsOf(prompts, await tokens.data(), sequences));
      for (const reward of await earned(greedy.tokens)) add('exact', reward === 1 ? 1 : 0);
      for (const reward of await earned(drawn.tokens)) add('reward', reward);
      for (const [name, value] of Object.entries(measured)) add(name, (await value.data())[0]);
      tf.dispose([...Object.values(measured), ...(answer ? outputTensors(answer) : [])]);
      tf.dispose([greedy.tokens, greedy.answerMask, drawn.tokens, drawn.answerMask]);
    }
    if (dataset.sizes[split] === 0) return {};
    return {
      'exact-match': total.exact / dataset.sizes[split],
      reward: total.reward / dataset.sizes[split],
      'token-accuracy': total.hits / total.count,
      nll: total.nll / total.count,
      ...(teacher && { 'teacher-kl': total.divergence / total.count }),
    };
  };
}
