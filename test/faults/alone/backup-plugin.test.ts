/**
 * The certificates of the backup plugin from the library instead of cert-manager: examples/backup-plugin, first with CAs in
 * the stack, then with Vault. All tests share the plugin, which gets its former certificates back at the end.
 */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../../lab/drive/stack";
import { attempt, run } from "../../../lab/host/command";
import { readTrimmed } from "../../../lab/host/private-file";
import { PROJECT, VAULT } from "../../../lab/layout";
import { installExample } from "../../lab/app-example";
import { apply, eventually, kubectl, oneDatabase } from "../../lab/lab";
import { objectStoreIn, objectStoreOnDisk, objectStoreSecret } from "../../lab/object-store";
import { leafOf, serialNumbers } from "../leaf-secrets";
import { certificatesIn } from "../served-certificate";
import { hoursLater } from "../moved-clock";

const NAME = "plugin-certificates";
const OPERATORS = "cnpg-system";
const SECRETS = ["barman-cloud-server-tls", "barman-cloud-client-tls"] as const;
const FOLDER = `${NAME}-${Date.now()}`;
const HEALTHY = "Cluster in healthy state";
const DAY = 24;

const database = (more: object = {}) =>
  oneDatabase(NAME, { namespace: NAME, backup: { objectStore: objectStoreIn(FOLDER), ...more } });
const bootstrap = {
  rootMount: "plugin-pki-root",
  serverMount: "plugin-pki",
  clientMount: "plugin-pki-clients",
  approleMount: "plugin-approle",
  name: "plugin-certificates",
  backupPlugin: true,
  protect: false,
};

