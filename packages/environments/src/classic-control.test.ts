import { Seeds, type HostTensor } from '@retort/core';
import { create } from './test-support/create.js';

/** Puts a single copy into a state. */
async function inState(use: unknown, state: number[]) {
  const environment = await create(use);
  environment.reset();
  const saved = (await environment.save()) as Record<string, never>;
  const bytes: HostTensor = { data: new Uint8Array(Float64Array.from(state).buffer), shape: [1, state.length * 8] };
  await environment.load({ ...saved, states: bytes });
  return environment;
}

const near = (actual: Float32Array, expected: number[]) => {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(value))));
};

describe('cart-pole', () => {
  // Florian 2007, "Correct equations for the dynamics of the cart-pole system", equations 23 and 24, without friction:
  // M = 1 kg, m = 0.1 kg, l = 0.5 m (half the pole), F = ±10 N.
  function after([x, v, a, w]: number[], action: number): number[] {
    const [M, m, l, g, F] = [1, 0.1, 0.5, 9.8, action === 1 ? 10 : -10];
    const sin = Math.sin(a);
    const cos = Math.cos(a);
    const alpha = (g * sin + cos * ((-F - m * l * w ** 2 * sin) / (M + m))) / (l * (4 / 3 - (m * cos ** 2) / (M + m)));
    const acceleration = (F + m * l * (w ** 2 * sin - alpha * cos)) / (M + m);
    return [x + 0.02 * v, v + 0.02 * acceleration, a + 0.02 * w, w + 0.02 * alpha];
  }

  it('follows the equations of motion', async () => {
    let state = [0.03, -0.02, 0.04, 0.01];
    const environment = await inState('cart-pole', state);
    near(environment.observations, state);
    const random = new Seeds(3).stream('actions');
    for (let step = 0; step < 200; step++) {
      const action = random.integer(2);
      state = after(state, action);
      const { nextObservations, terminated, rewards } = environment.step(Int32Array.of(action));
      near(nextObservations, state);
      expect(rewards[0]).toBe(1);
      const over = Math.abs(state[0]) > 2.4 || Math.abs(state[2]) > (12 * Math.PI) / 180;
      expect(terminated[0]).toBe(over ? 1 : 0);
      if (over) return;
    }
    throw new Error('the pole never fell');
  });

  it.each([
    ['position', [2.39, 0.6, 0, 0], 1],
    ['position on the left', [-2.39, -0.6, 0, 0], 1],
    ['position just inside', [2.39, 0.4, 0, 0], 0],
    ['angle', [0, 0, 0.2, 0.5], 1],
    ['angle to the left', [0, 0, -0.2, -0.5], 1],
    ['angle just inside', [0, 0, 0.2, 0.4], 0],
  ])('ends by %s', async (_, state, over) => {
    expect((await inState('cart-pole', state)).step(Int32Array.of(0)).terminated[0]).toBe(over);
  });

  it('starts uniformly within ±0.05', async () => {
    const observations = (await create('cart-pole', { count: 2000 })).reset();
    expect(Math.max(...observations.map(Math.abs))).toBeLessThanOrEqual(0.05);
    // A uniform's standard deviation; its mean has an error of 0.05 / √3 / √8000.
    const mean = observations.reduce((sum, v) => sum + v, 0) / observations.length;
    const variance = observations.reduce((sum, v) => sum + (v - mean) ** 2, 0) / observations.length;
    expect(Math.abs(mean)).toBeLessThan(0.0015);
    expect(Math.sqrt(variance)).toBeCloseTo(0.05 / Math.sqrt(3), 3);
  });
});

describe('acrobot', () => {
  // The manipulator equations M(q) q̈ + C(q, q̇) + G(q) = (0, τ), solved as a linear system (Spong 1995), independent of the
  // elimination that the environment uses. Sutton & Barto's book leaves nothing out of them.
  function slope([q1, q2, w1, w2]: number[], torque: number): number[] {
    const [l, lc, I, m, g] = [1, 0.5, 1, 1, 9.8];
    const m11 = m * lc ** 2 + m * (l ** 2 + lc ** 2 + 2 * l * lc * Math.cos(q2)) + 2 * I;
    const m12 = m * (lc ** 2 + l * lc * Math.cos(q2)) + I;
    const m22 = m * lc ** 2 + I;
    const h = m * l * lc * Math.sin(q2);
    const right1 = h * (2 * w1 * w2 + w2 ** 2) - (m * lc + m * l) * g * Math.sin(q1) - m * lc * g * Math.sin(q1 + q2);
    const right2 = torque - h * w1 ** 2 - m * lc * g * Math.sin(q1 + q2);
    const determinant = m11 * m22 - m12 ** 2;
    return [w1, w2, (m22 * right1 - m12 * right2) / determinant, (m11 * right2 - m12 * right1) / determinant];
  }

  function after(state: number[], torque: number): number[] {
    const plus = (a: number[], b: number[], by: number) => a.map((v, i) => v + by * b[i]);
    const k1 = slope(state, torque);
    const k2 = slope(plus(state, k1, 0.1), torque);
    const k3 = slope(plus(state, k2, 0.1), torque);
    const k4 = slope(plus(state, k3, 0.2), torque);
    const next = state.map((v, i) => v + (0.2 / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]));
    const clip = (v: number, bound: number) => Math.max(-bound, Math.min(bound, v));
    return [next[0], next[1], clip(next[2], 4 * Math.PI), clip(next[3], 9 * Math.PI)];
  }
  const seen = ([a, b, c, d]: number[]) => [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b), c, d];

  it('follows the manipulator equations by Runge and Kutta’s rule', async () => {
    let state = [0.05, -0.08, 0.02, 0.1];
    const environment = await inState('acrobot', state);
    near(environment.observations, seen(state));
    for (let step = 0; step < 300; step++) {
      // Torque along the second joint's motion pumps energy in, until the end is above the line.
      const torque = state[3] >= 0 ? 1 : -1;
      state = after(state, torque);
      const { nextObservations, rewards, terminated } = environment.step(Int32Array.of(torque + 1));
      near(nextObservations, seen(state));
      const up = -Math.cos(state[0]) - Math.cos(state[0] + state[1]) > 1;
      expect([rewards[0], terminated[0]]).toEqual(up ? [0, 1] : [-1, 0]);
      if (up) return;
    }
    throw new Error('the end never came above the line');
  });

  it('bounds the angular velocities', async () => {
    // Two links that lie folded and turn too fast.
    const { nextObservations } = (await inState('acrobot', [0, 3, 60, -80])).step(Int32Array.of(1));
    expect(Math.abs(nextObservations[4])).toBeCloseTo(4 * Math.PI, 5);
    expect(Math.abs(nextObservations[5])).toBeCloseTo(9 * Math.PI, 4);
  });
});

