import { InputError, outputTensors, type NetworkOutput, type OutputShapes } from '@retort/core';

const forms: Record<string, [rank: number, form: string]> = {
  logits: [1, '[B, C]'],
  embedding: [1, '[B, D]'],
  tokenLogits: [2, '[B, N, V]'],
  featureMap: [3, '[B, H, W, K]'],
  imageEmbedding: [1, '[B, D]'],
  textEmbedding: [1, '[T, D]'],
  boxes: [1, '[B, 4]'],
};

/** Shapes without the batch axis. @throws InputError when a field has not the form its name promises */
export function shapesOf({ taps, ...fields }: NetworkOutput, where: string): OutputShapes {
  const shapes: OutputShapes = {};
  for (const [name, tensor] of Object.entries({ ...fields, ...taps })) {
    shapes[name] = tensor.shape.slice(1);
    const [rank, form] = forms[name] ?? [];
    if (rank !== undefined && shapes[name].length !== rank) {
      throw new InputError(`output "${name}" gives [${['B', ...shapes[name]].join(', ')}], not ${form}`, { where });
    }
  }
  return shapes;
}

/** Frees all tensors of an output. */
export function disposeOutput(output: NetworkOutput): void {
  for (const tensor of outputTensors(output)) tensor.dispose();
}
