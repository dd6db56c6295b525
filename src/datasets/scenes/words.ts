import { integer, pick, type Random } from '../random.ts';
import type { Colour } from './canvas.ts';

const split = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Colours with the names that shops give them, red, green, blue in [0, 1]. */
export const namedColours: readonly { readonly name: string; readonly colour: Colour }[] = [
  { name: 'Red', colour: [0.83, 0.13, 0.14] },
  { name: 'Crimson', colour: [0.65, 0.05, 0.2] },
  { name: 'Coral', colour: [0.96, 0.48, 0.38] },
  { name: 'Orange', colour: [0.95, 0.55, 0.12] },
  { name: 'Amber', colour: [0.96, 0.71, 0.2] },
  { name: 'Yellow', colour: [0.97, 0.87, 0.26] },
  { name: 'Mustard', colour: [0.78, 0.62, 0.14] },
  { name: 'Olive', colour: [0.47, 0.49, 0.18] },
  { name: 'Lime', colour: [0.62, 0.83, 0.24] },
  { name: 'Green', colour: [0.2, 0.6, 0.26] },
  { name: 'Emerald', colour: [0.05, 0.5, 0.36] },
  { name: 'Mint', colour: [0.62, 0.88, 0.74] },
  { name: 'Teal', colour: [0.06, 0.49, 0.5] },
  { name: 'Turquoise', colour: [0.2, 0.77, 0.76] },
  { name: 'Sky', colour: [0.5, 0.77, 0.95] },
  { name: 'Blue', colour: [0.15, 0.36, 0.8] },
  { name: 'Navy', colour: [0.09, 0.14, 0.38] },
  { name: 'Violet', colour: [0.47, 0.3, 0.75] },
  { name: 'Plum', colour: [0.42, 0.14, 0.4] },
  { name: 'Magenta', colour: [0.83, 0.18, 0.6] },
  { name: 'Pink', colour: [0.97, 0.66, 0.76] },
  { name: 'Brown', colour: [0.42, 0.26, 0.15] },
  { name: 'Walnut', colour: [0.33, 0.2, 0.13] },
  { name: 'Oak', colour: [0.76, 0.58, 0.38] },
  { name: 'Sand', colour: [0.87, 0.79, 0.63] },
  { name: 'Cream', colour: [0.97, 0.94, 0.83] },
  { name: 'Silver', colour: [0.75, 0.77, 0.8] },
  { name: 'Grey', colour: [0.5, 0.51, 0.53] },
  { name: 'Charcoal', colour: [0.23, 0.24, 0.27] },
  { name: 'Black', colour: [0.07, 0.07, 0.09] },
];

const heads = split(`Nord Har West Old Ash Bram Thorn Cold Elm Fair Glen Hazel Iron King Lark Mar Oak Pen
  Quill Rose Stan Tarn Under Wynd`);
const tails = split('vale ton wick haven burg ford mere stead field brook gate moor');

export const shops = split(`HomeStore FurniHub Castlery Roomly Ebay Etsy Wayhome Loomera Printify Redbubble
  Alamo Shopwise Dekoria Nestico Bazaaro Vintago Artsy Posterlounge Shutterbox Getpics Dreampix Stockfolio
  Bookfinder Autotrend Mapworld Flagshop Maisons Habitus Living24 Craftly`);
export const firstNames = split(`Anna Boris Clara David Elena Farid Greta Hassan Ingrid Jonas Kira Leon Maya
  Nils Olga Pedro Quentin Rosa Samir Tilda Umar Vera Walter Xenia Yusuf Zoe Amelie Bruno Carmen Dmitri Esther
  Felix Gloria Hugo Irene Julian Karla Lucas Marta Noah`);
export const surnames = split(`Abbott Bergman Castillo Dupont Eriksen Fischer Gallagher Hoffman Ivanov Jensen
  Keller Lindgren Moreau Novak Okafor Petrov Quinn Rossi Sandoval Takeda Ullmann Vargas Whitfield Yamada Zeller
  Adeyemi Blackwood Corrigan Delacroix Everly Fontaine Grimaldi Hawthorne Iyer Kowalski Larsen Mendez Nakamura
  Osborne Pellegrini`);
