import { strict as assert } from "node:assert";
import { TeleportFailure, type TeleportError } from "../../../../components/teleport/client/errors";
import {
  classify,
  PATTERNS,
  tctlFailure,
  tctlTimeout,
  Circumstances,
  identityRefused,
  whyNotConnected,
} from "../../../../components/teleport/client/failure";
import { readPing } from "../../../../components/teleport/client/ping";

/** Messages of tctl and Teleport 13 to 18 about a resource, by its name. */
const SENTENCES: [TeleportFailure, (name: string) => string][] = [
  ["not-found", (name) => `database "${name}" doesn't exist`],
  ["not-found", (name) => `database "${name}" not found`],
  ["not-found", (name) => `db "${name}" not found`],
  ["not-found", (name) => `role ${name} is not found`],
  ["not-found", (name) => `role "${name}" is not found`],
  ["not-found", (name) => `user "${name}" not found`],
  ["not-found", (name) => `user "bot-${name}" not found`],
  ["not-found", (name) => `bot "${name}" not found`],
  ["not-found", (name) => `key "/roles/${name}/params" is not found`],
  ["not-found", (name) => `key /tokens/${name} is not found`],
  ["not-found", (name) => `provision token ${name} not found`],
  ["not-found", (name) => `provisioning token(${name}) not found`],
  ["not-found", (name) => `token ${name} doesn't exist`],
  ["not-found", (name) => `getting resource "${name}" of type "db"; database "${name}" not found`],
  ["not-found", (name) => `error deleting resource "${name}" of type "db"; database "${name}" doesn't exist`],
  ["not-found", (name) => `rpc error: code = NotFound desc = "role ${name} is not found"`],
  ["already-exists", (name) => `database "${name}" already exists`],
  ["already-exists", (name) => `role '${name}' already exists`],
  ["already-exists", (name) => `role ${name} already exists`],
  ["already-exists", (name) => `user "bot-${name}" already exists; use -f or --force flag to overwrite`],
  ["already-exists", (name) => `token "${name}" already exists`],
  ["already-exists", (name) => `user "bot-${name}" already registered`],
  ["already-exists", (name) => `key "/db/${name}" already exists`],
  ["in-use", (name) => `role ${name} is still in use by a user`],
  ["in-use", (name) => `failed to delete a role that is still in use by a user. Check role ${name}.`],
  ["access-denied", (name) => `access to db ${name} denied`],
  ["access-denied", (name) => `access to role "${name}" denied. User does not have permissions.`],
  ["access-denied", (name) => `access denied to perform action "read" on "db"; ${name}-prod may not be seen`],
  ["unavailable", (name) => `Get "https://${name}.example.com:443/webapi/ping": connect: connection refused`],
  ["unavailable", (name) => `dial tcp: lookup ${name}.example.com: no such host`],
];

/** Every word of the patterns, and every phrase of them with hyphens: all of them are possible names of databases. */
const NAMES = [
  ...new Set(
    PATTERNS.flatMap(([, { source }]) => [
      ...(source.match(/[a-z0-9]+/gi) ?? []),
      ...source.split("|").map((phrase) => (phrase.match(/[a-z0-9]+/gi) ?? []).join("-")),
    ]).map((name) => name.toLowerCase()),
  ),
].filter((name) => name !== "");

/** What tctl 13 prints without an identity file and without a profile of `tsh login`, on one line. */
const NO_IDENTITY =
  "Could not load Teleport host UUID file at /var/lib/teleport/host_uuid. Please make sure that Teleport is up and running prior to " +
  "using tctl.; lstat /var/lib/teleport: no such file or directory";