describe("the backup plugin with certificates of the library", () => {
  const folder = mkdtempSync(join(tmpdir(), "backup-plugin-"));
  const example = join(folder, "example");
  const root = readTrimmed(VAULT.rootToken);
  const administrator = new Stack("plugin-bootstrap", {
    project: join(PROJECT, "examples", "bootstrap"),
    env: { VAULT_TOKEN: root },
  });
  const stack = new Stack("plugin-database");
  let certificates: Stack;
  /** The Secrets that were there before, as `kubectl apply` takes them. */
  let former: object[];

  before(async () => {
    // A killed run may have left it.
    await kubectl("delete", "namespace", NAME, "--ignore-not-found");
    former = await Promise.all(SECRETS.map(secretNow));
    await installExample(example, "backup-plugin");
    certificates = new Stack("plugin-certificates", { project: example, env: { VAULT_TOKEN: root } });
    certificates.configure({});
    await certificates.init();
    await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: NAME } }, objectStoreSecret(NAME));
    stack.configure(database());
    await stack.init();
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await certificates?.pulumi(["destroy", "--yes", "--skip-preview"]);
    await certificates?.remove();
    await administrator.pulumi(["destroy", "--yes", "--skip-preview"]);
    await administrator.remove();
    await kubectl("delete", "namespace", NAME, "--wait=false", "--ignore-not-found");
    await run("kubectl", [...APPLY, "-f", "-"], {
      input: JSON.stringify({ apiVersion: "v1", kind: "List", items: former }),
    });
    await eventuallyServed();
    rmSync(objectStoreOnDisk(FOLDER), { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  it("keeps the certificates that another program manages: `up` fails, and changes nothing", async () => {
    const before = await serialNumbers(OPERATORS, SECRETS);
    const refused = await certificates.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /conflicts? with "lab-barman-cloud"|already exists/);
    assert.deepEqual(await serialNumbers(OPERATORS, SECRETS), before);
  });

  it("backs a new Cluster up, without a restart of the operator or the plugin", async () => {
    const before = await pods();
    await kubectl("-n", OPERATORS, "delete", "secret", ...SECRETS);
    await certificates.up();
    assert.deepEqual(Object.keys(await certificates.plannedChanges()), ["same"]);
    await stack.up(); // waits for the first backup
    assert.deepEqual(await completed(), 1);
    assert.deepEqual(await pods(), before);
  });

  it("uses renewed certificates without an interruption and without a restart", async () => {
    await eventuallyServed();
    const before = await pods();
    const [server, client] = await serialNumbers(OPERATORS, SECRETS);
    await hoursLater(certificates, 60 * DAY);
    await neverInterrupted(async () => {
      await certificates.up();
      const renewed = await serialNumbers(OPERATORS, SECRETS);
      assert.ok(renewed[0] !== server && renewed[1] !== client);
      await eventuallyServed();
    });
    stack.configure(database({ onDemand: "renewed" }));
    await stack.up();
    assert.equal(await completed(), 2);
    assert.deepEqual(await pods(), before);
  });

  it("is reached without an interruption while its CAs are replaced step by step", async () => {
    for (const order of [["first", "second"], ["second", "first"], ["second"]]) {
      certificates.configure({ issuer: { type: "tls", server: order, client: order } });
      await neverInterrupted(async () => {
        await certificates.up();
        await eventuallySynced();
      });
    }
    stack.configure(database({ onDemand: "replaced" }));
    await stack.up();
    assert.equal(await completed(), 3);
  });

  it("works with certificates from Vault, whose roles sign for no other client", async () => {
    administrator.configure(bootstrap);
    await administrator.init();
    await administrator.up();
    const { issuer } = await administrator.outputs<{ issuer: object }>();
    certificates.configure({ issuer });
    await certificates.up();
    await eventuallySynced();
    assert.match((await leafSubjects()).join(), /CN=PostgreSQL servers,CN=PostgreSQL clients/);
    stack.configure(database({ onDemand: "vault" }));
    await stack.up();
    assert.equal(await completed(), 4);
  });

  /** The issuers of both certificates. */
  async function leafSubjects(): Promise<string[]> {
    const leaves = await Promise.all(SECRETS.map((secret) => leafOf(OPERATORS, secret)));
    return leaves.map(({ certificate }) => new X509Certificate(certificate).issuer);
  }

  async function completed(): Promise<number> {
    const phases = await kubectl("-n", NAME, "get", "backups", "-o", "jsonpath={.items[*].status.phase}");
    assert.match(phases, /^(completed ?)+$/);
    return phases.split(" ").length;
  }

  /** Lets the operator call the plugin all the time, and checks that it never fails. */
  async function neverInterrupted(work: () => Promise<void>): Promise<void> {
    let isDone = false;
    const phases = new Set<string>();
    const watch = (async () => {
      for (let count = 0; !isDone; count++) {
        await kubectl("-n", NAME, "annotate", "cluster", NAME, `test/tick=${count}`, "--overwrite");
        phases.add(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.phase}"));
        await sleep(500);
      }
    })();
    try {
      await work();
    } finally {
      isDone = true;
      await watch;
    }
    assert.deepEqual([...phases], [HEALTHY]);
  }

  /** Waits until the plugin shows the certificate of its Secret to a client with the other Secret's certificate. */
  async function eventuallyServed(): Promise<void> {
    const [wanted] = await serialNumbers(OPERATORS, SECRETS);
    await eventually("the plugin serves its new certificate", async () => (await served())?.serialNumber === wanted);
  }

  /** Waits until the plugin's pod has both files, and so accepts every CA of the operator's certificate. */
  async function eventuallySynced(): Promise<void> {
    await eventuallyServed();
    const { certificate } = await leafOf(OPERATORS, SECRETS[1]);
    const subjects = certificatesIn(certificate).map((subject) => subject.replace("CN=", ""));
    await eventually("the plugin has the operator's new certificate", async () => {
      const { output } = await openssl();
      const [, accepted = ""] = output.split("Acceptable client certificate CA names");
      return subjects.every((subject) => accepted.includes(subject));
    });
  }

  async function served(): Promise<X509Certificate | undefined> {
    const { stdout } = await openssl();
    return stdout.includes("BEGIN CERTIFICATE") ? new X509Certificate(stdout) : undefined;
  }

  /** Connects as the operator does. */
  async function openssl() {
    const { certificate, key: privateKey } = await leafOf(OPERATORS, SECRETS[1]);
    const [crt, pem] = [join(folder, "client.crt"), join(folder, "client.key")];
    writeFileSync(crt, certificate);
    writeFileSync(pem, privateKey, { mode: 0o600 });
    const address = await kubectl(
      "-n",
      OPERATORS,
      "get",
      "service",
      "barman-cloud",
      "-o",
      "jsonpath={.spec.clusterIP}",
    );
    return attempt("openssl", ["s_client", "-connect", `${address}:9090`, "-cert", crt, "-key", pem], { input: "" });
  }
});

/** As the lab writes the Secrets. */
const APPLY = ["apply", "--server-side", "--force-conflicts", "--field-manager=lab-barman-cloud"];

async function secretNow(name: string): Promise<object> {
  const answer = await kubectl("-n", OPERATORS, "get", "secret", name, "-o", "json");
  const { type, data } = JSON.parse(answer) as { type: string; data: object };
  return { apiVersion: "v1", kind: "Secret", type, data, metadata: { name, namespace: OPERATORS } };
}

/** The pods of the operator and of the plugin, with how often their containers have started. */
async function pods(): Promise<string> {
  const path = "{range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{'\\n'}{end}";
  return kubectl("-n", OPERATORS, "get", "pods", "-o", `jsonpath=${path}`);
}
