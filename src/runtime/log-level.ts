/** How much is logged: apart from the log, for every command knows them as values of an option, and only the daemon logs. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
