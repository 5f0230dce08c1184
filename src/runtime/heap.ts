import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the young generation of the heap as small as it begins, for processes that live long and keep little. V8 lets it grow with
 * what is made and dropped between two collections, and that is most of the memory of a process that passes bytes on. V8 asks for this
 * setting when it grows, so it can be made while the program runs.
 */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');
