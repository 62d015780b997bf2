/** docs/configuration.md: what is in it, apart from what the types say themselves. */
import { join } from "node:path";
import * as prettier from "prettier";
import { definitionsOf, settingsDefinitions, type Schema } from "./json-schema";
import { markdown } from "./markdown";
import { readReference, Reference } from "./settings";

const PROJECT = join(__dirname, "..", "..");
export const PAGE = join(PROJECT, "docs", "configuration.md");
/** Makes the page anew. */
export const COMMAND = "npm run docs";

const INTRODUCTION = `Made by \`${COMMAND}\` from the types and their comments; do not edit it by hand.

Every setting of \`Pulumi.<env>.yaml\`, and of the library, whose \`PostgresClusterArgs\` are the settings of a database.
In YAML a setting is written at its path below \`cnpg-teleport:\`, e.g. \`databases.<name>.storage\` as

\`\`\`yaml
config:
  cnpg-teleport:databases:
    orders:
      storage: { size: 10Gi }
\`\`\`

Settings of \`cnpg-teleport:defaults\` are those of a database; they go below every database, mappings key by key, lists
and the rest as a whole. An \`issuer\` of another \`type\` replaces that of the defaults. Durations are written as \`90d\` or
\`2160h\`, quantities as Kubernetes has them. Mistakes are reported all at once, before anything is created.`;

const APPLICATIONS = `What \`pulumi stack output applications\` and a StackReference give for each application: what
\`tbotPod\` makes its pods' sidecar from. Nothing in it is secret.`;

const OUTPUTS = `What \`pulumi stack output databases\` and a StackReference give for each database, and the component as
\`outputs\`. Nothing in it is secret.`;

/** The settings, and the outputs. */
export function references(): { settings: Reference; outputs: Reference; applications: Reference } {
  const outputs = (type: string, path: string) => readReference(definitionsOf(type), type, path);
  const definitions = settingsDefinitions();
  // The settings of a database are listed once.
  const { defaults, ...others } = definitions.EnvironmentSettings?.properties ?? {};
  const root = {
    ...definitions.EnvironmentSettings,
    properties: { defaults: { type: "object" as const, description: (defaults as Schema).description }, ...others },
  };
  return {
    settings: readReference({ ...definitions, EnvironmentSettings: root }, "EnvironmentSettings", ""),
    outputs: outputs("PostgresClusterOutputs", "databases.<name>"),
    applications: outputs("MachineIdOutputs", "applications.<name>"),
  };
}

/** The page as it should be, formatted as Prettier formats the project. */
export async function page({ settings, outputs, applications }: ReturnType<typeof references>): Promise<string> {
  const text = markdown("Configuration", INTRODUCTION, [
    { title: "Settings", text: "", reference: settings, written: true },
    { title: "Outputs", text: OUTPUTS, reference: outputs, written: false },
    { title: "Outputs for applications", text: APPLICATIONS, reference: applications, written: false },
  ]);
  return prettier.format(text, { ...(await prettier.resolveConfig(PAGE)), parser: "markdown" });
}
