export { bestPart, cellErrors, noiseVariance, regionOf } from './agreement.ts';
export type { Alignment, Alignments } from './align.ts';
export { type Background, createBackground } from './background.ts';
export { type CopyCollection, copyCollection } from './collection.ts';
export { assembleFamilies, findFamilies, type TemplateFamily } from './families.ts';
export { type CopyQuery, compareCopies, type FindOptions, findCopies } from './find.ts';
export { maskedRms, matchTemplates, type TemplateMatch, templateShare, workingMask } from './templates.ts';
export { cellsAcross, type WorkingPicture, workingPicture, workingSide } from './working.ts';
