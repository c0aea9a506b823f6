// Copies the plotting library's built files from its npm package into vendor/, which the binary embeds.
// `node vendor.mjs --check` copies nothing and fails where the committed copy differs from the package.
import { readFileSync, writeFileSync } from 'node:fs';

const FILES = {
  'dist/uPlot.iife.min.js': 'uPlot.iife.min.js',
  'dist/uPlot.min.css': 'uPlot.min.css',
  LICENSE: 'uPlot.LICENSE',
};
const check = process.argv.includes('--check');
let differing = 0;
for (const [source, target] of Object.entries(FILES)) {
  const packaged = readFileSync(new URL(`node_modules/uplot/${source}`, import.meta.url));
  const address = new URL(`vendor/${target}`, import.meta.url);
  if (!check) writeFileSync(address, packaged);
  else if (!readFileSync(address).equals(packaged)) {
    console.error(`vendor/${target} differs from uplot/${source}: run npm run vendor`);
    differing += 1;
  }
}
process.exitCode = differing ? 1 : 0;
