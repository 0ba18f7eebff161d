import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { retort } from './test-support/retort.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-eurosat-'));
afterAll(() => rmSync(folder, { recursive: true }));

const manifest = (name: string) => fileURLToPath(new URL(`../../../manifests/${name}.yaml`, import.meta.url));
const few = ['--set', 'dataset.limit={ train: 256, validation: 64, test: 64 }'];

it('the manifests of KDRL on EuroSAT run at a small size: a teacher, both stages, another second stage', async () => {
  const run = async (name: string, out: string, ...settings: string[]) => {
    const set = settings.flatMap((setting) => ['--set', setting]);
    const { code, stderr } = await retort(['train', manifest(name), '--folder', out, ...few, ...set], { cwd: folder });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  };
  const teacher = `teachers.resnet18.path=${join(folder, 'teacher')}`;
  const cache = `cache.folder=${join(folder, 'cache')}`;
  await run('kdrl-eurosat-teacher', 'teacher', 'trainer.epochs=3');
  await run('kdrl-eurosat', 'both', 'trainer.stage1.epochs=2', 'trainer.stage2.epochs=1', teacher, cache);
  await run(
    'kdrl-eurosat',
    'branch',
    ...['trainer.stage1.epochs=0', `trainer.from=${join(folder, 'both')}`, 'trainer.stage2.epochs=1'],
    ...['trainer.stage2.algorithm=ppo', teacher, cache],
  );
  for (const out of ['both', 'branch']) {
    expect(existsSync(join(folder, out, 'student/best/model.json'))).toBe(true);
    expect(existsSync(join(folder, out, 'report.html'))).toBe(true);
  }
}, 180_000);
