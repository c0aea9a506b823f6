'use strict';

const { WebSocket } = require('ws');

/** Who hears which channel. */
class Channels {
  constructor() {
    this.members = new Map();
  }

  subscribe(socket, channel) {
    let members = this.members.get(channel);
    if (!members) this.members.set(channel, (members = new Set()));
    members.add(socket);
    socket.channels.add(channel);
  }

  unsubscribe(socket, channel) {
    const members = this.members.get(channel);
    if (members) {
      members.delete(socket);
      if (members.size === 0) this.members.delete(channel);
    }
    socket.channels.delete(channel);
  }

  leave(socket) {
    for (const channel of [...socket.channels]) this.unsubscribe(socket, channel);
  }

  /** Sends `messages`, strings or buffers made once for everybody; several leave in one write. */
  send(channel, messages) {
    const members = this.members.get(channel);
    if (!members) return;
    for (const socket of members) {
      if (socket.readyState !== WebSocket.OPEN) continue;
      if (messages.length === 1) {
        socket.send(messages[0], TEXT);
        continue;
      }
      socket._socket.cork();
      for (const message of messages) socket.send(message, TEXT);
      socket._socket.uncork();
    }
  }

  /** Tells samples to everyone who hears their driver or their session. Each sample is made text once. */
  broadcast(driverId, sessionId, samples) {
    const toDriver = this.members.has(`telemetry:${driverId}`);
    const toSession = sessionId !== undefined && this.members.has(`session:${sessionId}`);
    if (!toDriver && !toSession) return;
    const messages = samples.map(({ data, timestamp }) =>
      Buffer.from(JSON.stringify({ type: 'telemetry', driverId, sessionId, data, timestamp })),
    );
    if (toDriver) this.send(`telemetry:${driverId}`, messages);
    if (toSession) this.send(`session:${sessionId}`, messages);
  }
}

const TEXT = { binary: false };

module.exports = { Channels };
