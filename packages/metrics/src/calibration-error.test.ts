import { RunError } from '@retort/core';
import { calibrationError } from './calibration-error.js';
import { evaluate, randomSamples, softmax } from './test-support/evaluate.js';

/** Logits of two classes with this probability of the first. */
const sure = (p: number) => [Math.log(p / (1 - p)), 0];

describe('calibration-error', () => {
  it('is worked out by hand', () => {
    // Ten bins. 0.92 and 0.98 share one: one of two right. 0.75 is alone and right.
    const samples = { logits: [sure(0.92), sure(0.98), sure(0.75)], label: [0, 1, 0] };
    const result = evaluate(calibrationError, samples, { options: { bins: 10 } });
    expect(result['calibration-error']).toBeCloseTo((2 / 3) * (0.95 - 0.5) + (1 / 3) * (1 - 0.75), 6);
    expect(result.nll).toBeCloseTo(-(Math.log(0.92) + Math.log(0.02) + Math.log(0.75)) / 3, 6);
  });

  it('counts the upper edge to a bin, not the lower', () => {
    // One half belongs to (0, ½], three quarters to (½, 1].
    const samples = { logits: [[0, 0], sure(0.75)], label: [0, 1] };
    const result = evaluate(calibrationError, samples, { options: { bins: 2 } });
    expect(result['calibration-error']).toBeCloseTo((1 - 0.5) / 2 + (0.75 - 0) / 2, 6);
  });

  it('is |accuracy − mean confidence| with one bin, and 0 when they agree', () => {
    const logits = [sure(0.75), sure(0.75), sure(0.75), sure(0.75)];
    const one = (label: number[]) => evaluate(calibrationError, { logits, label }, { options: { bins: 1 } });
    expect(one([0, 0, 0, 1])['calibration-error']).toBeCloseTo(0, 7);
    expect(one([1, 1, 1, 1])['calibration-error']).toBeCloseTo(0.75, 7);
  });

  it('equals the definition, bin by bin', () => {
    const samples = randomSamples(500, 4);
    const [p, bins] = [samples.logits.map(softmax), 15];
    let expected = 0;
    for (let b = 1; b <= bins; b++) {
      const members = p.flatMap((row, i) => {
        const confidence = Math.max(...row);
        return confidence > (b - 1) / bins && confidence <= b / bins
          ? [{ confidence, right: row.indexOf(confidence) === samples.label[i] ? 1 : 0 }]
          : [];
      });
      const total = (key: 'confidence' | 'right') => members.reduce((sum, member) => sum + member[key], 0);
      expected += Math.abs(total('right') - total('confidence')) / 500;
    }
    const result = evaluate(calibrationError, samples, { batchSize: 64 });
    expect(result['calibration-error']).toBeCloseTo(expected, 9);
    expect(result.nll).toBeCloseTo(p.reduce((sum, row, i) => sum - Math.log(row[samples.label[i]]), 0) / 500, 9);
  });

  it('leaves samples without a label out', () => {
    const { logits, label } = randomSamples(60, 4);
    const result = evaluate(calibrationError, { logits, label: label.map((own, i) => (i < 20 ? own : -1)) });
    const kept = evaluate(calibrationError, { logits: logits.slice(0, 20), label: label.slice(0, 20) });
    expect(result).toEqual(kept);
  });

  it('takes certainty: probability 1 and probability 0', () => {
    const samples = {
      logits: [
        [1e4, -1e4],
        [1e4, -1e4],
      ],
      label: [0, 1],
    };
    expect(evaluate(calibrationError, samples)).toEqual({ 'calibration-error': 0.5, nll: 1e4 });
  });

  it('refuses logits that are not finite', () => {
    expect(() => evaluate(calibrationError, { logits: [[NaN, 0]], label: [0] })).toThrow(RunError);
    expect(() => evaluate(calibrationError, { logits: [[Infinity, 0]], label: [0] })).toThrow('a logit of Infinity');
  });
});
