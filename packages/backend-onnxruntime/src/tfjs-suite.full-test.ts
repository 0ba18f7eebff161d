import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const suite = fileURLToPath(new URL('../tfjs-suite/run.mjs', import.meta.url));

it("passes tfjs-core's own test suite, with all kernels of kernels.json recorded in the same run", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [suite, 'onnxruntime'], { maxBuffer: 2 ** 26 });
  const [, kernels, recorded] = /(\d+) kernels listed, (\d+) of them recorded throughout/.exec(stdout)!;
  expect(recorded).toBe(kernels);
  const [, passed, failed] = /onnxruntime: (\d+) passed, (\d+) failed/.exec(stdout)!;
  expect(Number(failed)).toBe(0);
  // 4,227 pass on cpu, of which two ask for backends by the name of cpu.
  expect(Number(passed)).toBeGreaterThanOrEqual(4220);
});
