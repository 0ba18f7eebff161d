import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, Registry, resolvePart, Seeds } from '@retort/core';
import { plugin } from './index.js';
import { classPrompts, promptSets, spokenName, textOfClasses, textOptions } from './prompts.js';

const eurosat = ['AnnualCrop', 'SeaLake'];
const registry = new Registry().use(plugin);

/** {@link textOfClasses} with a tokenizer as a manifest names it. */
async function textOf(classes: string[], { tokenizer, ...options }: Record<string, unknown>) {
  const context = { scope: registry.createScope(), baseFolder: '.', path: 'dataset' };
  const reference = tokenizer && { tokenizer: resolvePart(registry, 'tokenizer', tokenizer, 'dataset.tokenizer') };
  return textOfClasses(classes, { ...options, ...(reference as object) }, context);
}

describe('prompts', () => {
  it.each([
    ['AnnualCrop', 'annual crop'],
    ['maple_tree', 'maple tree'],
    ['SUVParked', 'suv parked'],
    ['Room101Door', 'room101 door'],
    ['striped disc', 'striped disc'],
    [' T-junction__ ', 't-junction'],
    ['ÉtangGelé', 'étang gelé'],
    ['USA', 'usa'],
  ])('says %j as %j', (name, spoken) => expect(spokenName(name)).toBe(spoken));

  it('puts every class into every template', () => {
    expect(classPrompts(eurosat, { prompts: ['{} from space', 'a {}, no, the {}'] }, 'dataset')).toEqual([
      ['annual crop from space', 'a annual crop, no, the annual crop'],
      ['sea lake from space', 'a sea lake, no, the sea lake'],
    ]);
    expect(classPrompts(['dog'], {}, 'dataset')[0]).toEqual([
      ...['itap of a dog.', 'a bad photo of the dog.', 'a origami dog.', 'a photo of the large dog.'],
      ...['a dog in a video game.', 'art of the dog.', 'a photo of the small dog.'],
    ]);
    const [annualCrop] = classPrompts(eurosat, { prompts: 'satellite' }, 'dataset');
    expect(annualCrop).toHaveLength(9);
    expect(annualCrop[0]).toBe('a centered satellite photo of annual crop.');
    expect(annualCrop[8]).toBe('aerial view of annual crop.');
  });

  it('has templates with one place each, all different', () => {
    for (const templates of Object.values(promptSets)) {
      for (const template of templates) expect(template.split('{}')).toHaveLength(2);
      expect(new Set(templates).size).toBe(templates.length);
    }
  });

  it('takes names as they are given, $ and all', () => {
    const names = { SeaLake: 'a Sea or $& lake' };
    expect(classPrompts(eurosat, { prompts: ['{}'], names }, 'dataset')).toEqual([
      ['annual crop'],
      ['a Sea or $& lake'],
    ]);
    expect(() => classPrompts(eurosat, { names: { SeaLakes: 'x' } }, 'dataset')).toThrow(
      new InputError('names: "SeaLakes" is no class'),
    );
  });

  it('refuses templates without a place for the class, and unknown sets', () => {
    const parse = (prompts: unknown) => textOptions.prompts.safeParse(prompts);
    expect(parse(['a photo']).success).toBe(false);
    expect(parse([]).success).toBe(false);
    expect(parse('satelite').success).toBe(false);
    expect(parse(['a {}']).success && parse('satellite').success && parse(undefined).success).toBe(true);
  });

  it('makes the tokenizer of the prompts', async () => {
    const text = (await textOf(eurosat, { tokenizer: 'words', prompts: ['a photo of {}.'] }))!;
    expect(text.prompts).toEqual([['a photo of annual crop.'], ['a photo of sea lake.']]);
    // a photo of . annual crop sea lake, after padding, start and end
    expect(text.tokenizer.vocabularySize).toBe(3 + 8);
    expect(text.tokenizer.encode(text.prompts[0]).shape).toEqual([1, 8]);
  });

  it('makes nothing without a tokenizer, and refuses prompts and names then', async () => {
    expect(await textOf(eurosat, {})).toBeUndefined();
    await expect(textOf(eurosat, { prompts: 'satellite' })).rejects.toThrow('prompts: of no use without a tokenizer');
    await expect(textOf(eurosat, { names: {} })).rejects.toThrow('names: of no use without a tokenizer');
  });

  it('is there in generated scenes and CIFAR, with the classes they are made of', async () => {
    const scope = registry.createScope();
    const datasetOf = (options: Record<string, unknown>) =>
      scope.create(resolvePart(registry, 'dataset', { tokenizer: 'words', ...options }, 'dataset'), {
        ...{ seeds: new Seeds(1), scope, baseFolder: tmpdir(), path: 'dataset' },
      });
    const scenes = await datasetOf({ use: 'scenes', classes: 4, train: 40, test: 4, prompts: ['a {}'] });
    expect(scenes.text!.prompts).toEqual([
      ['a plain disc'],
      ['a striped disc'],
      ['a dotted disc'],
      ['a plain triangle'],
    ]);
    // One row: label 0 and black pixels.
    const root = mkdtempSync(join(tmpdir(), 'retort-prompts-'));
    writeFileSync(join(root, 'a.bin'), new Uint8Array(1 + 3 * 32 * 32));
    const cifar = await datasetOf({ use: 'cifar-10', root, train: ['a.bin'], test: ['a.bin'], validation: 0 });
    expect(cifar.text!.prompts).toHaveLength(10);
    expect(cifar.text!.prompts[9][6]).toBe('a photo of the small truck.');
    rmSync(root, { recursive: true });
  });

  it('is registered with tokenizers whose every option is described', () => {
    const parts = registry.list('tokenizer');
    expect(parts.map(({ part }) => part.name)).toEqual(['clip-bpe', 'words']);
    for (const { part } of parts) {
      for (const option of Object.values(part.options.shape)) expect(option.description).toMatch(/\w/);
    }
  });
});
