// Which channels this connection hears, and up to where.

/** Keeps the server's subscriptions equal to what is wanted, across reconnects. */
export class Channels {
  #send;
  #wanted = new Map(); // channel -> delivery
  #asked = new Set();
  #points = new Map(); // channel -> {epoch, offset, joined}

  /** `send(frame)` returns false while there is no connection. */
  constructor(send) {
    this.#send = send;
    this.recovered = 0;
    this.lostHistory = 0;
  }

  /** Makes the subscriptions those of `wanted`: channel -> delivery (`'all'`, `'latest'`, `{max_rate}`). */
  want(wanted) {
    for (const [channel, delivery] of this.#wanted) {
      const same = wanted.has(channel) && JSON.stringify(wanted.get(channel)) === JSON.stringify(delivery);
      if (!same && this.#asked.delete(channel)) this.#send({ type: 'unsubscribe', channel });
    }
    this.#wanted = new Map(wanted);
    for (const channel of wanted.keys()) if (!this.#asked.has(channel)) this.#subscribe(channel);
  }

  /** A new connection: everything is asked for again, from where it was left. */
  reopen() {
    this.#asked.clear();
    for (const channel of this.#wanted.keys()) this.#subscribe(channel);
  }

  #subscribe(channel) {
    const frame = { type: 'subscribe', channel, delivery: this.#wanted.get(channel), on_slow: 'drop_oldest' };
    const point = this.#points.get(channel);
    if (point?.epoch !== undefined) frame.since = { epoch: point.epoch, offset: point.offset };
    if (this.#send(frame)) this.#asked.add(channel);
  }

  /** Takes in a `subscribed` answer. */
  subscribed({ channel, epoch, offset, recovered }) {
    if (channel.endsWith(':*')) return;
    const before = this.#points.get(channel);
    const continued = recovered && before?.epoch === epoch;
    if (before?.epoch !== undefined) {
      if (recovered) this.recovered += 1;
      else this.lostHistory += 1;
    }
    this.#points.set(channel, { epoch, offset: continued ? before.offset : offset, joined: offset });
  }

  /**
   * Notes a publication's offset. True when it is news of now; false when it is history that a
   * reconnect brought back, whose age says nothing about the connection.
   */
  heard(channel, offset) {
    const point = this.#points.get(channel);
    if (point === undefined) return true;
    if (offset > point.offset) point.offset = offset;
    return offset > point.joined;
  }

  /** A `gap` frame: what it names will not come. */
  gap({ channel, to }) {
    const point = this.#points.get(channel);
    if (point && to > point.offset) point.offset = to;
  }

  /** The channels asked for, for the page's own account of itself. */
  list() {
    return [...this.#asked];
  }
}