describe("the kind of a failure of tctl", () => {
  it("is recognized by words that could also be names", () => {
    for (const word of ["expired", "timeout", "mfa", "denied", "not-found", "429", "eof"])
      assert.ok(NAMES.includes(word), `${word} is among ${NAMES.join(" ")}`);
  });

  for (const [failure, sentence] of SENTENCES)
    it(`is ${failure} whatever the name is: ${sentence("NAME")}`, () => {
      for (const word of NAMES)
        for (const name of [word, `${word}-orders`, `orders-${word}`, `orders-${word}-prod`])
          assert.equal(classify(sentence(name)), failure, sentence(name));
    });

  for (const [told, failure] of [
    ["the identity has expired", "identity"],
    ["your credentials have expired, please login using `tsh login`", "identity"],
    ["user certificate expired", "identity"],
    [`Get "https://t.example.com:443/webapi/ping": x509: certificate signed by unknown authority`, "identity"],
    [`code = Unavailable desc = "transport: authentication handshake failed: tls: bad certificate"`, "identity"],
    [`code = Unavailable desc = connection error: desc = "transport: i/o timeout"`, "unavailable"],
    [
      "tctl must be used on an Auth Service host or provided with credentials by logging in with tsh first.",
      "identity",
    ],
    ["tctl must be either used on the auth server or provided with the identity file via --identity flag", "identity"],
    [NO_IDENTITY, "identity"],
  ] as const)
    it(`is ${failure}: ${told}`, () => assert.equal(classify(told), failure));
});

describe("the error of a failure of tctl", () => {
  for (const told of [
    NO_IDENTITY,
    "tctl must be used on an Auth Service host or provided with credentials by logging in with tsh first.",
    "tctl must be either used on the auth server or provided with the identity file via --identity flag",
  ])
    it(`names the variable to set if there is no identity: ${told}`, () =>
      assert.equal(
        tctlFailure("get", told, "t:443").message,
        "tctl get at t:443 failed: there is no Teleport identity, because TELEPORT_IDENTITY_FILE is not set and nobody is logged in " +
          "with `tsh login`. Set TELEPORT_IDENTITY_FILE to an identity file " +
          '(docs/teleport.md, "Teleport identity"), then run the command again; no progress is lost.',
      ));

  it("recommends a bot if MFA is required, is not retried, and does not blame the connection", () => {
    const error = tctlFailure("create", "admin-level API request requires MFA verification", "t:443");
    assert.equal(error.failure, "mfa");
    assert.equal(error.mayBeDone, false);
    assert.match(error.message, /administrative actions.*bot.*tbot/s);
    assert.doesNotMatch(error.message, /Teleport answers|registrarRole/);
  });

  for (const prompt of [
    "Tap any security key",
    "Tap any *registered* security key or enter a code from a *registered* OTP device",
    "Enter an OTP code from a device:",
    'MFA is required for admin-level API request: "UpsertRole"\nTap any security key\n',
    "Complete an SSO authentication flow in your local web browser to continue",
  ])
    it(`is of kind mfa if tctl waits for a person: ${prompt.trim()}`, () => {
      const error = tctlTimeout("create", 30_000, "t:443", prompt);
      assert.equal(error.failure, "mfa");
      assert.equal(error.mayBeDone, false);
      assert.match(error.message, /30 s.*tbot/s);
      assert.doesNotMatch(error.message, /Check that Teleport answers/);
    });

  it("repeats what tctl wrote before it was ended", () => {
    const error = tctlTimeout("get", 30_000, "t:443", "Client tools are out of date, updating to v18.2.0.\n");
    assert.equal(error.failure, "unavailable");
    assert.equal(error.mayBeDone, true);
    assert.match(error.message, /no answer within 30 s.*updating to v18\.2\.0/s);
  });

  it("adds nothing if tctl wrote nothing before it was ended", () => {
    assert.equal(
      tctlTimeout("get", 30_000, "t:443", "").message,
      "tctl get at t:443 failed: no answer within 30 s. Check that Teleport answers at t:443, then run the command again; no progress is lost.",
    );
  });

  it("is of kind mfa after a prompt for MFA, even if tctl reports a timeout", () => {
    const wrote =
      "MFA is required for admin-level API request.\nTap any security key\nERROR: context deadline exceeded";
    assert.equal(tctlFailure("create", "context deadline exceeded", "t:443", wrote).failure, "mfa");
    assert.equal(tctlFailure("get", 'database "x" not found', "t:443", wrote).failure, "not-found");
  });
});

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
