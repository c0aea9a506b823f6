"""The bus driven by python-socketio: python bus.py <url> <polling|websocket>"""

import sys
import time

import requests
import socketio

url, transport = sys.argv[1:]
EVENTS = ["connection-status", "episode-started", "episode-complete", "episode-reset", "rl-update", "error"]


class Client:
    def __init__(self):
        self.heard = {name: [] for name in EVENTS}
        self.sio = socketio.Client(reconnection=False)
        for name in EVENTS:
            self.sio.on(name, self.heard[name].append)
        self.sio.connect(url, transports=[transport])

    def next(self, name, count=1):
        deadline = time.monotonic() + 20
        while len(self.heard[name]) < count:
            assert time.monotonic() < deadline, f"never: {count} {name}: {self.heard}"
            time.sleep(0.005)


one, other = Client(), Client()
one.next("connection-status")
assert one.heard["connection-status"][0]["status"] == "connected"
response = requests.post(url + "/api/load-model", json={"algorithm": "ppo"}, timeout=20)
assert (response.status_code, response.json()["message"]) == (200, "PPO model loaded successfully"), response.text
one.sio.emit("start-episode")
one.next("episode-started")
for _ in range(29):
    heard = len(one.heard["rl-update"])
    one.sio.emit("step", {})
    one.next("rl-update", heard + 1)
one.next("episode-complete")
complete = one.heard["episode-complete"][0]
assert (complete["status"], complete["steps"], complete["reason"]) == ("completed", 29, "terminated"), complete
assert complete["total_reward"] >= 380, complete
other.next("rl-update", 29)
assert not other.heard["episode-complete"] and not other.heard["episode-started"], "answers are for the sender"
one.sio.emit("step", {"action": None})
one.next("error")
assert not other.heard["error"]
for name, data in [("get-state", None), ("step", {"action": 0}), ("reset", {}), ("nobody-knows-this", 1)]:
    one.sio.call(name, data, timeout=10)  # Fails where there is no acknowledgement.
status = requests.get(url + "/api/ws-status", timeout=20).json()
assert status["connected_clients"] == 2 and len(status["client_ids"]) == 2, status
one.sio.disconnect()
other.sio.disconnect()
print("well")
