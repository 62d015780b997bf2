/** docs/compatibility.md names what the lab runs, and the README's requirements link to it. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OLDEST_MAJOR } from "../../../components/cnpg/image";
import { VERSIONS } from "../../../lab/versions";

const PROJECT = join(__dirname, "..", "..", "..");
const read = (file: string) => readFileSync(join(PROJECT, file), "utf8");

describe("docs/compatibility.md", () => {
  const page = read("docs/compatibility.md");
  /** The column "run" of a system. */
  const run = (system: string) => {
    const cells = page.split("\n").find((line) => line.startsWith(`| ${system} `));
    return cells?.split("|")[2] ?? assert.fail(`no row of ${system}`);
  };

  for (const [system, version] of Object.entries({
    "Node.js": VERSIONS.node.split(".")[0],
    "Pulumi CLI, @pulumi/pulumi": VERSIONS.pulumi,
    "@pulumi/kubernetes": VERSIONS.pulumiKubernetes,
    "@pulumi/vault": VERSIONS.pulumiVault,
    "@pulumi/tls": VERSIONS.pulumiTls,
    Kubernetes: VERSIONS.kubernetes,
    CloudNativePG: VERSIONS.cnpg,
    PostgreSQL: `${VERSIONS.olderPostgresqlMajor}, ${VERSIONS.postgresqlMajor}`,
    Vault: VERSIONS.vault,
    [`Teleport ${VERSIONS.teleport.split(".")[0]}`]: VERSIONS.teleport,
  }))
    it(`names the ${system} that the lab runs`, () => assert.ok(run(system).includes(` ${version}`), run(system)));

  it("names the oldest PostgreSQL that the program accepts", () =>
    assert.match(page, new RegExp(`\\s${OLDEST_MAJOR} is the oldest`)));

  it("is linked from the README's requirements", () => {
    const [, requirements = ""] = /\n## Requirements\n([\s\S]*?)\n## /.exec(read("README.md")) ?? [];
    assert.match(requirements, /\(docs\/compatibility\.md\)/);
  });

  it("and the README's requirements name the same versions", () => {
    const major = (version: string) => version.split(".")[0];
    const minor = (version: string) => version.split(".").slice(0, 2).join(".");
    const rows = read("README.md").split("\n");
    for (const [system, versions] of Object.entries({
      "Pulumi CLI, Node.js": `${VERSIONS.pulumi}, ${major(VERSIONS.node)}`,
      Kubernetes: minor(VERSIONS.kubernetes),
      CloudNativePG: minor(VERSIONS.cnpg),
      PostgreSQL: `${VERSIONS.olderPostgresqlMajor}, ${VERSIONS.postgresqlMajor}`,
      Vault: minor(VERSIONS.vault),
      Teleport: major(VERSIONS.teleport),
    })) {
      const row = rows.find((line) => line.startsWith(`| ${system} `));
      assert.equal(row?.split("|")[2]?.trim(), versions, system);
    }
  });
});
