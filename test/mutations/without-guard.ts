import type { Guard } from './guards/guard.ts';

/** The text of a file without the line. @throws Error when it is not there, or more than once */
export const withoutGuard = (text: string, { file, from, to }: Guard): string => {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
  return parts.join(to);
};
