// The real binary, on a free loopback port with its own data folder, and what talks to it.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';

export const BINARY = process.env.SLIPSTREAM_BIN ?? new URL('../../target/debug/slipstream', import.meta.url).pathname;
const SECRET = 'browser-tests-secret-of-32-bytes!';

/** A token as the server's own `token` command makes them. */
export function token(role, more = {}) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: `test-${role}`, role, iat: now, exp: now + 3600, ...more })}`;
  return `${body}.${createHmac('sha256', SECRET).update(body).digest('base64url')}`;
}

/** Servers that run: none of them outlives this process, however it ends. */
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/** What waiting does not mend. */
class Hopeless extends Error {}

/** Polls until `read()` gives something true; fails after `deadline` ms with what it gave last. */
export async function eventually(what, read, deadline = 60_000) {
  const until = Date.now() + deadline;
  for (;;) {
    let last;
    try {
      last = await read();
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (last && !(last instanceof Error)) return last;
    if (Date.now() > until) throw new Error(`${what}: not within ${deadline} ms, last ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** A server that can be killed and started again on the same port and data. */
export class Server {
  static async start() {
    const server = new Server();
    server.folder = mkdtempSync(path.join(tmpdir(), 'slipstream-page-'));
    server.port = await freePort();
    await server.run();
    return server;
  }

  get address() {
    return `http://127.0.0.1:${this.port}`;
  }

  async run() {
    const env = { ...process.env, JWT_SECRET: SECRET, LOG_LEVEL: 'warn', DATABASE_URL: '' };
    delete env.DATABASE_URL;
    const settings = ['--port', String(this.port), '--bind', '127.0.0.1', '--data-dir', this.folder];
    this.child = spawn(BINARY, ['serve', ...settings], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const { child } = this;
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.said = '';
    this.child.stderr.on('data', (text) => (this.said += text));
    await eventually(`health of ${BINARY}`, async () => {
      if (this.child.exitCode !== null) throw new Hopeless(`${BINARY} exited: ${this.said}`);
      return (await fetch(`${this.address}/health`)).ok;
    });
  }

  async kill(signal = 'SIGKILL') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'exit');
  }

  async stop() {
    await this.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A relay agent that sends what it is told to. */
export class Publisher {
  #seq = 0;

  static async connect(server) {
    const publisher = new Publisher();
    publisher.errors = [];
    publisher.socket = new WebSocket(`${server.address.replace('http', 'ws')}/ws?token=${token('relay')}&ack=received`);
    publisher.socket.on('message', (text) => {
      const frame = JSON.parse(text);
      if (frame.type === 'error') publisher.errors.push(frame);
    });
    await once(publisher.socket, 'open');
    return publisher;
  }

  /** Whether what is sent now goes anywhere. */
  get ready() {
    return this.socket.readyState === 1;
  }

  /** Sends samples `{driverId, sessionId, timestamp, data}` as one batch. */
  send(samples) {
    const batch = samples.map((sample) => ({ ...sample, seq: (this.#seq += 1) }));
    this.socket.send(JSON.stringify({ type: 'telemetry', batch }));
  }

  close() {
    this.socket.terminate();
  }
}

/** A relay agent that sends again what was not acknowledged as durable, and comes back by itself. */
export class PatientPublisher {
  #seq = 0;
  #waiting = []; // Samples without an acknowledgement, oldest first.
  #stopped = false;

  static async connect(server, name) {
    const publisher = new PatientPublisher();
    publisher.address = `${server.address.replace('http', 'ws')}/ws?token=${token('relay')}&ack=durable&publisher=${name}`;
    publisher.#connect();
    await eventually('the publisher is connected', () => publisher.socket.readyState === 1);
    return publisher;
  }

  /** What cannot be sent now is sent later. */
  get ready() {
    return true;
  }

  /** Samples sent and not acknowledged. */
  get waiting() {
    return this.#waiting.length;
  }

  send(samples) {
    const batch = samples.map((sample) => ({ ...sample, seq: (this.#seq += 1) }));
    this.#waiting.push(...batch);
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify({ type: 'telemetry', batch }));
  }

  close() {
    this.#stopped = true;
    this.socket.terminate();
  }

  #connect() {
    this.socket = new WebSocket(this.address);
    this.socket.on('open', () => {
      if (this.#waiting.length > 0) this.socket.send(JSON.stringify({ type: 'telemetry', batch: this.#waiting }));
    });
    this.socket.on('message', (text) => {
      const frame = JSON.parse(text);
      if (frame.type === 'ack') this.#waiting = this.#waiting.filter(({ seq }) => seq > frame.seq);
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      if (!this.#stopped) setTimeout(() => this.#connect(), 100);
    });
  }
}

/** A TCP proxy before the server whose connections can be cut. */
export class Proxy {
  #pairs = new Set();

  static async start(server) {
    const proxy = new Proxy();
    proxy.open = true;
    proxy.listener = net.createServer((near) => {
      if (!proxy.open) return near.destroy();
      const far = net.connect(server.port, '127.0.0.1');
      const pair = [near, far];
      proxy.#pairs.add(pair);
      near.pipe(far).pipe(near);
      for (const side of pair) {
        side.on('error', () => {});
        side.on('close', () => {
          proxy.#pairs.delete(pair);
          pair.forEach((other) => other.destroy());
        });
      }
      return undefined;
    });
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    proxy.address = `http://127.0.0.1:${proxy.listener.address().port}`;
    return proxy;
  }

  /** Cuts every connection, and refuses new ones until `mend()`. */
  cut() {
    this.open = false;
    for (const pair of this.#pairs) pair.forEach((side) => side.destroy());
  }

  mend() {
    this.open = true;
  }

  stop() {
    this.cut();
    this.listener.close();
  }
}
