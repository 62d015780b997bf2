import { strict as assert } from "node:assert";
import { TeleportFailure } from "../../../../components/teleport/client/errors";
import { classify, PATTERNS, tctlFailure, tctlTimeout } from "../../../../components/teleport/client/failure";

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
  ] as const)
    it(`is ${failure}: ${told}`, () => assert.equal(classify(told), failure));
});

describe("the error of a failure of tctl", () => {
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
