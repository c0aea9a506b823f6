// The REST API, with this tab's token.

/** Why a request was refused; `status` is 0 where the server could not be reached. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Requests with `token()`; answers are the envelope's `data`. */
export class Api {
  constructor(token) {
    this.token = token;
  }

  get(path) {
    return this.#ask('GET', path);
  }

  post(path) {
    return this.#ask('POST', path);
  }

  async #ask(method, path) {
    let answer;
    try {
      const headers = { authorization: `Bearer ${this.token()}` };
      answer = await fetch(path, { method, headers, cache: 'no-store', signal: AbortSignal.timeout(8_000) });
    } catch {
      throw new Refused(0, 'The server cannot be reached');
    }
    const body = await answer.json().catch(() => null);
    if (!answer.ok || !body?.success) throw new Refused(answer.status, body?.error?.message ?? body?.message ?? `The server answered ${answer.status}`);
    return body.data;
  }
}
