// The bus driven by two real clients: node bus.mjs <url> <polling|websocket>
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [url, transport] = process.argv.slice(2);
const EVENTS = ["connection-status", "episode-started", "episode-complete", "episode-reset", "rl-update", "error"];

/** A client that notes all it hears. */
async function client() {
  const socket = io(url, { transports: [transport], upgrade: false, reconnection: false, forceNew: true });
  const heard = Object.fromEntries(EVENTS.map((name) => [name, []]));
  for (const name of EVENTS) socket.on(name, (data) => heard[name].push(data));
  await new Promise((done, failed) => (socket.on("connect", done), socket.on("connect_error", failed)));
  return { socket, heard, next: (name, count = 1) => until(() => heard[name].length >= count, `${count} ${name}`) };
}

async function until(condition, what) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `never: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

async function call(method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const [a, b] = [await client(), await client()];
await Promise.all([a.next("connection-status"), b.next("connection-status")]);
assert.deepEqual(a.heard["connection-status"][0], {
  status: "connected", model_loaded: false, env_ready: false, algorithm: null,
});

// Before a model is loaded nothing can be done, and only who asked is told.
for (const [count, event] of ["step", "start-episode", "reset", "get-state"].entries()) {
  a.socket.emit(event, ...(event === "step" ? [{ action: 1 }] : []));
  await a.next("error", count + 1);
}
assert.deepEqual(a.heard.error, Array(4).fill({ message: "No model loaded" }));
assert.equal((await call("POST", "/api/step", { action: 1 })).status, 400);
for (const algorithm of ["GPT", 7, null]) assert.equal((await call("POST", "/api/load-model", { algorithm })).status, 400);

const loaded = await call("POST", "/api/load-model", { algorithm: "DQN" });
assert.equal(loaded.body.message, "DQN model loaded successfully");
assert.equal(loaded.status, 200);
assert.ok((await call("GET", "/api/models")).body.models.includes("DQN"));
// Loading put the bus at a beginning.
await Promise.all([a.next("rl-update"), b.next("rl-update")]);

a.socket.emit("start-episode");
await a.next("episode-started");
assert.deepEqual(a.heard["episode-started"], [{ status: "success", episode: 1 }]);
await Promise.all([a.next("rl-update", 2), b.next("rl-update", 2)]);
const first = b.heard["rl-update"][1];
assert.equal(first.type, "state-update");
assert.equal(typeof first.timestamp, "number");
const kinds = Object.fromEntries(Object.entries(first.data).map(([k, v]) => [k, Array.isArray(v) ? "array" : typeof v]));
assert.deepEqual(kinds, {
  step: "number", x: "number", y: "number", pos_x: "number", pos_y: "number", position: "array", passengers: "number",
  capacity: "number", money: "number", speed: "number", fined: "number", light_red: "number", police_here: "number",
  must_stop: "number", hazards: "array", police_checkpoints: "array", traffic_lights: "array", traffic_light_states: "array",
  high_demand_stops: "array", light_cycle: "number", episode: "number", action: "number", reward: "number",
  total_reward: "number", terminated: "boolean", truncated: "boolean",
});
assert.deepEqual([first.data.position, first.data.capacity], [[0, 14], 50]);
assert.deepEqual(first.data.high_demand_stops, [[4, 14], [8, 14], [14, 8], [14, 3]]);
assert.deepEqual([first.data.police_checkpoints.length, first.data.traffic_lights.length, first.data.hazards.length], [3, 4, 7]);

// Bad input is told to the sender, changes nothing, and the others play on.
const errors = a.heard.error.length;
const bad = [{ action: 9 }, { action: -1 }, { action: 1.5 }, { action: "left" }, { action: [1] }, "step", [1], 7, true];
for (const data of bad) a.socket.emit("step", data);
await a.next("error", errors + bad.length);
assert.equal(b.heard.error.length, 0, "errors are for the sender alone");
for (const action of [7, "x", -1, 0.5]) assert.equal((await call("POST", "/api/step", { action })).status, 400);
assert.equal((await call("GET", "/api/current-state")).body.step, 0);

// A burst is carried out in its order, and all hear it so.
const before = b.heard["rl-update"].length;
for (let i = 0; i < 10; i++) b.socket.emit("step", i % 2 ? {} : { action: 4 });
await Promise.all([a, b].map(({ next }) => next("rl-update", before + 10)));
for (const { heard } of [a, b]) {
  const steps = heard["rl-update"].slice(before).map((u) => u.data.step);
  assert.deepEqual(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}
const log = (await call("GET", "/api/episode-data")).body;
assert.equal(log.steps.length, 10);
assert.equal(log.total_reward, a.heard["rl-update"].at(-1).data.total_reward);

// A client that leaves in mid-episode is gone from the count, and the episode goes on.
const status = async () => (await call("GET", "/api/ws-status")).body;
assert.equal((await status()).connected_clients, 2);
b.socket.disconnect();
await until(async () => (await status()).connected_clients === 1, "one client is left");
assert.deepEqual((await status()).client_ids, [a.socket.id]);

// The policy plays a whole episode as well as can be: 314 + 22 for each cell where it must stop.
a.socket.emit("start-episode");
await a.next("episode-started", 2);
assert.equal(a.heard["episode-started"][1].episode, 2);
while (a.heard["episode-complete"].length === 0) {
  const heard = a.heard["rl-update"].length;
  a.socket.emit("step");
  await a.next("rl-update", heard + 1);
  if (a.heard["rl-update"].at(-1).data.terminated) await a.next("episode-complete");
}
const last = a.heard["rl-update"].at(-1).data;
const stops = 3 + last.traffic_light_states.reduce((sum, red) => sum + red, 0);
assert.deepEqual(a.heard["episode-complete"], [
  { status: "completed", total_reward: 314 + 22 * stops, steps: 29, reason: "terminated" },
]);

// After the end there is no step until the next beginning.
const told = a.heard.error.length;
a.socket.emit("step", { action: 0 });
await a.next("error", told + 1);
assert.match(a.heard.error.at(-1).message, /over/);
a.socket.emit("reset");
await a.next("episode-reset");
assert.deepEqual(a.heard["episode-reset"], [{ status: "success" }]);
const asked = a.heard["rl-update"].length;
a.socket.emit("get-state");
await a.next("rl-update", asked + 1);
await until(() => a.heard["rl-update"].at(-1).data.step === 0, "the bus stands at a beginning");
a.socket.disconnect();
console.log("well");
