/**
 * Prints when each test file begins, and how long it took: in parallel mode, mocha shows a file's tests only when the whole
 * file has ended. Appends a line to the file that TEST_TIMES names. Mocha runs these root hooks once per file.
 */
import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { Context } from "mocha";

let file = "";
let began = 0;

export const mochaHooks = {
  beforeAll(this: Context): void {
    file = relative(process.cwd(), this.test?.parent?.suites[0]?.file ?? "");
    began = Date.now();
    console.log(`  begins: ${file}`);
  },
  afterAll(): void {
    const line = `${String(Math.round((Date.now() - began) / 1000)).padStart(6)} s  ${file}`;
    console.log(`  ended:${line}`);
    if (process.env.TEST_TIMES) appendFileSync(process.env.TEST_TIMES, `${line}\n`);
  },
};
