/** The configurations that users copy. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { parseConfig } from "../../../config/config";

const PREFIX = "cnpg-teleport:";
const credentials = { VAULT_ADDR: "https://vault.example.com:8200", VAULT_ROLE_ID: "id", VAULT_SECRET_ID: "secret" };

function configuration(text: string): Record<string, unknown> {
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(PREFIX, ""), value]));
}

describe("the configurations that users copy", () => {
  for (const file of ["Pulumi.prod.yaml.example", "Pulumi.dev.yaml"]) {
    it(`${file} has no mistake`, () => {
      const text = readFileSync(join(__dirname, "..", "..", "..", file), "utf8");
      const { databases } = parseConfig(configuration(text), "prod", credentials);
      assert.ok(Object.keys(databases).length > 0);
    });
  }

  for (const page of ["README.md", "docs/getting-started.md"]) {
    it(`the configuration of ${page} has no mistake`, () => {
      const text = readFileSync(join(__dirname, "..", "..", "..", page), "utf8");
      const [, block = ""] = /```yaml\n(config:\n[\s\S]*?)```/.exec(text) ?? [];
      assert.ok(parseConfig(configuration(block), "prod", credentials).databases.orders);
    });
  }

  for (const page of ["machine-id.md", "vault-credentials.md"]) {
    it(`the settings of docs/${page} go with a database`, () => {
      const text = readFileSync(join(__dirname, "..", "..", "..", "docs", page), "utf8");
      const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => parse(block ?? "") as object);
      assert.ok(blocks.length > 0);
      for (const block of blocks) {
        const settings = configuration(JSON.stringify({ config: block }));
        const orders = {
          storage: { size: "1Gi" },
          issuer: { type: "tls" },
          teleport: { proxy: "teleport.example.com:443" },
        };
        const join = { method: "kubernetes", namespace: "shop-apps", serviceAccount: "shop" };
        const { shop } = (settings.applications ?? {}) as { shop?: object };
        const whole = {
          vault: { auth: { method: "approle" } },
          defaults: orders,
          databases: { orders: {} },
          ...settings,
          ...(shop ? { applications: { shop: { join, ...shop } } } : {}),
        };
        assert.ok(parseConfig(whole, "prod", credentials).databases.orders);
      }
    });
  }
});
