// A read-only look at what the page shows, for tests and for the browser's console.

/** Puts `window.slipstream` in place: functions that give copies. */
export function exposeHandle({ store, map, plots, connection, channels, status, inbox, chosen, latency }) {
  window.slipstream = Object.freeze({
    /** Where each car is: in metres as sent, as drawn, and on the canvas in css pixels. */
    positions: () =>
      Object.fromEntries([...map.screen].map(([id, at]) => [id, { metres: [...store.vehicles.get(id).position], shown: [...store.vehicles.get(id).shown], screen: [at.x, at.y] }])),
    /** The map: the frame that is shown, all of them, and the bounds it is fitted to. */
    map: () => ({ frame: map.frame, frames: [...map.frames], bounds: { ...map.tracks.get(map.frame)?.bounds } }),
    /** What a signal's panel shows, or null. */
    plot: (signal) => plots.data(signal),
    /** Ids of the vehicles heard of. */
    vehicles: () => [...store.vehicles.keys()],
    /** Ids of the vehicles plotted. */
    chosen: () => [...chosen()],
    /** The connection's state. */
    connection: () => ({ ...connection.state, reconnects: connection.reconnects, roundTrip: connection.roundTrip }),
    /** Channels subscribed to, and how often a reconnect brought back what was missed. */
    channels: () => ({ list: channels.list(), recovered: channels.recovered, lostHistory: channels.lostHistory }),
    /** Counters. */
    counts: () => ({ received: inbox.received, waiting: inbox.depth, overrun: inbox.overrun, samples: store.samples, ignored: store.ignored, rate: status.rate }),
    /** Percentiles of the last seconds, ms. */
    latency: () => latency(),
  });
}
