import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoints, stateBytes } from './checkpoint.js';
import { RunError } from './errors.js';
import type { StateTree } from './host-tensor.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'checkpoint-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const state: StateTree = {
  epoch: 3,
  best: 0.1 + 0.2,
  nothing: null,
  flags: [true, false],
  name: 'ÄÖÜ',
  empty: {},
  student: {
    'conv/kernel': { data: Float32Array.of(1, NaN, -0, 1e-45), shape: [2, 2] },
    bias: { data: new Float32Array(0), shape: [0] },
  },
  memory: [{ state: { data: Int32Array.of(1, -2), shape: [2] } }, { state: { data: Uint8Array.of(9), shape: [] } }],
};

describe('Checkpoints', () => {
  it('give back the tree as it was, tensors bit for bit', () => {
    const checkpoints = new Checkpoints(folder, 2);
    const { path, bytes } = checkpoints.write(123, state);
    expect(path).toBe(join(folder, '000000123'));
    expect(readdirSync(path).sort()).toEqual(['digests.json', 'state.json', 'tensors.safetensors']);
    expect(bytes).toBe(readdirSync(path).reduce((sum, file) => sum + readFileSync(join(path, file)).length, 0));
    expect(checkpoints.read(123)).toEqual(state); // toEqual tells −0 from 0 and typed arrays apart
    expect(stateBytes(state)).toBe(4 * 4 + 2 * 4 + 1);
  });

  it('give back every number, those that JSON lacks too', () => {
    const checkpoints = new Checkpoints(folder, 1);
    const numbers = [Infinity, -Infinity, NaN, -0, 0, 1e-320, Number.MAX_SAFE_INTEGER, Math.PI];
    checkpoints.write(1, { numbers });
    const { numbers: read } = checkpoints.read(1) as { numbers: number[] };
    read.forEach((value, i) => expect(Object.is(value, numbers[i])).toBe(true));
  });

  it('keep the last so many', () => {
    const checkpoints = new Checkpoints(folder, 2);
    for (const step of [5, 10, 1_000_000_000]) checkpoints.write(step, { step });
    expect(checkpoints.steps()).toEqual([10, 1_000_000_000]);
    expect(checkpoints.read(10)).toEqual({ step: 10 });
  });

  it('written again at an earlier step, drop the later ones of the run that was left', () => {
    const checkpoints = new Checkpoints(folder, 2);
    for (const step of [10, 20]) checkpoints.write(step, { step });
    checkpoints.write(15, { step: 15 });
    expect(checkpoints.steps()).toEqual([10, 15]);
  });

  it('can be written again at the same step', () => {
    const checkpoints = new Checkpoints(folder, 1);
    checkpoints.write(7, { value: 1 });
    checkpoints.write(7, { value: 2 });
    expect(checkpoints.read(7)).toEqual({ value: 2 });
  });

  it('do not count what a kill left half-written, and clear it away', () => {
    const checkpoints = new Checkpoints(folder, 2);
    checkpoints.write(1, { step: 1 });
    mkdirSync(join(folder, '000000002.tmp'));
    writeFileSync(join(folder, '000000002.tmp', 'state.json'), '{"ste');
    expect(checkpoints.steps()).toEqual([1]);
    checkpoints.write(3, { step: 3 });
    expect(readdirSync(folder).sort()).toEqual(['000000001', '000000003']);
  });

  it.each(['digests.json', 'state.json', 'tensors.safetensors'])(
    'notice any changed byte of %s and name it',
    (file) => {
      const checkpoints = new Checkpoints(folder, 2);
      checkpoints.write(1, { step: 1 });
      const { path } = checkpoints.write(2, { tensor: { data: Float32Array.of(1, 2), shape: [2] } });
      const intact = readFileSync(join(path, file));
      for (let at = 0; at < intact.length; at++) {
        const damaged = Buffer.from(intact);
        damaged[at] ^= 1;
        writeFileSync(join(path, file), damaged);
        // A changed digest shows in the file it belongs to.
        expect(() => checkpoints.read(2)).toThrow(
          file === 'digests.json' ? /is damaged/ : `${join(path, file)} is damaged`,
        );
      }
      for (const cut of [0, intact.length - 1]) {
        writeFileSync(join(path, file), intact.subarray(0, cut));
        expect(() => checkpoints.read(2)).toThrow(`${join(path, file)} is damaged`);
      }
      rmSync(join(path, file));
      expect(() => checkpoints.read(2)).toThrow(RunError);
      try {
        checkpoints.read(2);
      } catch (error) {
        expect((error as RunError).message).toContain(join(path, file));
        expect((error as RunError).hints.join()).toContain('checkpoints at steps 1');
      }
    },
  );

  it('are none in a folder that is not there', () => {
    expect(new Checkpoints(join(folder, 'none'), 1).steps()).toEqual([]);
  });
});

/** A file system of 256 KiB, where this process may mount one. */
function mountSmall(): (() => void) | undefined {
  const small = mkdtempSync(join(tmpdir(), 'mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]).status === 0;
  if (mounted) spawnSync('umount', [small]);
  rmSync(small, { recursive: true });
  if (!mounted) return undefined;
  return () => {
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
  };
}

const mount = mountSmall();
(mount ? describe : describe.skip)('Checkpoints on a full disk', () => {
  beforeEach(() => mount!());
  afterEach(() => spawnSync('umount', [folder]));

  it('say so, leave the earlier one intact and no half-written one', () => {
    const checkpoints = new Checkpoints(folder, 1);
    checkpoints.write(1, { weights: { data: new Float32Array(10_000).fill(1), shape: [10_000] } });
    const tooMuch = { weights: { data: new Float32Array(60_000).fill(2), shape: [60_000] } };
    expect(() => checkpoints.write(2, tooMuch)).toThrow('no space left on the disk while writing');
    expect(readdirSync(folder)).toEqual(['000000001']);
    expect(existsSync(join(folder, '000000002.tmp'))).toBe(false);
    const { weights } = checkpoints.read(1) as unknown as { weights: { data: Float32Array } };
    expect(weights.data.every((value) => value === 1)).toBe(true);
    checkpoints.write(3, { little: 1 });
    expect(checkpoints.steps()).toEqual([3]);
  });
});
