import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import {
  CaSource,
  checkCaSource,
  checkCaSources,
  publicPart,
  valueAt,
} from "../../../components/certificates/ca-source";
import type { PemSource } from "../../../components/certificates/ca-bundle";
import { SettingsError } from "../../../components/problems";
import { Certificate, OpenSsl } from "./openssl";

describe("the sources of CAs", () => {
  const openssl = new OpenSsl();
  let ca: Certificate, other: Certificate;
  before(() => {
    ca = openssl.ca("CA");
    other = openssl.ca("other");
  });
  after(() => openssl.remove());

  describe("in the settings", () => {
    const problems = (source: unknown) => checkCaSource("at", source as CaSource).map(({ setting }) => setting);

    it("have six kinds", () => {
      for (const source of [
        { from: "teleport" },
        { from: "proxy" },
        { from: "proxy", proxy: "teleport.example.com:443", caFile: "proxy-ca.pem" },
        { from: "vault", path: "secret/teleport-db-ca" },
        { from: "vault", path: "kv/platform/teleport-db-ca", key: "pem" },
        { from: "secret", name: "teleport-ca" },
        { from: "configMap", name: "teleport.ca", namespace: "trust", key: "bundle.pem" },
        { from: "pem", pem: ca.pem + other.pem },
        { from: "pem", pem: pulumi.output("known later") },
      ])
        assert.deepEqual(problems(source), [], source.from);
    });

    it("are refused if they are invalid", () => {
      assert.deepEqual(problems({ from: "file" }), ["at.from"]);
      for (const proxy of ["https://teleport.example.com", "teleport.example.com", "teleport:0", "teleport:65536"])
        assert.deepEqual(problems({ from: "proxy", proxy }), ["at.proxy"], proxy);
      assert.deepEqual(problems({ from: "proxy", caFile: "" }), ["at.caFile"]);
      for (const path of ["", "secret", "/secret/ca", "secret/ca/", "secret/ca#ca.crt", "#"])
        assert.deepEqual(problems({ from: "vault", path }), ["at.path"], path);
      assert.deepEqual(problems({ from: "vault", path: "secret/ca", key: "" }), ["at.key"]);
      assert.deepEqual(problems({ from: "secret", name: "Teleport_CA", namespace: "a/b", key: "a/b" }), [
        "at.name",
        "at.namespace",
        "at.key",
      ]);
      assert.deepEqual(problems({ from: "pem", pem: "teleport-ca.pem" }), ["at.pem"]);
    });

    it("must not be listed twice", () => {
      const twice: CaSource[] = [{ from: "teleport" }, { from: "proxy" }, { from: "teleport" }];
      assert.deepEqual(
        checkCaSources("ca", twice).map(({ setting, problem }) => `${setting} ${problem}`),
        ["ca[2] is listed twice"],
      );
      const different: CaSource[] = ["ca.crt", "old.crt"].map((key) => ({ from: "secret", name: "ca", key }));
      assert.deepEqual(checkCaSources("ca", different), []);
    });
  });

  describe("as a value from a Secret or from Vault", () => {
    it("are reduced to the certificates, without the text around them", () => {
      const text = `# Teleport\r\nhunter2\n${ca.pem.replace(/\n/g, "\r\n")}subject=CN = other\n${other.pem.trim()}`;
      const { name, pem } = publicPart("the place", text);
      assert.equal(name, "the place");
      assert.equal(pem, ca.pem + other.pem);
    });

    it("are refused without a certificate or with a key, and no part of the value is shown", () => {
      const refused = (text: string, message: RegExp) =>
        assert.throws(
          () => publicPart("the place", text),
          (error) =>
            error instanceof SettingsError &&
            message.test(error.message) &&
            !/hunter2|MI[GI]/.test(error.message + JSON.stringify(error.problems)),
        );
      refused("hunter2", /the place: contains no certificate/);
      refused(ca.pem + ca.key, /the place: contains a private key/);
      refused(ca.pem.replace(/CERTIFICATE/g, "X509 CRL"), /the place: contains a X509 CRL/);
      refused(ca.pem.slice(0, 100), /the place: contains a CERTIFICATE that is cut off/);
      refused(ca.pem.replace(/-----.*-----\n/g, ""), /the place: contains base64 outside of a certificate/);
      refused("", /the place: contains no certificate/);
    });

    it("are reported as missing, with the names of the existing keys", () => {
      assert.equal(valueAt("Secret db/ca", { "ca.crt": "pem" }, "ca.crt"), "pem");
      const missing = () => valueAt("Secret db/ca", { a: "hunter2", b: "" }, "ca.crt");
      assert.throws(missing, /Secret db\/ca: has no key ca\.crt\. Set key to one of its keys \(a, b\)/);
      assert.throws(missing, (error: Error) => !error.message.includes("hunter2"));
      assert.throws(() => valueAt("Secret db/ca", { b: "" }, "b"), /has an empty value in the key b/);
      assert.throws(
        () => valueAt("Secret db/ca", undefined, "b"),
        /has no key b\. Set key to one of its keys \(none\)/,
      );
    });
  });

  describe("read through Pulumi", () => {
    let caSources: typeof import("../../../components/certificates/ca-sources").caSources;
    const made: pulumi.runtime.MockResourceArgs[] = [];
    let rotation = {};
    const warnings: string[] = [];
    const warn = pulumi.log.warn;

    before(async () => {
      await pulumi.runtime.setMocks(
        {
          newResource: (args) => {
            made.push(args);
            const base64 = (text: string) => Buffer.from(text).toString("base64");
            const state: Record<string, unknown> = {
              "kubernetes:core/v1:Secret": {
                data: { "ca.crt": base64(ca.pem), old: base64(other.pem), key: base64(ca.key) },
              },
              "kubernetes:core/v1:ConfigMap": { data: { "ca.crt": ca.pem } },
              "pulumi-nodejs:dynamic/teleport:CertAuthority": { certificates: [ca.pem], cluster: "lab", ...rotation },
            };
            return { id: args.id ?? args.name, state: { ...args.inputs, ...(state[args.type] as object) } };
          },
          call: ({ inputs }) => {
            if (inputs.path === "secret/missing") throw new Error(`no secret found at "${String(inputs.path)}"`);
            return { data: { "ca.crt": other.pem } };
          },
        },
        "program",
        "dev",
        false,
      );
      ({ caSources } = await import("../../../components/certificates/ca-sources"));
    });
    beforeEach(() => {
      made.splice(0);
      warnings.splice(0);
      rotation = {};
      Object.assign(pulumi.log, { warn: async (message: string) => void warnings.push(message) });
    });
    afterEach(() => Object.assign(pulumi.log, { warn }));

    const read = async (sources?: CaSource[], credentials?: string) => {
      const defaults = { proxy: "teleport.example.com:443", credentials, namespace: "db" };
      const parts = caSources("orders", sources, defaults, {});
      const found = await new Promise<PemSource[]>((resolve, reject) => {
        parts.apply(resolve);
        // Only the promise of an Output shows its failure.
        (parts as unknown as { promise(): Promise<unknown> }).promise().catch(reject);
      });
      return { found, isSecret: await pulumi.isSecret(parts) };
    };
    const resources = () =>
      made.map(({ type, name, id }) => [type.split(":").at(-1), name, id].filter(Boolean).join(" "));

    it("are Teleport itself by default, under a resource name of this database", async () => {
      const { found } = await read();
      assert.deepEqual(resources(), ["CertAuthority orders"]);
      assert.deepEqual(
        Object.keys(made[0]!.inputs).filter((key) => !key.startsWith("__")),
        ["proxy"],
      );
      assert.deepEqual(found, [{ name: "the database CA of the Teleport cluster lab", pem: ca.pem }]);
      await read(undefined, "emea");
      assert.equal(made[1]!.name, "orders@emea");
      assert.equal(made[1]!.inputs.credentials, "emea");
    });

    it("are combined in one list that is not secret", async () => {
      const { found, isSecret } = await read(
        [
          { from: "teleport" },
          { from: "proxy", caFile: "web.pem" },
          { from: "proxy", proxy: "other.example.com:3080" },
          { from: "vault", path: "secret/teleport-db-ca" },
          { from: "secret", name: "ca" },
          { from: "secret", name: "ca", namespace: "trust", key: "old" },
          { from: "configMap", name: "ca" },
          { from: "pem", pem: pulumi.secret(other.pem) },
        ],
        "emea",
      );
      assert.deepEqual(
        found.map(({ name }) => name),
        [
          "the database CA of the Teleport cluster lab",
          "the database CA of the Teleport cluster lab (shown by teleport.example.com:443)",
          "the database CA of the Teleport cluster lab (shown by other.example.com:3080)",
          "the client CA in Vault at secret/teleport-db-ca, key ca.crt",
          "the client CA in Secret db/ca, key ca.crt",
          "the client CA in Secret trust/ca, key old",
          "the client CA in ConfigMap db/ca, key ca.crt",
          "the inline PEM of the client CAs",
        ],
      );
      assert.deepEqual(
        found.map(({ pem }) => (pem === ca.pem ? "CA" : pem === other.pem ? "other" : pem)),
        ["CA", "CA", "CA", "other", "CA", "other", "CA", "other"],
      );
      assert.equal(isSecret, false);
      assert.deepEqual(resources().sort(), [
        "CertAuthority orders@emea",
        "CertAuthority orders@emea-public",
        "CertAuthority orders@emea-public-other-example-com-3080",
        "ConfigMap orders@emea-client-ca-configmap-ca db/ca",
        "Secret orders@emea-client-ca-secret-ca db/ca",
        "Secret orders@emea-client-ca-secret-trust-ca-old trust/ca",
      ]);
      const { source, caFile, credentials } = made.find(({ name }) => name === "orders@emea-public")!.inputs;
      assert.deepEqual([source, caFile, credentials], ["proxy", "web.pem", undefined]);
    });

    it("are refused, and the message names the source", async () => {
      await assert.rejects(
        read([{ from: "secret", name: "ca", key: "key" }]),
        /Secret db\/ca, key key: contains a private/,
      );
      await assert.rejects(
        read([{ from: "secret", name: "ca", key: "none" }]),
        /Secret db\/ca: has no key none.*ca\.crt/,
      );
      await assert.rejects(read([{ from: "vault", path: "secret/missing" }]), /in Vault at secret\/missing: could not/);
      await assert.rejects(read([{ from: "vault", path: "secret/ca", key: "pem" }]), /secret\/ca: has no key pem/);
    });

    it("warn about a rotation in progress", async () => {
      await read();
      assert.deepEqual(warnings, []);
      rotation = { rotationPhase: "update_clients", rotationType: "db", rotationSchedule: [] };
      await read();
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /cluster lab is being rotated, phase update_clients.*pulumi up/);
    });
  });
});
