"""The bus behind Flask-SocketIO, as one writes it: socketio_server.py <port> <async mode> <default|nodelay>."""

import socket
import sys
import time

PORT, MODE, DELAY = int(sys.argv[1]), sys.argv[2], sys.argv[3]

if MODE == "eventlet":
    import eventlet

    eventlet.monkey_patch()
elif MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()

from daladala import CAPACITY, ROUTE, STOPS, Daladala
from flask import Flask, request
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, cors_allowed_origins="*", async_mode=MODE)
bus = Daladala(1)
bus.reset()
episode, total, last = 0, 0, (0, 0, False, False)


def state():
    here = ROUTE[bus.position]
    action, reward, terminated, truncated = last
    police, lights = [ROUTE[p] for p in sorted(bus.police)], [ROUTE[p] for p in sorted(bus.lights)]
    return {
        "step": bus.step_count,
        "x": here[0],
        "y": here[1],
        "pos_x": here[0],
        "pos_y": here[1],
        "position": here,
        "passengers": bus.passengers,
        "capacity": CAPACITY,
        "money": float(bus.money),
        "speed": float(bus.speed),
        "fined": int(bus.fined),
        "light_red": int(bus.position in bus.red),
        "police_here": int(bus.position in bus.police),
        "must_stop": int(bus.position in bus.must_stop),
        "hazards": [(*p, "police") for p in police] + [(*p, "light") for p in lights],
        "police_checkpoints": police,
        "traffic_lights": lights,
        "traffic_light_states": [int(p in bus.red) for p in sorted(bus.lights)],
        "high_demand_stops": [ROUTE[p] for p in STOPS],
        "light_cycle": 0,
        "episode": episode,
        "action": action,
        "reward": reward,
        "total_reward": total,
        "terminated": terminated,
        "truncated": truncated,
    }


def update():
    emit("rl-update", {"type": "state-update", "data": state(), "timestamp": int(time.time() * 1000)}, broadcast=True)


@socketio.on("connect")
def connect(auth=None):
    if DELAY == "nodelay":
        environ = request.environ
        conn = environ.get("werkzeug.socket")
        if conn is None and "eventlet.input" in environ:
            conn = environ["eventlet.input"].get_socket()
        if conn is None:
            conn = environ["wsgi.input"].rfile._sock
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    emit("connection-status", {"status": "connected", "model_loaded": True, "env_ready": True, "algorithm": "DQN"})


@socketio.on("start-episode")
def start():
    global episode, total, last
    bus.reset()
    episode, total, last = episode + 1, 0, (0, 0, False, False)
    emit("episode-started", {"status": "success", "episode": episode})
    update()


@socketio.on("step")
def step(data=None):
    global total, last
    if last[2] or last[3]:
        return emit("error", {"message": "the episode is over: start another one"})
    action = data["action"]
    _, reward, terminated, truncated, _ = bus.step(action)
    total += reward
    last = (action, reward, terminated, truncated)
    update()
    if terminated or truncated:
        reason = "terminated" if terminated else "truncated"
        emit("episode-complete", {"status": "completed", "total_reward": total, "steps": bus.step_count, "reason": reason})


socketio.run(app, host="127.0.0.1", port=PORT, log_output=False, **({"allow_unsafe_werkzeug": True} if MODE == "threading" else {}))
