/** `npm run docs`: writes docs/configuration.md, and the JSON Schema of Pulumi.<env>.yaml. */
import { writeFileSync } from "node:fs";
import { format } from "prettier";
import { SCHEMA, settingsSchema } from "./json-schema";
import { page, PAGE, references } from "./page";

async function main(): Promise<void> {
  writeFileSync(SCHEMA, await format(JSON.stringify(settingsSchema()), { parser: "json", printWidth: 120 }));
  const all = references();
  writeFileSync(PAGE, await page(all));
  const missing = Object.values(all).flatMap(({ undocumented }) => undocumented);
  for (const setting of missing) console.error(`no doc comment: ${setting}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
