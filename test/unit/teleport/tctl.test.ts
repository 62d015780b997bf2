import { strict as assert } from "node:assert";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TeleportError } from "../../../components/teleport/errors";
import { classify, parseDocuments, tctlMessage, withTeleport } from "../../../components/teleport/tctl";

describe("what tctl says", () => {
  it("loses its colours and prefixes", () => {
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
    ["unknown flag --nonsense", "failed"],
  ] as const) {
    it(`is ${failure}: ${told}`, () => assert.equal(classify(told), failure));
  }

  it("is read as JSON past warnings", () => {
    const documents = parseDocuments('A new version is available!\n[{"kind":"db","metadata":{"name":"x"}}]');
    assert.equal(documents[0]?.metadata.name, "x");
  });
  it("is refused where it holds no JSON", () => assert.throws(() => parseDocuments("Hello"), TeleportError));
  it("may be an empty list", () => assert.deepEqual(parseDocuments("[]"), []));
});

describe("the call of tctl", () => {
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

  it("hands the document over on standard input, and nothing of it in arguments", async () => {
    fakeTctl(`echo "$@" > ${folder}/args; cat > ${folder}/input`);
    await withTeleport({ proxy: "t:443" }, (client) => client.create(document));
    assert.equal(readFileSync(join(folder, "args"), "utf8").trim(), "create --auth-server=t:443");
    assert.deepEqual(JSON.parse(readFileSync(join(folder, "input"), "utf8")), document);
  });

  it("takes a missing resource for an empty answer", async () => {
    fakeTctl(`echo 'ERROR: database "x" does not exist' >&2; exit 1`);
    assert.deepEqual(await withTeleport({ proxy: "t:443" }, (client) => client.get("db/x")), []);
    await withTeleport({ proxy: "t:443" }, (client) => client.remove("db/x"));
  });

  it("tells tctl's reason, where, and what to do", async () => {
    fakeTctl(`echo 'ERROR: access to db denied' >&2; exit 1`);
    await assert.rejects(
      withTeleport({ proxy: "t:443" }, (client) => client.create(document)),
      /tctl create at t:443 failed: access to db denied\..*registrarRole/,
    );
  });

  it("says what to install where there is no tctl", async () => {
    process.env.PATH = folder;
    await assert.rejects(
      withTeleport({ proxy: "t:443" }, (client) => client.get("db")),
      /Install Teleport's tctl/,
    );
  });
});
