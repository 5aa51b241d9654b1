import { type ComponentChildren, type JSX } from "preact";

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** Left out where the screen is narrow. */
  readonly isMinor?: boolean;
}

export interface DataTableProps<Row> {
  /** Read by screen readers; the heading above says the same to the eye. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** Where a row leads; the first cell is the link, and the whole row takes the click. */
  readonly addressOf?: (row: Row) => string;
}

export function DataTable<Row>({ caption, columns, rows, keyOf, addressOf }: DataTableProps<Row>): JSX.Element {
  const classOf = ({ isNumber, isMinor }: Column<Row>): string =>
    [isNumber === true ? "number" : "", isMinor === true ? "minor" : ""].join(" ").trim();
  return (
    <div class="table-room" tabIndex={0} role="region" aria-label={`${caption}, table`}>
      <table class="data">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={classOf(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} class={addressOf ? "leads" : ""}>
              {columns.map((column, index) => (
                <Cell key={column.name} isHead={index === 0} class={classOf(column)}>
                  {index === 0 && addressOf ? (
                    <a class="row-link" href={addressOf(row)}>
                      {column.cell(row)}
                    </a>
                  ) : (
                    column.cell(row)
                  )}
                </Cell>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell(props: {
  readonly isHead: boolean;
  readonly class: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return props.isHead ? (
    <th scope="row" class={props.class}>
      {props.children}
    </th>
  ) : (
    <td class={props.class}>{props.children}</td>
  );
}
