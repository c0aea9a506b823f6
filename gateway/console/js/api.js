// The server's REST, with this page's token.

import { addressOf } from './place.js';

const PATIENCE_MS = 8_000;

/** Why a request was refused, in the server's words; `status` is 0 where the server could not be reached. */
export class Refused extends Error {
  constructor(status, message, details = []) {
    super([message, ...details].join(': '));
    this.status = status;
  }
}

/** Calls with a token and takes the envelope off. */
export class Api {
  token = '';

  /** The data of the answer within `patience` ms; throws `Refused`. */
  async call(method, path, body, patience = PATIENCE_MS) {
    const headers = { authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let answer;
    try {
      answer = await fetch(addressOf(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store', signal: AbortSignal.timeout(patience) });
    } catch {
      throw new Refused(0, 'The server cannot be reached');
    }
    const envelope = await answer.json().catch(() => null);
    if (!answer.ok || !envelope?.success) throw new Refused(answer.status, envelope?.error?.message ?? envelope?.message ?? `The server answered ${answer.status}`, envelope?.error?.details ?? []);
    return envelope.data;
  }

  get(path) {
    return this.call('GET', path);
  }
}
