import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { altNames, checkAltNames, checkClusterDomain, coversHost } from "../../../components/certificates/alt-names";
import type { PostgresClusterArgs } from "../../../components";
import { checkPostgresCluster } from "../../../components/postgres-cluster/check";
import { planCluster } from "../../../components/postgres-cluster/plan";

describe("names of a server certificate", () => {
  it("are separated into DNS names and IP addresses, without duplicates", () => {
    const names = ["orders.example.com", "10.20.30.40", "2001:DB8:0::1", "2001:db8::1", "10.20.30.40", "localhost"];
    assert.deepEqual(checkAltNames("serverAltNames", names), []);
    assert.deepEqual(altNames(names), {
      dnsNames: ["orders.example.com", "localhost"],
      ipAddresses: ["10.20.30.40", "2001:db8::1"],
    });
  });

  it("may be wildcards, and are kept as written", () => {
    const names = ["*.db.example.com", "Orders.Example.com", "xn--mnchen-3ya.example", "a--b", "1st.example"];
    assert.deepEqual(checkAltNames("serverAltNames", names), []);
    assert.deepEqual(altNames(names).dnsNames, names);
  });

  for (const [name, problem, fix] of [
    ["", /must not be empty/, /or remove it/],
    ["orders.example.com:5432", /without a port/, /Write orders\.example\.com:/],
    ["10.20.30.40:5432", /without a port/, /Write 10\.20\.30\.40:/],
    ["orders:", /without a port/, /Write orders:/],
    ["[2001:db8::1]:5432", /without a port/, /Write 2001:db8::1\./],
    ["[2001:db8::1]", /without brackets/, /Write 2001:db8::1\./],
    ["https://orders.example.com/x", /not a URL/, /: orders\.example\.com\./],
    ["postgres://user@orders.example.com:5432/db", /not a URL/, /: orders\.example\.com\./],
    ["10.0.0.0/8", /one address, not a range/, /each address/],
    ["orders.example.com.", /must not end with a dot/, /Write orders\.example\.com\./],
    ["orders_db.example.com", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["orders example", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    [" orders.example.com", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["orders.example.com\n", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["orders..example.com", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["-orders.example.com", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["orders.example.com/db", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["a,b", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    [".", /must be a DNS name or an IP address/, /letters, digits and hyphens/],
    ["münchen.example", /must be in ASCII/, /Write xn--mnchen-3ya\.example\./],
    ["10.20.30.400", /looks like an IP address, but is not a valid one/, /10\.20\.30\.40/],
    ["10.20.30", /looks like an IP address, but is not a valid one/, /10\.20\.30\.40/],
    ["fe80::1%eth0", /without a zone/, /Write fe80::1,/],
    ["::ffff:10.20.30.40", /IPv4 address written as IPv6/, /Write 10\.20\.30\.40\./],
    ["*", /at least two parts after the wildcard/, /\*\.db\.example\.com/],
    ["*.com", /at least two parts after the wildcard/, /\*\.db\.example\.com/],
    ["orders*.example.com", /wildcard only as the whole first part/, /\*\.db\.example\.com/],
    ["db.*.example.com", /wildcard only as the whole first part/, /\*\.db\.example\.com/],
    [`${"a".repeat(64)}.example.com`, /at most 63 characters between its dots/, /letters, digits/],
    [`${"a.".repeat(126)}example`, /at most 253 characters long/, /letters, digits/],
  ] as [string, RegExp, RegExp][]) {
    it(`must not be ${JSON.stringify(name).slice(0, 50)}, and the message says why`, () => {
      const [found, ...more] = checkAltNames("serverAltNames", ["localhost", name]);
      assert.equal(found?.setting, "serverAltNames[1]");
      assert.equal(found.value, name);
      assert.match(found.problem, problem);
      assert.match(found.fix, fix);
      assert.deepEqual(more, []);
    });
  }

  it("are valid names or addresses for certificates if they are accepted", () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[a-zA-Z0-9.:*\[\]\/_ -]{1,40}$/),
      fc.ipV4(),
      fc.ipV6(),
      fc.domain(),
      fc.webUrl(),
    );
    fc.assert(
      fc.property(text, (name) => {
        if (checkAltNames("x", [name]).length > 0) return;
        const { dnsNames, ipAddresses } = altNames([name]);
        assert.equal(dnsNames.length + ipAddresses.length, 1);
        for (const dnsName of dnsNames) assert.match(dnsName, /^(\*\.)?[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$/);
        for (const address of ipAddresses) assert.match(address, /^[0-9.]+$|^[0-9a-f:]+$/);
        assert.ok(name.startsWith("*") || coversHost([name], name));
      }),
      { numRuns: 3_000 },
    );
  });

  it("are refused in linear time", () => {
    const start = performance.now();
    for (const part of ["a", "1", ".", ":", "a.", "*.", "[", "a@", "https://", "%", "ü"]) {
      assert.equal(checkAltNames("x", [part.repeat(200_000)]).length, 1, part);
    }
    assert.ok(performance.now() - start < 10_000);
  });
});

describe("the host with which Vault reaches a database", () => {
  it("is covered by its name, a wildcard above it, or its address in any notation", () => {
    const names = ["orders.example.com", "*.db.example.com", "2001:db8::1", "10.20.30.40"];
    for (const host of ["Orders.example.com", "orders.db.example.com", "2001:DB8:0:0::1", "10.20.30.40"])
      assert.ok(coversHost(names, host), host);
    for (const host of ["db.example.com", "a.b.db.example.com", "2001:db8::2", "10.20.30.41", "example.com"])
      assert.ok(!coversHost(names, host), host);
  });
});

describe("the domain of the Kubernetes cluster", () => {
  it("is a DNS domain that is short enough for the names of Services before it", () => {
    for (const domain of ["cluster.local", "k8s.example.com", "local"])
      assert.deepEqual(checkClusterDomain("clusterDomain", domain), [], domain);
    for (const [domain, problem] of [
      ["cluster.local.", /must not end with a dot/],
      ["", /must not be empty/],
      ["10.0.0.1", /not an IP address/],
      ["*.example.com", /not a wildcard/],
      ["https://cluster.local", /not a URL/],
      ["cluster_local", /must be a DNS name/],
      [`${"a".repeat(60)}.${"b".repeat(60)}.local`, /at most 121 characters/],
    ] as [string, RegExp][]) {
      assert.match(checkClusterDomain("clusterDomain", domain)[0]?.problem ?? "", problem, domain);
    }
  });
});

describe("settings of a PostgresCluster", () => {
  const check = (path: string, args: PostgresClusterArgs) =>
    checkPostgresCluster(path, planCluster("orders", args, "dev"));

  it("report wrong names and domains with all other problems, before anything is created", () => {
    const problems = check("databases.orders", {
      storage: { size: "1Gi" },
      issuer: { type: "tls" },
      clusterDomain: "cluster.local.",
      serverAltNames: ["10.20.30.40", "orders.example.com:5432"],
      vaultDatabase: { host: "10.20.30.40:5432", roles: { app: {} } },
    });
    assert.deepEqual(
      problems.map(({ setting }) => setting),
      ["clusterDomain", "serverAltNames[1]", "vaultDatabase.host"].map((setting) => `databases.orders.${setting}`),
    );
    // Not "add it to serverAltNames", which refuses it as well.
    assert.match(problems.at(-1)?.fix ?? "", /^Write 10\.20\.30\.40: a certificate is valid for all ports\./);
  });

  it("accept an address for Vault only if the certificate covers it", () => {
    const settings = (host: string) => ({
      storage: { size: "1Gi" },
      issuer: { type: "tls" as const },
      serverAltNames: ["2001:db8::1", "*.db.example.com"],
      vaultDatabase: { host, roles: { app: {} } },
    });
    const problems = (host: string) => check("", settings(host));
    assert.deepEqual(problems("2001:DB8::1"), []);
    assert.deepEqual(problems("orders.db.example.com"), []);
    assert.match(problems("10.20.30.40")[0]?.fix ?? "", /Add this host to serverAltNames/);
  });
});
