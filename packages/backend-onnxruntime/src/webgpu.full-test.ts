import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const program = fileURLToPath(new URL('../tools/train-step.mjs', import.meta.url));
/** Brings SwiftShader, a Vulkan driver that runs on the processor, and the loader that Dawn looks for. */
const chromium = '/usr/lib/chromium';
const swiftShader = { VK_ICD_FILENAMES: `${chromium}/vk_swiftshader_icd.json`, LD_LIBRARY_PATH: chromium };

interface Trained {
  losses: number[];
  weights: Record<string, number[]>;
  numBytesInGPU: number;
  statistics: { fallbacks: Record<string, number>; compiled: number; runs: number };
}

/** In a process of its own, which a driver may take with it. */
async function train(provider: string, environment: Record<string, string> = {}): Promise<Trained> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, provider], {
    env: { ...process.env, ...environment },
    timeout: 5 * 60_000,
  });
  return JSON.parse(stdout) as Trained;
}

describe('the webgpu provider, on SwiftShader', () => {
  beforeAll(() => {
    if (!existsSync(swiftShader.VK_ICD_FILENAMES)) {
      throw new Error(`there is no ${swiftShader.VK_ICD_FILENAMES}: install Debian's package chromium`);
    }
  });

  it('trains as the cpu provider does: convolutions, batch-norm, pooling, losses and momentum', async () => {
    const expected = await train('cpu');
    const actual = await train('webgpu', swiftShader);
    actual.losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i], 4));
    for (const [name, values] of Object.entries(expected.weights)) {
      const apart = values.map((value, i) => Math.abs(value - actual.weights[name][i]));
      expect([name, Math.max(...apart) < 1e-5]).toEqual([name, true]);
    }
    // Six steps changed the loss by far more than the tolerance.
    expect(Math.abs(expected.losses[4] - expected.losses[0])).toBeGreaterThan(0.5);
    expect(actual.statistics.fallbacks).toEqual({});
    // Weights and momentum slots stayed there from step to step.
    const parameters = Object.values(actual.weights).reduce((sum, { length }) => sum + length, 0);
    expect(actual.numBytesInGPU).toBeGreaterThan(4 * parameters);
    expect(expected.numBytesInGPU).toBe(0);
  });

  it("passes tfjs-core's own test suite, but for NaN and the last digits of sines", async () => {
    const suite = fileURLToPath(new URL('../tfjs-suite/run.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [suite, 'webgpu'], {
      env: { ...process.env, ...swiftShader },
      maxBuffer: 2 ** 26,
      timeout: 20 * 60_000,
    });
    const [, passed, failed, unlisted] = /onnxruntime: (\d+) passed, (\d+) failed \((\d+) not listed\)/.exec(stdout)!;
    expect([unlisted, Number(passed) >= 4190, Number(failed) < 30]).toEqual(['0', true, true]);
  });

  it('says what to do where there is no GPU', async () => {
    const failure = train('webgpu', { VK_ICD_FILENAMES: '/nowhere.json', LD_LIBRARY_PATH: '' });
    await expect(failure).rejects.toThrow(/"webgpu" does not start/);
    await expect(failure).rejects.toThrow(/Vulkan/);
  });
});
