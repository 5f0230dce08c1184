/** The program: hands the command line to cli. */
import { runCli } from './cli/cli.ts';

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  environment: process.env,
  cwd: process.cwd(),
  streams: { stdout: process.stdout, stderr: process.stderr },
});

// The work is done. A connection that is still being made to a server that never answers would keep the process for as long.
const lingerMs = 500;
setTimeout(() => process.exit(), lingerMs).unref();
