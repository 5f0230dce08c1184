#!/usr/bin/env node
// Starts Tahr. Plain JavaScript that an old Node can read too, so that it can say what is missing.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;
const inCheckout = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const start = async () => {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  const built = inCheckout('dist/main.js');
  await import(
    existsSync(built)
      ? new URL('../dist/main.js', import.meta.url).href
      : new URL('../src/main.ts', import.meta.url).href
  );
};

// A checkout brings its own Node with it.
const startWithOwnNode = () => {
  const own = inCheckout('node_modules/.bin/node');
  if (!existsSync(own) || process.env.TAHR_RESTARTED === '1') {
    console.error(
      `Tahr needs Node.js ${neededMajor} or newer, and this is ${process.version}. Install a newer one from https://nodejs.org.`,
    );
    process.exit(1);
  }
  const environment = { ...process.env, TAHR_RESTARTED: '1' };
  const child = spawn(own, process.argv.slice(1), { stdio: 'inherit', env: environment });
  // The terminal sends Ctrl-C to both; a second one would stop the child at once. SIGTERM reaches only us.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
};

if (Number(process.versions.node.split('.')[0]) >= neededMajor) await start();
else startWithOwnNode();
