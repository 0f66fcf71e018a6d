/**
 * Public holidays as rules: days of the year, weekdays of a month, distances from Easter; some are
 * moved where they fall on a weekend, some hold from a year on or for one year. What is told of a
 * country holds in all of it (in the United States, for the federation); regions add their own.
 */

/** Where a day goes that falls on a weekend; the day itself counts as well. */
export type Move =
  /** From Saturday to Friday, from Sunday to Monday. */
  | "nearest"
  /** To the next working day that is no holiday. */
  | "next"
  /** From Sunday to the next day, or to the one before; a Saturday stays. */
  | "sunday-next"
  | "sunday-before";

/** One holiday, year by year. */
export type Rule =
  & (
    | { readonly month: number; readonly day: number }
    /** The n-th weekday (0 = Sunday) of a month; −1 = the last. */
    | { readonly month: number; readonly weekday: number; readonly nth: number }
    /** The last such weekday up to a day of the year. */
    | { readonly month: number; readonly upTo: number; readonly weekday: number }
    /** Days after Easter Sunday. */
    | { readonly easter: number }
  )
  & { readonly moved?: Move; readonly from?: number; readonly to?: number };

const on = (month: number, ...days: number[]): Rule[] => days.map((day) => ({ month, day }));
const nth = (month: number, weekday: number, n: number): Rule => ({ month, weekday, nth: n });
const easter = (...days: number[]): Rule[] => days.map((day) => ({ easter: day }));
const moved = (move: Move, ...rules: Rule[]): Rule[] =>
  rules.map((rule) => ({ ...rule, moved: move }));
const since = (from: number, ...rules: Rule[]): Rule[] => rules.map((rule) => ({ ...rule, from }));
const only = (year: number, ...rules: Rule[]): Rule[] =>
  rules.map((rule) => ({ ...rule, from: year, to: year }));

const MONDAY = 1;
const WEDNESDAY = 3;
const THURSDAY = 4;

const NEW_YEAR = on(1, 1);
const EPIPHANY = on(1, 6);
const LABOUR = on(5, 1);
const ASSUMPTION = on(8, 15);
const REFORMATION = on(10, 31);
const ALL_SAINTS = on(11, 1);
const CHRISTMAS = on(12, 25);
const BOXING = on(12, 26);
const [GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY, CORPUS_CHRISTI] = [-2, 1, 39, 50, 60];
const CORPUS = easter(CORPUS_CHRISTI);

const BRITISH = [
  ...moved("next", ...NEW_YEAR, ...CHRISTMAS, ...BOXING),
  ...[easter(GOOD_FRIDAY), nth(5, MONDAY, 1), nth(5, MONDAY, -1)].flat(),
];
const ENGLISH = [...BRITISH, ...easter(EASTER_MONDAY), nth(8, MONDAY, -1)];

const GERMAN = [
  ...[NEW_YEAR, LABOUR, on(10, 3), CHRISTMAS, BOXING, only(2017, ...REFORMATION)].flat(),
  ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
];
const NORTHERN = [...GERMAN, ...since(2018, ...REFORMATION)];
const WESTERN = [...GERMAN, ...CORPUS, ...ALL_SAINTS];

const SWISS = [...NEW_YEAR, ...easter(ASCENSION), ...on(8, 1), ...CHRISTMAS];

