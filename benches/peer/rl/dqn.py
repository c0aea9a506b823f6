"""DQN in PyTorch, with the settings it is given: what engine/src/rl/learners/dqn.rs does, as one writes it in Python."""

import random
import time

import numpy as np
import torch
from daladala import Daladala

ACTIONS, OBSERVATION = 5, 14


def network(hidden):
    widths = [OBSERVATION, *hidden, ACTIONS]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class Replay:
    def __init__(self, capacity):
        self.capacity, self.length, self.next = capacity, 0, 0
        self.observations = torch.zeros(capacity, OBSERVATION)
        self.successors = torch.zeros(capacity, OBSERVATION)
        self.actions = torch.zeros(capacity, 1, dtype=torch.int64)
        self.rewards = torch.zeros(capacity, 1)
        self.going_on = torch.zeros(capacity, 1)

    def remember(self, observations, actions, rewards, going_on, successors):
        rows = torch.arange(self.next, self.next + len(actions)) % self.capacity
        self.observations[rows] = torch.from_numpy(observations)
        self.successors[rows] = torch.from_numpy(successors)
        self.actions[rows, 0] = torch.as_tensor(actions)
        self.rewards[rows, 0] = torch.as_tensor(rewards, dtype=torch.float32)
        self.going_on[rows, 0] = torch.as_tensor(going_on, dtype=torch.float32)
        self.next = (self.next + len(actions)) % self.capacity
        self.length = min(self.capacity, self.length + len(actions))


def evaluate(net, episodes):
    """Mean return and share of optimal episodes, greedily."""
    environments = [Daladala(100_000 + index) for index in range(episodes)]
    observations = np.stack([environment.reset()[0] for environment in environments])
    best = [environment.best_return() for environment in environments]
    totals, over = [0] * episodes, [False] * episodes
    while not all(over):
        with torch.no_grad():
            actions = net(torch.from_numpy(observations)).argmax(1).tolist()
        for index, environment in enumerate(environments):
            if not over[index]:
                observations[index], reward, terminated, truncated, _ = environment.step(actions[index])
                totals[index] += reward
                over[index] = terminated or truncated
    return sum(totals) / episodes, sum(total >= top for total, top in zip(totals, best)) / episodes


def train(config, seed, max_steps, look_every, episodes):
    """Trains until 99 % of the episodes are optimal; tells steps, wall and CPU seconds at both marks. Looking is not counted."""
    random.seed(seed)
    torch.manual_seed(seed)
    count, batch, scale = config["environments"], config["batch"], config["reward_scale"]
    start, end, over = config["epsilon"]["start"], config["epsilon"]["end"], config["epsilon"]["over_steps"]
    net, target = network(config["hidden"]), network(config["hidden"])
    target.load_state_dict(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), config["learning_rate"])
    replay = Replay(config["replay"])
    environments = [Daladala(seed * 1000 + index) for index in range(count)]
    observations = np.stack([environment.reset()[0] for environment in environments])
    steps = updates = due = 0
    wall = cpu = 0.0
    marks = {}
    since = (time.perf_counter(), time.process_time())
    while steps < max_steps and "optimal" not in marks:
        share = min(steps / over, 1)
        epsilon = start + (end - start) * share
        with torch.no_grad():
            actions = net(torch.from_numpy(observations)).argmax(1).tolist()
        actions = [random.randrange(ACTIONS) if random.random() < epsilon else action for action in actions]
        successors, after = np.empty_like(observations), np.empty_like(observations)
        rewards, going_on = [], []
        for index, environment in enumerate(environments):
            successor, reward, terminated, truncated, _ = environment.step(actions[index])
            successors[index] = successor
            after[index] = environment.reset()[0] if terminated or truncated else successor
            rewards.append(reward * scale)
            going_on.append(not terminated)
        replay.remember(observations, actions, rewards, going_on, successors)
        observations = after
        steps += count
        if steps >= config["learn_after"]:
            due += count
            while due >= config["learn_every"]:
                due -= config["learn_every"]
                optimizer.param_groups[0]["lr"] = (
                    config["learning_rate"] + (config["final_learning_rate"] - config["learning_rate"]) * share
                )
                rows = torch.randint(replay.length, (batch,))
                successor = replay.successors[rows]
                with torch.no_grad():
                    values = target(successor)
                    if config["double"]:
                        future = values.gather(1, net(successor).argmax(1, keepdim=True))
                    else:
                        future = values.max(1, keepdim=True).values
                    wanted = replay.rewards[rows] + config["discount"] * replay.going_on[rows] * future
                found = net(replay.observations[rows]).gather(1, replay.actions[rows])
                loss = torch.nn.functional.smooth_l1_loss(found, wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                updates += 1
                if updates % config["target_every"] == 0:
                    target.load_state_dict(net.state_dict())
        if steps // look_every != (steps - count) // look_every:
            now = (time.perf_counter(), time.process_time())
            wall, cpu = wall + now[0] - since[0], cpu + now[1] - since[1]
            mean, optimal = evaluate(net, episodes)
            mark = {"steps": steps, "wall_s": wall, "cpu_s": cpu}
            if mean >= 420:
                marks.setdefault("mean_420", mark)
            if optimal >= 0.99:
                marks.setdefault("optimal", mark)
            since = (time.perf_counter(), time.process_time())
    return marks
