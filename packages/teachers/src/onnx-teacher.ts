import { resolve } from 'node:path';
import {
  definePart,
  InputError,
  messageOf,
  nearestHint,
  readInputFile,
  RunError,
  sha256,
  z,
  type HostTensor,
  type NetworkOutput,
  type TeacherContext,
} from '@retort/core';
import { networkOutput, toTensor } from '@retort/nn';
import { imageOf } from './batch-image.js';
import { classOrder, reorderLogits } from './class-order.js';
import { openOnnxSession, type OnnxSession, type OnnxValue } from './onnx-session.js';
import { disposeOutput, shapesOf } from './output-shapes.js';
import { normalizationOf, preprocessingOption } from './preprocessing.js';

/** An ONNX model on onnxruntime's CPU library, in a worker thread: it infers while the student trains. */
export const onnxTeacher = definePart('teacher', {
  name: 'onnx',
  summary: 'ONNX model on onnxruntime, in a thread of its own',
  options: z.strictObject({
    path: z.string().describe('The .onnx file, its weights inside.'),
    sha256: z.string().optional().describe('Digest the file must have.'),
    preprocessing: preprocessingOption,
    layout: z
      .enum(['nchw', 'nhwc'])
      .default('nchw')
      .describe('Axes of its images and feature maps: nchw as PyTorch exports, nhwc as TensorFlow does.'),
    input: z.string().optional().describe('Input of the images; needed when there are several.'),
    outputs: z
      .record(z.string(), z.string())
      .optional()
      .describe(
        "The graph's output names by ours: logits, embedding, featureMap, or any name. By default those called logits, " +
          'embedding, featureMap or feature_map.',
      ),
    threads: z
      .number()
      .int()
      .positive()
      .default(1)
      .describe('CPU threads. Results repeat bit for bit at a fixed number.'),
    classes: z
      .array(z.string())
      .optional()
      .describe("The teacher's own class names in the order of its logits; without them only their number is checked."),
  }),
  create: async (options, context) => {
    const { layout, threads } = options;
    const { id, path: where } = context;
    const file = resolve(context.baseFolder, options.path);
    const bytes = await readInputFile(file, { where, expected: options.sha256 });
    const session = await openOnnxSession(bytes, { name: `teacher "${id}" (${file})`, threads, layout }).catch(
      (error: unknown) => {
        if (error instanceof RunError) throw error;
        throw new InputError(`${file} is no ONNX model that onnxruntime can read: ${messageOf(error)}`, {
          hints: [`it has ${bytes.length} bytes; was the copy cut off, or are its weights in another file?`],
          where,
          cause: error,
        });
      },
    );
    try {
      const input = chooseInput(session, options.input, file, where);
      const batchSize = checkInput(input, layout, file, context);
      const outputs = chooseOutputs(session, options.outputs, file, where);
      const names = Object.keys(outputs);
      const normalization = normalizationOf(options.preprocessing);
      await session.plan({ input: input.name, outputs: Object.values(outputs), normalization, batchSize });
      const run = async (image: HostTensor): Promise<NetworkOutput> => {
        const arrays = await session.infer(image).catch((error: unknown) => {
          if (error instanceof RunError) throw error;
          throw new RunError(`teacher "${id}" (${file}): onnxruntime: ${messageOf(error)}`, { where, cause: error });
        });
        return networkOutput(
          names,
          arrays.map((array) => toTensor(array)),
        );
      };
      const { imageShape } = context;
      const blank = {
        data: new Float32Array(imageShape[0] * imageShape[1] * imageShape[2]),
        shape: [1, ...imageShape],
      };
      const trial = await run(blank);
      const provides = shapesOf(trial, where);
      disposeOutput(trial);
      const order = provides.logits && classOrder(options.classes, provides.logits[0], context);
      return {
        id,
        describe: () => ({
          ...(options.classes && { classes: context.classes }),
          provides,
          fingerprint: sha256(bytes),
          settings: JSON.stringify({
            input: input.name,
            outputs,
            layout,
            normalization,
            threads,
            order: order && Array.from(order),
          }),
          summary: `ONNX, ${(bytes.length / 1e6).toFixed(2)} MB, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
        }),
        infer: async (batch) => {
          const output = await run(imageOf(batch, context));
          if (output.logits && order) {
            const own = output.logits;
            output.logits = reorderLogits(own, order);
            own.dispose();
          }
          return output;
        },
        dispose: () => session.close(),
      };
    } catch (error) {
      await session.close();
      throw error;
    }
  },
});

function chooseInput({ inputs }: OnnxSession, wanted: string | undefined, file: string, where: string): OnnxValue {
  const names = inputs.map(({ name }) => name);
  if (wanted === undefined && inputs.length > 1) {
    throw new InputError(`${file} has ${inputs.length} inputs`, {
      hints: [`name that of the images: input: ${names.join(' | ')}`],
      where,
    });
  }
  const input = wanted === undefined ? inputs[0] : inputs.find(({ name }) => name === wanted);
  if (!input) {
    throw new InputError(`${file} has no input "${wanted}"`, { hints: [nearestHint(wanted ?? '', names)], where });
  }
  return input;
}

/** @returns what the batch axis is fixed to, undefined when it is free */
function checkInput(
  { name, type, shape }: OnnxValue,
  layout: 'nchw' | 'nhwc',
  file: string,
  { imageShape: [height, width, channels], path: where }: TeacherContext,
): number | undefined {
  const given = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const [batch, ...asked] = shape;
  const fits = asked.length === 3 && asked.every((size, i) => !isFixed(size) || size === given[i]);
  if (type !== 'float32' || !fits) {
    const form = shape.map((size) => (isFixed(size) ? size : 'any')).join(', ');
    throw new InputError(
      `${file}: input "${name}" is ${type} [${form}], the images as ${layout} are float32 [B, ${given.join(', ')}]`,
      { hints: ['see the options layout and input, or export the model for images of this size'], where },
    );
  }
  return isFixed(batch) ? batch : undefined;
}

function isFixed(size: number | string | undefined): size is number {
  return typeof size === 'number' && size > 0;
}

const usualOutputs = [
  ['logits', 'logits'],
  ['embedding', 'embedding'],
  ['featureMap', 'feature_map'],
  ['featureMap', 'featureMap'],
];

/** The graph's output names by ours. */
function chooseOutputs(
  { outputNames }: OnnxSession,
  wanted: Record<string, string> | undefined,
  file: string,
  where: string,
): Record<string, string> {
  const outputs: Record<string, string> =
    wanted ?? Object.fromEntries(usualOutputs.filter(([, name]) => outputNames.includes(name)));
  if (Object.keys(outputs).length === 0) {
    throw new InputError(`${file} has no output called logits, embedding, featureMap or feature_map`, {
      hints: [`it has: ${outputNames.join(', ')}; say which is which: outputs: { logits: ${outputNames[0]} }`],
      where,
    });
  }
  for (const [field, name] of Object.entries(outputs)) {
    if (!outputNames.includes(name)) {
      throw new InputError(`${file} has no output "${name}" for ${field}`, {
        hints: [nearestHint(name, outputNames)],
        where,
      });
    }
  }
  return outputs;
}
