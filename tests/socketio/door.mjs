// Who may come in where the door is closed: node door.mjs <url> <engineer's token> <viewer's token>
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [url, engineer, viewer] = process.argv.slice(2);

function attempt(options) {
  const socket = io(url, { reconnection: false, forceNew: true, ...options });
  return new Promise((done) => {
    socket.on("connection-status", (status) => (socket.disconnect(), done(status.status)));
    socket.on("connect_error", (error) => (socket.disconnect(), done(error.message)));
  });
}

for (const transports of [["polling"], ["websocket"]]) {
  assert.match(await attempt({ transports }), /token is needed/);
  assert.match(await attempt({ transports, auth: { token: "nonsense" } }), /JWT|token/);
  assert.match(await attempt({ transports, auth: { token: viewer } }), /admin or engineer/);
  assert.equal(await attempt({ transports, auth: { token: engineer } }), "connected");
  assert.equal(await attempt({ transports, query: { token: engineer } }), "connected");
}
console.log("well");
