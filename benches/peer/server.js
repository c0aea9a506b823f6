'use strict';

// PitBox's backend (telemetry part): Express, ws and pg in one process.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const express = require('express');
const jwt = require('jsonwebtoken');
const { Pool } = require('pg');
const { WebSocketServer } = require('ws');
const { Channels } = require('./channels');

const { PORT = '8080', JWT_SECRET, DATABASE_URL } = process.env;
const channels = new Channels();
const pool = DATABASE_URL ? new Pool({ connectionString: DATABASE_URL, max: 20 }) : null;
const INSERT = {
  name: 'insert-telemetry',
  text: 'INSERT INTO telemetry (driver_id, session_id, data) VALUES ($1, $2, $3) RETURNING id',
};

function verify(token) {
  return jwt.verify(token, JWT_SECRET, { algorithms: ['HS256'] });
}

function bearer(headers) {
  const value = headers.authorization;
  return value && value.startsWith('Bearer ') ? value.slice(7) : undefined;
}

function authenticate(request, response, next) {
  try {
    request.user = verify(bearer(request.headers));
  } catch {
    return response.status(401).json({ error: 'Unauthorized' });
  }
  return next();
}

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/health', (_request, response) => response.json({ status: 'ok' }));
app.use('/api', authenticate, express.json({ limit: '8mb' }));

app.post('/api/telemetry', async (request, response, next) => {
  const { driverId, sessionId, data } = request.body ?? {};
  if (typeof driverId !== 'string' || data === null || typeof data !== 'object') {
    return response.status(400).json({ error: 'driverId and data are required' });
  }
  try {
    const result = await pool.query({ ...INSERT, values: [driverId, sessionId, JSON.stringify(data)] });
    channels.broadcast(driverId, sessionId, [{ data, timestamp: new Date().toISOString() }]);
    return response.status(201).json({ id: result.rows[0].id });
  } catch (error) {
    return next(error);
  }
});

const server = http.createServer(app);
server.keepAliveTimeout = 60_000;
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 8 << 20 });

server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://localhost');
  let user;
  try {
    if (url.pathname !== '/ws') throw new Error('not found');
    user = verify(bearer(request.headers) ?? url.searchParams.get('token'));
  } catch {
    socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  socket.setNoDelay(true);
  wss.handleUpgrade(request, socket, head, (ws) => open(ws, user));
});

function open(ws, user) {
  ws.user = user;
  ws.channels = new Set();
  ws.on('message', receive);
  ws.on('close', closed);
  ws.on('error', failed);
}

function closed() {
  channels.leave(this);
}

function failed() {
  this.terminate();
}

function receive(bytes) {
  let message;
  try {
    message = JSON.parse(bytes);
  } catch {
    this.send('{"type":"error","message":"invalid JSON"}');
    return;
  }
  switch (message.type) {
    case 'subscribe':
      channels.subscribe(this, message.channel);
      this.send(JSON.stringify({ type: 'subscribed', channel: message.channel }));
      break;
    case 'unsubscribe':
      channels.unsubscribe(this, message.channel);
      this.send(JSON.stringify({ type: 'unsubscribed', channel: message.channel }));
      break;
    case 'telemetry':
      telemetry(message);
      break;
    default:
      this.send('{"type":"error","message":"unknown type"}');
  }
}

// Frames over the socket are relayed and not stored.
function telemetry(message) {
  if (!message.batch) {
    channels.broadcast(message.driverId, message.sessionId, [message]);
    return;
  }
  // A relay's batch holds runs of one driver; each run leaves in one write per subscriber.
  let run = [];
  for (const sample of message.batch) {
    if (run.length > 0 && (run[0].driverId !== sample.driverId || run[0].sessionId !== sample.sessionId)) {
      channels.broadcast(run[0].driverId, run[0].sessionId, run);
      run = [];
    }
    run.push(sample);
  }
  if (run.length > 0) channels.broadcast(run[0].driverId, run[0].sessionId, run);
}

async function main() {
  if (!JWT_SECRET) throw new Error('JWT_SECRET is not set');
  if (pool) {
    await pool.query(fs.readFileSync(path.join(__dirname, 'schema.sql'), 'utf8'));
    // As many connections as the pool may hold, before the first request needs them.
    await Promise.all(Array.from({ length: 20 }, () => pool.query('SELECT 1')));
  }
  server.listen(Number(PORT), '127.0.0.1');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
