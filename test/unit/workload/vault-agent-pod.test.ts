import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VaultAgentDatabase } from "../../../components/workload/vault-agent-configuration";
import { vaultAgentPod, VaultAgentPodSettings, VAULT_AGENT_SCRIPT } from "../../../components/workload/vault-agent-pod";

const login = { mount: "kubernetes", role: "database-orders-app", namespace: "shop", serviceAccount: "shop" };
const app = {
  path: "postgres/orders/creds/app",
  policy: "database-orders-app",
  defaultTtl: 3_600,
  maxTtl: 86_400,
  login,
};
const database: VaultAgentDatabase = {
  connection: "orders",
  host: "orders-rw.db.svc",
  port: 5432,
  database: "app",
  serverCa: "PEM",
  roles: { app, closed: { ...app, login: undefined } },
};
const settings: VaultAgentPodSettings = {
  image: "vault:1",
  configMap: "shop-vault",
  address: "https://vault.example.com:8200",
};
const pod = (changes: Partial<VaultAgentPodSettings> = {}, outputs = database) =>
  vaultAgentPod(outputs, "app", { ...settings, ...changes });

interface Configuration {
  auto_auth: { method: { type: string; mount_path: string; config: Record<string, string> }; sink?: object[] };
  template: { contents: string; destination: string; perms: string; exec?: { command: string[] } }[];
}
const configuration = (changes: Partial<VaultAgentPodSettings> = {}) =>
  JSON.parse(pod(changes).data["agent.json"] ?? "") as Configuration;

describe("configuration of Vault's agent", () => {
  it("logs in with the sidecar's token, and writes user and password into one file", () => {
    const { auto_auth, template } = configuration();
    assert.deepEqual(auto_auth.method, {
      type: "kubernetes",
      mount_path: "auth/kubernetes",
      config: { role: "database-orders-app", token_path: "/var/run/secrets/cnpg-teleport/vault/token" },
    });
    assert.deepEqual(template, [
      {
        contents: `{{ with secret "postgres/orders/creds/app" }}[orders]
host=orders-rw.db.svc
port=5432
dbname=app
user={{ .Data.username }}
password={{ .Data.password }}
sslmode=verify-full
sslrootcert=/etc/cnpg-teleport/vault/ca.crt
{{ end }}`,
        destination: "/var/run/cnpg-teleport/vault/pg_service.conf",
        perms: "0640",
        error_on_missing_key: true,
      },
    ]);
  });

  it("writes the declared files, and runs the command for each", () => {
    const { template } = configuration({ files: ["json", "env"], reload: { command: ["reload-app"] } });
    assert.deepEqual(
      template.map(({ destination, exec }) => [destination, exec?.command]),
      [
        ["/var/run/cnpg-teleport/vault/credentials.json", ["reload-app"]],
        ["/var/run/cnpg-teleport/vault/credentials.env", ["reload-app"]],
      ],
    );
    const json = template[0]!.contents
      .replace(/^\{\{ with .*? \}\}|\{\{ end \}\}$/g, "")
      .replace(/\{\{ \.Data\.(\w+) \| toJSON \}\}/g, '"$1"');
    assert.deepEqual(JSON.parse(json), {
      host: "orders-rw.db.svc",
      port: 5432,
      database: "app",
      user: "username",
      password: "password",
      sslmode: "verify-full",
      sslrootcert: "/etc/cnpg-teleport/vault/ca.crt",
    });
  });

  it("does not store Vault's token if it is not revoked at the end", () => {
    assert.equal(configuration().auto_auth.sink?.length, 1);
    assert.equal(configuration({ revokeAtEnd: false }).auto_auth.sink, undefined);
    assert.deepEqual(pod({ revokeAtEnd: false }).spec.initContainers[0]?.command, [
      "vault",
      "agent",
      "-config=/etc/vault-agent/agent.json",
    ]);
  });

  it("signals only the named process", async () => {
    const { command } = configuration({ reload: { signal: "SIGUSR1", process: "sleep" } }).template[0]!.exec!;
    assert.deepEqual(command.slice(3), ["reload", "USR1", "sleep"]);
    assert.equal(pod({ reload: { signal: "HUP", process: "pgbouncer" } }).spec.shareProcessNamespace, true);
    // A unique name: other processes on this machine may be called sleep.
    const folder = mkdtempSync(join(tmpdir(), "vault-agent-"));
    const [name, other] = [`va-${process.pid}`, `vb-${process.pid}`];
    for (const each of [name, other]) execFileSync("cp", ["/bin/sleep", join(folder, each)]);
    const [one, two] = [name, other].map((each) => spawn(join(folder, each), ["20"]));
    const ended = new Promise((resolve) => one!.on("exit", (_, signal) => resolve(signal)));
    const isCalled = (pid = 0) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("v");
    while (![one, two].every((child) => isCalled(child?.pid))) await sleep(20);
    execFileSync("sh", [...command.slice(1, 3), "reload", "USR1", name]);
    assert.equal(await ended, "SIGUSR1");
    assert.equal(two!.exitCode ?? two!.signalCode, null);
    two!.kill();
    rmSync(folder, { recursive: true });
  });
});

