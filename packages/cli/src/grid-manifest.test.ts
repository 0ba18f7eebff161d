import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveArm } from './grid-manifest.js';
import { manifestDifferences } from './manifest-differences.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-grid-manifest-'));
const file = join(folder, 'student.yaml');
afterAll(() => rmSync(folder, { recursive: true }));

const text = `name: student
seed: 4
dataset: { use: image-folder, root: '\${RETORT_TEST_DATA}/images', size: 16 }
student: small-cnn
trainer: { use: mtkd, epochs: 2, weighting: none }
losses: [{ id: task, use: cross-entropy }]
run: { logEvery: 5 }
`;
const arm = (settings: string[] = []) => ({ name: 'a', manifest: file, settings, seeds: [1] });

describe('resolveArm', () => {
  beforeAll(() => writeFileSync(file, text));
  afterEach(() => void delete process.env.RETORT_TEST_DATA);

  it('is the same wherever the data lie, whatever the seed and the run folder', async () => {
    process.env.RETORT_TEST_DATA = '/here';
    const here = await resolveArm(arm());
    expect(here.dataset).toMatchObject({ root: '${RETORT_TEST_DATA}/images', size: 16 });
    process.env.RETORT_TEST_DATA = '/elsewhere';
    expect(await resolveArm(arm(['seed=9', 'run.folder=x', 'name=y']))).toEqual(here);
    expect(await resolveArm(arm(['trainer.epochs=2']))).toEqual(here);
  });

  it('differs by what a setting changes, defaults included', async () => {
    process.env.RETORT_TEST_DATA = '/here';
    const plain = await resolveArm(arm());
    const changed = await resolveArm(arm(['trainer.epochs=3', 'losses.task.weight=2', 'dataset.root=/fixed']));
    expect(manifestDifferences(plain, changed)).toEqual([
      'dataset.root: "${RETORT_TEST_DATA}/images", now "/fixed"',
      'trainer.epochs: 2, now 3',
      'losses[0].weight: 1, now 2',
    ]);
  });

  it('keeps a variable of a setting as well', async () => {
    process.env.RETORT_TEST_DATA = '/here';
    const { dataset } = await resolveArm(arm(['dataset.root=${RETORT_TEST_DATA}/more']));
    expect(dataset).toMatchObject({ root: '${RETORT_TEST_DATA}/more' });
  });
});

describe('manifestDifferences', () => {
  it('finds none in another order of keys, and says what is absent', () => {
    expect(manifestDifferences({ a: 1, b: [2] }, { b: [2], a: 1 })).toEqual([]);
    expect(manifestDifferences({ a: 1 }, { a: 1, b: { c: 2 } })).toEqual(['b: absent, now {"c":2}']);
    expect(manifestDifferences({ a: [1, 2] }, { a: [1] })).toEqual(['a[1]: 2, now absent']);
  });
});
