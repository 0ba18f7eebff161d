#!/usr/bin/env python3
"""CartPole-v1 in NumPy, N copies at once: the peer of packages/environments. As a program it is an arm of policy.mjs.

    /usr/bin/python3 numpy_cart_pole.py COPIES SECONDS

The equations are Gymnasium's, in float64; a copy whose episode ends starts the next one in the same step. Needs Debian's python3-numpy.
"""
import json, math, sys, time

import numpy as np

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
TOTAL, MOMENT = CART + POLE, POLE * HALF_LENGTH
FARTHEST, STEEPEST, LIMIT = 2.4, 12 * 2 * math.pi / 360, 500


class CartPole:
    def __init__(self, copies, seed):
        self.random = np.random.default_rng(seed)
        self.state = self.random.uniform(-0.05, 0.05, (4, copies))
        self.steps = np.zeros(copies, int)

    def observations(self):
        return self.state.T.astype(np.float32)

    def step(self, actions):
        """Next observations, what the actions led to, rewards, terminated, truncated."""
        position, velocity, angle, angular_velocity = self.state
        cosine, sine = np.cos(angle), np.sin(angle)
        push = (np.where(actions == 1, FORCE, -FORCE) + MOMENT * angular_velocity**2 * sine) / TOTAL
        angular = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / TOTAL))
        acceleration = push - MOMENT * angular * cosine / TOTAL
        self.state = self.state + STEP * np.stack([velocity, acceleration, angular_velocity, angular])
        self.steps += 1
        led_to = self.observations()
        terminated = (np.abs(self.state[0]) > FARTHEST) | (np.abs(self.state[2]) > STEEPEST)
        truncated = ~terminated & (self.steps >= LIMIT)
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            self.state[:, ended] = self.random.uniform(-0.05, 0.05, (4, len(ended)))
            self.steps[ended] = 0
        return self.observations(), led_to, np.ones(len(actions), np.float32), terminated, truncated


if __name__ == '__main__':
    copies, seconds = int(sys.argv[1]), float(sys.argv[2])
    environment, random = CartPole(copies, 1), np.random.default_rng(2)
    actions = random.integers(0, 2, (64, copies))
    for i in range(200):
        environment.step(actions[i % 64])
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for i in range(64):
            environment.step(actions[i])
        steps += 64
    print(json.dumps({'stepsPerSecond': steps * copies / (time.perf_counter() - started), 'libraries': f'NumPy {np.__version__}'}))
