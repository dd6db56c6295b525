/** Learning rate at a 1-based step: linear warm-up, then a half cosine down to `floor` × peak at the last step. */
export function warmupCosine(options: {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly steps: number;
  /** Share of the peak that is left at the end; default 0.02. */
  readonly floor?: number;
}): (step: number) => number {
  const { peak, warmupSteps, steps, floor = 0.02 } = options;
  return (step) => {
    if (step <= warmupSteps) return (peak * step) / Math.max(1, warmupSteps);
    const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
    return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
  };
}

/** Decay of the weights' moving average at a step: short memory at first, so that the start is forgotten. */
export function averageDecay(maximum: number): (step: number) => number {
  return (step) => Math.min(maximum, (1 + step) / (10 + step));
}
