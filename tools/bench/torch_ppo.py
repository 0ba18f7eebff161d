#!/usr/bin/env python3
"""PPO on CartPole-v1 in PyTorch and NumPy, as CleanRL's ppo.py has it: an arm of policy.mjs.

    /usr/bin/python3 torch_ppo.py SEED THREADS SETTINGS

SETTINGS is a JSON object: copies, horizon, minibatches, epochs, learningRate, hidden, steps, evaluateEvery, episodes, mark. Trains until
the mean return of so many greedy episodes reaches the mark, looking every so many updates; prints a JSON line with the seconds of
training, looking not counted. Needs Debian's python3-torch; libopenblas0-openmp, which LD_LIBRARY_PATH selects, makes it faster.
"""
import json, math, os, sys, time

SEED, THREADS, S = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
os.environ['OPENBLAS_NUM_THREADS'] = os.environ['OMP_NUM_THREADS'] = str(THREADS)

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

from numpy_cart_pole import CartPole

torch.set_num_threads(THREADS)
torch.manual_seed(SEED)
DISCOUNT, LAMBDA, CLIP, ENTROPY, VALUE, NORM = 0.99, 0.95, 0.2, 0.01, 0.5, 0.5


def network(outputs, gain):
    layers, width = [], 4
    for size, layer_gain in [*((size, math.sqrt(2)) for size in S['hidden']), (outputs, gain)]:
        layer = nn.Linear(width, size)
        nn.init.orthogonal_(layer.weight, layer_gain)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
        width = size
    return nn.Sequential(*layers[:-1])


policy, value = network(2, 0.01), network(1, 1.0)
parameters = [*policy.parameters(), *value.parameters()]
optimizer = torch.optim.Adam(parameters, lr=S['learningRate'], eps=1e-5)


def greedy_return():
    environment = CartPole(S['episodes'], 10_000 + SEED)
    seen, total, running = environment.observations(), np.zeros(S['episodes']), np.ones(S['episodes'], bool)
    while running.any():
        with torch.no_grad():
            actions = policy(torch.from_numpy(seen)).argmax(1).numpy()
        seen, _, rewards, terminated, truncated = environment.step(actions)
        total += rewards * running
        running &= ~(terminated | truncated)
    return total.mean()


N, T = S['copies'], S['horizon']
environment = CartPole(N, SEED)
seen = environment.observations()
updates = S['steps'] // (N * T)
seconds, reached = 0.0, None
for update in range(updates):
    started = time.perf_counter()
    optimizer.param_groups[0]['lr'] = S['learningRate'] * (1 - update / updates)
    states, led_to = torch.zeros(T, N, 4), torch.zeros(T, N, 4)
    actions, log_probabilities, rewards = torch.zeros(T, N, dtype=torch.long), torch.zeros(T, N), torch.zeros(T, N)
    goes_on, continues = torch.zeros(T, N), torch.zeros(T, N)
    for t in range(T):
        states[t] = torch.from_numpy(seen)
        with torch.no_grad():
            distribution = Categorical(logits=policy(states[t]))
            actions[t] = distribution.sample()
            log_probabilities[t] = distribution.log_prob(actions[t])
        seen, next_seen, reward, terminated, truncated = environment.step(actions[t].numpy())
        led_to[t], rewards[t] = torch.from_numpy(next_seen), torch.from_numpy(reward)
        goes_on[t] = torch.from_numpy(~terminated).float()
        continues[t] = torch.from_numpy(~(terminated | truncated)).float()
    with torch.no_grad():
        values, next_values = value(states).squeeze(-1), value(led_to).squeeze(-1)
        delta = rewards + DISCOUNT * goes_on * next_values - values
        advantages, last = torch.zeros(T, N), torch.zeros(N)
        for t in reversed(range(T)):
            last = advantages[t] = delta[t] + DISCOUNT * LAMBDA * continues[t] * last
        targets = advantages + values
    flat = [x.reshape(T * N, *x.shape[2:]) for x in (states, actions, log_probabilities, advantages, targets)]
    size = T * N // S['minibatches']
    for _ in range(S['epochs']):
        order = torch.randperm(T * N)
        for start in range(0, T * N, size):
            state, action, old, advantage, target = (x[order[start : start + size]] for x in flat)
            distribution = Categorical(logits=policy(state))
            ratio = (distribution.log_prob(action) - old).exp()
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            gain = torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
            value_loss = 0.5 * (value(state).squeeze(-1) - target).pow(2).mean()
            loss = -gain.mean() - ENTROPY * distribution.entropy().mean() + VALUE * value_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, NORM)
            optimizer.step()
    seconds += time.perf_counter() - started
    if (update + 1) % S['evaluateEvery'] == 0 and greedy_return() >= S['mark']:
        reached = (update + 1) * N * T
        break
print(json.dumps({'seconds': seconds, 'steps': reached, 'stepsPerSecond': (update + 1) * N * T / seconds, 'libraries': f'PyTorch {torch.__version__}, NumPy {np.__version__}'}))
