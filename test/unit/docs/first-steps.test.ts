/** The way from nothing to a first database, as far as its order or its values can harm a reader. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { DEFAULT_READY_MINUTES } from "../../../components/postgres-cluster/args";
import { joinToken } from "../../../components/teleport/resources/join-token";
import { registrarBot } from "../../../components/teleport/program-roles";

const PROJECT = join(__dirname, "..", "..", "..");
const read = (file: string) => readFileSync(join(PROJECT, file), "utf8");

describe("the first steps", () => {
  const guide = read("docs/getting-started.md");

  for (const [page, [, text = ""]] of [
    ["README.md", /\n## Quick start\n([\s\S]*?)\n## /.exec(read("README.md")) ?? []],
    ["docs/getting-started.md", /\n## 4\. ([\s\S]*)/.exec(guide) ?? []],
  ] as const)
    it(`of ${page} copy the configuration before \`pulumi stack init\` writes the secrets provider into it`, () => {
      const steps = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
        block.split("\n").map((line) => line.trim()),
      );
      const stepOf = (begin: string) => steps.findIndex((step) => step.startsWith(begin));
      const [copied, made] = [stepOf("cp Pulumi.prod.yaml.example Pulumi.prod.yaml"), stepOf("pulumi stack init prod")];
      assert.ok(copied >= 0 && copied < made, steps.join("\n"));
      assert.ok(made < stepOf("pulumi up"));
      assert.equal(steps.filter((step) => step.startsWith("cp ")).length, 1, "and nothing overwrites it afterwards");
    });

  it("show how a KMS encrypts the state's secrets, and copy nobody's secrets provider", () => {
    assert.match(guide, /^ *pulumi stack init prod --secrets-provider="awskms:\/\//m);
    assert.doesNotMatch(read("Pulumi.prod.yaml.example"), /^(encryptionsalt|encryptedkey|secretsprovider):/m);
  });

  it("show the bot and the join token that the library makes", () => {
    const [, shown = ""] = /tctl create <<END[^\n]*\n([\s\S]*?)\nEND\n/.exec(read("docs/teleport.md")) ?? [];
    const [bot, token] = parseAllDocuments(shown).map((document) => document.toJS() as Record<string, unknown>);
    assert.deepEqual(bot, registrarBot());
    const { name } = registrarBot().metadata;
    const allow = [{ repository: "acme/databases", ref: "refs/heads/main" }];
    const { metadata: _, ...made } = joinToken({ name, botName: name, join: { method: "github", allow } });
    assert.deepEqual(token, { ...made, metadata: { name } });
  });

  it("give the program's login to Vault a token that outlives an `up`, as examples/bootstrap does", () => {
    const [, ttl = "", max = ""] =
      /token_policies=cnpg-teleport token_ttl=(\d+)h token_max_ttl=(\d+)h/.exec(read("docs/vault.md")) ?? [];
    // A Cluster and its poolers may take as long one after the other, and Vault's users come after both.
    assert.ok(Number(ttl) * 60 > 2 * DEFAULT_READY_MINUTES, `${ttl} h`);
    assert.ok(Number(max) >= Number(ttl));
    const bootstrap = read("examples/bootstrap/index.ts");
    for (const [field, hours] of [
      ["tokenTtl", ttl],
      ["tokenMaxTtl", max],
    ] as const)
      assert.match(bootstrap, new RegExp(`^ +${field}: ${hours} \\* 60 \\* 60,$`, "m"));
  });
});
