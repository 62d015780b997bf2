import { strict as assert } from "node:assert";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TeleportError } from "../../../../components/teleport/client/errors";
import { parseDocuments, withTeleport, childEnvironment } from "../../../../components/teleport/client/tctl";
import { classify, tctlMessage } from "../../../../components/teleport/client/failure";

describe("the output of tctl", () => {
  it("is stripped of colours and prefixes", () => {
    assert.equal(
      tctlMessage('WARN something\n\u001b[31mERROR: \u001b[0mdatabase "x" doesn\'t exist\n'),
      'database "x" doesn\'t exist',
    );
  });

  for (const [told, failure] of [
    ['database "x" doesn\'t exist', "not-found"],
    ['db "x" not found', "not-found"],
    ['database "x" already exists', "already-exists"],
    ["access to db denied. User does not have permissions. Confirm database user and name.", "access-denied"],
    ['access denied to perform action "list" on "cert_authority"', "access-denied"],
    ["your credentials have expired", "identity"],
    ["ssh: handshake failed: ssh: unable to authenticate", "identity"],
    ["dial tcp 10.200.0.1:3080: connect: connection refused", "unavailable"],
    ["context deadline exceeded", "unavailable"],
    ["429 Too Many Requests", "unavailable"],
    ['lock targeting User:"registrar" is in force: left the company', "identity"],
    ["failed to parse identity file; invalid PEM block (fragment)", "identity"],
    ["tctl: error: unknown long flag '--identity'", "tctl-version"],
    ["unknown argument --nonsense", "failed"],
  ] as const) {
    it(`is ${failure}: ${told}`, () => assert.equal(classify(told), failure));
  }

  it("is parsed as JSON despite warnings", () => {
    const documents = parseDocuments('A new version is available!\n[{"kind":"db","metadata":{"name":"x"}}]');
    assert.equal(documents[0]?.metadata.name, "x");
  });
  for (const [what, text] of Object.entries({
    "a warning that begins with a bracket": '[WARN] upgrade soon\n[{"kind":"db","metadata":{"name":"x"}}]',
    "a warning in JSON": '{"level":"warn","message":"soon"}\n[\n  {\n    "kind": "db"\n  }\n]',
    "warnings behind it": '[\n  {\n    "kind": "db"\n  }\n]\nA new version is available!\n[INFO] bye\n',
    "one document and a warning behind it": '{"kind":"db"}\nA new version is available!',
  }))
    it(`is parsed as JSON despite ${what}`, () =>
      assert.deepEqual(
        parseDocuments(text).map(({ kind }) => kind),
        ["db"],
      ));
  it("may be null among warnings", () => assert.deepEqual(parseDocuments("A new version!\nnull\n"), []));
  it("is shortened in messages", () => assert.ok(tctlMessage("x".repeat(1_000_000)).length < 3_000));
  it("is refused without JSON", () => assert.throws(() => parseDocuments("Hello"), TeleportError));
  it("may be an empty list", () => assert.deepEqual(parseDocuments("[]"), []));
});

