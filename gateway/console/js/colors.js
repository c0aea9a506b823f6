// Colours: one per vehicle, and the theme's own for what is drawn on canvas.

const known = new Map();
const MOST_KNOWN = 5_000;

/** A vehicle's colour follows from its id alone: the same on every screen, whoever else is there. */
export function vehicleColor(id, dark = isDark()) {
  let color = known.get(id);
  if (color === undefined) {
    if (known.size > MOST_KNOWN) known.clear();
    color = shades(hash(id));
    known.set(id, color);
  }
  return dark ? color.dark : color.light;
}

/** Hue by the hash, and one of three lightnesses, so that equal hues are seldom equal colours; both themes keep their contrast. */
function shades(number) {
  const hue = number % 360;
  const turn = Math.floor(number / 360) % 3;
  return { dark: `oklch(${(0.8 - turn * 0.07).toFixed(2)} 0.15 ${hue})`, light: `oklch(${(0.58 - turn * 0.06).toFixed(2)} 0.17 ${hue})` };
}

/** FNV-1a with its bits mixed, so that names that differ in a digit lie far apart. */
function hash(text) {
  let bits = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) bits = Math.imul(bits ^ text.charCodeAt(i), 0x01000193);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** Whether the page is dark now. */
export function isDark() {
  return document.documentElement.dataset.theme === 'dark';
}

/** The theme's variables by name, read once per theme change. */
export function themeColors() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    text: read('--text'),
    muted: read('--muted'),
    line: read('--line'),
    surface: read('--surface'),
    track: read('--track'),
    trackEdge: read('--track-edge'),
    accent: read('--accent'),
  };
}
