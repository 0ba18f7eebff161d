import { Seeds } from '@retort/core';
import { captionedSceneDifficulties } from './captioned-scenes.js';
import { composeNamedScene } from './named-scene.js';
import { captionsOf } from './scene-texts.js';
import { assignments, read } from './test-support/scene-truth.js';

/** How well captions tell a thousand images apart; the README gives these figures. */
it.each(['easy', 'medium', 'hard'] as const)(
  '%s: captions are rarely true of another of a thousand images',
  (preset) => {
    const [size, count] = [32, 1000];
    const seeds = new Seeds(11);
    const scenes = Array.from({ length: count }, (_, i) =>
      composeNamedScene(seeds.at('scene', i), i % 12, size, [1, 3], captionedSceneDifficulties[preset]),
    );
    const captions = scenes.map((scene, i) => captionsOf(scene, seeds.at('words', i)));
    const uses = new Map<string, number>();
    for (const caption of captions.flat()) uses.set(caption, (uses.get(caption) ?? 0) + 1);
    const verbatim = captions.flat().filter((caption) => uses.get(caption)! > 1).length / (5 * count);

    let [others, alone, best] = [0, 0, 0];
    for (const caption of captions.flat()) {
      const reading = read(caption);
      const fitting = scenes.filter((scene) => assignments(reading, scene, size).length > 0).length;
      others += fitting - 1;
      alone += Number(fitting === 1);
      // Whoever knows all but has to guess among the images that a caption is true of.
      best += 1 / fitting / (5 * count);
    }
    const [mean, share] = [others / (5 * count), alone / (5 * count)];
    console.log(
      `${preset}: ${(100 * verbatim).toFixed(2)} % word for word of another image, ` +
        `${(100 * share).toFixed(1)} % true of their own image alone, true of ${mean.toFixed(2)} others on average; at best R@1 ${(100 * best).toFixed(1)} % from text to image`,
    );
    expect(verbatim).toBeLessThan(0.02);
    expect(share).toBeGreaterThan(0.6);
    expect(mean).toBeLessThan(1.2);
  },
);
