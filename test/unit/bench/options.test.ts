import { strict as assert } from "node:assert";
import { OptionError, parseOptions, USAGE } from "../../../bench/options";
import { rowsFor } from "../../../bench/rows";

const refused = (args: string[], message: RegExp) =>
  assert.throws(
    () => parseOptions(args),
    (error) => error instanceof OptionError && message.test(error.message),
  );

describe("the options of the bench", () => {
  it("measure every row with 100 databases three times by default", () => {
    const { rows, ...rest } = parseOptions([]);
    assert.deepEqual(rest, { databases: 100, times: 3, json: false });
    assert.deepEqual(rows, rowsFor(100));
  });

  it("select rows, in the order of the table", () => {
    const { rows } = parseOptions(["--only", "start,register-100"]);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ["register-100", "start"],
    );
  });

  it("name rows after the number of databases that is really measured", () => {
    const { rows, ...rest } = parseOptions(["--databases=5", "--times", "1", "--json", "--only", "noop-5,memory-50"]);
    assert.deepEqual(rest, { databases: 5, times: 1, json: true });
    assert.deepEqual(
      rows.map(({ id }) => id),
      ["noop", "memory"],
    );
    refused(["--databases=5", "--only=noop-100"], /no row "noop-100"\. Write names of these rows: register-5, /);
  });

  it("are refused if they are unknown, and the message names them", () => {
    refused(["--fast"], /--fast/);
    refused(["start"], /start/);
    refused(["--only"], /--only/);
    refused(["--only", "start,warp,"], /no row "warp", ""\. Write names of these rows: .*\bstart\b/);
  });

  it("must be whole numbers of at least 1", () => {
    for (const value of ["0", "-1", "1.5", "many", "", "1e3", "1000000"]) {
      refused([`--databases=${value}`], /--databases must be a whole number from 1 to 999999, got ".*"\./);
      refused([`--times=${value}`], /--times must be .*Write --times 3\./);
    }
  });

  it("are in the usage text, with every row", () => {
    for (const { name } of rowsFor(100)) assert.match(USAGE, new RegExp(`\\b${name}\\b`));
  });
});
