import { strict as assert } from "node:assert";
import type { TeleportError } from "../../../../components/teleport/client/errors";
import { Circumstances, identityRefused, whyNotConnected } from "../../../../components/teleport/client/not-connected";
import { readPing } from "../../../../components/teleport/client/ping";

const NOW = new Date("2026-01-01T12:00:00Z");
const LATER = new Date("2026-01-01T13:00:00Z");

function circumstances(more: Partial<Circumstances> = {}): Circumstances {
  return {
    command: "tctl get",
    proxy: "teleport:443",
    identity: { source: "TELEPORT_IDENTITY_FILE=/run/identity", cluster: "prod", user: "registrar", expires: LATER },
    ping: { answers: "yes", cluster: "prod", version: "17.2.0", oldestClient: "16.0.0" },
    tctlVersion: "Teleport v17.2.0 git:v17.2.0 go1.23",
    ...more,
  };
}

describe("why tctl cannot connect", () => {
  const told = (more: Partial<Circumstances>) => {
    const error = whyNotConnected(circumstances(more), NOW);
    return [error?.failure, error?.message] as const;
  };
  const cases: [string, Partial<Circumstances>, TeleportError["failure"], RegExp][] = [
    [
      "nobody answers",
      { ping: { answers: "no", why: "connect ECONNREFUSED 10.0.0.1:443" } },
      "unavailable",
      /cannot connect \(connect ECONNREFUSED 10\.0\.0\.1:443\)\. Check that Teleport answers at teleport:443/,
    ],
    [
      "its certificate is not trusted",
      { ping: { answers: "untrusted", why: "self-signed certificate" } },
      "failed",
      /not trusted here \(self-signed certificate\)\. .*SSL_CERT_FILE/,
    ],
    [
      "the identity expired since it was read",
      { identity: { source: "TELEPORT_IDENTITY", expires: new Date("2026-01-01T11:59:59Z") } },
      "identity",
      /TELEPORT_IDENTITY expired at 2026-01-01T11:59:59\.000Z\. Get a new identity/,
    ],
    [
      "the identity is of another cluster",
      { identity: { source: "TELEPORT_IDENTITY", cluster: "dev" } },
      "identity",
      /TELEPORT_IDENTITY belongs to the Teleport cluster dev, but the cluster there is prod\. Get an identity of prod/,
    ],
    [
      "tctl is too old",
      { tctlVersion: "Teleport v15.4.9 git:v15.4.9 go1.22" },
      "tctl-version",
      /tctl 15\.4\.9 is too old .* 17\.2\.0 and accepts 16\.0\.0 and newer\. Install tctl 17\.2\.0/,
    ],
  ];
  for (const [what, more, failure, words] of cases)
    it(`is reported: ${what}`, () => {
      const [kind, message] = told(more);
      assert.equal(kind, failure);
      assert.match(message ?? "", words);
    });

  it("is unknown if Teleport answers and nothing else is wrong", () => {
    assert.equal(whyNotConnected(circumstances(), NOW), undefined);
    assert.equal(whyNotConnected(circumstances({ tctlVersion: undefined, identity: {} }), NOW), undefined);
    assert.equal(whyNotConnected(circumstances({ tctlVersion: "Teleport v16.0.0" }), NOW), undefined);
  });

  it("is then the identity, and the message names its user and a different version of tctl", () => {
    const { failure, message } = identityRefused(circumstances({ tctlVersion: "Teleport v18.0.1" }));
    assert.equal(failure, "identity");
    assert.match(
      message,
      /refuses the identity TELEPORT_IDENTITY_FILE=\/run\/identity \(user registrar\): the user is locked or was deleted/,
    );
    assert.match(
      message,
      /tctl is 18\.0\.1, and Teleport is 17\.2\.0\. Check `tctl get locks` and `tctl get user\/registrar`/,
    );
    assert.match(
      identityRefused(circumstances({ identity: {} })).message,
      /refuses the identity of `tsh login`: .*user\/<user>/,
    );
  });
});

describe("the public information of a proxy", () => {
  it("has its cluster, its version and the oldest tctl that it accepts", () => {
    const text = JSON.stringify({ cluster_name: "prod", server_version: "13.3.8", min_client_version: "12.0.0" });
    const expected = { answers: "yes", cluster: "prod", version: "13.3.8", oldestClient: "12.0.0" };
    assert.deepEqual(readPing(200, text), expected);
    assert.deepEqual(readPing(200, '{"server_version":"13.3.8"}'), { answers: "yes", version: "13.3.8" });
  });
  for (const [status, text, why] of [
    [429, "", /429: it limits the rate of requests/],
    [503, "", /503: it is not available now/],
    [200, "<html>", /is not a Teleport proxy, it answers 200/],
    [200, "null", /is not a Teleport proxy, it answers 200/],
    [404, '{"server_version":"13.3.8"}', /is not a Teleport proxy, it answers 404/],
  ] as const)
    it(`counts as no answer: ${status} ${text}`, () => {
      const ping = readPing(status, text);
      assert.equal(ping.answers, "no");
      assert.match("why" in ping ? ping.why : "", why);
    });
});
