import { RunError } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { compile } from './compile.js';

const counterVariable = () => ({ total: tf.tidy(() => tf.variable(tf.tensor1d([0, 0]))) });

describeEachBackend('compile', (backend) => {
  it.each([0, 2])('runs a step once a call, also where %d calls are verified', async (verifyReplay) => {
    const variables = counterVariable();
    const step = compile(
      ({ x }: { x: tf.Tensor }) => {
        variables.total.assign(variables.total.add<tf.Tensor1D>(x));
        return { double: x.mul(2), total: variables.total.clone() };
      },
      { variables, verifyReplay },
    );
    const x = tf.tensor1d([1, 3]);
    for (let call = 1; call <= 4; call++) {
      const { double, total } = step({ x });
      await expectClose(double, [2, 6]);
      await expectClose(total, [call, 3 * call]);
      await expectClose(variables.total, [call, 3 * call]);
      tf.dispose([double, total]);
    }
    tf.dispose([x, variables]);
  });

  it('finds a captured counter', () => {
    const variables = counterVariable();
    let calls = 0;
    const step = compile(() => ({ y: variables.total.add(calls++) }), { variables, verifyReplay: 1 });
    expect(() => step({})).toThrow(RunError);
    expect(() => step({})).not.toThrow(); // one call was to be verified
    tf.dispose(variables);
  });

  it('finds a variable that is not listed, and says which result it changed', () => {
    const variables = counterVariable();
    const hidden = tf.variable(tf.scalar(1));
    const step = compile(
      () => {
        hidden.assign(hidden.add(1));
        variables.total.assign(variables.total.add<tf.Tensor1D>(hidden));
        return {};
      },
      { variables, verifyReplay: 1 },
    );
    expect(() => step({})).toThrow('the step is not a function of its inputs: "total" was 2 and on replay 3');
    tf.dispose([variables, hidden]);
  });

  /** Compares a result that is `second` where the first run gave `first`. */
  const comparing = (first: number, second: number) => () => {
    const values = [first, second];
    tf.dispose(compile(() => ({ y: tf.scalar(values.shift()!) }), { variables: {}, verifyReplay: 1 })({}));
  };

  it('takes NaN for equal to itself and to no number', () => {
    expect(comparing(NaN, NaN)).not.toThrow();
    expect(comparing(NaN, 1)).toThrow(RunError);
    expect(comparing(1, NaN)).toThrow(RunError);
  });

  if (backend === 'onnxruntime') {
    it('allows a replay the last bits, which folding constants moves, and no more', () => {
      expect(comparing(1000, 1000.05)).not.toThrow();
      expect(comparing(1000, 1000.2)).toThrow(RunError);
      expect(comparing(0, 2e-4)).toThrow(RunError);
    });
  } else {
    it('tells results apart by their last bit, and 0 from −0', () => {
      expect(comparing(1, 1 + 2 ** -23)).toThrow(RunError);
      expect(comparing(0, -0)).toThrow(RunError);
    });
  }

  it.each([0, 1])('leaves only what the step returns, where %d calls are verified', (verifyReplay) =>
    expectNoLeak(() => {
      const variables = counterVariable();
      const step = compile(
        ({ x }: { x: tf.Tensor }) => {
          const big = x.square().exp() as tf.Tensor1D;
          variables.total.assign(big);
          return { y: big.sum() };
        },
        { variables, verifyReplay },
      );
      const x = tf.tensor1d([1, 2]);
      for (let call = 0; call < 3; call++) step({ x }).y.dispose();
      tf.dispose([x, variables]);
    }),
  );
});
