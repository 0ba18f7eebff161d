import { type HostTensor, InputError, messageOf, nearestHint, type TeacherContext } from '@retort/core';
import { toTensor } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { chooseInput, isFixed, type OnnxGraph } from './onnx-graph.js';
import type { DualEncoder } from './dual-encoder-teacher.js';

const usualOutputs = ['textEmbedding', 'text_embeds'];

/**
 * What an ONNX graph makes of the data set's texts.
 *
 * @throws InputError when the graph does not take the tokenizer's ids, or has not the output asked for
 */
export async function textGraph(
  graph: OnnxGraph,
  options: { input?: string; output?: string },
  context: TeacherContext,
): Promise<NonNullable<DualEncoder['text']> & { settings: object }> {
  const { path: where } = context;
  const { file, outputNames } = graph;
  const { contextLength, vocabularySize, endToken } = context.text!.tokenizer;
  if (graph.inputs.length > 1) {
    throw new InputError(
      `${file} has the inputs ${graph.inputs.map(({ name }) => name).join(', ')}; ids are all it is given`,
      {
        hints: ['export the text encoder without a mask of attention: with causal attention, padding changes nothing'],
        where,
      },
    );
  }
  const { name, type, shape } = chooseInput(graph, options.input, { of: 'texts', option: 'text.input', where });
  const [batch, length] = shape;
  if ((type !== 'int32' && type !== 'int64') || shape.length !== 2 || (isFixed(length) && length !== contextLength)) {
    const form = shape.map((size) => (isFixed(size) ? size : 'any')).join(', ');
    throw new InputError(
      `${file}: input "${name}" is ${type} [${form}], the data set's texts are int32 or int64 [T, ${contextLength}]`,
      { hints: ['dataset.tokenizer: the one that this text encoder was trained with'], where },
    );
  }
  const output = options.output ?? usualOutputs.find((usual) => outputNames.includes(usual)) ?? outputNames[0];
  if (!outputNames.includes(output)) {
    throw new InputError(`${file} has no output "${output}"`, { hints: [nearestHint(output, outputNames)], where });
  }
  await graph.plan({ input: name, outputs: [output], ids: type, ...(isFixed(batch) && { batchSize: batch }) });

  // The greatest id there is: a graph with a smaller vocabulary has no row for it.
  const trial = { data: new Int32Array(contextLength).fill(vocabularySize - 1), shape: [1, contextLength] };
  trial.data[contextLength - 1] = endToken;
  const [{ shape: embedded }] = await graph.infer(trial).catch((error: unknown) => {
    throw new InputError(`${file} does not take the ids of the data set's tokenizer, 0 to ${vocabularySize - 1}`, {
      hints: ['dataset.tokenizer: the one that this text encoder was trained with', messageOf(error)],
      where,
      cause: error,
    });
  });
  if (embedded.length !== 2) {
    throw new InputError(`${file}: output "${output}" gives [${['T', ...embedded.slice(1)].join(', ')}], not [T, D]`, {
      hints: [`text.output: another of ${outputNames.join(', ')}`],
      where,
    });
  }
  return {
    dimensions: embedded[1],
    encode: async (tokens: HostTensor) => {
      const [embedding] = await graph.infer(tokens);
      return toTensor<tf.Tensor2D>(embedding);
    },
    settings: { input: name, output },
  };
}
