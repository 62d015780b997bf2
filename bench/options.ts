/** The options of `npm run bench`. Pure. */
import { parseArgs } from "node:util";
import { Row, rowsFor } from "./rows";

export interface Options {
  /** What is measured, in the order of the table. */
  rows: Row[];
  /** Number of databases, and of registrations. */
  databases: number;
  /** How often each row is measured. */
  times: number;
  /** Print one JSON object as the last line. */
  json: boolean;
}

const DEFAULT_DATABASES = 100;
const DEFAULT_TIMES = 3;

export const USAGE = `Usage: npm run bench -- [options]

  --only ROW,...   measure only these rows
  --databases N    number of databases and of registrations; default: ${DEFAULT_DATABASES}
  --times N        how often each row is measured; default: ${DEFAULT_TIMES}
  --json           print one JSON object as the last line

Rows: ${rowsFor(DEFAULT_DATABASES)
  .map(({ name }) => name)
  .join(", ")}
With another number of databases, the names contain that number.
`;

/** An option that is not valid. */
export class OptionError extends Error {}

/** @throws OptionError */
export function parseOptions(args: readonly string[]): Options {
  const { only, databases, times, json } = values(args);
  const count = wholeNumber("databases", databases, DEFAULT_DATABASES);
  return {
    rows: chosen(rowsFor(count), only),
    databases: count,
    times: wholeNumber("times", times, DEFAULT_TIMES),
    json: json ?? false,
  };
}

function values(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { only: text, databases: text, times: text, json: { type: "boolean" } },
    }).values;
  } catch (error) {
    throw new OptionError((error as Error).message);
  }
}

function wholeNumber(option: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new OptionError(
    `--${option} must be a whole number from 1 to 999999, got "${text}". Write --${option} ${usual}.`,
  );
}

function chosen(rows: Row[], only: string | undefined): Row[] {
  if (only === undefined) return rows;
  const names = only.split(",");
  const unknown = names.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length === 0) return rows.filter(({ name }) => names.includes(name));
  const known = rows.map(({ name }) => name).join(", ");
  throw new OptionError(`--only has no row "${unknown.join('", "')}". Write names of these rows: ${known}.`);
}
