// Where a sample says its vehicle is: in metres on a plane, and on which plane.

import { NO_FIX_DEG } from './meanings.js';

const METRES_PER_DEGREE = 111_320;
/** Places on the Earth farther apart than this are not drawn on one map. */
const ONE_MAP_M = 100_000;
/** Most planes on the Earth; what lies elsewhere is put on the nearest one. */
const MOST_PLANES = 64;

const finite = Number.isFinite;

/** Projects degrees on planes that touch the Earth at the first position seen around there. */
export class Projection {
  #planes = [];

  /**
   * `{frame, at: [x, y]}` in metres, y to the north or up; null where the sample has no position. Frames have nothing to do with one
   * another: each session has a plane of its own, and so has each region of the Earth. `told` are values by role.
   */
  locate(told, session = '') {
    const { x_m: x, y_m: y, lat_deg: lat, lon_deg: lon } = told;
    if (finite(x) && finite(y)) return { frame: `plane ${session}`, at: [x, y] };
    if (!finite(lat) || !finite(lon) || Math.abs(lat) > 90 || Math.abs(lon) > 180) return null;
    if (Math.abs(lat) <= NO_FIX_DEG && Math.abs(lon) <= NO_FIX_DEG) return null; // No fix.
    return this.#project(lat, lon);
  }

  #project(lat, lon) {
    let nearest = null;
    for (const plane of this.#planes) {
      const at = plane.project(lat, lon);
      const away = Math.hypot(...at);
      if (!nearest || away < nearest.away) nearest = { plane, at, away };
    }
    if (nearest && (nearest.away <= ONE_MAP_M || this.#planes.length >= MOST_PLANES)) return { frame: nearest.plane.frame, at: nearest.at };
    const plane = new Plane(lat, lon);
    this.#planes.push(plane);
    return { frame: plane.frame, at: [0, 0] };
  }
}

class Plane {
  constructor(lat, lon) {
    Object.assign(this, { lat, lon, shrink: Math.cos((lat * Math.PI) / 180), frame: `earth ${lat.toFixed(1)} ${lon.toFixed(1)}` });
  }

  project(lat, lon) {
    // The short way round, across the date line.
    const east = ((lon - this.lon + 540) % 360) - 180;
    return [east * this.shrink * METRES_PER_DEGREE, (lat - this.lat) * METRES_PER_DEGREE];
  }
}
