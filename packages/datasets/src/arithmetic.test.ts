import { type Batch, type Dataset, InputError, Registry, Seeds } from '@retort/core';
import { arithmetic } from './arithmetic.js';

async function make(options: object = {}, seed = 1): Promise<Dataset> {
  const context = { seeds: new Seeds(seed), scope: new Registry().createScope(), baseFolder: '.', path: 'dataset' };
  return arithmetic.create(arithmetic.options.parse(options) as never, context);
}

/** Rows as texts, `|` before the answer. */
function texts({ inputs, targets, size }: Batch, { vocabulary, length }: NonNullable<Dataset['sequences']>): string[] {
  const [ids, mask] = [inputs.tokens!.data, targets.answerMask!.data];
  return Array.from({ length: size }, (_, row) => {
    const places = Array.from({ length }, (_, i) => row * length + i);
    const start = places.findIndex((at) => mask[at] === 1);
    return places.map((at, i) => (i === start ? '|' : '') + vocabulary[ids[at]]).join('');
  });
}

async function all(dataset: Dataset, split: 'train' | 'validation' | 'test', epoch = 0) {
  const steps = Array.from({ length: Math.ceil(dataset.sizes[split] / dataset.batchSize) }, (_, step) => step);
  const batches = await Promise.all(steps.map((step) => dataset.batch({ split, epoch, step })));
  return {
    texts: batches.flatMap((batch) => texts(batch, dataset.sequences!)),
    index: batches.flatMap(({ index }) => Array.from(index)),
  };
}

const evaluate: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '×': (a, b) => a * b,
};

it.each([1, 2, 3])(
  'writes problems of up to %d digits with right answers, in rows that are just long enough',
  async (digits) => {
    const dataset = await make({
      digits,
      operations: ['add', 'subtract', 'multiply'],
      train: 200,
      validation: 20,
      test: 30,
    });
    for (const split of ['train', 'validation', 'test'] as const) {
      for (const text of (await all(dataset, split)).texts) {
        const [, a, sign, b, answer] = /^(\d+)([-+×])(\d+)=\|(-?\d+)\._*$/.exec(text)!;
        expect([a, b].every((number) => number === String(Number(number)) && number.length <= digits)).toBe(true);
        expect(Number(answer)).toBe(evaluate[sign](Number(a), Number(b)));
      }
    }
    // 99×99=9801. and the like is the longest.
    expect(dataset.sequences).toMatchObject({ length: 4 * digits + 3, answerLength: 2 * digits + 1 });
    expect(dataset.imageShape).toEqual([1, 1, 4 * digits + 3]);
  },
);

it('has no problem twice, in one split or two, and the same ones for every seed of a run', async () => {
  const options = { digits: 1, operations: ['add'], train: 60, validation: 10, test: 30, batchSize: 16 };
  const [dataset, other] = [await make(options, 1), await make(options, 2)];
  const splits = await Promise.all((['train', 'validation', 'test'] as const).map((split) => all(dataset, split)));
  // All there are.
  expect(new Set(splits.flatMap(({ texts }) => texts)).size).toBe(100);
  expect(splits.flatMap(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect((await all(other, 'test')).texts).toEqual(splits[2].texts);
  expect((await all(other, 'train')).texts).not.toEqual(splits[0].texts);
  expect((await all(other, 'train')).texts.sort()).toEqual(splits[0].texts.sort());
});

it('shuffles train by epoch and leaves the others in order', async () => {
  const dataset = await make({ train: 50, validation: 20, test: 20, batchSize: 8 });
  const [first, second] = [await all(dataset, 'train', 0), await all(dataset, 'train', 1)];
  expect(second.texts).not.toEqual(first.texts);
  expect(second.index.sort((a, b) => a - b)).toEqual(first.index.sort((a, b) => a - b));
  expect((await all(dataset, 'test', 1)).index).toEqual(Array.from({ length: 20 }, (_, i) => i));
  await expect(dataset.batch({ split: 'test', epoch: 0, step: 3 })).rejects.toThrow(
    'no step 3 in test: it has 3 batches',
  );
});

it('has the same test problems with other numbers of train problems', async () => {
  const [few, many] = [await make({ train: 10 }), await make({ train: 1000 })];
  expect((await all(few, 'test')).texts).toEqual((await all(many, 'test')).texts);
  expect(few.fingerprint).not.toBe(many.fingerprint);
  expect((await make({ dataSeed: 1, train: 10 })).fingerprint).not.toBe(few.fingerprint);
});

it('rewards the exact answer with its end, and nothing else', async () => {
  const dataset = await make({ train: 100, validation: 0, test: 100 });
  const { vocabulary, reward } = dataset.sequences!;
  const { texts: rows, index } = await all(dataset, 'test');
  const ids = (text: string) => Array.from(text, (character) => vocabulary.indexOf(character));
  rows.forEach((row, i) => {
    const answer = row.split('|')[1].replace(/_*$/, '');
    expect(reward(index[i], ids(answer))).toBe(1);
    // What comes after the end is not looked at.
    expect(reward(index[i], [...ids(answer), 0, 5])).toBe(1);
    for (const wrong of [answer.slice(0, -1), `0${answer}`, `${answer.slice(0, -1)}0.`, `_${answer}`, '.', '']) {
      expect(reward(index[i], ids(wrong))).toBe(0);
    }
  });
});

it('refuses more problems than there are', async () => {
  const error = await make({ digits: 1, operations: ['add'], train: 100, validation: 0, test: 1 }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).message).toBe('dataset: 101 problems asked for, and there are 100 of 1 digits');
});
