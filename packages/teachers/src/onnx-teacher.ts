import { definePart, InputError, sha256, type Teacher, type TeacherContext, z } from '@retort/core';
import { imageOf, refuseStates } from './batch-image.js';
import { classOrder, reorderLogits } from './class-order.js';
import { dualEncoderTeacher } from './dual-encoder-teacher.js';
import { type OnnxGraph, openOnnxGraph } from './onnx-graph.js';
import { type ImageGraph, imageGraph } from './onnx-image-graph.js';
import { textGraph } from './onnx-text-graph.js';
import { normalizationOf, preprocessingOption } from './preprocessing.js';

const onnxOptions = z.strictObject({
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
      "The graph's output names by ours: logits, embedding, featureMap, imageEmbedding, or any name. By default those called " +
        'logits, embedding, featureMap, feature_map, imageEmbedding or image_embeds.',
    ),
  text: z
    .strictObject({
      path: z.string().describe('The .onnx file of the text encoder: ids [T, N] in, embeddings [T, D] out.'),
      sha256: z.string().optional().describe('Digest the file must have.'),
      input: z.string().optional().describe('Input of the ids, int32 or int64; by default the only one.'),
      output: z
        .string()
        .optional()
        .describe('Output of the embeddings; by default textEmbedding, text_embeds or the first.'),
      logitScale: z
        .number()
        .positive()
        .default(100)
        .describe(
          'What cosines of images and texts are multiplied with; 100 is that of published CLIP networks. An output of the ' +
            'image graph goes before it: outputs.logitScale.',
        ),
    })
    .optional()
    .describe(
      "The text encoder that goes with the images' one, whose output is imageEmbedding. Logits are then those of zero-shot " +
        "classification with the prompts of the data set's classes.",
    ),
  threads: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe('CPU threads of a graph. Results repeat bit for bit at a fixed number.'),
  classes: z
    .array(z.string())
    .optional()
    .describe("The teacher's own class names in the order of its logits; without them only their number is checked."),
});

/** ONNX models on onnxruntime's CPU library, in worker threads: they infer while the student trains. */
export const onnxTeacher = definePart('teacher', {
  name: 'onnx',
  summary: 'ONNX model, or two encoders, on onnxruntime, in threads of their own',
  options: onnxOptions,
  create: async (options, context) => {
    refuseStates(context, 'onnx');
    const graph = await openOnnxGraph(options, context);
    let images: ImageGraph;
    try {
      images = await imageGraph(graph, { ...options, normalization: normalizationOf(options.preprocessing) }, context);
      if (!options.text) return classifierTeacher(graph, images, options, context);
      checkEncoder(images, graph, context);
    } catch (error) {
      await graph.close();
      throw error;
    }
    return await twoEncoders(graph, images, { ...options, text: options.text }, context);
  },
});

type OnnxOptions = z.output<typeof onnxOptions>;

function classifierTeacher(
  graph: OnnxGraph,
  { provides, infer, settings, logitScale }: ImageGraph,
  { threads, classes }: OnnxOptions,
  context: TeacherContext,
): Teacher {
  if (logitScale !== undefined) {
    throw new InputError('outputs.logitScale is for images and texts, and there is no text encoder', {
      hints: ['text: { path: … } names one'],
      where: context.path,
    });
  }
  const order = provides.logits && classOrder(classes, provides.logits[0], context);
  return {
    id: context.id,
    describe: () => ({
      ...(classes && { classes: context.classes }),
      provides,
      fingerprint: graph.fingerprint,
      settings: JSON.stringify({ ...settings, threads, order: order && Array.from(order) }),
      summary: summaryOf(graph.bytes, threads),
    }),
    infer: async (batch) => {
      const output = await infer(imageOf(batch, context));
      if (output.logits && order) {
        const own = output.logits;
        output.logits = reorderLogits(own, order);
        own.dispose();
      }
      return output;
    },
    dispose: () => graph.close(),
  };
}

/** Both graphs are the teacher's: closed with it, and when this throws. */
async function twoEncoders(
  graph: OnnxGraph,
  images: ImageGraph,
  { text, layout, threads }: OnnxOptions & { text: NonNullable<OnnxOptions['text']> },
  context: TeacherContext,
): Promise<Teacher> {
  const graphs = [graph];
  const dispose = async () => {
    for (const each of graphs) await each.close();
  };
  // Where the data set has no texts, the images' encoder is all that is asked.
  const openText = async () => {
    const opened = await openOnnxGraph({ ...text, threads, layout }, context);
    graphs.push(opened);
    return await textGraph(opened, text, context);
  };
  const texts =
    context.text &&
    (await openText().catch(async (error: unknown) => {
      await dispose();
      throw error;
    }));
  return await dualEncoderTeacher(
    {
      provides: images.provides,
      image: images.infer,
      ...(texts && { text: texts }),
      logitScale: images.logitScale ?? text.logitScale,
      fingerprint: sha256(graphs.map(({ fingerprint }) => fingerprint).join(' ')),
      settings: {
        ...images.settings,
        threads,
        text: texts?.settings,
        logitScale: images.logitScale ?? text.logitScale,
      },
      summary: summaryOf(
        graphs.reduce((sum, { bytes }) => sum + bytes, 0),
        threads,
      ),
      dispose,
    },
    context,
  );
}

/** @throws InputError when a graph is no image encoder that goes with a text encoder */
function checkEncoder(
  { provides }: ImageGraph,
  { file, outputNames }: OnnxGraph,
  { path: where }: TeacherContext,
): void {
  if (!provides.imageEmbedding) {
    throw new InputError(`${file} has a text encoder beside it, and no output is its imageEmbedding`, {
      hints: [`it has: ${outputNames.join(', ')}; say which it is: outputs: { imageEmbedding: ${outputNames[0]} }`],
      where,
    });
  }
  if (provides.logits) {
    throw new InputError(`${file} gives logits of its own, and with a text encoder they come from prompts`, {
      hints: ['leave out text, or list the outputs without logits'],
      where,
    });
  }
}

function summaryOf(bytes: number, threads: number): string {
  return `ONNX, ${(bytes / 1e6).toFixed(2)} MB, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}
