import {
  type Batch,
  type BatchAddress,
  type Dataset,
  type DatasetContext,
  type DatasetSequences,
  definePart,
  InputError,
  type Random,
  Seeds,
  sha256,
  type Split,
  z,
} from '@retort/core';

/** Counted up whenever the same options give other problems. */
const GENERATOR = 1;

/** Padding, end, then what is written. */
const vocabulary = ['_', '.', ...'0123456789', '+', '-', '×', '='];
const [padToken, endToken] = [0, 1];

/** What is done with two numbers a, b < 10^d: its sign, and the most characters that the result takes. */
const operations = {
  add: { sign: '+', apply: (a: number, b: number) => a + b, characters: (digits: number) => digits + 1 },
  // A minus and d digits.
  subtract: { sign: '-', apply: (a: number, b: number) => a - b, characters: (digits: number) => digits + 1 },
  multiply: { sign: '×', apply: (a: number, b: number) => a * b, characters: (digits: number) => 2 * digits },
};

type Operation = keyof typeof operations;

/** A prompt such as `17+25=`, and its answer, `42`. */
interface ArithmeticProblem {
  prompt: string;
  answer: string;
}

const options = z.strictObject({
  digits: z.int().min(1).max(4).default(2).describe('Most digits of the two numbers.'),
  operations: z
    .array(z.enum(Object.keys(operations) as [Operation, ...Operation[]]))
    .min(1)
    .default(['add', 'subtract'])
    .describe('What is done with them.'),
  train: z.int().positive().default(4000).describe('Problems in the train split.'),
  validation: z.int().nonnegative().default(500).describe('Problems in the validation split.'),
  test: z.int().nonnegative().default(1000).describe('Problems in the test split.'),
  batchSize: z.int().positive().default(64).describe('Problems in a batch; the last one of an epoch may be smaller.'),
  dataSeed: z
    .int()
    .nonnegative()
    .default(0)
    .describe("Seed of the problems and their splits; the run's seed has no part in them, only in their order."),
});

/**
 * Sums, differences and products as strings of characters, no two of them alike: a language whose answers can be checked. Problems are
 * drawn evenly from all there are, those of the test split first, then validation, then train: more train problems leave the others
 * as they are. A problem's number in that order is its `index`.
 *
 * Tokens: 0 padding, 1 end, 2 to 11 digits, then + - × =. A row is prompt, answer, end and padding, as long as the longest can be.
 */
export const arithmetic = definePart('dataset', {
  name: 'arithmetic',
  summary: 'generated sums, differences and products, a character a token, whose answers can be checked',
  options,
  create: makeArithmetic,
});

function makeArithmetic(
  { digits, batchSize, dataSeed, ...given }: z.output<typeof options>,
  { seeds, path }: DatasetContext,
): Dataset {
  const chosen = [...new Set(given.operations)];
  const sizes: Record<Split, number> = { train: given.train, validation: given.validation, test: given.test };
  const problems = drawProblems(
    { digits, operations: chosen, count: sizes.test + sizes.validation + sizes.train, path },
    new Seeds(dataSeed).stream('arithmetic'),
  );
  const first: Record<Split, number> = { test: 0, validation: sizes.test, train: sizes.test + sizes.validation };
  const answerLength = Math.max(...chosen.map((name) => operations[name].characters(digits))) + 1;
  const length = 2 * digits + 2 + answerLength;
  const rows = problems.map(({ prompt, answer }) => [...encode(prompt), ...encode(answer), endToken]);

  const batch = ({ split, epoch, step }: BatchAddress): Batch => {
    const start = step * batchSize;
    const size = Math.min(batchSize, sizes[split] - start);
    if (!(start >= 0 && size > 0)) {
      throw new RangeError(`no step ${step} in ${split}: it has ${Math.ceil(sizes[split] / batchSize)} batches`);
    }
    const order = split === 'train' ? orderOf(epoch) : undefined;
    const index = Int32Array.from({ length: size }, (_, i) => first[split] + (order ? order[start + i] : start + i));
    const tokens = new Int32Array(size * length).fill(padToken);
    const answerMask = new Uint8Array(size * length);
    index.forEach((number, i) => {
      tokens.set(rows[number], i * length);
      answerMask.fill(1, i * length + problems[number].prompt.length, i * length + rows[number].length);
    });
    return {
      ...{ split, epoch, step, size, index },
      view: new Int32Array(size),
      inputs: { tokens: { data: tokens, shape: [size, length] } },
      targets: { answerMask: { data: answerMask, shape: [size, length] } },
    };
  };

  const orders = new Map<number, Uint32Array>();
  /** Place in the train split of each problem of an epoch. */
  function orderOf(epoch: number): Uint32Array {
    let order = orders.get(epoch);
    if (!order) {
      order = seeds.at('order', epoch).shuffle(Uint32Array.from({ length: sizes.train }, (_, i) => i));
      // Two are enough for looking ahead over the end of an epoch.
      if (orders.size === 2) orders.delete(orders.keys().next().value!);
      orders.set(epoch, order);
    }
    return order;
  }

  const sequences: DatasetSequences = {
    ...{ vocabulary, length, answerLength, padToken, endToken },
    reward: (index, answer) => (decode(answer) === `${problems[index].answer}${vocabulary[endToken]}` ? 1 : 0),
  };
  return {
    classes: [],
    imageShape: [1, 1, length],
    normalization: { mean: [0], deviation: [1] },
    batchSize,
    sizes,
    views: 1,
    sequences,
    fingerprint: sha256(JSON.stringify([GENERATOR, dataSeed, digits, chosen, sizes])),
    batch: (address) => Promise.resolve().then(() => batch(address)),
    dispose: () => orders.clear(),
  };
}

/** @throws InputError where there are not as many */
function drawProblems(
  { digits, operations: names, count, path }: { digits: number; operations: Operation[]; count: number; path: string },
  random: Random,
): ArithmeticProblem[] {
  const numbers = 10 ** digits;
  const total = names.length * numbers ** 2;
  if (count > total) {
    throw new InputError(`${path}: ${count} problems asked for, and there are ${total} of ${digits} digits`, {
      hints: ['ask for fewer in train, validation and test, or raise digits'],
    });
  }
  const drawn = new Set<number>();
  while (drawn.size < count) drawn.add(random.integer(total));
  return Array.from(drawn, (code) => {
    const pair = code % numbers ** 2;
    return problemOf(names[(code - pair) / numbers ** 2], Math.floor(pair / numbers), pair % numbers);
  });
}

function problemOf(name: Operation, a: number, b: number): ArithmeticProblem {
  const { sign, apply } = operations[name];
  return { prompt: `${a}${sign}${b}=`, answer: String(apply(a, b)) };
}

function encode(text: string): number[] {
  return Array.from(text, (character) => vocabulary.indexOf(character));
}

/** The text of ids up to the first end token, `.`; all of it where there is none. */
function decode(ids: ArrayLike<number>): string {
  const all = Array.from(ids);
  const end = all.indexOf(endToken);
  return all
    .slice(0, end < 0 ? all.length : end + 1)
    .map((id) => vocabulary[id])
    .join('');
}
