import { Seeds, type Student } from '@retort/core';
import { forward } from '@retort/nn';
import { createCategorical } from '@retort/rl-agents';
import { describeEachBackend, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { createWriter } from './sequence-writer.js';
import { A, end, N, pad, promptsOf, sequences, student, V } from './test-support/tiny-decoder.js';

/** softmax(z / τ) after a row of ids, one at a time. */
function said(of: Student, ids: number[], temperature = 1): number[] {
  const padded = [...ids, ...new Array<number>(N - ids.length).fill(pad)];
  const z = tf.tidy(() =>
    Array.from(
      forward(of, { tokens: tf.tensor2d([padded], [1, N], 'int32') }, { training: false })
        .tokenLogits!.slice([0, ids.length - 1, 0], [1, 1, V])
        .dataSync(),
    ),
  );
  const e = z.map((x) => Math.exp(x / temperature));
  const total = e.reduce((a, b) => a + b);
  return e.map((x) => x / total);
}

const draw = (seed: number, temperature = 1) => ({
  random: (name: string, k: number) => new Seeds(seed).at(name, k),
  temperature,
});

describeEachBackend('a writer of answers', () => {
  it('takes the most probable token each time, from wherever a prompt ends, until the end', async () => {
    const network = student();
    const writer = createWriter(network, sequences, createCategorical(V));
    const rows = [[2], [3, 2], [3], [2, 2]];
    const { tokens, answerMask } = writer.write(promptsOf(rows));
    const [ids, mask] = [await tokens.array(), await answerMask.array()];
    rows.forEach((prompt, r) => {
      const row = [...prompt];
      for (let k = 0; k < A && (k === 0 || ![pad, end].includes(row.at(-1)!)); k++) {
        const p = said(network, row);
        row.push(p.indexOf(Math.max(...p)));
      }
      expect(ids[r]).toEqual([...row, ...new Array<number>(N - row.length).fill(pad)]);
      expect(mask[r]).toEqual(Array.from({ length: N }, (_, n) => (n >= prompt.length && n < row.length ? 1 : 0)));
    });
    tf.dispose([tokens, answerMask]);
    network.model.dispose();
  });

  it.each([1, 2])('draws whole answers as often as they are probable at τ = %d', async (temperature) => {
    const network = student();
    const writer = createWriter(network, sequences, createCategorical(V));
    const [copies, prompt] = [4000, [3]];
    const { tokens, answerMask } = writer.write(
      promptsOf(new Array<number[]>(copies).fill(prompt)),
      draw(5, temperature),
    );
    const counts = new Map<string, number>();
    const [ids, mask] = [await tokens.array(), await answerMask.array()];
    ids.forEach((row, r) => {
      const answer = row.filter((_, n) => mask[r][n] === 1).join();
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
    });
    // Every answer there can be, with its probability.
    const probability = new Map<string, number>();
    const grow = (answer: number[], p: number) => {
      if (answer.length === A || [pad, end].includes(answer.at(-1)!)) {
        probability.set(answer.join(), p);
        return;
      }
      said(network, [...prompt, ...answer], temperature).forEach((next, v) => grow([...answer, v], p * next));
    };
    grow([], 1);
    expect([...probability.values()].reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect([...counts.keys()].every((answer) => probability.has(answer))).toBe(true);
    let statistic = 0;
    for (const [answer, p] of probability) statistic += ((counts.get(answer) ?? 0) - copies * p) ** 2 / (copies * p);
    // χ² of so many answers less one: mean and five deviations.
    const freedom = probability.size - 1;
    expect(statistic).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
    tf.dispose([tokens, answerMask]);
    network.model.dispose();
  });

  it('gives the same for the same numbers, and leaves no tensors', async () => {
    const network = student();
    const writer = createWriter(network, sequences, createCategorical(V));
    const prompts = promptsOf([[2], [3], [2, 3]]);
    const once = async (seed: number) => {
      const { tokens, answerMask } = writer.write(prompts, draw(seed));
      const ids = Array.from(await tokens.data());
      tf.dispose([tokens, answerMask]);
      return ids;
    };
    const first = await once(1);
    const others = await Promise.all([2, 3, 4].map(once));
    expect(others.some((ids) => ids.join() !== first.join())).toBe(true);
    expect(await once(1)).toEqual(first);
    await expectNoLeak(async () => void (await once(2)));
    network.model.dispose();
  });
});
