/// <reference lib="dom" />
/** Tables: what a column is called and what stands in it are said in one place. */
import { byId, type Child, el } from "./dom.ts";
import { formatAgo, timeFormatter, type Zone } from "./format.ts";

/** A column of a table whose lines show one `Row` each. */
export interface Column<Row> {
  readonly heading: string;
  /** Class of the cells; one that begins with `num` aligns the heading as numbers, too. */
  readonly kind?: string;
  /** Whether its cells name their lines. */
  readonly namesRow?: boolean;
  readonly cell: (row: Row) => Child | readonly Child[];
  /** What a pointer that rests on the cell is told. */
  readonly title?: (row: Row) => string;
}

function headCell<Row>({ heading, kind }: Column<Row>): HTMLElement {
  return el("th", { scope: "col", ...(kind?.startsWith("num") ? { class: "num" } : {}) }, heading);
}

function bodyCell<Row>({ kind, namesRow, cell, title }: Column<Row>, row: Row): HTMLElement {
  const attributes = {
    ...(namesRow === true ? { scope: "row" } : {}),
    ...(kind === undefined ? {} : { class: kind }),
    ...(title === undefined ? {} : { title: title(row) }),
  };
  return el(namesRow === true ? "th" : "td", attributes, ...[cell(row)].flat());
}

/** Shows lines under their headings in the table with this id. */
export function showTable<Row>(
  id: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: {
    /** What stands in place of lines. */
    readonly none: string;
    /** Attributes of a line. */
    readonly attributes?: (row: Row) => Readonly<Record<string, string>>;
  },
): void {
  const { none, attributes = () => ({}) } = options;
  const lines = rows.map((row) =>
    el("tr", attributes(row), ...columns.map((column) => bodyCell(column, row)))
  );
  const empty = el("tr", {}, el("td", { class: "none", colspan: String(columns.length) }, none));
  byId(id).replaceChildren(
    el("thead", {}, el("tr", {}, ...columns.map(headCell))),
    el("tbody", {}, ...(lines.length > 0 ? lines : [empty])),
  );
}

/** A column of how long ago something was; the whole time is told on rest. */
export function ageColumn<Row>(
  heading: string,
  timestamp: (row: Row) => string,
  zone: () => Zone,
): Column<Row> {
  const timeMs = (row: Row) => Date.parse(timestamp(row));
  return {
    heading,
    cell: (row) => formatAgo(timeMs(row), Date.now(), zone()),
    title: (row) => timeFormatter(zone(), 1)(timeMs(row)),
  };
}