describe('mountain-car', () => {
  const after = ([x, v]: number[], push: number) => {
    const faster = Math.max(-0.07, Math.min(0.07, v + push - 0.0025 * Math.cos(3 * x)));
    const place = Math.max(-1.2, Math.min(0.6, x + faster));
    return [place, place === -1.2 && faster < 0 ? 0 : faster];
  };

  it('rolls by its equations and reaches the flag at 0.5 when it swings', async () => {
    let state = [-0.5, 0];
    const environment = await inState('mountain-car', state);
    let [steps, hitWall] = [0, false];
    for (; steps < 200; steps++) {
      const action = state[1] >= 0 ? 2 : 0;
      state = after(state, (action - 1) * 0.001);
      hitWall ||= state[0] === -1.2;
      const { nextObservations, rewards, terminated } = environment.step(Int32Array.of(action));
      near(nextObservations, state);
      expect(rewards[0]).toBe(-1);
      expect(terminated[0]).toBe(state[0] >= 0.5 ? 1 : 0);
      if (terminated[0]) break;
    }
    expect(steps).toBeLessThan(150);
  });

  it('stops dead at the left end', async () => {
    const environment = await inState('mountain-car', [-1.19, -0.06]);
    near(environment.step(Int32Array.of(0)).nextObservations, [-1.2, 0]);
  });

  it('starts at rest between −0.6 and −0.4', async () => {
    const observations = (await create('mountain-car', { count: 1000 })).reset();
    const places = observations.filter((_, i) => i % 2 === 0);
    expect(observations.filter((_, i) => i % 2 === 1).every((v) => v === 0)).toBe(true);
    expect(Math.min(...places)).toBeGreaterThanOrEqual(Math.fround(-0.6));
    expect(Math.max(...places)).toBeLessThanOrEqual(Math.fround(-0.4));
    expect(places.reduce((sum, v) => sum + v, 0) / 1000).toBeCloseTo(-0.5, 2);
  });

  it('earns 100 at 0.45 less a tenth of the squared force where actions are continuous', async () => {
    let state = [-0.5, 0];
    const environment = await inState('mountain-car-continuous', state);
    for (let step = 0; step < 500; step++) {
      const force = state[1] >= 0 ? 1 : -0.75;
      state = after(state, force * 0.0015);
      const { nextObservations, rewards, terminated } = environment.step(Float32Array.of(force));
      near(nextObservations, state);
      const there = state[0] >= 0.45;
      expect(terminated[0]).toBe(there ? 1 : 0);
      expect(rewards[0]).toBeCloseTo((there ? 100 : 0) - 0.1 * force ** 2, 5);
      if (there) return;
    }
    throw new Error('the car never arrived');
  });
});

describe('pendulum', () => {
  it('turns by its equations, and costs what it did before the step', async () => {
    let [angle, velocity] = [2.5, 0.4];
    const environment = await inState('pendulum', [angle, velocity]);
    const random = new Seeds(5).stream('torque');
    for (let step = 0; step < 199; step++) {
      const torque = Math.fround(velocity >= 0 ? 2 * random.uniform() : -2 * random.uniform());
      // θ̈ = 3 g / (2 l) sin θ + 3 / (m l²) τ with g = 10, m = l = 1
      const lean = Math.atan2(Math.sin(angle), Math.cos(angle));
      const cost = lean ** 2 + 0.1 * velocity ** 2 + 0.001 * torque ** 2;
      velocity = Math.max(-8, Math.min(8, velocity + (15 * Math.sin(angle) + 3 * torque) * 0.05));
      angle += velocity * 0.05;
      const { nextObservations, rewards, terminated } = environment.step(Float32Array.of(torque));
      near(nextObservations, [Math.cos(angle), Math.sin(angle), velocity]);
      expect(rewards[0]).toBeCloseTo(-cost, 4);
      expect(terminated[0]).toBe(0);
    }
  });

  it('cannot turn faster than 8 rad/s', async () => {
    const { nextObservations } = (await inState('pendulum', [1.5, 7.9])).step(Float32Array.of(2));
    expect(nextObservations[2]).toBe(8);
  });

  it('knows another gravity', async () => {
    const environment = await inState({ use: 'pendulum', gravity: 2 }, [Math.PI / 2, 0]);
    expect(environment.step(Float32Array.of(0)).nextObservations[2]).toBeCloseTo(1.5 * 2 * 0.05, 6);
    expect(environment.identity).toContain('"gravity":2');
  });
});
