"""The Daladala environment as one writes it in Python: the interface of gymnasium, observations in numpy."""

import random

import numpy as np

ROUTE = [(x, 14) for x in range(15)] + [(14, y) for y in range(13, -1, -1)]
STOPS = {4: 0, 8: 1, 20: 2, 25: 3}
FREE = [place for place in range(len(ROUTE)) if place not in STOPS]
LAST = len(ROUTE) - 1
CAPACITY, LEGAL, RECKLESS, MAX_STEPS = 50, 33, 40, 350
SIGHT = 5


class Daladala:
    def __init__(self, seed=0):
        self.random = random.Random(seed)

    def reset(self):
        places = self.random.sample(FREE, 7)
        self.police = set(places[:3])
        self.lights = set(places[3:])
        red = {place for place in places[3:] if self.random.random() < 0.5}
        self.red = red
        self.must_stop = self.police | red
        # Distances and flags do not change within an episode.
        self.next_light = [self._distance(self.lights, place) for place in range(LAST + 1)]
        self.next_police = [self._distance(self.police, place) for place in range(LAST + 1)]
        self.position = self.passengers = self.money = self.speed = self.step_count = 0
        self.fined = False
        self.waiting = [8, 5, 1, 1]
        return self._observation(), {}

    @staticmethod
    def _distance(hazards, place):
        for ahead in range(1, SIGHT + 1):
            if place + ahead in hazards:
                return ahead
        return SIGHT

    def best_return(self):
        return 314 + 22 * len(self.must_stop)

    def step(self, action):
        here = self.position
        must_stop = here in self.must_stop
        stop = STOPS.get(here)
        self.step_count += 1
        terminated = here == LAST
        if not terminated:
            self.position = here + 1
        if action == 0:
            reward = -38 if must_stop else 2
        elif action == 1:
            if stop is not None and self.passengers < CAPACITY:
                boarding = min(max(3, self.waiting[stop]), CAPACITY - self.passengers)
                self.passengers += boarding
                self.waiting[stop] = max(0, self.waiting[stop] - boarding)
                reward = 15
            else:
                reward = -5
            if must_stop:
                reward -= 10
        elif action == 2:
            if stop is not None and self.passengers > 0:
                leaving = min(self.passengers, max(3, self.passengers // 2 + 1))
                self.passengers -= leaving
                self.money += 1000 * leaving
                reward = 12
            else:
                reward = -8
            if must_stop:
                reward -= 10
        elif action == 3:
            self.speed = max(0, self.speed - 1)
            reward = 25 if must_stop else -3
        elif not must_stop and self.passengers <= RECKLESS:
            self.speed = min(3, self.speed + 1)
            reward = 3
        else:
            reward = -15 if must_stop else 0
            if self.passengers > RECKLESS:
                reward -= 30
                terminated = True
        if self.position in self.police:
            if self.passengers > RECKLESS:
                reward -= 50
                self.fined = terminated = True
            elif self.passengers > LEGAL:
                reward -= 20
                self.fined = True
        reward += 1
        if terminated:
            reward += 100
            if self.passengers <= LEGAL and not self.fined:
                reward += 50
        return self._observation(), reward, terminated, self.step_count >= MAX_STEPS, {}

    def _observation(self):
        here = self.position
        x, y = ROUTE[here]
        stop = STOPS.get(here)
        observation = np.array(
            [
                x / 14,
                y / 14,
                self.passengers / CAPACITY,
                self.money / 150000,
                self.speed / 3,
                here in self.red,
                here in self.police,
                here in self.must_stop,
                stop is not None,
                0 if stop is None else self.waiting[stop] / 10,
                min(here + 1, LAST) in self.must_stop,
                self.next_light[here] / SIGHT,
                self.next_police[here] / SIGHT,
                self.step_count / MAX_STEPS,
            ]
        )
        return (observation * 2 - 1).astype(np.float32)
