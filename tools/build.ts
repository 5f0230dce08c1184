/** `npm run build [-- FOLDER]`: compiles `src` to `dist`, or to another folder beside it, and takes along the SQL that is read at run time. */
import { execFileSync } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = process.argv[2] ?? 'dist';
const isSqlOrFolder = (path: string): boolean => !/\.[a-z]+$/.test(path) || path.endsWith('.sql');

await rm(`${root}${folder}`, { recursive: true, force: true });
execFileSync('tsc', ['--project', `${root}tsconfig.build.json`, '--outDir', `${root}${folder}`], {
  stdio: 'inherit',
  cwd: root,
});
await cp(`${root}src`, `${root}${folder}`, { recursive: true, filter: isSqlOrFolder });
