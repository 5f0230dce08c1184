/** Times and amounts for people. Pure. */

/** A length of time that may not be set. */
export const formatInterval = (ms: number | null): string => (ms === null ? 'none' : formatDuration(ms));

/** `1d 2h 3m 4s`; below ten seconds with a tenth. */
export const formatDuration = (ms: number): string => {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  return parts
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ');
};

/** How long ago, in the words of `formatDuration`. */
export const formatAge = (at: number, now: number): string => formatDuration(Math.max(0, now - at));

/** `14:03:22` today, else with the date; local time. */
export const formatTime = (at: number, now: number): string => {
  const date = new Date(at);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  if (date.toDateString() === new Date(now).toDateString()) return time;
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-');
  return `${day} ${time}`;
};

/** A time as a server keeps it, to the microsecond. */
export const formatMicros = (micros: bigint): string => {
  const text = new Date(Number(micros / 1000n)).toISOString();
  return `${text.slice(0, -1)}${String(micros % 1000n).padStart(3, '0')}Z`;
};

/** With thousands separators. */
export const formatCount = (count: number): string => count.toLocaleString('en-US');

/** `640 B`, `12.3 MB`; powers of 1000. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
};
