import type { NamedObject, NamedScene } from '../named-scene.js';

/** What a text says, read from its words alone. */
export interface Reading {
  nouns: Noun[];
  relations: { subject: number; words: string; object: number }[];
  ground: string | undefined;
  count: number | undefined;
}

interface Noun {
  size: string | undefined;
  color: string | undefined;
  texture: string | undefined;
  shape: string | undefined;
  place: string | undefined;
}

const NOUN =
  /\b(?:an?|the) (?:(large|big|small|little) )?(?:(red|green|blue|yellow|purple|orange|white|turquoise) )?(?:(plain|striped|dotted) )?(disc|circle|triangle|cross|plus|square|box|object)(?: with (stripes|dots))?/g;
const PLACE = /\b(?:in|at|on|near) the [a-z ]+?(?= an?\b|$)/;
const RELATION = /to the left of|to the right of|above|below/;

/** Reads a caption or phrase. @throws Error when words are left over */
export function read(text: string): Reading {
  const reading: Reading = { nouns: [], relations: [], ground: undefined, count: undefined };
  let rest = text.replace(/ on a (\w+) background/, (_, ground: string) => {
    reading.ground = ground;
    return '';
  });
  rest = rest.replace(/^(?:(a single object|two objects|three objects) : |there is only )/, (words) => {
    reading.count = words.startsWith('two') ? 2 : words.startsWith('three') ? 3 : 1;
    return '';
  });
  for (const item of rest.split(/ , | and /)) {
    const nouns = [...item.matchAll(NOUN)];
    const place = item.replace(NOUN, '|').replace(RELATION, '').replaceAll('|', '').trim();
    const first = reading.nouns.length;
    for (const [i, [, size, color, adjective, shape, tail]] of nouns.entries()) {
      const texture = adjective ?? (tail === 'stripes' ? 'striped' : tail === 'dots' ? 'dotted' : undefined);
      reading.nouns.push({ size, color, texture, shape, place: i === 0 && place !== '' ? place : undefined });
    }
    const words = RELATION.exec(item)?.[0];
    if (nouns.length !== (words ? 2 : 1)) throw new Error(`cannot read "${item}" of "${text}"`);
    if (words) reading.relations.push({ subject: first, words, object: first + 1 });
    if (place !== '' && (words !== undefined || !PLACE.test(place)))
      throw new Error(`cannot read "${place}" in "${text}"`);
  }
  return reading;
}

/** Every way to take a reading's nouns for different objects of a scene, as object numbers by noun. */
export function assignments({ nouns, relations, ground, count }: Reading, scene: NamedScene, size: number): number[][] {
  if (ground !== undefined && ground !== scene.ground) return [];
  if (count !== undefined && count !== scene.objects.length) return [];
  let found: number[][] = [[]];
  for (const noun of nouns) {
    found = found.flatMap((taken) =>
      scene.objects.flatMap((object, i) => (taken.includes(i) || !isOf(noun, object, size) ? [] : [[...taken, i]])),
    );
  }
  const at = (taken: number[], noun: number) => scene.objects[taken[noun]];
  return found.filter((taken) =>
    relations.every(({ subject, words, object }) => lies(at(taken, subject), words, at(taken, object), size)),
  );
}

const same: Record<string, string> = { circle: 'disc', plus: 'cross', box: 'square' };

function isOf({ size, color, texture, shape, place }: Noun, object: NamedObject, imageSize: number): boolean {
  const isLarge = object.radius > 0.165 * imageSize;
  if (size !== undefined && ['large', 'big'].includes(size) !== isLarge) return false;
  if (color !== undefined && color !== object.colorName) return false;
  if (texture !== undefined && texture !== object.texture) return false;
  if (shape !== undefined && shape !== 'object' && (same[shape] ?? shape) !== object.shape) return false;
  if (place === undefined) return true;
  const [x, y] = [object.x / imageSize, object.y / imageSize];
  const says = (...words: string[]) => words.some((word) => place.split(' ').includes(word));
  const isMid = (z: number) => z > 0.375 && z < 0.625;
  if (says('middle', 'center')) return isMid(x) && isMid(y);
  return (
    !(says('left') && x > 0.375) &&
    !(says('right') && x < 0.625) &&
    !(says('top', 'upper') && y > 0.375) &&
    !(says('bottom', 'lower') && y < 0.625)
  );
}

function lies(object: NamedObject, words: string, other: NamedObject, size: number): boolean {
  const [right, down] = [(object.x - other.x) / size, (object.y - other.y) / size];
  if (words === 'above') return down < -0.165;
  if (words === 'below') return down > 0.165;
  return words === 'to the left of' ? right < -0.165 : right > 0.165;
}
