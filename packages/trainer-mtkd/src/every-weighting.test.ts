import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRegistry, resolvePart, sha256, type Weighting } from '@retort/core';
import { describeEachBackend, expectClose } from '@retort-tools/testing';
import type * as tf from '@tensorflow/tfjs';
import { distillationLosses, plugins, runQuietly, temporaryFolder, tinyManifest } from './test-support/compose.js';
import { everyWeighting, weightingsOfTeachers } from './test-support/every-weighting.js';
import { contextOf, type Numbers, numbers, permuted, weigh } from './test-support/made-up-view.js';

const heads = ['logit', 'feature'] as const;
type Entry = (typeof everyWeighting)[number];
const table = weightingsOfTeachers.map((entry): [string, Entry] => [entry.name, entry]);

/** A weighting of these teachers, as a run makes it. */
async function withWeighting<T>(entry: Entry, own: Numbers, use: (weighting: Weighting) => Promise<T>): Promise<T> {
  const registry = createRegistry(plugins);
  const scope = registry.createScope();
  const ids = own.teachers.map(({ id }) => id);
  try {
    const weighting = await scope.create(resolvePart(registry, 'weighting', entry.manifest(ids)), {
      ...contextOf(own),
      agent: resolvePart(registry, 'agent', 'pg'),
      scope,
    });
    return await use(weighting);
  } finally {
    await scope.dispose();
  }
}

describeEachBackend('every weighting', () => {
  it.each(table)('%s sums to one for 1, 2, 3 and 8 teachers; one teacher has it all', async (_, entry) => {
    for (const count of [1, 2, 3, 8]) {
      const own = numbers(count);
      await withWeighting(entry, own, async (weighting) => {
        for (const head of heads) {
          for (const row of await weigh(weighting, own, head)) {
            expect(row).toHaveLength(count);
            expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 4);
            expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
            if (count === 1) expect(row).toEqual([1]);
          }
        }
      });
    }
  });

  it.each(table.filter(([, { ordered }]) => !ordered))('%s follows a permutation of the teachers', async (_, entry) => {
    const own = numbers(3);
    const order = [2, 0, 1];
    for (const head of heads) {
      const plain = await withWeighting(entry, own, (weighting) => weigh(weighting, own, head));
      const other = permuted(own, order);
      const moved = await withWeighting(entry, other, (weighting) => weigh(weighting, other, head));
      await expectClose(
        moved.flat(),
        plain.flatMap((row) => order.map((m) => row[m])),
        { absolute: 1e-3 },
      );
    }
  });

  it.each(table.filter(([, { tellsTwinsApart }]) => !tellsTwinsApart))(
    '%s gives teachers that say the same the same',
    async (_, entry) => {
      const own = numbers(1);
      const twins = { ...own, teachers: ['a', 'b', 'c'].map((id) => ({ ...own.teachers[0], id })) };
      await withWeighting(entry, twins, async (weighting) => {
        for (const head of heads) {
          for (const weight of (await weigh(weighting, twins, head)).flat()) expect(weight).toBeCloseTo(1 / 3, 2);
        }
      });
    },
  );

  it.each(table)('%s is finite where teachers tie', async (_, entry) => {
    const own = numbers(1);
    const twins = { ...own, teachers: ['a', 'b', 'c'].map((id) => ({ ...own.teachers[0], id })) };
    await withWeighting(entry, twins, async (weighting) => {
      for (const head of heads) {
        const rows = await weigh(weighting, twins, head);
        expect(rows.flat().every(Number.isFinite)).toBe(true);
        await expectClose(
          rows.map((row) => row.reduce((a, b) => a + b)),
          rows.map(() => 1),
        );
      }
    });
  });
});

describe('every weighting in a run', () => {
  const folder = temporaryFolder();
  const dataset = { use: 'scenes', classes: 3, size: 16, train: 40, test: 4, batchSize: 8, validation: 0.1 };
  const student = { use: 'small-cnn', width: 4 };
  const teacherFolders = ['a', 'b'].map((name) => join(folder, `teacher-${name}`));
  const teachers = teacherFolders.map((path, m) => ({ id: 'ab'[m], use: 'run', path }));
  const manifest = (name: string, weighting: unknown, sections: object) =>
    tinyManifest(join(folder, name), {
      dataset,
      student,
      agent: 'pg',
      losses: distillationLosses,
      trainer: { weighting, epochs: 1 },
      ...sections,
    });
  const digest = (name: string) => sha256(readFileSync(join(folder, name, 'student/last/weights.bin')));

  beforeAll(async () => {
    for (const [m, path] of teacherFolders.entries()) {
      await runQuietly(tinyManifest(path, { dataset, student, seed: 10 + m, trainer: { epochs: 1 } }));
    }
    await runQuietly(manifest('equal-one', 'equal', { teachers: [teachers[0]] }));

    cpSync(join(teacherFolders[1], 'student/last'), join(folder, 'broken'), { recursive: true });
    const model = JSON.parse(readFileSync(join(folder, 'broken/model.json'), 'utf8')) as tf.io.ModelJSON;
    const weights = readFileSync(join(folder, 'broken/weights.bin'));
    let offset = 0;
    for (const { name, shape } of model.weightsManifest.flatMap((group) => group.weights)) {
      if (name === 'logits/bias') weights.writeFloatLE(NaN, offset);
      offset += 4 * shape.reduce((a, b) => a * b, 1);
    }
    writeFileSync(join(folder, 'broken/weights.bin'), weights);
  });

  it.each(table)('%s with one teacher is distillation from one teacher, bit for bit', async (name, entry) => {
    await runQuietly(manifest(`${name}-one`, entry.manifest(['a']), { teachers: [teachers[0]] }));
    expect(digest(`${name}-one`)).toBe(digest('equal-one'));
  });

  it.each(table)('%s ends with the name of a teacher that gives NaN', async (name, entry) => {
    const taps = { logits: 'logits', embedding: 'pool', featureMap: 'layer3_relu' };
    const path = join(folder, 'broken/model.json');
    const broken = { id: 'b', use: 'layers-model', path, preprocessing: 'none', taps };
    const run = runQuietly(
      manifest(`${name}-nan`, entry.manifest(['a', 'b']), { teachers: [teachers[0], broken], run: { logEvery: 1 } }),
    );
    await expect(run).rejects.toThrow('loss "kd" of teacher b was not finite at step 0');
  });

  it.each(everyWeighting.filter(({ readsTeachers }) => !readsTeachers).map(({ name }) => [name]))(
    '%s leaves teachers alone',
    async (name) => {
      const { events } = await runQuietly(
        manifest(`${name}-alone`, name, { teachers: [{ id: 'x', use: 'run', path: 'nowhere' }] }),
      );
      expect(events).toContainEqual(
        expect.objectContaining({
          type: 'info',
          message: `weighting "${name}" uses no teachers; those listed are not loaded`,
        }),
      );
    },
  );
});
