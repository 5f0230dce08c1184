/** `npm run build`: compiles `src` to `dist` and takes along the SQL that is read at run time. */
import { execFileSync } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isSqlOrFolder = (path: string): boolean => !/\.[a-z]+$/.test(path) || path.endsWith('.sql');

await rm(`${root}dist`, { recursive: true, force: true });
execFileSync('tsc', ['--project', `${root}tsconfig.build.json`], { stdio: 'inherit', cwd: root });
await cp(`${root}src`, `${root}dist`, { recursive: true, filter: isSqlOrFolder });
