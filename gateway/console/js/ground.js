// The ground under the cars: the track's edge and surface on two canvases of their own, painted only where new.

const MARGIN = 34;
const LEAST_SPAN_M = 60;
const REFIT_MS = 250;
const PAINT_MS = 100;

/** Metres to css pixels, and the track painted at that scale. */
export class Ground {
  #layers;
  #painted = 0;
  #shape = -1;
  #fittedAt = -Infinity;
  #paintedAt = -Infinity;

  /** `edge` and `surface` are canvases that lie under the cars', `size` is `{width, height, ratio}`. */
  constructor(edge, surface) {
    this.#layers = [
      { canvas: edge, context: edge.getContext('2d'), color: 'trackEdge', pixels: 8 },
      { canvas: surface, context: surface.getContext('2d'), color: 'track', pixels: 5.5 },
    ];
    this.size = { width: 0, height: 0, ratio: 1 };
    this.view = { scale: 1, x: 0, y: 0 };
  }

  /** The canvases have another size, or the theme changed, or the track is another: all is painted anew. */
  reset(size = this.size) {
    this.size = size;
    this.#shape = -1;
    this.#fittedAt = -Infinity;
  }

  /** Paints what is new of `track` with the theme's `colors`. */
  paint(track, colors, now) {
    if (track.shape !== this.#shape && now - this.#fittedAt > REFIT_MS) {
      this.#fittedAt = now;
      this.#shape = track.shape;
      this.#fit(track.bounds);
      this.#clear();
      this.#scaleBar(colors);
    } else if (now - this.#paintedAt < PAINT_MS) return;
    this.#paintedAt = now;
    if (this.#painted < track.segments.length) this.#stroke(track.segments, colors);
  }

  #fit({ left, right, bottom, top }) {
    const { width, height } = this.size;
    const [spanX, spanY] = [Math.max(LEAST_SPAN_M, right - left), Math.max(LEAST_SPAN_M, top - bottom)];
    const scale = Math.max(1e-6, Math.min((width - 2 * MARGIN) / spanX, (height - 2 * MARGIN) / spanY));
    this.view = { scale, x: width / 2 - ((left + right) / 2) * scale, y: height / 2 + ((bottom + top) / 2) * scale };
  }

  #clear() {
    this.#painted = 0;
    for (const { canvas, context } of this.#layers) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
    }
  }

  #stroke(segments, colors) {
    const path = new Path2D();
    for (let i = this.#painted; i < segments.length; i += 4) {
      path.moveTo(segments[i], segments[i + 1]);
      path.lineTo(segments[i + 2], segments[i + 3]);
    }
    this.#painted = segments.length;
    const { ratio } = this.size;
    const { scale, x, y } = this.view;
    for (const { context, color, pixels } of this.#layers) {
      context.setTransform(scale * ratio, 0, 0, -scale * ratio, x * ratio, y * ratio);
      context.lineCap = 'round';
      context.strokeStyle = colors[color];
      context.lineWidth = pixels / scale;
      context.stroke(path);
    }
  }

  /** A bar of a round length, so that the map has a measure. */
  #scaleBar(colors) {
    const { ratio, height } = this.size;
    const [{ context }] = this.#layers;
    const wanted = 90 / this.view.scale;
    const magnitude = 10 ** Math.floor(Math.log10(wanted));
    const metres = [5, 2, 1].map((step) => step * magnitude).find((length) => length <= wanted) ?? magnitude;
    const length = metres * this.view.scale;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colors.muted;
    context.fillRect(14, height - 14, length, 1);
    context.fillRect(14, height - 18, 1, 5);
    context.fillRect(13 + length, height - 18, 1, 5);
    context.font = '11px system-ui, sans-serif';
    context.fillText(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, 14, height - 22);
  }
}
