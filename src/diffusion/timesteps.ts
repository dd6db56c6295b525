/**
 * The training timestep of a noise level, as k-diffusion's DiscreteSchedule finds it: linear in log σ
 * between the two neighbours, so usually not an integer; held at the ends. With `quantize` the index of
 * the nearest log σ (the first of two equally near). `sigmas` ascend, index = timestep.
 */
export function sigmaToTimestep(
  sigmas: Float64Array,
  sigma: number,
  options: { quantize?: boolean } = {},
): number {
  const last = sigmas.length - 1;
  if (!(sigma > 0)) throw new RangeError(`sigma must be above 0 to have a timestep, got ${sigma}`);
  if (sigma <= sigmas[0]!) return 0;
  // Exactly the last timestep at σ_max: one step from σ_max is what the attacks are defined on.
  if (sigma >= sigmas[last]!) return last;

  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sigmas[middle]! <= sigma) low = middle;
    else high = middle;
  }
  const logLow = Math.log(sigmas[low]!);
  const fraction = (Math.log(sigma) - logLow) / (Math.log(sigmas[high]!) - logLow);
  if (options.quantize) return fraction > 0.5 ? high : low;
  return low + fraction;
}

/** The inverse: the noise level of a timestep in [0, T − 1], log-linear between integers. */
export function timestepToSigma(sigmas: Float64Array, timestep: number): number {
  const last = sigmas.length - 1;
  if (!(timestep >= 0 && timestep <= last))
    throw new RangeError(`timestep must lie in [0, ${last}], got ${timestep}`);
  const low = Math.floor(timestep);
  const fraction = timestep - low;
  if (fraction === 0) return sigmas[low]!;
  return Math.exp((1 - fraction) * Math.log(sigmas[low]!) + fraction * Math.log(sigmas[low + 1]!));
}
