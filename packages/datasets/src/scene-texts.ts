import type { Random } from '@retort/core';
import { colorNames, groundNames, type ColorName, type NamedObject, type NamedScene } from './named-scene.js';
import { textures, type Shape, type Texture } from './scene.js';

/** Words for one thing, the usual one first. */
const shapeWords: Record<Shape, readonly string[]> = {
  disc: ['disc', 'circle'],
  triangle: ['triangle'],
  cross: ['cross', 'plus'],
  square: ['square', 'box'],
};
const sizeWords = { large: ['large', 'big'], small: ['small', 'little'] } as const;
/** After the noun, instead of the adjective before it. */
const textureTails: Partial<Record<Texture, string>> = { striped: 'with stripes', dotted: 'with dots' };
const countWords = ['a single object', 'two objects', 'three objects'];

/** Places by row and column. Those with one direction are true of a whole side, the others of one cell. */
const cornerWords = { row: ['top', 'middle', 'bottom'], upper: ['upper', '', 'lower'], column: ['left', '', 'right'] };

/** Where an object lies from another, and when that is so. */
const relations = {
  'to the left of': (object, other) => object.column < other.column,
  'to the right of': (object, other) => object.column > other.column,
  above: (object, other) => object.row < other.row,
  below: (object, other) => object.row > other.row,
} satisfies Record<string, (object: NamedObject, other: NamedObject) => boolean>;
type Relation = keyof typeof relations;

/** What is said of an object; what is left out may be anything. */
interface Description {
  size?: boolean;
  color?: boolean;
  texture?: boolean;
  shape?: boolean;
  place?: boolean;
  relation?: { name: Relation; to: NamedObject };
}

/**
 * Five captions of a scene, each true of it. Every one names color and shape of all objects, and texture of the large one; they
 * differ in what else they tell (sizes, places, relations, number of objects, background), in order and in words.
 */
export function captionsOf(scene: NamedScene, random: Random): string[] {
  const { objects, ground } = scene;
  const [first, ...others] = objects;
  const name = (object: NamedObject, told: { size?: boolean } = {}) =>
    withArticle(nounOf(object, { ...told, color: true, texture: object.isLarge, shape: true }, random));
  const placed = (object: NamedObject, told: { size?: boolean } = {}) =>
    `${name(object, told)} ${placeOf(object, random)}`;
  const onGround = `on a ${ground} background`;

  const captions = [
    listed(objects.map((object) => placed(object, { size: true }))),
    listed(random.shuffle([...objects]).map((object) => `${placeOf(object, random)} ${name(object)}`)),
    others.length === 0
      ? `there is only ${placed(first, { size: true })}`
      : listed([related(first, others[0]), ...others.slice(1).map((object) => placed(object))]),
    others.length === 0
      ? `${placed(first)} ${onGround}`
      : `${listed(random.shuffle([...objects]).map((object) => name(object, { size: true })))} ${onGround}`,
    `${countWords[others.length]} ${onGround} : ${listed([placed(first), ...others.map((object) => name(object))])}`,
  ];
  return random.shuffle(captions);

  /** Either of two objects and how it lies from the other. */
  function related(one: NamedObject, two: NamedObject): string {
    const [object, other] = random.integer(2) === 0 ? [one, two] : [two, one];
    return `${name(object, { size: true })} ${pick(relationsBetween(object, other), random)} ${name(other)}`;
  }
}

/**
 * A phrase that is true of one object of the scene alone. All objects being distinct by color and shape, there is always one; which
 * of those that single the object out is drawn.
 */
export function phraseOf(scene: NamedScene, target: NamedObject, random: Random): string {
  const others = scene.objects.filter((object) => object !== target);
  const told: Description[] = [
    { color: true, shape: true },
    { size: true, color: true, texture: true, shape: true },
    { size: true, shape: true },
    { shape: true, place: true },
    { color: true, place: true },
    { place: true },
    ...others.flatMap((to) => relationsBetween(target, to).map((name) => ({ shape: true, relation: { name, to } }))),
  ];
  const singling = told.filter((description) => !others.some((other) => fits(other, target, description)));
  const description = pick(singling, random);
  const { relation } = description;
  return [
    'the',
    nounOf(target, description, random),
    ...(description.place ? [placeOf(target, random)] : []),
    ...(relation ? [relation.name, 'the', nounOf(relation.to, { color: true, shape: true }, random)] : []),
  ].join(' ');
}

