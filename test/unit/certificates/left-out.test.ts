/** A run with `--target` can leave out a new certificate, of which nothing is known then. */
import { strict as assert } from "node:assert";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { IssuerArgs } from "../../../components";
import { unhandled } from "../unhandled";

/** The beginnings of the types that the run leaves out. */
let leftOut: string[] = [];
let count = 0;

describe("a new certificate that `--target` leaves out", () => {
  let library: typeof import("../../../components");
  before(async () => {
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          const isLeftOut = leftOut.some((each) => type.startsWith(each));
          return { id: isLeftOut ? undefined : `${name}-id`, state: isLeftOut ? {} : (inputs as object) };
        },
        call: () => ({}),
      },
      "cnpg-teleport",
      "dev",
      false,
      "acme",
    );
    library = await import("../../../components");
  });

  const deploy = (issuer: IssuerArgs, teleport?: { proxy: string }) =>
    unhandled(() => {
      const provider = new k8s.Provider(`provider-${++count}`, { enableSecretMutable: true });
      const settings = {
        storage: { size: "1Gi" },
        issuer,
        teleport,
        namespace: "db",
        poolers: [{ type: "rw" as const }],
      };
      new library.PostgresCluster(`orders-${count}`, settings, { provider });
    });

  const role = { mount: "pki", role: "server" };
  for (const [what, issuer, types] of [
    ["of the stack's CA", { type: "tls" }, ["tls:index/locallySignedCert"]],
    ["with its CA", { type: "tls", server: ["first", "second"] }, ["tls:"]],
    ["of Vault", { type: "vault", server: role, client: role }, ["vault:", "tls:"]],
    [
      "of Vault, with the CA of Teleport",
      { type: "vault", server: role, client: role },
      ["vault:", "tls:", "pulumi-nodejs:dynamic/teleport"],
    ],
  ] as [string, IssuerArgs, string[]][])
    it(`is named once, with what to do: ${what}`, async () => {
      leftOut = types;
      const failures = await deploy(issuer, { proxy: "t.example.com:443" });
      const messages = [...new Set(failures)].map((error) => (error as Error).message);
      assert.equal(messages.length, 1, messages.join("\n"));
      assert.match(
        messages[0] ?? "",
        /^This run leaves out a new resource whose certificate others need: urn:.* add --target 'urn:pulumi:.*orders-/,
      );
      assert.ok(pulumi.RunError.isInstance(failures[0]), "Pulumi prints no stack trace");
    });

  it("is named if it is only the CA of Teleport", async () => {
    leftOut = ["pulumi-nodejs:dynamic/teleport:CertAuthority", "tls:"];
    const failures = await deploy({ type: "tls" }, { proxy: "t.example.com:443" });
    assert.match((failures[0] as Error).message, /--target/);
  });
});
