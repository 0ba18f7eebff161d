import type { Head, StepTools } from '@retort/core';
import { batchFrom, compile, gradientsWithAux, group, mapValues, type TensorMap, ungroup, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { normOf, relativeShift } from './look-ahead.js';
import type { WeightNets } from './weight-nets.js';

/** What a trial step descends: the weighted distillation losses, or cross-entropy. */
type Kind = 'matching' | 'task';

/** Rates of the trial steps. */
export interface TrialStep {
  momentum: number;
  weightDecay: number;
}

/** The gradient of MMKD's meta loss at the weights of its networks. */
export interface MetaGradient {
  gradients: Record<string, tf.Tensor>;
  /** Cross-entropy after the trial steps. */
  loss: tf.Scalar;
}

/**
 * What the networks' weights φ do to the student: from its parameters θ and velocities v, on one batch, two trial steps on
 * L_match(θ, φ) = Σ_heads mean_i Σ_m w_im(φ) ℓ_im(θ), one on CE(θ), then the meta loss CE(θ₃); g ← ∇θ L + λθ, v ← μv + g,
 * θ ← θ − ηv each. Returned is d CE(θ₃) / dφ, the networks' inputs taken for constants, as published.
 *
 * From the last step to the first, with a = ∂CE(θ₃)/∂θ and b = ∂CE(θ₃)/∂v after a step and u = b − ηa:
 *
 * dφ += ∂(∇θ L · u)/∂φ,  a ← a + λu + ∂(∇θ L · u)/∂θ,  b ← μu.
 *
 * tfjs has no second derivatives, so those products are central differences of first ones along u, ε = 10⁻³ ‖θ‖ / ‖u‖:
 * ∂(∇θ L · u)/∂θ = (∇θ L(θ + εu) − ∇θ L(θ − εu)) / 2ε, and with s_im = (ℓ_im(θ + εu) − ℓ_im(θ − εu)) / 2ε
 * ∂(∇θ L · u)/∂φ = ∇φ Σ_heads mean_i Σ_m w_im(φ) s_im.
 *
 * Ten backward passes on the batch. What they need of the student is compiled once; `tools.variables` end as they were, bit for
 * bit.
 *
 * @returns a function of the arguments `batchArguments` makes, with the student's noise as `noise/LAYER`, and the learning rate η; the caller disposes what it gives
 */
export function createMetaGradient(
  nets: WeightNets,
  tools: StepTools,
  { momentum, weightDecay }: TrialStep,
  teacherCount: number,
): (samples: TensorMap, learningRate: number) => MetaGradient {
  const { parameters } = tools;
  const variables = { ...tools.variables, ...group('nets/', nets.variables) } as Record<string, tf.Variable>;

  /** Loss and gradients at the parameters there are; weights are those given, or the networks'. */
  const probe = (kind: Kind) =>
    compile(
      (inputs: TensorMap): TensorMap => {
        const { batch, teachers } = batchFrom(inputs, teacherCount);
        const given = ungroup(inputs, 'weights/');
        const { value, gradients, aux } = gradientsWithAux((): { value: tf.Scalar; aux: TensorMap } => {
          const { byHead, crossEntropy, view } = tools.evaluate(batch, teachers, ungroup(inputs, 'noise/'));
          if (kind === 'task') return { value: crossEntropy, aux: {} };
          const seen = untaped(() => nets.look(view));
          const weights = (Object.keys(given).length > 0 ? given : untaped(() => nets.weights(seen))) as Record<
            Head,
            tf.Tensor2D
          >;
          const losses = byHead as Record<Head, tf.Tensor2D>;
          return {
            value: weightedSum(weights, losses),
            aux: { ...group('losses/', losses), ...group('weights/', weights), ...group('seen/', seen) },
          };
        }, parameters);
        return { value, ...group('gradient/', gradients), ...aux };
      },
      { variables },
    );
  const probes = { matching: probe('matching'), task: probe('task') };

  const advance = compile(
    (inputs: TensorMap) => {
      const [theta, velocity] = ['theta/', 'velocity/'].map((prefix) => ungroup(inputs, prefix));
      const moved = mapValues(ungroup(inputs, 'gradient/'), (gradient, key) =>
        velocity[key].mul(momentum).add(gradient.add(theta[key].mul(weightDecay))),
      );
      return {
        ...group('velocity/', moved),
        ...group(
          'theta/',
          mapValues(moved, (v, key) => theta[key].sub(v.mul(inputs.learningRate))),
        ),
      };
    },
    { variables: {} },
  );

  /** u, ε and the two places at which a step's gradient is taken again. */
  const spread = compile(
    (inputs: TensorMap) => {
      const [theta, a, b] = ['theta/', 'a/', 'b/'].map((prefix) => ungroup(inputs, prefix));
      const u = mapValues(a, (value, key) => b[key].sub(value.mul(inputs.learningRate)));
      const epsilon = normOf(theta).mul(relativeShift).div(normOf(u).maximum(1e-12));
      const at = (sign: number) => mapValues(u, (value, key) => theta[key].add(value.mul(epsilon.mul(sign))));
      return { epsilon, ...group('u/', u), ...group('plus/', at(1)), ...group('minus/', at(-1)) };
    },
    { variables: {} },
  );

  const carry = compile(
    (inputs: TensorMap) => {
      const [a, u, plus, minus] = ['a/', 'u/', 'plus/', 'minus/'].map((prefix) => ungroup(inputs, prefix));
      const slope = (key: string) => plus[key].sub(minus[key]).div(inputs.epsilon.mul(2));
      return {
        ...group(
          'a/',
          mapValues(a, (value, key) => value.add(u[key].mul(weightDecay)).add(slope(key))),
        ),
        ...group(
          'b/',
          mapValues(u, (value) => value.mul(momentum)),
        ),
      };
    },
    { variables: {} },
  );

  /** sum + ∇φ Σ_heads mean_i Σ_m w_im(φ) s_im. */
  const ofNets = compile(
    (inputs: TensorMap): TensorMap => {
      const [seen, plus, minus] = ['seen/', 'plus/', 'minus/'].map((prefix) => ungroup(inputs, prefix));
      const slopes = mapValues(plus, (losses, head) => losses.sub(minus[head]).div(inputs.epsilon.mul(2)));
      const { gradients } = gradientsWithAux(
        () => ({
          value: weightedSum(nets.weights(seen as Record<Head, tf.Tensor2D>), slopes as Record<Head, tf.Tensor2D>),
          aux: {},
        }),
        nets.variables,
      );
      const sum = ungroup(inputs, 'sum/');
      return mapValues(gradients, (gradient, key) => gradient.add(sum[key]));
    },
    { variables: nets.variables },
  );

  const place = (theta: TensorMap) => {
    for (const [key, value] of Object.entries(theta)) parameters[key].assign(value);
  };

  return (samples, rate) => {
    const snapshot = tools.snapshot();
    try {
      return tf.tidy(() => {
        const learningRate = tf.scalar(rate);
        const trail: { kind: Kind; theta: TensorMap; found: TensorMap }[] = [];
        let theta: TensorMap = mapValues(parameters, (parameter) => parameter.clone());
        let velocity: TensorMap = mapValues(
          parameters,
          (parameter, key) => tools.slots[`${key}/velocity`]?.clone() ?? tf.zerosLike(parameter),
        );
        for (const kind of ['matching', 'matching', 'task'] as const) {
          const found = probes[kind](samples);
          trail.push({ kind, theta, found });
          const gradients = ungroup(found, 'gradient/');
          const after = advance({
            ...group('theta/', only(theta, gradients)),
            ...group('velocity/', only(velocity, gradients)),
            ...group('gradient/', gradients),
            learningRate,
          });
          // Parameters that a loss does not read stay where they are.
          theta = { ...theta, ...ungroup(after, 'theta/') };
          velocity = { ...velocity, ...ungroup(after, 'velocity/') };
          place(theta);
        }
        const meta = probes.task(samples);
        const zeros = mapValues(theta, (value) => tf.zerosLike(value));
        let a: TensorMap = { ...zeros, ...ungroup(meta, 'gradient/') };
        let b: TensorMap = zeros;
        let total: TensorMap = mapValues(nets.variables, (variable) => tf.zerosLike(variable));
        for (const { kind, theta: before, found } of trail.reverse()) {
          const moving = ungroup(found, 'gradient/');
          const spreadOut = spread({
            ...group('theta/', only(before, moving)),
            ...group('a/', only(a, moving)),
            ...group('b/', only(b, moving)),
            learningRate,
          });
          const { epsilon } = spreadOut;
          const weights = group('weights/', ungroup(found, 'weights/'));
          const [plus, minus] = ['plus/', 'minus/'].map((side) => {
            place({ ...before, ...ungroup(spreadOut, side) });
            return probes[kind]({ ...samples, ...weights });
          });
          const carried = carry({
            ...group('a/', only(a, moving)),
            ...group('u/', ungroup(spreadOut, 'u/')),
            ...group('plus/', ungroup(plus, 'gradient/')),
            ...group('minus/', ungroup(minus, 'gradient/')),
            epsilon,
          });
          a = { ...a, ...ungroup(carried, 'a/') };
          b = { ...b, ...ungroup(carried, 'b/') };
          if (kind === 'task') continue;
          total = ofNets({
            ...group('sum/', total),
            ...group('seen/', ungroup(found, 'seen/')),
            ...group('plus/', ungroup(plus, 'losses/')),
            ...group('minus/', ungroup(minus, 'losses/')),
            epsilon,
          });
        }
        return { gradients: total, loss: meta.value as tf.Scalar };
      });
    } finally {
      snapshot.restore();
      snapshot.dispose();
    }
  };
}

/** Σ_heads mean_i Σ_m w_im ℓ_im. */
function weightedSum(
  weights: Partial<Record<Head, tf.Tensor2D>>,
  losses: Partial<Record<Head, tf.Tensor2D>>,
): tf.Scalar {
  const heads = Object.keys(losses) as Head[];
  return tf.addN(heads.map((head) => losses[head]!.mul(weights[head]!).sum(1).mean())) as tf.Scalar;
}

/** The entries that `like` has too. */
function only(tensors: TensorMap, like: TensorMap): TensorMap {
  return mapValues(like, (_, key) => tensors[key]);
}
