/**
 * Checks that secrets are nowhere else during a stack's lifecycle: arguments and environments of all processes
 * (through /proc), logs, the state, temporary files, and the specs of pods. Real Kubernetes, CloudNativePG, Vault,
 * Teleport.
 */
import { strict as assert } from "node:assert";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { workloadRegistrarRole } from "../../components/teleport/program-roles";
import { Stack, StackConfig } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { PULUMI } from "../../lab/layout";
import { asRoot, forwardTo, makeProgram, removeProgram } from "../lab/app-vault";
import { eventually, identities, kubectl, oneDatabase, PROXY, teleport, vaultIssuer } from "../lab/lab";
import { filesIn, SeenFile, watchFolder } from "./folder-watch";
import { SeenProcess, watchDescendants } from "./process-watch";
import { leaksIn, Leak, Secret } from "./secret-search";

const STACK = "sec-secrets";
/**
 * Databases, each in a namespace of its name: one with certificates from Vault and all features, and one with `tls`.
 */
const VAULT = "sec-vault";
const TLS = "sec-tls";
const MOUNT = "sec-postgres";
const REGISTRAR = "sec-secrets-registrar";
/**
 * Pulumi's log levels. Since `-v=3`, and with `--debug` or `--json`, it logs the content of resources: the Node.js
 * SDK passes the answer to each registration to `log.debug` (`RegisterResource RPC finished` in runtime/resource.js)
 * in plain text, and the engine writes such messages there (`Debugf` in pkg/engine/eventsink.go).
 */
const VERBOSITY = {
  usual: ["--diff"],
  "up to -v=2": ["--logtostderr", "--logflow", "-v=2", "--diff"],
  json: ["--json"],
  highest: ["--logtostderr", "--logflow", "-v=11", "--debug"],
};
type Verbosity = keyof typeof VERBOSITY;
/** The form of Vault tokens, and of password verifiers in PostgreSQL. */
const PASSING = /hv[sb]\.[A-Za-z0-9_-]{20,}|SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]{16,}\$/;
/** Secrets that are in the state, encrypted. */
const HELD = /tls\.key$|^state |^Vault's secret id$/;
/** Secrets that the user puts into the program's environment: Pulumi passes them to its plugins. */
const GIVEN = ["VAULT_SECRET_ID", "VAULT_ROLE_ID", "TELEPORT_IDENTITY"];