/** Whether what is told of the target is true of another object too. */
function fits(object: NamedObject, target: NamedObject, told: Description): boolean {
  return (
    !(told.size && object.isLarge !== target.isLarge) &&
    !(told.color && object.colorName !== target.colorName) &&
    !(told.texture && object.texture !== target.texture) &&
    !(told.shape && object.shape !== target.shape) &&
    !(told.place && !isAtPlaceOf(object, target)) &&
    !(told.relation && !relations[told.relation.name](object, told.relation.to))
  );
}

/** Whether the words for the target's place are true of an object: "on the left" is of all that is in the left third. */
function isAtPlaceOf(object: NamedObject, { column, row }: NamedObject): boolean {
  const isInColumn = object.column === column;
  const isInRow = object.row === row;
  if (column !== 1 && row === 1) return isInColumn;
  if (row !== 1 && column === 1) return isInRow;
  return isInColumn && isInRow;
}

/** Zero-shot prompts of a class of {@link sceneClasses}: one for each color, since captions always tell colors. */
export function promptsOf(className: string): string[] {
  return colorNames.map((color) => `a large ${color} ${className}`);
}

/**
 * Texts that have every word of captions, phrases and prompts, the longest of which is as long as any caption: for tokenizers
 * whose vocabulary must not depend on how many images there are.
 */
export const sceneVocabulary: readonly string[] = [
  `the object with stripes with dots : there is only ${countWords.join(' ')}`,
  [...Object.values(shapeWords).flat(), ...textures].join(' '),
  Object.values(sizeWords).flat().join(' '),
  colorNames.join(' '),
  `on a ${groundNames.join(' ')} background`,
  'in the middle center upper lower corner near side at the top bottom',
  `an ${Object.keys(relations).join(' ')}`,
  'a large red striped disc in the top left corner , a small blue square in the bottom right corner and a small green cross in the top right corner',
];

function relationsBetween(object: NamedObject, other: NamedObject): Relation[] {
  return (Object.keys(relations) as Relation[]).filter((name) => relations[name](object, other));
}

/** "large red striped disc", "object with stripes": without an article. */
function nounOf(
  { isLarge, colorName, texture, shape }: NamedObject,
  told: Pick<Description, 'size' | 'color' | 'texture' | 'shape'>,
  random: Random,
): string {
  const tail = told.texture && !told.size && random.integer(2) === 0 ? textureTails[texture] : undefined;
  return [
    ...(told.size ? [pick(isLarge ? sizeWords.large : sizeWords.small, random)] : []),
    ...(told.color ? [colorName satisfies ColorName] : []),
    ...(told.texture && tail === undefined ? [texture] : []),
    told.shape ? pick(shapeWords[shape], random) : 'object',
    ...(tail === undefined ? [] : [tail]),
  ].join(' ');
}

function placeOf({ column, row }: NamedObject, random: Random): string {
  const [high, side] = [cornerWords.row[row], cornerWords.column[column]];
  if (column === 1 && row === 1) return pick(['in the middle', 'in the center'], random);
  if (column === 1) return pick([`at the ${high}`, `near the ${high}`], random);
  if (row === 1) return pick([`on the ${side}`, `on the ${side} side`], random);
  return pick(
    [`at the ${high} ${side}`, `in the ${cornerWords.upper[row]} ${side}`, `in the ${high} ${side} corner`],
    random,
  );
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** "a", "a and b", "a , b and c". */
function listed(items: string[]): string {
  return [items.slice(0, -1).join(' , '), items[items.length - 1]].filter((part) => part !== '').join(' and ');
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[random.integer(items.length)];
}
