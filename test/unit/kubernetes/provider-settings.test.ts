/** Components that make Secrets refuse a Kubernetes provider that would delete them at each renewal. */
import { strict as assert } from "node:assert";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { BackupPluginCertificates, ClusterCertificates, PostgresCluster, SettingsError } from "../../../components";
import { requireMutableSecrets, requireUpserting } from "../../../components/kubernetes/provider-settings";
import { unhandled } from "../unhandled";

const CONFIGURED = "kubernetes:enableSecretMutable";
const VARIABLE = "PULUMI_K8S_ENABLE_SECRET_MUTABLE";
const REFUSED = /enableSecretMutable of the Kubernetes provider.*: must be true.*new k8s\.Provider\(name, \{ enable/;

/** Type and name of what was registered. */
const made: string[] = [];

/** In a preview, nothing knows the value of `flag`. */
class Unknown extends pulumi.CustomResource {
  declare flag: pulumi.Output<boolean>;
}

async function mock(preview: boolean): Promise<void> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        made.push(`${type} ${name}`);
        // As the engine answers for what `--target` leaves out.
        const isLeftOut = name.startsWith("left-out");
        return { id: isLeftOut ? undefined : `${name}-id`, state: isLeftOut ? {} : (inputs as object) };
      },
      call: () => ({}),
    },
    "cnpg-teleport",
    "dev",
    preview,
    "acme",
  );
}

describe("a Kubernetes provider", () => {
  let count = 0;
  const providerOf = (args: k8s.ProviderArgs, name = "provider") => new k8s.Provider(`${name}-${++count}`, args);
  const check = (opts: pulumi.ComponentResourceOptions) => Promise.resolve(requireMutableSecrets(opts).dependsOn);
  let former: { variable?: string; configured?: string };

  before(() => {
    former = {
      variable: process.env[VARIABLE],
      configured: new pulumi.Config("kubernetes").get("enableSecretMutable"),
    };
  });
  beforeEach(() => {
    delete process.env[VARIABLE];
    pulumi.runtime.setConfig(CONFIGURED, "false");
    made.splice(0);
  });
  after(async () => {
    await mock(false);
    pulumi.runtime.setConfig(CONFIGURED, former.configured ?? "true");
    if (former.variable !== undefined) process.env[VARIABLE] = former.variable;
  });

  for (const preview of [true, false])
    describe(preview ? "in a preview" : "in `up`", () => {
      before(() => mock(preview));

      it("is accepted if it updates Secrets, however it is given", async () => {
        const provider = providerOf({ enableSecretMutable: true });
        const others = [new vault.Provider(`vault-${++count}`, { address: "https://vault.example.com" })];
        const parent = new pulumi.ComponentResource("test:Parent", `parent-${++count}`, {}, { providers: [provider] });
        for (const opts of [
          { provider },
          { providers: [...others, provider] },
          { providers: { kubernetes: provider } },
          { parent },
          { providers: [providerOf({ enableSecretMutable: pulumi.output(true) })] },
          { provider: providerOf({ enableSecretMutable: pulumi.secret(true) }) },
        ])
          assert.deepEqual(await check(opts), []);
        process.env[VARIABLE] = "true";
        assert.deepEqual(await check({ provider: providerOf({}) }), []);
      });

      it("is refused if it does not, however it is given", async () => {
        for (const args of [{}, { enableSecretMutable: false }, { enableSecretMutable: pulumi.output(false) }]) {
          const provider = providerOf(args);
          const parent = new pulumi.ComponentResource(
            "test:Parent",
            `parent-${++count}`,
            {},
            { providers: [provider] },
          );
          for (const opts of [
            { provider },
            { providers: [provider] },
            { providers: { kubernetes: provider } },
            { parent },
          ])
            await assert.rejects(check(opts), (error) => error instanceof SettingsError && REFUSED.test(error.message));
        }
      });

      it("is the one of the component, and not that of its parent", async () => {
        const bad = providerOf({});
        const parent = new pulumi.ComponentResource("test:Parent", `parent-${++count}`, {}, { providers: [bad] });
        assert.deepEqual(await check({ parent, provider: providerOf({ enableSecretMutable: true }) }), []);
      });

      it("changes nothing of what the component depends on", async () => {
        const provider = providerOf({ enableSecretMutable: true });
        const chart = new pulumi.ComponentResource("test:Chart", `chart-${++count}`);
        assert.equal(await check({ provider, dependsOn: chart }), chart);
        assert.deepEqual(await check({ provider, dependsOn: [chart] }), [chart]);
        pulumi.runtime.setConfig(CONFIGURED, "true");
        const opts = { dependsOn: chart, protect: true };
        assert.deepEqual(requireMutableSecrets(opts), opts);
      });

      it("that is the default one is refused where the component is made, unless it is configured", () => {
        const refused = { name: "SettingsError", message: /pulumi config set kubernetes:enableSecretMutable true/ };
        assert.throws(() => requireMutableSecrets(), refused);
        process.env[VARIABLE] = "true";
        assert.throws(() => requireMutableSecrets(), refused, "the configuration goes before the variable");
        pulumi.runtime.setConfig(CONFIGURED, "true");
        requireMutableSecrets();
      });

      it("takes over existing objects for a database with adopt: true", async () => {
        const asked = (provider: k8s.Provider) => Promise.resolve(requireUpserting({ provider }).dependsOn);
        assert.deepEqual(await asked(providerOf({ upsertExistingObjects: true })), []);
        await assert.rejects(asked(providerOf({ enableSecretMutable: true })), {
          name: "SettingsError",
          message:
            /upsertExistingObjects of the Kubernetes provider: must be true for a database with adopt: true.*new k8s\.Provider\(name, \{ enableSecretMutable: true, upsertExistingObjects: true \}\)/,
        });
        assert.throws(() => requireUpserting(), /pulumi config set kubernetes:upsertExistingObjects true/);
        const both = requireUpserting(requireMutableSecrets({ provider: providerOf({ upsertExistingObjects: true }) }));
        await assert.rejects(Promise.resolve(both.dependsOn), REFUSED, "one check does not replace the other");
      });

      it("lets nothing of a component be made, and the program fails once", async () => {
        const provider = providerOf({});
        const failures = await unhandled(() => {
          const namespace = "db";
          const issuer = { type: "tls" } as const;
          new PostgresCluster(`orders-${++count}`, { namespace, storage: { size: "1Gi" }, issuer }, { provider });
          const settings = { cluster: "shop", clusterDomain: "cluster.local", explicitPoolers: false };
          const args = { ...settings, namespace, issuer, poolers: [], clientCas: [] };
          new ClusterCertificates(`shop-${++count}`, args, { providers: { kubernetes: provider } });
          new BackupPluginCertificates(`plugin-${++count}`, { issuer }, { provider });
        });
        assert.equal(new Set(failures).size, 1);
        assert.match((failures[0] as Error).message, REFUSED);
        assert.deepEqual(
          made.filter((each) => !each.startsWith("pulumi:")),
          [],
        );
      });
    });

  it("is accepted in a preview that does not know whether it updates Secrets", async () => {
    await mock(true);
    const unknown = new Unknown("test:Unknown", "left-out-flag", { flag: undefined });
    assert.deepEqual(await check({ provider: providerOf({ enableSecretMutable: unknown.flag }) }), []);
    assert.deepEqual(await check({ provider: providerOf({}, "left-out") }), []);
  });
});
