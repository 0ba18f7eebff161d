import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, RunError } from '@retort/core';
import { encodeModel, type ModelHeader } from '../onnx-model.js';
import type { ModelGraph } from './model-graph.js';
import { readOnnxFile, withHeader } from './onnx-file.js';

/**
 * The bytes of a graph after onnxruntime's basic optimizations, which keep to ONNX's own operators and to no processor: transposes
 * between layouts go, constants are folded once more.
 *
 * @throws RunError when onnxruntime refuses the graph, or gives back what other software cannot read
 */
export async function optimize(graph: ModelGraph, header: ModelHeader): Promise<Uint8Array> {
  const { InferenceSession } = await import('onnxruntime-node');
  const folder = mkdtempSync(join(tmpdir(), 'retort-onnx-'));
  try {
    const file = join(folder, 'optimized.onnx');
    const session = await InferenceSession.create(
      encodeModel(graph.nodes, graph.inputs, graph.outputs, graph.constants, header),
      {
        optimizedModelFilePath: file,
        graphOptimizationLevel: 'basic',
        executionProviders: ['cpu'],
        logSeverityLevel: 3,
      },
    );
    await session.release();
    const optimized = readOnnxFile(readFileSync(file));
    const foreign = optimized.nodes.find(({ op, domain }) => domain !== '' || op === 'BatchNormalization');
    if (foreign) throw new Error(`${foreign.name} became ${foreign.op} of "${foreign.domain}"`);
    return withHeader(optimized, header);
  } catch (error) {
    throw new RunError(`onnxruntime refuses the network at opset ${header.opset}: ${messageOf(error)}`, {
      hints: ['choose another opset; the node is named after the layer that it comes from'],
      cause: error,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
