import { agreement } from './agreement.js';
import { evaluate, randomSamples, softmax } from './test-support/evaluate.js';

describe('agreement', () => {
  it('is 1, with divergence 0, between equals', () => {
    const { logits, label } = randomSamples(20, 5);
    const shifted = logits.map((row) => row.map((x) => x + 3));
    const result = evaluate(agreement, { logits, label, teachers: { same: shifted } });
    expect(result['agreement/same']).toBe(1);
    expect(result['fidelity-kl/same']).toBeCloseTo(0, 9);
  });

  it('matches the sums written out, teacher by teacher', () => {
    const samples = randomSamples(50, 5);
    const result = evaluate(agreement, samples, { batchSize: 7 });
    for (const id of ['a', 'b'] as const) {
      const teacher = samples.teachers[id];
      const largest = (row: number[]) => row.indexOf(Math.max(...row));
      expect(result[`agreement/${id}`]).toBe(
        samples.logits.filter((row, i) => largest(row) === largest(teacher[i])).length / 50,
      );
      let divergence = 0;
      samples.logits.forEach((row, i) => {
        const [q, p] = [softmax(row), softmax(teacher[i])];
        p.forEach((_, c) => (divergence += p[c] * Math.log(p[c] / q[c])));
      });
      expect(result[`fidelity-kl/${id}`]).toBeCloseTo(divergence / 50, 9);
    }
  });

  it('goes from teacher to student: an unsure student of a sure teacher costs log 2', () => {
    const result = evaluate(agreement, { logits: [[0, 0]], label: [0], teachers: { sure: [[1e4, -1e4]] } });
    expect(result['fidelity-kl/sure']).toBeCloseTo(Math.log(2), 12);
  });

  it('refuses to go without teachers, and teachers of other classes', () => {
    expect(() => evaluate(agreement, { logits: [[0, 1]], label: [0] })).toThrow(
      'metrics[0]: metric "agreement" compares with teachers, the manifest has none',
    );
    expect(() => evaluate(agreement, { logits: [[0, 1]], label: [0], teachers: { big: [[1, 2, 3]] } })).toThrow(
      'teacher "big" gives 3 logits per sample, the student 2',
    );
  });
});
