// Where a sample says its vehicle is, in metres on a plane.

const PLANE = [['x_m', 'y_m'], ['position.x', 'position.y'], ['pos_x', 'pos_y']];
const EARTH = [['lat_deg', 'lon_deg'], ['lat', 'lon'], ['latitude', 'longitude'], ['gps.lat', 'gps.lon'], ['location.lat', 'location.lng']];
const METRES_PER_DEGREE = 111_320;

const finite = Number.isFinite;

/** Projects degrees on a plane that touches the earth at the first position seen. */
export class Projection {
  #origin = null;

  /** `[x, y]` in metres, y to the north or up; null where the sample has no position. */
  locate(signals) {
    for (const [x, y] of PLANE) if (finite(signals[x]) && finite(signals[y])) return [signals[x], signals[y]];
    for (const [lat, lon] of EARTH) {
      const [north, east] = [signals[lat], signals[lon]];
      if (!finite(north) || !finite(east)) continue;
      if ((north === 0 && east === 0) || Math.abs(north) > 90 || Math.abs(east) > 180) return null; // No fix.
      return this.#project(north, east);
    }
    return null;
  }

  #project(lat, lon) {
    this.#origin ??= { lat, lon, shrink: Math.cos((lat * Math.PI) / 180) };
    const { lat: lat0, lon: lon0, shrink } = this.#origin;
    return [(lon - lon0) * shrink * METRES_PER_DEGREE, (lat - lat0) * METRES_PER_DEGREE];
  }
}
