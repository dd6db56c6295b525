export {
  type CaptionAgreement,
  captionAgreement,
  type Modality,
  modalities,
  modalityOf,
} from './agreement.ts';
export { captionTemplate, captionWords, normalCaption, similarCaptions } from './captions.ts';
export { completeParts, edgesOfGroups, groupOfItems, groupsFrom, linkedGroups, membersOf } from './groups.ts';
export { type KeepInput, keptOf } from './keep.ts';
export { field, type Tile, tilesOf } from './tiles.ts';
export {
  type Edges,
  type Groups,
  type KeepRule,
  keepRules,
  type Level,
  type Linkage,
  levels,
  linkages,
} from './types.ts';
export { type UnionFind, unionFind } from './union-find.ts';
