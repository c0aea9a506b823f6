// What the page knows about vehicles and sessions.

import { flatten, read } from './signals.js';
import { History } from './history.js';
import { Projection } from './position.js';

const MOST_VEHICLES = 2_000;
const QUIET_MS = 10_000;
/** A counter above this does not count laps. */
const MOST_LAPS = 10_000;

class Vehicle {
  constructor(id) {
    this.id = id;
    this.session = '';
    this.history = new History();
    this.lap = null; // As its source counts.
    this.along = 0; // Metres, or a share, of the lap.
    this.newest = -Infinity;
    this.heardAt = 0;
    this.interval = 50; // Smoothed time between arrivals that moved it, ms.
    this.speed = NaN;
    this.position = null; // Newest, metres.
    this.frame = ''; // What they are measured in.
    this.shown = null; // Where the map draws it now.
    this.from = null;
    this.movedAt = 0;
  }

  /** Whether anything was heard lately. */
  quiet(now) {
    return now - this.heardAt > QUIET_MS;
  }
}

/** Vehicles by id, sessions by id; grows as they are heard of. */
export class Store {
  #projection = new Projection();
  #namesChanged = true;
  #names = [];

  constructor() {
    this.vehicles = new Map();
    this.sessions = new Map(); // id -> newest metrics, or null
    this.samples = 0;
    this.ignored = 0;
    this.onMoved = () => {};
  }

  /** Takes a telemetry publication; `now` is the moment of this animation frame. */
  telemetry(frame, now) {
    const time = Date.parse(frame.timestamp);
    if (!frame.driverId || !Number.isFinite(time) || typeof frame.data !== 'object' || frame.data === null) return;
    const vehicle = this.#vehicle(frame.driverId);
    if (!vehicle) return;
    if (frame.sessionId && frame.sessionId !== vehicle.session) {
      vehicle.session = frame.sessionId;
      if (!this.sessions.has(frame.sessionId)) this.sessions.set(frame.sessionId, null);
    }
    const signals = flatten(frame.data);
    vehicle.heardAt = now;
    if (!vehicle.history.add(time, signals)) {
      this.ignored += 1;
      return;
    }
    this.samples += 1;
    this.#namesChanged = true;
    if (time < vehicle.newest) return; // Late: it has its place in the plots, and changes nothing of now.
    vehicle.newest = time;
    const told = read(signals);
    if (Number.isInteger(told.lap) && told.lap >= 0 && told.lap <= MOST_LAPS) vehicle.lap = told.lap;
    vehicle.along = told.lap_dist_m ?? told.lap_share ?? vehicle.along;
    vehicle.speed = told.speed_mps ?? vehicle.speed;
    const place = this.#projection.locate(told, vehicle.session);
    if (place) this.#move(vehicle, place, time, now);
  }

  #vehicle(id) {
    let vehicle = this.vehicles.get(id);
    if (!vehicle && this.vehicles.size < MOST_VEHICLES) {
      vehicle = new Vehicle(id);
      this.vehicles.set(id, vehicle);
    }
    return vehicle;
  }

  #move(vehicle, { frame, at: position }, time, now) {
    if (frame !== vehicle.frame) {
      // Elsewhere: nothing leads from there to here.
      Object.assign(vehicle, { frame, shown: null, from: null, position: null });
    }
    this.onMoved(vehicle, vehicle.position, position, time);
    if (now > vehicle.movedAt) {
      if (vehicle.movedAt > 0) vehicle.interval += 0.15 * (Math.min(1500, now - vehicle.movedAt) - vehicle.interval);
      vehicle.movedAt = now;
      vehicle.from = vehicle.shown ?? position;
    }
    vehicle.position = position;
  }

  /** Takes a session's numbers. */
  metrics(frame) {
    if (frame.sessionId && frame.metrics) this.sessions.set(frame.sessionId, frame.metrics);
  }

  /** Vehicles in view: all, or those of `session`. */
  inView(session) {
    const all = [...this.vehicles.values()];
    return session ? all.filter((vehicle) => vehicle.session === session) : all;
  }

  /** Names of all numeric signals heard so far. */
  signalNames() {
    if (this.#namesChanged) {
      const names = new Set();
      for (const vehicle of this.vehicles.values()) for (const name of vehicle.history.names()) names.add(name);
      this.#names = [...names];
      this.#namesChanged = false;
    }
    return this.#names;
  }
}
