/** The reference page of the configuration, as Markdown; `docs/configuration.md` is generated from it. */
import { configOptions, optionNames } from './options.ts';

export const renderConfigReference = (): string => {
  const rows = optionNames.map((name) => {
    const { key, environment, flags, help, defaultText } = configOptions[name];
    return `| \`${key}\` | \`${environment}\` | \`${flags}\` | ${help} | ${defaultText} |`;
  });
  return `${introduction}\n${rows.join('\n')}\n`;
};

const introduction = `# Configuration

For each setting the first of these counts: the flag, the environment variable, the file, the default.

The file is the first that exists of \`--config FILE\`, the one named by \`TAHR_CONFIG\`, \`./tahr.yaml\`,
\`~/.config/tahr/tahr.yaml\` and \`/etc/tahr.yaml\`; the first two must exist. All mistakes are reported at once, each
with its line and column. Relative paths in the file are meant from its directory.

\`control\` is a connection string as libpq reads it, or a mapping of the same keywords. In a value of a connection,
\`\${env:NAME}\` stands for an environment variable and \`\${file:/path}\` for the contents of a file; both are read when
a connection is made.

\`\`\`yaml
control:
  host: db.example.com
  dbname: tahr
  user: tahr
  password: \${file:/run/secrets/tahr}
  sslmode: verify-full
log_level: info
\`\`\`

| In the file | Environment | Flag | Meaning | Default |
|---|---|---|---|---|`;
