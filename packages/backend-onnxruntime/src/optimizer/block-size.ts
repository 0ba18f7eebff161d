import { createSession, loadOnnxRuntime } from '../native-session.js';
import { encodeModel } from '../onnx-model.js';

let found: number | undefined;

/** Channels in a block of onnxruntime's own layout on this processor; 0 where it has none. Found out by a graph that orders numbers. */
export function channelBlock(): number {
  found ??= askOnnxRuntime();
  return found;
}

function askOnnxRuntime(): number {
  const channels = 64;
  const shape = [1, 1, 2, channels];
  const node = {
    op: 'com.microsoft.nchwc.ReorderInput',
    inputs: ['x'],
    outputs: ['y'],
    attributes: { channels_last: 1 },
    name: 'y',
  };
  const ports = [
    { name: 'x', type: 'float32', shape } as const,
    { name: 'y', type: 'float32', shape: [1, channels, 1, 2] } as const,
  ];
  const model = encodeModel([node], [ports[0]], [ports[1]], []);
  try {
    const session = createSession(model, {
      threads: 1,
      graphOptimizationLevel: 'disabled',
      executionProviders: ['cpu'],
    });
    const { Tensor } = loadOnnxRuntime();
    const x = new Tensor(
      'float32',
      Float32Array.from({ length: 2 * channels }, (_, i) => i),
      shape,
    );
    const y = session.run({ x }, { y: null }).y.data as Float32Array;
    session.dispose();
    // Channels of the first pixel until the second one comes.
    const block = y.indexOf(channels);
    const expected = (i: number) =>
      Math.floor(i / (2 * block)) * block + (i % block) + (Math.floor(i / block) % 2) * channels;
    return block > 1 && y.every((value, i) => value === expected(i)) ? block : 0;
  } catch {
    return 0;
  }
}
