import { tmpdir } from 'node:os';
import { retort } from './test-support/retort.js';

it('doctor tells which backends start, how fast they are, and why others do not', async () => {
  const { code, stdout } = await retort(['doctor', '--json'], { cwd: tmpdir() });
  expect(code).toBe(0);
  const found = JSON.parse(stdout) as { node: string; auto: string; backends: Record<string, Record<string, unknown>> };
  expect(found.node).toBe(process.version);
  expect(found.backends.wasm).toMatchObject({ starts: true, description: expect.stringContaining('tfjs wasm') });
  expect(found.backends.onnxruntime).toMatchObject({
    starts: true,
    description: expect.stringMatching(/^onnxruntime 1\.\d+\.\d+, 1 thread$/),
    threads: 1,
    details: [
      expect.stringMatching(/^threads: 1 of the \d+/),
      expect.stringMatching(/^executionProviders: cpu, webgpu/),
    ],
  });
  expect(found.backends.wasm.imagesPerSecond).toBeGreaterThan(found.backends.cpu.imagesPerSecond as number);
  expect(found.backends['tensorflow-gpu']).toEqual({
    starts: false,
    reason: '@tensorflow/tfjs-node-gpu is not installed',
  });
  expect(Object.keys(found.backends)).not.toContain('auto');
  expect(found.auto).toBe('onnxruntime');
});
