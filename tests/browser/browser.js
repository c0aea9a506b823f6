// A real Chromium with an empty profile.
import { chromium } from 'playwright-core';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PATIENCE_MS = 90_000; // A loaded machine is slow, not broken.
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Why there is no browser here; '' where there is one. */
export const missing = existsSync(CHROMIUM) ? '' : `no ${CHROMIUM} (apt-get install chromium)`;

/** Opens the browser; `page(options)` gives pages that collect what went wrong in `page.problems`. */
export async function openBrowser() {
  const profile = mkdtempSync(path.join(tmpdir(), 'slipstream-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, headless: true, timeout: PATIENCE_MS, args: FLAGS, viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  return {
    async page({ viewport, colorScheme = 'dark' } = {}) {
      const page = await context.newPage();
      if (viewport) await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      page.problems = [];
      page.on('pageerror', (error) => page.problems.push(String(error.stack ?? error)));
      page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
      return page;
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
