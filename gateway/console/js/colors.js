// Colours: one per vehicle, and the theme's own for what is drawn on canvas.

/** Hues far apart for neighbours in the list, lightness by theme so that both keep their contrast. */
export function vehicleColor(index, dark = isDark()) {
  const hue = (210 + index * 137.508) % 360;
  const turn = Math.floor(index / 12) % 2;
  return dark ? `oklch(${0.78 - turn * 0.1} 0.15 ${hue.toFixed(1)})` : `oklch(${0.56 - turn * 0.08} 0.17 ${hue.toFixed(1)})`;
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