describe("secrets", () => {
  const folder = mkdtempSync(join(tmpdir(), "sec-secrets-"));
  const temporary = join(folder, "tmp");
  const environment: NodeJS.ProcessEnv = { TMPDIR: temporary, TELEPORT_IDENTITY_FILE: undefined };
  const stack = new Stack(STACK, { env: environment });
  const secrets: Secret[] = [];
  /** The output of the runs, by command and verbosity. */
  const logs = new Map<string, string>();
  const traces = join(folder, "traces");
  let processes: SeenProcess[] = [];
  let files: SeenFile[] = [];
  let specs = "";
  let states = "";
  /** Where secrets belong: Kubernetes' Secrets. */
  let places = "";
  let forwarder: { port: number; close: () => void };

  before(async function () {
    this.timeout(60 * 60_000); // a whole lifecycle with the highest verbosity, without parallelism
    mkdirSync(temporary, { mode: 0o700 });
    mkdirSync(traces);
    forwarder = await forwardTo(`${VAULT}-rw.${VAULT}.svc.cluster.local`);
    await makeRegistrar();
    const scope = { mount: MOUNT, makesMount: true, connection: `${VAULT}-${STACK}`, roles: ["app"] };
    Object.assign(environment, await makeProgram(REGISTRAR, scope));
    // The lab's own policy allows to have certificates signed.
    await asRoot("POST", `auth/approle/role/${REGISTRAR}`, { token_policies: [REGISTRAR, "cnpg-teleport"] });
    know("Vault's secret id", environment.VAULT_SECRET_ID);
    know("Teleport's identity", environment.TELEPORT_IDENTITY);
    know("passphrase", readFileSync(PULUMI.passphrase, "utf8"));

    const [seenProcesses, seenFiles] = [watchDescendants(), watchFolder(temporary)];
    try {
      await life();
    } finally {
      processes = seenProcesses.stop();
      files = seenFiles.stop();
    }
  });

  after(async () => {
    await stack.destroy().catch(() => {});
    await stack.remove();
    forwarder?.close();
    await removeProgram(REGISTRAR);
    for (const kind of ["user", "role"]) await attempt("tctl", ["rm", `${kind}/${REGISTRAR}`, ...admin]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("include keys of every certificate, passwords and credentials", () => {
    const names = secrets.map(({ name }) => name);
    for (const known of [
      `${VAULT}/${VAULT}-replication-tls tls.key`,
      `${VAULT}/${VAULT}-server-tls tls.key`,
      `${VAULT}/${VAULT}-pooler tls.key`,
      `${VAULT}/${VAULT}-app password`,
      `${TLS}/${TLS}-app password`,
      `state ${TLS}-client-ca`,
    ])
      assert.ok(names.includes(known), `${known} is not among ${names.join(", ")}`);
    const replaced = secrets.filter(({ name }) => name === `${TLS}/${TLS}-replication-tls tls.key`);
    assert.equal(replaced.length, 2, "the key before and after its replacement");
    const found = (secret: Secret) => leaksIn("where it is", places, [secret]).length > 0;
    const unfound = secrets.filter((secret) => /tls\.key|password/.test(secret.name) && !found(secret));
    assert.deepEqual(unfound, [], "a search that finds nothing where they are shows nothing");
  });

  it("are in no process's arguments", () => {
    const programs = new Set(processes.map(({ args }) => args[0]?.split("/").at(-1)));
    for (const program of [
      "pulumi",
      "tctl",
      "pulumi-resource-kubernetes",
      "pulumi-resource-tls",
      "pulumi-resource-vault",
    ])
      assert.ok(programs.has(program), `${program} was not seen: ${[...programs].join(", ")}`);
    const leaks = processes.flatMap(({ args }) => leaksIn(args[0] ?? "", args.join(" "), all()));
    assert.deepEqual(leaks, []);
  });

  it("are in no process's environment except those that the user put there, and none of them in tctl's", () => {
    const leaks = processes.flatMap(({ args, environment: own }) => {
      const isTctl = args[0]?.endsWith("tctl") ?? false;
      const entries = Object.entries(own).filter(([name]) => isTctl || !GIVEN.includes(name));
      return leaksIn(args[0] ?? "", entries.map((entry) => entry.join("=")).join(" "), all());
    });
    assert.deepEqual(leaks, []);
    const tctl = processes.filter(({ args }) => args[0]?.endsWith("tctl"));
    const more = tctl
      .flatMap((each) => Object.keys(each.environment))
      .filter((name) => /^(VAULT|PULUMI|KUBE)/.test(name));
    assert.deepEqual([...new Set(more)], []);
  });

  it("are in no log of a normal run, nor at `-v=2`", () => {
    for (const name of ["refresh: usual", "up: up to -v=2"]) {
      const text = logs.get(name) ?? "";
      assert.match(text, /unchanged|replaced/, name);
      assert.deepEqual(summary(leaksIn(name, text, all())), []);
      assert.doesNotMatch(text, PASSING);
    }
  });

  it("that no resource has are in no log or trace at the highest level either; Pulumi logs the others there", () => {
    const traced = filesIn(traces).map((path) => ["trace", readFileSync(path, "latin1")] as const);
    const loud = ["up: highest", "up: json", "destroy: highest"].map((name) => [name, logs.get(name) ?? ""] as const);
    for (const [name, text] of [...loud, ...traced]) {
      assert.ok(text.length > 10_000, `${name} has ${text.length} characters`);
      const leaks = leaksIn(name, text, all()).filter(({ secret }) => !HELD.test(secret));
      assert.deepEqual(summary(leaks), []);
      assert.doesNotMatch(text, PASSING);
    }
    assert.equal(traced.length, 5, "one of each run");
    for (const [name, text] of [...loud.slice(0, 2), ["traces", traced.map((trace) => trace[1]).join("")] as const]) {
      const told = new Set(leaksIn(name, text, all()).map(({ secret }) => secret));
      for (const secret of ["Vault's secret id", `state ${TLS}-client-ca`])
        assert.ok(told.has(secret), `docs/security.md says that ${secret} is in ${name}`);
    }
  });

  it("are in no state, history or backup in plain text", () => {
    assert.match(states, /"ciphertext"/);
    assert.deepEqual(summary(leaksIn("state", states, all())), []);
  });

  it("are in no spec of a pod or of a pod's template", () => {
    assert.match(specs, /"kind": *"Pooler"/);
    assert.deepEqual(leaksIn("specs", specs, all()), []);
    assert.doesNotMatch(specs, /PRIVATE KEY/);
  });

  it("are in temporary files only while they are needed, readable only by their user", () => {
    const ours = files.filter(({ path }) => path.startsWith("teleport-identity-"));
    assert.ok(ours.length > 0, "an identity that came by a variable was seen");
    const secret = files.filter(({ path }) => /^(teleport-identity-|kubeconfig)/.test(path));
    assert.deepEqual(
      secret.filter(({ mode }) => mode !== 0o600),
      [],
    );
    const left = filesIn(temporary).map((path) => path.slice(temporary.length + 1));
    const kubeconfigs = left.filter((path) => /^kubeconfig-?[0-9]*/.test(path));
    assert.deepEqual(
      left.filter((path) => !kubeconfigs.includes(path)),
      [],
      "what Pulumi's Kubernetes plugin leaves",
    );
    for (const path of left) assert.deepEqual(leaksIn(path, readFileSync(join(temporary, path), "utf8"), all()), []);
    assert.deepEqual(
      files.filter(({ path }) => /(^|\/)core(\.[0-9]+)?$/.test(path)),
      [],
    );
  });

  const admin = [`--auth-server=${PROXY}`, `--identity=${identities.admin}`];

  /** Everything that must not appear anywhere. */
  function all(): Secret[] {
    return secrets;
  }

  function know(name: string, value = ""): void {
    if (!secrets.some((secret) => secret.name === name && secret.value === value)) secrets.push({ name, value });
  }

  /** The stack from `up` to `destroy`. */
  async function life(): Promise<void> {
    stack.configure(databases());
    await stack.init();
    await said("highest", "up");
    await learn();
    await said("usual", "refresh");
    const { deployment } = JSON.parse(await stack.state()) as { deployment: { resources: { urn: string }[] } };
    const key = deployment.resources.find(({ urn }) => urn.endsWith(`PrivateKey::${TLS}-replication`))!.urn;
    await said("up to -v=2", "up", `--replace=${key}`);
    await learn();
    await said("json", "up");
    for (const namespace of [VAULT, TLS])
      specs += await kubectl("-n", namespace, "get", "pods,deployments,clusters,poolers,configmaps", "-o", "json");
    states += await stack.state();
    await said("highest", "destroy");
    const backend = join(PULUMI.backend, ".pulumi");
    for (const path of filesIn(backend).filter((file) => file.includes(STACK))) states += readFileSync(path, "utf8");
  }

  async function said(verbosity: Verbosity, command: string, ...more: string[]): Promise<void> {
    const trace = `--tracing=file:${join(traces, String(logs.size))}`;
    const args = [command, "--yes", "--skip-preview", ...more, ...VERBOSITY[verbosity], trace];
    const { code, output } = await stack.pulumi(args);
    logs.set(`${command}: ${verbosity}`, output);
    assert.equal(code, 0, `${command}: ${output.slice(-3_000)}`);
  }

  /** The secrets that exist now: in Kubernetes, and in the state. */
  async function learn(): Promise<void> {
    for (const namespace of [VAULT, TLS]) {
      const listed = await kubectl("-n", namespace, "get", "secrets", "-o", "json");
      places += listed;
      const { items } = JSON.parse(listed) as {
        items: { metadata: { name: string }; data?: Record<string, string> }[];
      };
      for (const { metadata, data = {} } of items) {
        for (const [key, encoded] of Object.entries(data)) {
          const value = Buffer.from(encoded, "base64").toString();
          if (key === "password" || value.includes("PRIVATE KEY")) know(`${namespace}/${metadata.name} ${key}`, value);
        }
      }
    }
    const shown = await stack.pulumi(["stack", "export", "--show-secrets"]);
    const { deployment } = JSON.parse(shown.stdout) as {
      deployment: { resources: { urn: string; outputs?: { privateKeyPem?: { plaintext: string } } }[] };
    };
    for (const { urn, outputs } of deployment.resources) {
      const pem = outputs?.privateKeyPem?.plaintext;
      if (pem) know(`state ${urn.split("::").at(-1)}`, JSON.parse(pem) as string);
    }
  }

  /** The leaks and their places, each once: a log may contain a secret many times. */
  function summary(leaks: Leak[]): string[] {
    return [...new Set(leaks.map(({ secret, where, before }) => `${secret} in ${where}, after ${before}`))];
  }

  function databases(): StackConfig {
    const withEverything = oneDatabase(VAULT, {
      issuer: vaultIssuer,
      serverAltNames: ["localhost"],
      autoUsers: { roles: ["teleport_user_read"] },
      poolers: [{ type: "rw", instances: 1 }],
      teleport: { proxy: PROXY, accessRoles: true },
      vaultDatabase: {
        host: "localhost",
        port: forwarder.port,
        mount: { path: MOUNT },
        revokeWithin: 20,
        roles: { app: {} },
      },
    });
    const join = { method: "kubernetes", namespace: VAULT, serviceAccount: "app" };
    const stock = { database: VAULT, user: "teleport_user_write" };
    const both = Object.assign({}, oneDatabase(TLS).databases, withEverything.databases);
    return { ...withEverything, databases: both, applications: { "sec-app": { join, databases: { stock } } } };
  }

  async function makeRegistrar(): Promise<void> {
    await teleport.put(workloadRegistrarRole(REGISTRAR));
    await teleport.put({ kind: "user", version: "v2", metadata: { name: REGISTRAR }, spec: { roles: [REGISTRAR] } });
    const there = async () => (await attempt("tctl", ["get", `user/${REGISTRAR}`, ...admin])).code === 0;
    await eventually("the registrar is there", there);
    const file = join(folder, "registrar");
    await teleport.sign(REGISTRAR, file, "1h");
    environment.TELEPORT_IDENTITY = readFileSync(file, "utf8");
    rmSync(file);
  }
});