describe("parts of a pod with Vault's agent", () => {
  it("give a token of the service account only to the agent, and no container more rights than it needs", () => {
    const outputs = { ...database, roles: { app: { ...app, login: { ...login, audience: "vault" } } } };
    const { spec, volumeMounts } = pod({}, outputs);
    assert.equal(spec.serviceAccountName, "shop");
    assert.equal(spec.automountServiceAccountToken, false);
    assert.equal(spec.shareProcessNamespace, undefined);
    const token = { path: "token", expirationSeconds: 600, audience: "vault" };
    assert.deepEqual(spec.volumes.find(({ name }) => name === "cnpg-teleport-vault-account")?.projected, {
      sources: [{ serviceAccountToken: token }],
    });
    assert.ok(!/"audience"/.test(JSON.stringify(pod().spec.volumes)));
    assert.deepEqual(volumeMounts, [
      { name: "cnpg-teleport-vault-credentials", mountPath: "/var/run/cnpg-teleport/vault", readOnly: true },
      { name: "cnpg-teleport-vault-server-ca", mountPath: "/etc/cnpg-teleport/vault", readOnly: true },
    ]);
    const [agent, ...others] = spec.initContainers;
    assert.ok(agent && others.length === 0);
    assert.equal(agent.restartPolicy, "Always", "a sidecar: ready before the application, and there until its end");
    assert.deepEqual(agent.securityContext, {
      runAsNonRoot: true,
      runAsUser: 65_534,
      runAsGroup: 65_534,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("mount every volume that is mounted, and no other; secrets are in memory", () => {
    for (const changes of [{}, { trustedCas: { configMap: "cas", key: "ca.crt" } }, { name: "reports" }]) {
      const { spec, volumeMounts } = pod(changes);
      const mounted = [...spec.initContainers.flatMap((one) => one.volumeMounts), ...volumeMounts];
      const names = spec.volumes.map(({ name }) => name).sort();
      assert.deepEqual([...new Set(mounted.map(({ name }) => name))].sort(), names);
      const kinds = spec.volumes.map(({ emptyDir }) => emptyDir).filter(Boolean) as { medium: string }[];
      assert.deepEqual(
        kinds.map(({ medium }) => medium),
        ["Memory", "Memory"],
      );
    }
  });

  it("give the application the paths of its files", () => {
    const { environment, files } = pod({ files: ["service", "json"] });
    assert.deepEqual(environment, {
      app: [
        { name: "PGSERVICEFILE", value: "/var/run/cnpg-teleport/vault/pg_service.conf" },
        { name: "PGSERVICE", value: "orders" },
        { name: "DATABASE_JSON_FILE", value: "/var/run/cnpg-teleport/vault/credentials.json" },
      ],
    });
    assert.deepEqual(Object.keys(files), ["service", "json"]);
  });

  it("give Vault's command line the address and CAs of Vault", () => {
    const trustedCas = { configMap: "cas", key: "vault.crt" };
    const [agent] = pod({ namespace: "team", trustedCas }).spec.initContainers;
    const env = Object.fromEntries(agent!.env.map(({ name, value }) => [name, value]));
    assert.deepEqual(
      [env.VAULT_ADDR, env.VAULT_NAMESPACE, env.VAULT_CACERT],
      ["https://vault.example.com:8200", "team", "/etc/vault-agent-cas/vault.crt"],
    );
  });

  it("change their annotation with the configuration and the server's CA, so that pods are replaced", () => {
    const annotation = (outputs: VaultAgentDatabase) => pod({}, outputs).annotations["cnpg-teleport/vault"];
    assert.equal(annotation(database), annotation({ ...database }));
    assert.notEqual(annotation(database), annotation({ ...database, serverCa: "OTHER" }));
    assert.notEqual(annotation(database), annotation({ ...database, port: 6432 }));
  });

  it("refuse all invalid settings at once", () => {
    const wrong = () =>
      vaultAgentPod({ ...database, host: "a\nb" }, "closed", {
        ...settings,
        address: "http://vault:8200",
        name: "Vault",
        files: [],
        reload: { signal: "9", process: "a-very-long-process" },
        runAsUser: 0,
      });
    const said = [
      /role = "closed": has no consumer, so no application can log in/,
      /host = "a\\nb": contains characters/,
      /name = "Vault"/,
      /address = "http:/,
      /files = \[\]/,
      /reload\.signal = "9"/,
      /reload\.process/,
      /runAsUser = 0: must not be root/,
    ];
    assert.throws(wrong, (error: Error) =>
      said.every((each) => each.test(error.message) || assert.fail(`${each}\n${error.message}`)),
    );
    assert.throws(
      () => vaultAgentPod(database, "toString", settings),
      /is not a role of the connection orders.*one of these: app, closed/s,
    );
    for (const host of ["{{ .x }}", "a'b", "a b", "a`b"])
      assert.throws(() => pod({}, { ...database, host }), /host/, host);
  });
});

describe("the script that runs Vault's agent", () => {
  const folder = mkdtempSync(join(tmpdir(), "vault-agent-"));
  const calls = join(folder, "calls");
  const token = join(folder, "token");
  after(() => rmSync(folder, { recursive: true }));

  /** Replaces `vault`: records its calls. As an agent it writes its token, and keeps running or exits at once. */
  function start(agent: string) {
    const fake = `#!/bin/sh
echo "$1 $2 \${3-} \${VAULT_TOKEN-}" >> ${calls}
[ "$1" = agent ] || exit 0
${agent}
`;
    rmSync(calls, { force: true });
    rmSync(token, { force: true });
    writeFileSync(join(folder, "vault"), fake);
    chmodSync(join(folder, "vault"), 0o755);
    const env = { PATH: `${folder}:/usr/bin:/bin`, CONFIGURATION: "/c.json", TOKEN: token };
    const child = spawn("sh", ["-c", VAULT_AGENT_SCRIPT], { env });
    return { child, code: new Promise<number | null>((resolve) => child.on("exit", resolve)) };
  }

  it("revokes the token when it is stopped, after the agent has exited", async () => {
    const { child, code } = start(
      `trap 'echo ended >> ${calls}; exit 0' TERM; echo the-token > ${token}; while :; do sleep 0.1; done`,
    );
    while (!existsSync(token)) await sleep(20);
    child.kill("SIGTERM");
    assert.equal(await code, 0);
    assert.equal(readFileSync(calls, "utf8"), "agent -config=/c.json  \nended\ntoken revoke -self the-token\n");
  });

  it("exits like the agent, and keeps the token, if the agent exits by itself", async () => {
    assert.equal(await start(`echo the-token > ${token}; exit 7`).code, 7);
    assert.equal(readFileSync(calls, "utf8"), "agent -config=/c.json  \n");
  });
});
