import * as tf from '@tensorflow/tfjs';
import { type Data, type Numbers, type OnnxRuntimeBackend, typedView } from './backend.js';
import type { Value } from './recording.js';

export type TensorMap = Record<string, tf.Tensor>;

/** A recorded step: one graph, and where its inputs come from and its outputs go. */
interface Program {
  /** The numbers of the call that was recorded, so that it compiles nothing but the graph that the others run. */
  first(): ReadonlyMap<Value, Numbers> | undefined;
  run(inputs: TensorMap): TensorMap;
}

/** Constants of a step up to this size become part of its graph, where onnxruntime can fold them. */
const largestConstant = 4096;

/**
 * A step that is recorded on its first call with given input shapes and replayed afterwards without running any of its code.
 *
 * @param step synchronous; reads and assigns the listed variables only; reads nothing back
 * @param variables by name; their values go in and come out
 */
export function compileStep<I extends TensorMap, O extends TensorMap>(
  backend: OnnxRuntimeBackend,
  step: (inputs: I) => O,
  variables: Record<string, tf.Variable>,
): (inputs: I) => O {
  const programs = new Map<string, Program | 'plain'>();
  return (inputs) => {
    const key = Object.entries(inputs)
      .map(([name, { shape, dtype }]) => `${name}:${dtype}[${shape.join()}]`)
      .join();
    const known = programs.get(key);
    if (known === 'plain') return tf.tidy(() => step(inputs));
    if (known) return known.run(inputs) as O;
    return tf.tidy(() => {
      const apart = separated(backend, inputs, variables);
      backend.flush();
      const sources = sourcesOf(backend, apart, variables);
      const runs = backend.statistics().runs;
      const outputs = tf.tidy(() => step(apart));
      // A step that read something back ran in pieces, and has to go on doing so.
      const whole = backend.statistics().runs === runs;
      const program = whole ? capture(backend, sources, outputs, variables) : undefined;
      programs.set(key, program ?? 'plain');
      backend.flush(program?.first());
      return outputs;
    });
  };
}

/**
 * Inputs and variables with data of their own each. Two that share data, as a network and its copy do at first, are one value of
 * the recording, and on replay it would be fed from one of them whatever has become of the other.
 */
function separated<I extends TensorMap>(
  backend: OnnxRuntimeBackend,
  inputs: I,
  variables: Record<string, tf.Variable>,
): I {
  const known = new Set<Data>();
  const ownCopy = ({ dataId, shape, dtype }: tf.Tensor): tf.Tensor | undefined => {
    const data = backend.dataOf(dataId);
    if (!known.has(data)) {
      known.add(data);
      return undefined;
    }
    const copy = { dataId: backend.write(backend.readSync(dataId), shape, dtype), shape, dtype };
    return tf.engine().makeTensorFromTensorInfo(copy);
  };
  for (const variable of Object.values(variables)) {
    const copy = ownCopy(variable);
    if (copy) variable.assign(copy);
  }
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, ownCopy(input) ?? input])) as I;
}

type Source = { kind: 'input' | 'variable'; name: string };

/** What the data behind each input and variable is called, before the step moves the variables. */
function sourcesOf(backend: OnnxRuntimeBackend, inputs: TensorMap, variables: TensorMap): Map<Data, Source> {
  const entries = (kind: Source['kind'], tensors: TensorMap) =>
    Object.entries(tensors).map(([name, { dataId }]): [Data, Source] => [backend.dataOf(dataId), { kind, name }]);
  return new Map([...entries('variable', variables), ...entries('input', inputs)]);
}

function capture(
  backend: OnnxRuntimeBackend,
  sources: Map<Data, Source>,
  outputs: TensorMap,
  variables: Record<string, tf.Variable>,
): Program {
  const sourceOf = ({ from }: Value) => (from.kind === 'input' ? sources.get(from.source as Data) : undefined);
  const results = { output: outputs, variable: variables as TensorMap };
  const wanted = Object.entries(results).flatMap(([kind, tensors]) =>
    Object.entries(tensors).map(([name, tensor]) => ({
      kind,
      name,
      shape: tensor.shape,
      dtype: tensor.dtype,
      value: backend.heldValue(tensor),
    })),
  );
  // A variable that the step left alone is neither computed nor assigned.
  const isItself = ({ name, value }: (typeof wanted)[number]) => {
    const source = sourceOf(value);
    return source?.kind === 'variable' && source.name === name;
  };
  const moved = wanted.filter((result) => result.kind === 'output' || !isItself(result));
  const graph = backend.pendingGraph(
    moved.map(({ value }) => value),
    (value) => sourceOf(value) === undefined && value.shape.reduce((size, n) => size * n, 1) <= largestConstant,
  );
  const feeds = graph.inputs.map((value) => ({
    name: graph.names.get(value)!,
    type: value.type,
    shape: value.shape,
    source: sourceOf(value),
    data: (value.from as { source: Data }).source,
  }));
  for (const { source, data } of feeds) if (!source) backend.retain(data);
  const computed = moved.filter(({ value }) => value.from.kind === 'node');
  /** Inputs, variables as they were before the step, and constants, handed through unchanged. */
  const passed = moved.filter(({ value }) => value.from.kind !== 'node');
  for (const { value } of passed) {
    if (value.from.kind === 'input' && !sourceOf(value)) backend.retain(value.from.source as Data);
  }
  const passedTensor = ({ shape, dtype, value }: (typeof passed)[number], inputs: TensorMap): tf.Tensor => {
    const source = sourceOf(value);
    if (source) return (source.kind === 'input' ? inputs : variables)[source.name].reshape(shape);
    const { from } = value;
    const numbers =
      from.kind === 'constant' ? typedView(from.data, value.type) : backend.valuesOf((from as { source: Data }).source);
    return tf.engine().makeTensorFromTensorInfo({ dataId: backend.write(numbers, shape, dtype), shape, dtype });
  };

  return {
    first() {
      if (graph.outputs.length === 0) return undefined;
      try {
        const numbers = backend.run(
          graph,
          feeds.map(({ data }) => backend.numbersOf(data)),
        );
        return new Map(graph.outputs.map((output) => [output, numbers[graph.names.get(output)!]]));
      } catch {
        // The flush that follows finds out which value it was.
        return undefined;
      }
    },
    run(inputs) {
      // Before any variable moves.
      const handed = passed.map((result) => passedTensor(result, inputs));
      const numbers =
        graph.outputs.length === 0
          ? {}
          : backend.run(
              graph,
              feeds.map(({ source, data }) => {
                if (!source) return backend.numbersOf(data);
                const { dataId } = source.kind === 'input' ? inputs[source.name] : variables[source.name];
                return backend.readNumbers(dataId);
              }),
            );
      const made: TensorMap = {};
      const give = ({ kind, name }: (typeof moved)[number], tensor: tf.Tensor) => {
        if (kind === 'output') made[name] = tensor;
        else {
          variables[name].assign(tensor);
          tensor.dispose();
        }
      };
      for (const result of computed) {
        const { kind, name, shape, dtype, value } = result;
        const values = numbers[graph.names.get(value)!];
        if (kind === 'variable' && backend.replaceValues(variables[name].dataId, values)) continue;
        const dataId = backend.adopt(values, shape, dtype);
        give(result, tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype }));
      }
      passed.forEach((result, i) => give(result, handed[i]));
      return made;
    },
  };
}
