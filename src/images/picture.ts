/**
 * A picture as everything outside the networks sees it: 8-bit RGB, row-major, channels last
 * (data[(y * width + x) * 3 + c]). Generated pictures are rounded to 8 bits before anything is
 * measured, so a score or a label can be recomputed from the stored PNG.
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
