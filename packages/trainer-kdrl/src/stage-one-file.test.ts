import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { loadStageOne, saveStageOne } from './stage-one-file.js';

const home = mkdtempSync(join(tmpdir(), 'retort-kdrl-stage-'));
const file = join(home, 'stage1.safetensors');
const kernel = [1.5, -2, 1e-30, 0.1, Math.fround(1 / 3), 6];
const variables = (keys: Record<string, number[]>) =>
  Object.fromEntries(Object.entries(keys).map(([key, shape]) => [key, tf.variable(tf.zeros(shape))]));

beforeAll(async () => {
  await useBackend('cpu');
  const trained = variables({ 'student/kernel': [2, 3], 'aux/block1/bias': [2] });
  trained['student/kernel'].assign(tf.tensor2d(kernel, [2, 3]));
  await saveStageOne(file, trained);
  tf.dispose(trained);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('the file of stage 1', () => {
  it('gives back every bit', async () => {
    const own = variables({ 'student/kernel': [2, 3], 'aux/block1/bias': [2] });
    expect(await loadStageOne(file, own, 'trainer.from')).toEqual([]);
    expect(Array.from(await own['student/kernel'].data())).toEqual(kernel.map(Math.fround));
    tf.dispose(own);
  });

  it('tells which taps it lacks, and has those that are not asked for', async () => {
    const own = variables({ 'student/kernel': [2, 3], 'aux/block2/bias': [2] });
    expect(await loadStageOne(file, own, 'trainer.from')).toEqual(['aux/block2/bias']);
    tf.dispose(own);
  });

  it.each([
    [{ 'student/kernel': [3, 2] }, 'student: "student/kernel" is [2, 3], here it is [3, 2]'],
    [{ 'student/other': [2] }, 'student: "student/other" is not in it, here it is [2]'],
    [{ 'aux/block1/bias': [4] }, 'teacher, or was made with other losses: "aux/block1/bias" is [2], here it is [4]'],
  ])('is refused by another student or teacher, %j', async (keys, message) => {
    const own = variables(keys);
    await expect(loadStageOne(file, own, 'trainer.from')).rejects.toThrow(
      expect.objectContaining({ message: `${file} is of another ${message}`, exitCode: 2 }),
    );
    tf.dispose(own);
  });

  it.each([0, 4, 40, -1])('is refused when it ends after byte %d', async (end) => {
    const torn = join(home, `torn${end}.safetensors`);
    writeFileSync(torn, readFileSync(file).subarray(0, end < 0 ? readFileSync(file).length + end : end));
    const own = variables({ 'student/kernel': [2, 3] });
    await expect(loadStageOne(torn, own, 'trainer.from')).rejects.toThrow(`${torn} is no file of a first stage: `);
    tf.dispose(own);
  });

  it('is refused when it is not there', async () => {
    const nowhere = join(home, 'nowhere/stage1.safetensors');
    await expect(loadStageOne(nowhere, {}, 'trainer.from')).rejects.toThrow(`no such file: ${nowhere}`);
  });
});