describe("a call of tctl", () => {
  const before = {
    PATH: process.env.PATH,
    file: process.env.TELEPORT_IDENTITY_FILE,
    content: process.env.TELEPORT_IDENTITY,
  };
  let folder: string;

  const fakeTctl = (script: string) => {
    writeFileSync(join(folder, "tctl"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "tctl"), 0o755);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tctl-"));
    process.env.PATH = `${folder}:${before.PATH}`;
    delete process.env.TELEPORT_IDENTITY_FILE;
    delete process.env.TELEPORT_IDENTITY;
  });
  afterEach(() => {
    process.env.PATH = before.PATH;
    if (before.file !== undefined) process.env.TELEPORT_IDENTITY_FILE = before.file;
    if (before.content !== undefined) process.env.TELEPORT_IDENTITY = before.content;
    rmSync(folder, { recursive: true });
  });
  const document = { kind: "db", version: "v3", metadata: { name: "x" }, spec: {} };

  it("sends the document on standard input, and no part of it in arguments", async () => {
    fakeTctl(`echo "$@" > ${folder}/args; cat > ${folder}/input`);
    await withTeleport({ proxy: "t:443" }, (client) => client.create(document));
    assert.equal(readFileSync(join(folder, "args"), "utf8").trim(), "create --auth-server=t:443");
    assert.deepEqual(JSON.parse(readFileSync(join(folder, "input"), "utf8")), document);
  });

  it("returns nothing for a missing resource", async () => {
    fakeTctl(`echo 'ERROR: database "x" does not exist' >&2; exit 1`);
    assert.deepEqual(await withTeleport({ proxy: "t:443" }, (client) => client.get("db/x")), []);
    await withTeleport({ proxy: "t:443" }, (client) => client.remove("db/x"));
  });

  it("reports tctl's reason, the place, and what to do", async () => {
    fakeTctl(`echo 'ERROR: access to db denied' >&2; exit 1`);
    await assert.rejects(
      withTeleport({ proxy: "t:443" }, (client) => client.create(document)),
      /tctl create at t:443 failed: access to db denied\..*registrarRole/,
    );
  });

  it("reports that a write may be done if the connection broke, but not if there was no connection", async () => {
    const failing = async (words: string) => {
      fakeTctl(`echo 'ERROR: ${words}' >&2; exit 1`);
      const creating = withTeleport({ proxy: "127.0.0.1:1" }, (client) => client.create(document), []);
      const error = await creating.then(
        () => undefined,
        (failed: TeleportError) => failed,
      );
      return [error?.failure, error?.mayBeDone];
    };
    assert.deepEqual(await failing("rpc error: code = Unavailable desc = EOF"), ["unavailable", true]);
    const notConnected = 'Cannot connect to the auth server. Is the auth server running on "127.0.0.1:1"?';
    assert.deepEqual(await failing(notConnected), ["unavailable", false]);
  });

  it("remembers an attempt without an answer, whatever the later attempts return", async () => {
    fakeTctl(
      `if [ -e ${folder}/again ]; then echo 'ERROR: access to db denied' >&2; else echo 'ERROR: EOF' >&2; fi; touch ${folder}/again; exit 1`,
    );
    const creating = withTeleport({ proxy: "t:443" }, (client) => client.create(document), [1]);
    await assert.rejects(creating, { failure: "access-denied", mayBeDone: true });
  });

  it("makes one attempt if Teleport requires a second factor", async () => {
    fakeTctl(`echo >> ${folder}/calls; echo 'ERROR: admin-level API request requires MFA verification' >&2; exit 1`);
    const creating = withTeleport({ proxy: "t:443" }, (client) => client.create(document), [1, 1]);
    await assert.rejects(creating, { failure: "mfa", mayBeDone: false });
    assert.equal(readFileSync(join(folder, "calls"), "utf8"), "\n");
  });

  it("ignores Teleport's configuration file on this machine, even if a variable names it", async () => {
    fakeTctl(`env > ${folder}/env`);
    process.env.TELEPORT_CONFIG_FILE = "/etc/teleport.yaml";
    try {
      await withTeleport({ proxy: "t:443" }, (client) => client.create(document));
    } finally {
      delete process.env.TELEPORT_CONFIG_FILE;
    }
    assert.match(readFileSync(join(folder, "env"), "utf8"), /^TELEPORT_CONFIG_FILE=$/m);
  });

  it("says which signal ended tctl, if it was not this program", async () => {
    fakeTctl("kill -9 $$");
    const getting = withTeleport({ proxy: "t:443" }, (client) => client.get("db"), []);
    await assert.rejects(getting, /tctl get at t:443 was ended by SIGKILL.*short of memory/);
  });

  it("says what to do if tctl may not be executed", async () => {
    fakeTctl("true");
    chmodSync(join(folder, "tctl"), 0o644);
    process.env.PATH = folder;
    await assert.rejects(
      withTeleport({ proxy: "t:443" }, (client) => client.get("db")),
      /may not be executed\. Make it executable/,
    );
  });

  it("says what to install if there is no tctl", async () => {
    process.env.PATH = folder;
    await assert.rejects(
      withTeleport({ proxy: "t:443" }, (client) => client.get("db")),
      /Install Teleport's tctl/,
    );
  });
});

const OWN = { TELEPORT_CONFIG_FILE: "", TELEPORT_TOOLS_VERSION: "off" };

describe("the environment of tctl", () => {
  it("has the variables that tctl needs", () => {
    const needed = {
      PATH: "/bin",
      Path: "C:\\bin",
      HOME: "/home/ci",
      TMPDIR: "/tmp",
      LC_ALL: "C",
      SSL_CERT_FILE: "/ca.pem",
      HTTPS_PROXY: "http://proxy",
      no_proxy: "localhost",
      TELEPORT_HOME: "/home/ci/.tsh",
    };
    assert.deepEqual(childEnvironment(needed), { ...needed, ...OWN });
  });

  it("has no secret of the program or of a CI job", () => {
    const secrets = {
      VAULT_TOKEN: "x",
      VAULT_SECRET_ID: "x",
      PULUMI_CONFIG_PASSPHRASE: "x",
      PULUMI_ACCESS_TOKEN: "x",
      AWS_SECRET_ACCESS_KEY: "x",
      GITHUB_TOKEN: "x",
      TELEPORT_IDENTITY: "x",
      TELEPORT_EMEA_IDENTITY: "x",
      TELEPORT_IDENTITY_FILE: "/x",
      TELEPORT_IDENTITY_VAULT: "x",
      KUBECONFIG: "/x",
      NODE_OPTIONS: "x",
    };
    assert.deepEqual(childEnvironment(secrets), OWN);
  });

  it("excludes the configuration file of another Teleport service, however it is named", () => {
    assert.equal(childEnvironment({}).TELEPORT_CONFIG_FILE, "");
    const named = { TELEPORT_CONFIG_FILE: "/etc/teleport.yaml", TELEPORT_CONFIG: "eyJ9" };
    assert.deepEqual(childEnvironment(named), OWN);
  });

  it("lets tctl download another version only if the user's environment asks for it", () => {
    assert.equal(childEnvironment({}).TELEPORT_TOOLS_VERSION, "off");
    assert.equal(childEnvironment({ TELEPORT_TOOLS_VERSION: "18.1.0" }).TELEPORT_TOOLS_VERSION, "18.1.0");
  });
});