/** Rules by country (ISO 3166-1) and region (ISO 3166-2). */
export const HOLIDAY_RULES: Readonly<Record<string, readonly Rule[]>> = {
  AT: [
    ...[NEW_YEAR, EPIPHANY, LABOUR, ASSUMPTION, on(10, 26), ALL_SAINTS, on(12, 8)].flat(),
    ...[CHRISTMAS, BOXING, CORPUS, easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY)].flat(),
  ],
  AU: [
    ...moved("next", ...NEW_YEAR, ...on(1, 26), ...CHRISTMAS, ...BOXING),
    ...[on(4, 25), easter(GOOD_FRIDAY, EASTER_MONDAY)].flat(),
  ],
  BE: [
    ...[NEW_YEAR, LABOUR, on(7, 21), ASSUMPTION, ALL_SAINTS, on(11, 11), CHRISTMAS].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  CA: [
    ...moved("sunday-next", ...NEW_YEAR, ...on(7, 1), ...CHRISTMAS),
    ...[since(2021, ...on(9, 30)), on(11, 11), easter(GOOD_FRIDAY)].flat(),
    ...[{ month: 5, upTo: 24, weekday: MONDAY }, nth(9, MONDAY, 1), nth(10, MONDAY, 2)],
  ],
  CH: SWISS,
  "CH-BE": [
    ...[SWISS, on(1, 2), BOXING, easter(GOOD_FRIDAY, EASTER_MONDAY, WHIT_MONDAY)].flat(),
  ],
  "CH-ZH": [
    ...[SWISS, LABOUR, BOXING, easter(GOOD_FRIDAY, EASTER_MONDAY, WHIT_MONDAY)].flat(),
  ],
  DE: GERMAN,
  "DE-BB": [...GERMAN, ...REFORMATION],
  "DE-BE": [...GERMAN, ...since(2019, ...on(3, 8)), ...only(2020, ...on(5, 8))],
  "DE-BW": [...WESTERN, ...EPIPHANY],
  "DE-BY": [...WESTERN, ...EPIPHANY, ...ASSUMPTION],
  "DE-HB": NORTHERN,
  "DE-HE": [...GERMAN, ...CORPUS],
  "DE-HH": NORTHERN,
  "DE-MV": [...GERMAN, ...REFORMATION, ...since(2023, ...on(3, 8))],
  "DE-NI": NORTHERN,
  "DE-NW": WESTERN,
  "DE-RP": WESTERN,
  "DE-SH": NORTHERN,
  "DE-SL": [...WESTERN, ...ASSUMPTION],
  "DE-SN": [...GERMAN, ...REFORMATION, { month: 11, upTo: 22, weekday: WEDNESDAY }],
  "DE-ST": [...GERMAN, ...EPIPHANY, ...REFORMATION],
  "DE-TH": [...GERMAN, ...REFORMATION, ...since(2019, ...on(9, 20))],
  ES: [
    ...[NEW_YEAR, EPIPHANY, LABOUR, ASSUMPTION, on(10, 12), ALL_SAINTS, on(12, 6, 8)].flat(),
    ...[CHRISTMAS, easter(GOOD_FRIDAY)].flat(),
  ],
  FR: [
    ...[NEW_YEAR, on(5, 1, 8), on(7, 14), ASSUMPTION, ALL_SAINTS, on(11, 11), CHRISTMAS].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  GB: ENGLISH,
  "GB-ENG": ENGLISH,
  "GB-NIR": [...ENGLISH, ...moved("next", ...on(3, 17), ...on(7, 12))],
  "GB-SCT": [...BRITISH, ...moved("next", ...on(1, 2), ...on(11, 30)), nth(8, MONDAY, 1)],
  "GB-WLS": ENGLISH,
  IT: [
    ...[NEW_YEAR, EPIPHANY, on(4, 25), LABOUR, on(6, 2), ASSUMPTION, ALL_SAINTS].flat(),
    ...[on(12, 8), CHRISTMAS, BOXING, easter(EASTER_MONDAY)].flat(),
  ],
  NL: [
    ...[NEW_YEAR, moved("sunday-before", ...on(4, 27)), CHRISTMAS, BOXING].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  PL: [
    ...[NEW_YEAR, EPIPHANY, on(5, 1, 3), ASSUMPTION, on(11, 1, 11), CHRISTMAS, BOXING].flat(),
    ...[since(2025, ...on(12, 24)), CORPUS, easter(EASTER_MONDAY)].flat(),
  ],
  SE: [
    ...[NEW_YEAR, EPIPHANY, LABOUR, on(6, 6), CHRISTMAS, BOXING].flat(),
    ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION),
  ],
  US: [
    ...moved("nearest", ...NEW_YEAR, ...on(7, 4), ...on(11, 11), ...CHRISTMAS),
    ...moved("nearest", ...since(2021, ...on(6, 19))),
    ...[nth(1, MONDAY, 3), nth(2, MONDAY, 3), nth(5, MONDAY, -1), nth(9, MONDAY, 1)],
    ...[nth(10, MONDAY, 2), nth(11, THURSDAY, 4)],
  ],
};
