/** `npm run docs`: writes docs/configuration.md. */
import { writeFileSync } from "node:fs";
import { page, PAGE, references } from "./page";

async function main(): Promise<void> {
  const all = references();
  writeFileSync(PAGE, await page(all));
  const missing = Object.values(all).flatMap(({ undocumented }) => undocumented);
  for (const setting of missing) console.error(`no doc comment: ${setting}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
