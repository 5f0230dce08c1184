/** The program: hands the command line to cli. */
import { runCli } from './cli/cli.ts';

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  environment: process.env,
  cwd: process.cwd(),
  streams: { stdout: process.stdout, stderr: process.stderr },
});
