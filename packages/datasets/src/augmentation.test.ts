import { describeOptions, InputError, manifestJsonSchema, Registry, resolvePart, z } from '@retort/core';
import { augmentOption } from './augmentation.js';
import { plugin } from './index.js';

const registry = new Registry().use(plugin);
const augment = augmentOption(['crop', 'flip']);

/** The message about a faulty `augment` of a manifest's data set. */
function faultOf(value: unknown): string {
  try {
    resolvePart(registry, 'dataset', { use: 'scenes', augment: value });
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  }
  throw new Error('no fault');
}

describe('augment', () => {
  it('takes names, and writes out the options of those that have some', () => {
    expect(augment.parse(undefined)).toEqual(['crop', 'flip']);
    expect(augment.parse(['flip', { use: 'crop' }, 'mixup', { use: 'rand-augment', magnitude: 5 }])).toEqual([
      'flip',
      'crop',
      { use: 'mixup', alpha: 0.8 },
      { use: 'rand-augment', operations: 2, magnitude: 5, deviation: 0, probability: 1 },
    ]);
  });

  it('gives the same when what it gave is read again', () => {
    const once = augment.parse(['crop', 'random-erasing', 'cut-mix', 'random-resized-crop', 'rand-augment']);
    expect(augment.parse(JSON.parse(JSON.stringify(once)))).toEqual(once);
  });

  it('tells what is wrong by its key', () => {
    expect(faultOf(['crpo'])).toMatch(/^dataset\.augment\[0\]: no such choice: "crpo"; did you mean "crop"\?/);
    expect(faultOf(['crop', { use: 'mixpu' }])).toMatch(
      /^dataset\.augment\[1\]\.use: no such choice: "mixpu"; did you mean "mixup"\?/,
    );
    expect(faultOf([{ alpha: 1 }])).toBe('dataset.augment[0].use: missing');
    expect(faultOf([{ use: 'random-erasing', probabilty: 0.25 }])).toMatch(
      /^dataset\.augment\[0\]\.probabilty: unknown key; did you mean "probability"\?/,
    );
    expect(faultOf([{ use: 'mixup', alpha: 0 }])).toBe('dataset.augment[0].alpha: expected number to be >0; got 0');
    expect(faultOf([{ use: 'random-erasing', area: [0.2, 0.1] }])).toMatch(
      /^dataset\.augment\[0\]\.area: the first of the two must not be greater than the second; got \[0\.2,0\.1\]/,
    );
    expect(faultOf([{ use: 'random-erasing', area: [0.2, 1.1] }])).toMatch(/^dataset\.augment\[0\]\.area\[1\]: /);
    expect(faultOf('crop')).toMatch(/^dataset\.augment: expected array/);
  });

  it('is told to editors and in lists', () => {
    const schema = JSON.stringify(manifestJsonSchema(registry));
    for (const text of ['"random-erasing"', '"magnitude"', '"share of the images', 'cut-mix']) {
      expect(schema.toLowerCase()).toContain(text);
    }
    const option = describeOptions(z.strictObject({ augment })).find(({ name }) => name === 'augment');
    expect(option).toMatchObject({ required: false, default: ['crop', 'flip'] });
    expect(option!.type).toBe(
      'list of "crop" | "flip" | "random-resized-crop" | "rand-augment" | "random-erasing" | "mixup" | "cut-mix" or object',
    );
  });
});