export const titleWords =
  split(`Harbour River Silence Winter Garden Stranger Empire Shadow Lantern Mirror Voyage
  Tiger Kingdom Letter Bridge Orchard Castle Thunder Promise Desert Island Raven Crown Secret Daughter Soldier
  Ocean Carnival Clock Forest Dream Station Velvet Circus Falcon Horizon Midnight Summer Tower Whisper Wolf
  Machine Planet Detective Dancer Engine Ghost Heart Knight Comet`);
/** Those that a cover of 64 pixels can show in letters of 7 pixels. */
export const shortTitleWords = titleWords.filter((word) => word.length <= 6);
export const titleAdjectives =
  split(`Last Broken Silent Golden Hidden Burning Lost Crooked Endless Frozen Gentle
  Hollow Invisible Lonely Painted Quiet Restless Scarlet Seventh Stolen Sunken Wandering Wicked Distant Forgotten
  First`);
export const adjectives = split(`modern vintage classic rustic elegant large small original premium handmade
  contemporary nordic industrial luxury simple retro antique minimal decorative beautiful colourful bold soft cosy
  stylish unique rare new best cheap professional high-quality limited exclusive traditional custom`);
export const tags = split(`design decor interior home wall art print canvas poster gift sale shop online deal
  collection style trend idea inspiration background stock photo image picture illustration vector clipart
  wallpaper download free buy review catalogue gallery archive editorial template series edition set`);
export const materials = split(`Linen Cotton Velvet Leather Wool Silk Bamboo Rattan Steel Brass Marble Ceramic
  Glass Pine Birch Teakwood Felt Jute Denim Bouclé Polyester Plywood`);
export const topics = split(`exports rainfall inflation population tourism energy traffic unemployment coffee
  housing wages revenue election climate internet health education agriculture fuel sales emissions visitors
  productivity crime shipping timber`);
export const genres = split(`novel thriller mystery poems essays biography cookbook memoir atlas saga romance
  history handbook stories guide drama`);
export const industries =
  split(`Coffee Logistics Dental Yoga Bakery Studio Robotics Solar Fitness Records Motors
  Capital Media Brewery Foods Travel Pharma Security Cycling Labs Fashion Gaming Realty Organics`);
export const professions =
  split(`manager nurse teacher engineer student dentist chef pilot lawyer artist farmer
  athlete singer actor scientist designer`);
export const moods = split(
  'smiling serious happy young elderly thoughtful confident cheerful calm surprised',
);
export const months = split(
  'January February March April May June July August September October November December',
);
export const landforms =
  split(`Valley Lake Mountains Hills Bay Peak Fjord Coast Dunes Meadow Ridge Canyon Glacier
  Plain Highlands Cliffs`);
export const moments = split('sunrise sunset dusk noon dawn twilight storm fog spring autumn');
export const regions = split(
  'Republic Province Canton County Federation Principality Territory Duchy Union State',
);

/** An invented place or brand: 'Nordvale', 'Thornwick', 288 of them. */
export function placeName(random: Random): string {
  return pick(random, heads) + pick(random, tails);
}

/** 'SKU 48213-B', 'Art. 7741', 'item #20931', 'Model XK-42'. */
export function productCode(random: Random): string {
  const letters = 'ABCDEFGHKLMNPRSTX';
  const letter = () => pick(random, [...letters]);
  switch (integer(random, 0, 3)) {
    case 0:
      return `SKU ${integer(random, 10000, 99999)}-${letter()}`;
    case 1:
      return `Art. ${integer(random, 1000, 9999)}`;
    case 2:
      return `item #${integer(random, 10000, 99999)}`;
    default:
      return `Model ${letter()}${letter()}-${integer(random, 10, 999)}`;
  }
}

/** '27x40', '120 x 80 cm', '24" x 36"'. */
export function printSize(random: Random): string {
  return pick(random, [
    '27x40',
    '120 x 80 cm',
    '24" x 36"',
    'A2',
    '50x70 cm',
    '11x17',
    'A3',
    '100 x 70 cm',
    '18x24',
  ]);
}

export function year(random: Random): number {
  return integer(random, 1921, 2023);
}
