/**
 * A plain `up` renews all certificates that Vault signed for a Cluster, when they are due and after they have
 * expired.
 */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logIn } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { run } from "../../lab/host/command";
import { asRoot } from "../lab/app-vault";
import { eventually, kubectl, loginAs, oneDatabase, vaultIssuer } from "../lab/lab";
import { SMALL_POOLER } from "./cluster-witness";
import { eventuallyServed, leafOf, leafSecrets, replaceCertificate, serialNumbers } from "./leaf-secrets";
import { hoursLater } from "./moved-clock";

const NAME = "ca-vault-renewal";
const EXPLICIT = "ca-vault-explicit";
const LEAVES = leafSecrets(NAME, EXPLICIT);
const DAY = 24;

describe("certificates that Vault signed", () => {
  const stack = new Stack(NAME);
  const login = () => logIn(loginAs("reader", `${NAME}-${NAME}`, "app"), "SELECT 1");
  const restarts = () =>
    kubectl(
      "-n",
      NAME,
      "get",
      "pods",
      "-o",
      "jsonpath={range .items[*]}{.metadata.uid}{.status.containerStatuses[*].restartCount} {end}",
    );
  let pods: string;

  before(async () => {
    const poolers = [SMALL_POOLER, { ...SMALL_POOLER, name: EXPLICIT, authentication: "explicit" }];
    stack.configure(oneDatabase(NAME, { poolers, issuer: vaultIssuer }));
    await stack.init();
    await stack.up();
    pods = await restarts();
  });
  after(async () => {
    await stack.destroy();
    await stack.remove();
  });

  it("are not changed a day before they are due", async () => {
    assert.equal(await hoursLater(stack, 59 * DAY), LEAVES.length);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are all renewed by a plain `up` when they are due, without a restart, and nothing is left to do", async () => {
    const before = await serialNumbers(NAME, LEAVES);
    await hoursLater(stack, DAY);
    await stack.up();
    const renewed = await serialNumbers(NAME, LEAVES);
    for (const [index, serial] of renewed.entries()) assert.notEqual(serial, before[index], LEAVES[index]);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await eventuallyServed(NAME, EXPLICIT);
    assert.equal(await restarts(), pods);
  });

  it("are repaired by one `up` after they have expired and nobody can log in any more", async () => {
    for (const secret of LEAVES) await expire(secret);
    await hoursLater(stack, 91 * DAY);
    await eventually("nobody is let in any more", async () => /expired/.test((await login()).output), 120_000);

    await stack.up();
    await eventuallyServed(NAME, EXPLICIT);
    const mended = await login();
    assert.equal(mended.code, 0, mended.output);
    assert.equal(await restarts(), pods);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  /** Has the same names and key signed for two seconds, and waits until the certificate has expired. */
  async function expire(secret: string): Promise<void> {
    const { certificate, key } = await leafOf(NAME, secret);
    const { subject, subjectAltName = "" } = new X509Certificate(certificate);
    const commonName = subject.replace(/^CN=/, "");
    const names = subjectAltName ? ["-addext", `subjectAltName=${subjectAltName.replace(/\s/g, "")}`] : [];
    const csr = await signedRequest(key, ["-subj", `/CN=${commonName}`, ...names]);
    const isServer = secret.endsWith("-tls") && !secret.endsWith("replication-tls");
    const { mount, role } = isServer ? vaultIssuer.server : vaultIssuer.client;
    const signed = await asRoot<{ data: { certificate: string } }>("POST", `${mount}/sign/${role}`, {
      csr,
      common_name: commonName,
      exclude_cn_from_sans: true,
      ttl: "2s",
    });
    await sleep(3_000);
    await replaceCertificate(NAME, secret, signed?.data.certificate ?? "");
  }
});

/** A certificate request, by openssl. */
async function signedRequest(key: string, names: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "request-"));
  const file = join(folder, "leaf.key");
  try {
    writeFileSync(file, key, { mode: 0o600 });
    return await run("openssl", ["req", "-new", "-key", file, ...names]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
