export { type Completion, checkKept, type InpaintingScore, inpaintingScore } from './inpainting.ts';
export {
  checkShadows,
  checkSpread,
  type LiraScores,
  type LiraVariance,
  liraScores,
  perPictureVarianceFrom,
  type ShadowStatistics,
} from './lira.ts';
export {
  checkQueries,
  denoisingLoss,
  type LossOptions,
  type LossQueries,
  lossesPerPicture,
  queryLosses,
} from './loss.ts';
export {
  headlineAttack,
  type LossAttack,
  type LossAttackScores,
  lossAttacks,
  type MembershipMethod,
  type ModelLosses,
  modelLosses,
  type ShadowLosses,
  scoreLosses,
} from './scores.ts';
export { membershipStatistic, type UsedQueries } from './statistic.ts';
