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
    const [, requirements = ""] = /\nYou need\n([\s\S]*?)\nFrom zero/.exec(read("README.md")) ?? [];
    assert.match(requirements, /\(docs\/compatibility\.md\)/);
  });
});
