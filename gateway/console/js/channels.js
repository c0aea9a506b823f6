// Which channels this connection hears, and up to where.

/** No channel has this epoch: asking for what came after it brings all that the channel remembers. */
const FROM_THE_START = { epoch: 0, offset: 0 };

/** Keeps the server's subscriptions equal to what is wanted, across reconnects. */
export class Channels {
  #send;
  #wanted = new Map(); // channel -> delivery
  #asked = new Set();
  #points = new Map(); // channel -> {epoch, offset}

  /** `send(frame)` returns false while there is no connection. */
  constructor(send) {
    this.#send = send;
    this.recovered = 0;
    this.lostHistory = 0;
  }

  /** Makes the subscriptions those of `wanted`: channel -> delivery (`'all'`, `'latest'`, `{max_rate}`). */
  want(wanted) {
    for (const [channel, delivery] of this.#wanted) {
      if (!wanted.has(channel)) {
        this.#points.delete(channel);
        if (this.#asked.delete(channel)) this.#send({ type: 'unsubscribe', channel });
      } else if (JSON.stringify(wanted.get(channel)) !== JSON.stringify(delivery)) {
        this.#asked.delete(channel); // Asking again replaces the older subscription without a gap.
      }
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
    if (!channel.endsWith(':*')) frame.since = this.#points.get(channel) ?? FROM_THE_START;
    if (this.#send(frame)) this.#asked.add(channel);
  }

  /** Takes in a `subscribed` answer: what follows comes after its `offset`. */
  subscribed({ channel, epoch, offset, recovered }) {
    if (channel.endsWith(':*')) return;
    if (this.#points.has(channel)) {
      if (recovered) this.recovered += 1;
      else this.lostHistory += 1;
    }
    this.#points.set(channel, { epoch, offset });
  }

  /** Notes a publication's offset. */
  heard(channel, offset) {
    const point = this.#points.get(channel);
    if (point !== undefined && offset > point.offset) point.offset = offset;
  }

  /** A `gap` frame: what it names will not come. */
  gap({ channel, to }) {
    this.heard(channel, to);
  }

  /** The channels asked for, for the page's own account of itself. */
  list() {
    return [...this.#asked];
  }
}
