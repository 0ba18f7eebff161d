import { Seeds } from '@retort/core';
import { captionedSceneDifficulties } from './captioned-scenes.js';
import { composeNamedScene, type NamedScene } from './named-scene.js';
import { sceneClasses } from './scene.js';
import { captionsOf, phraseOf, promptsOf, sceneVocabulary } from './scene-texts.js';
import { assignments, read } from './test-support/scene-truth.js';
import { wordsOf } from './tokenizer-words.js';

const SIZE = 32;
const seeds = new Seeds(5);
const scenes = Array.from({ length: 600 }, (_, i) => sceneAt(i));

function sceneAt(index: number): NamedScene {
  const difficulty = captionedSceneDifficulties[(['easy', 'medium', 'hard'] as const)[index % 3]];
  return composeNamedScene(seeds.at('scene', index), index % 12, SIZE, [1, 3], difficulty);
}

const captions = scenes.map((scene, i) => captionsOf(scene, seeds.at('words', i)));

describe('captions', () => {
  it('are five different ones, all true of their scene', () => {
    for (const [i, scene] of scenes.entries()) {
      expect(new Set(captions[i]).size).toBe(5);
      for (const caption of captions[i]) {
        const ways = assignments(read(caption), scene, SIZE);
        expect(ways.length === 0 ? `false: ${caption}` : '').toBe('');
      }
    }
  });

  it('name color and shape of every object, and the texture of the large one', () => {
    for (const [i, scene] of scenes.entries()) {
      for (const caption of captions[i]) {
        const { nouns } = read(caption);
        expect(nouns).toHaveLength(scene.objects.length);
        for (const { color, shape } of nouns) expect([color, shape]).not.toContain(undefined);
        expect(nouns.filter(({ texture }) => texture !== undefined)).toHaveLength(1);
      }
    }
  });

  it('are false of most other scenes', () => {
    const readings = captions.slice(0, 100).map((own) => own.map(read));
    let pairs = 0;
    for (const [i, own] of readings.entries()) {
      for (const [j, scene] of scenes.entries()) {
        if (i !== j) pairs += own.filter((reading) => assignments(reading, scene, SIZE).length > 0).length;
      }
    }
    // Of 599 others, a caption is true of less than one.
    expect(pairs / 500).toBeLessThan(1);
  });

  it('use every word of their vocabulary and no other, and are no longer than its longest text', () => {
    const phrases = scenes.flatMap((scene, i) =>
      scene.objects.map((object) => phraseOf(scene, object, seeds.at('p', i))),
    );
    const used = new Set([...captions.flat(), ...phrases].flatMap(wordsOf));
    const vocabulary = new Set(sceneVocabulary.flatMap(wordsOf));
    expect([...used].filter((word) => !vocabulary.has(word))).toEqual([]);
    expect([...vocabulary].filter((word) => !used.has(word))).toEqual([]);
    const longest = Math.max(...sceneVocabulary.map((text) => wordsOf(text).length));
    expect(longest).toBe(30);
    for (const caption of captions.flat()) expect(wordsOf(caption).length).toBeLessThanOrEqual(longest);
    for (const prompt of sceneClasses.flatMap(promptsOf)) {
      for (const word of wordsOf(prompt)) expect(vocabulary).toContain(word);
    }
  });

  it('are functions of the scene and the stream', () => {
    expect(captionsOf(sceneAt(7), seeds.at('words', 7))).toEqual(captions[7]);
  });
});

describe('a phrase', () => {
  it('is true of its object alone', () => {
    const kinds = new Set<string>();
    for (const [i, scene] of scenes.entries()) {
      for (const [number, object] of scene.objects.entries()) {
        const phrase = phraseOf(scene, object, seeds.at(`phrase ${number}`, i));
        const reading = read(phrase);
        expect([phrase, new Set(assignments(reading, scene, SIZE).map(([target]) => target))]).toEqual([
          phrase,
          new Set([number]),
        ]);
        const [{ size, color, texture, shape, place }] = reading.nouns;
        kinds.add(
          [size, color, texture, shape === 'object' ? undefined : shape, place, reading.relations[0]]
            .map(Boolean)
            .join(),
        );
      }
    }
    // Each of the seven kinds comes up.
    expect(kinds.size).toBe(7);
  });
});

describe('prompts', () => {
  it('are true of scenes of their class with the color, and of no others', () => {
    const [striped] = sceneClasses.map(promptsOf).slice(1);
    expect(striped[0]).toBe('a large red striped disc');
    for (const [i, scene] of scenes.entries()) {
      const isTrue = striped.map((prompt) => assignments(read(prompt), scene, SIZE).length > 0);
      expect(isTrue.includes(true)).toBe(i % 12 === 1);
    }
  });
});
