// The server's REST, with this page's token.

/** What the server refused, in its words. */
export class Refused extends Error {
  constructor(status, message, details) {
    super([message, ...details].join(': '));
    this.status = status;
  }
}

/** Calls with a token and takes the envelope off. */
export class Api {
  token = '';

  /** The data of the answer; throws `Refused` where the server says no, and `TypeError` where it cannot be reached. */
  async call(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' });
    const envelope = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, envelope.error?.message ?? `the server answered ${answer.status}`, envelope.error?.details ?? []);
    return envelope.data;
  }

  get(path) {
    return this.call('GET', path);
  }
}

/** The path of an agent, or of a part of it. */
export function agentPath(id, part = '') {
  return `/api/rl/agents/${encodeURIComponent(id)}${part && `/${part}`}`;
}
