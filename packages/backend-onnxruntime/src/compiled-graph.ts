import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { encodeModel, type ModelConstant, type ModelValue } from './onnx-model.js';
import { explain } from './explain.js';
import { graphBytes } from './graph-bytes.js';
import { createSession, type NativeSession, type Placement, type SessionOptions } from './native-session.js';
import { channelBlock } from './optimizer/block-size.js';
import { optimizeGraph } from './optimizer/optimize-graph.js';
import { nodesWebgpuRefuses, staysOnDevice, wrongOptimizerOnWebgpu } from './webgpu.js';
import type { NumberedGraph, RecordedNode, Value } from './recording.js';

export interface CompileOptions extends SessionOptions {
  /** Folder that each graph is written to when it is compiled, for Netron and the like. */
  dumpGraphs?: string | undefined;
}

/** Compiled graphs by structure, the least recently used dropped first when they are too many or take too much memory. */
export class GraphCache {
  readonly #sessions = new Map<string, NativeSession & { bytes: number }>();
  /** Digests of graphs that are run again and again: a key can be megabytes of constants. */
  readonly #digests = new WeakMap<NumberedGraph, string>();
  readonly #size: number;
  readonly #options: CompileOptions;
  readonly #maximalBytes: number;
  hits = 0;
  misses = 0;
  compileMilliseconds = 0;

  /**
   * @param size graphs kept
   * @param maximalBytes what they may take together; each keeps its memory from one run to the next. One is always kept.
   */
  constructor(size: number, options: CompileOptions, maximalBytes = totalmem() / 4) {
    this.#size = size;
    this.#options = options;
    this.#maximalBytes = maximalBytes;
  }

  /** What the graphs that are kept take, reckoned from their shapes. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#sessions.values()) sum += bytes;
    return sum;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** The compiled form of a graph. @throws Error naming the tfjs kernel behind the node that onnxruntime refuses */
  find(graph: NumberedGraph): NativeSession {
    let digest = this.#digests.get(graph);
    if (digest === undefined) {
      digest = createHash('sha1').update(graph.key).digest('base64');
      this.#digests.set(graph, digest);
    }
    const known = this.#sessions.get(digest);
    if (known) {
      this.hits++;
      this.#sessions.delete(digest);
      this.#sessions.set(digest, known);
      return known;
    }
    this.misses++;
    const began = performance.now();
    const compiled = this.#compile(graph);
    this.compileMilliseconds += performance.now() - began;
    this.#sessions.set(digest, compiled);
    for (const [oldest, session] of this.#sessions) {
      const fits = this.#sessions.size <= this.#size && this.bytes <= this.#maximalBytes;
      if (fits || session === compiled) break;
      session.dispose();
      this.#sessions.delete(oldest);
    }
    return compiled;
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
  }

  #compile(graph: NumberedGraph): NativeSession & { bytes: number } {
    const { executionProviders, graphOptimizationLevel, dumpGraphs } = this.#options;
    const plain = executionProviders.join() !== 'cpu' || graphOptimizationLevel === 'disabled';
    const form = plain ? graph : optimizeGraph(graph, channelBlock());
    if (dumpGraphs !== undefined) dump(form, dumpGraphs, this.misses);
    try {
      return { ...compile(form, this.#options), bytes: graphBytes(form) };
    } catch (error) {
      // What is only faster is not to be what fails.
      if (plain) throw error;
      return { ...compile(graph, this.#options), bytes: graphBytes(graph) };
    }
  }
}

function compile(graph: NumberedGraph, options: SessionOptions): NativeSession {
  try {
    const session = createSession(
      encode(graph, (_, n) => `n${n}`),
      options,
      placement(graph, options),
    );
    return {
      ...session,
      run(feeds, fetches) {
        try {
          return session.run(feeds, fetches);
        } catch (error) {
          throw explain(error, graph);
        }
      },
    };
  } catch (error) {
    throw explain(error, graph);
  }
}

/** Writes a graph whose nodes are called by the tfjs kernels, with shapes, that they were recorded for. */
function dump(graph: NumberedGraph, folder: string, number: number): void {
  const model = encode(graph, ({ kernel }, n) => `n${n} ${kernel}`);
  mkdirSync(folder, { recursive: true });
  const { pid } = process;
  writeFileSync(join(folder, `${pid}-${String(number).padStart(4, '0')}-${graph.nodes.length}-nodes.onnx`), model);
}

function encode(graph: NumberedGraph, nameOf: (node: RecordedNode, n: number) => string): Uint8Array {
  const describe = (value: Value): ModelValue => ({
    name: graph.names.get(value)!,
    type: value.type,
    shape: value.shape,
  });
  return encodeModel(
    graph.nodes.map((node, n) => ({
      op: node.op,
      inputs: node.inputs.map((input) => (input ? graph.names.get(input)! : '')),
      outputs: node.outputs.map((output) => graph.names.get(output)!),
      attributes: node.attributes,
      name: nameOf(node, n),
    })),
    graph.inputs.map(describe),
    graph.outputs.map(describe),
    graph.constants.map(({ value, data }): ModelConstant => ({ ...describe(value), data })),
  );
}

/** What a GPU provider leaves to the processor, and what it keeps. */
function placement(graph: NumberedGraph, { executionProviders }: SessionOptions): Placement {
  if (!executionProviders.includes('webgpu')) return {};
  return {
    onCpu: nodesWebgpuRefuses(graph.nodes),
    onDevice: graph.outputs.filter(staysOnDevice).map((value) => graph.names.get(value)!),
    withoutOptimizer: wrongOptimizerOnWebgpu,
  };
}
