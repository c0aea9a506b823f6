"""Answers one JSON request per line on standard input with one JSON line on standard output."""

import json
import random
import sys
import time

import numpy as np
import torch
from daladala import Daladala
from dqn import network, train

torch.set_num_threads(1)


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    steps = work()
    return {"steps": steps, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def environment(steps):
    bus = Daladala(1)
    bus.reset()
    for _ in range(steps):
        _, _, terminated, truncated, _ = bus.step(random.randrange(5))
        if terminated or truncated:
            bus.reset()
    return steps


def inference(steps, hidden, count):
    net = network(hidden)
    environments = [Daladala(index) for index in range(count)]
    observations = np.stack([bus.reset()[0] for bus in environments])
    for _ in range(steps // count):
        with torch.no_grad():
            actions = net(torch.from_numpy(observations)).argmax(1).tolist()
        for index, bus in enumerate(environments):
            observations[index], _, terminated, truncated, _ = bus.step(actions[index])
            if terminated or truncated:
                observations[index] = bus.reset()[0]
    return steps // count * count


def answer(request):
    task = request["task"]
    if task == "version":
        return {"version": f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, numpy {np.__version__}"}
    if task == "environment":
        return timed(lambda: environment(request["steps"]))
    if task == "inference":
        return timed(lambda: inference(request["steps"], request["hidden"], request["environments"]))
    return train(request["config"], request["seed"], request["max_steps"], request["look_every"], request["episodes"])


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
