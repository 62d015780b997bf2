/**
 * Shared parts of the lab tests: the lab's Teleport as its administrator, its users, and configurations of databases.
 */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseDocuments, TeleportDocument } from "../../components/teleport/client/tctl";
import { Login } from "../../lab/drive/login";
import { StackConfig } from "../../lab/drive/stack";
import { attempt, CommandResult, run } from "../../lab/host/command";

const LAB = process.env.CNPG_TELEPORT_LAB ?? "";
assert.ok(
  LAB,
  "run the lab tests by `npm test`, or by `npm run lab -- exec npx mocha --config test/lab/.mocharc.yaml`",
);

export const PROXY = process.env.TELEPORT_PROXY ?? "";

/** Identity files of the lab. */
export const identities = {
  admin: join(LAB, "teleport", "admin.identity"),
  registrar: join(LAB, "teleport", "registrar.identity"),
  reader: join(LAB, "teleport", "reader.identity"),
  writer: join(LAB, "teleport", "writer.identity"),
};

/** `tctl` as the lab's administrator. */
export const teleport = {
  tctl: (args: string[], input?: string): Promise<string> =>
    run("tctl", [...args, `--auth-server=${PROXY}`, `--identity=${identities.admin}`], { input }),

  /** Writes an identity file as the auth server's own administrator: only this user may sign for others. */
  sign: (user: string, file: string, ttl: string): Promise<string> => {
    const asAuthServer = `--config=${join(LAB, "teleport", "teleport.yaml")}`;
    const args = ["auth", "sign", `--user=${user}`, `--out=${file}`, `--ttl=${ttl}`, "--overwrite"];
    return run("tctl", [asAuthServer, ...args], { env: { TELEPORT_IDENTITY_FILE: undefined } });
  },

  async databases(): Promise<TeleportDocument[]> {
    return parseDocuments(await teleport.tctl(["get", "db", "--format=json"]));
  },

  async database(name: string): Promise<TeleportDocument | undefined> {
    return (await teleport.databases()).find(({ metadata }) => metadata.name === name);
  },

  async put(document: TeleportDocument): Promise<void> {
    await teleport.tctl(["create", "--force"], JSON.stringify(document));
  },

  async remove(name: string): Promise<void> {
    await attempt("tctl", ["rm", `db/${name}`, `--auth-server=${PROXY}`, `--identity=${identities.admin}`]);
  },
};

/**
 * Waits until a condition is true. Fails with the name of the condition.
 *
 * @param limit in milliseconds. The default only ends tests that hang. A test that asserts a duration sets its own.
 */
export async function eventually(what: string, holds: () => Promise<boolean>, limit = 180_000): Promise<void> {
  const deadline = Date.now() + limit;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `waited ${limit / 1000} s for this: ${what}`);
    await sleep(300);
  }
}

/** Reads of Teleport lag behind writes. This is long enough for both to agree. */
export const CACHE_LAG = 2_500;

export function kubectl(...args: string[]): Promise<string> {
  return run("kubectl", args);
}

/** Creates or changes objects in Kubernetes. */
export function apply(...items: object[]): Promise<string> {
  return run("kubectl", ["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
}

/** As PostgreSQL's superuser, inside the primary's pod of the Cluster `name` in the namespace of its name. */
export async function sqlAsSuperuser(name: string, database: string, sql: string): Promise<string> {
  const primary = await kubectl("-n", name, "get", "cluster", name, "-o", "jsonpath={.status.currentPrimary}");
  const psql = ["psql", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "-d", database, "-c", sql];
  return kubectl("-n", name, "exec", primary, "-c", "postgres", "--", ...psql);
}

/** As the owner of a database, which has the database's name. */
export function sqlAsOwner(name: string, database: string, sql: string): Promise<string> {
  return sqlAsSuperuser(name, database, `SET ROLE ${database}; ${sql}`);
}

export function loginAs(person: "reader" | "writer", teleportDatabase: string, database: string): Login {
  const user = person === "reader" ? "teleport_user_read" : "teleport_user_write";
  return { identity: identities[person], proxy: PROXY, teleportDatabase, user, database };
}

/**
 * The result of openssl for the server at a host, as a client that knows only the root above the CAs in `serverCa`,
 * and not the intermediate CAs, which the server must send.
 */
export async function verifiedByRoot(serverCa: string, host: string, ...more: string[]): Promise<CommandResult> {
  const certificates = serverCa.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  const isRoot = (pem: string) => new X509Certificate(pem).checkIssued(new X509Certificate(pem));
  const folder = mkdtempSync(join(tmpdir(), "root-"));
  const file = join(folder, "root.crt");
  writeFileSync(file, certificates.filter(isRoot).join("\n"));
  const connect = ["s_client", "-starttls", "postgres", "-connect", `${host}:5432`, "-showcerts"];
  try {
    return await attempt("openssl", [...connect, "-verify_return_error", "-CAfile", file, ...more], { input: "" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const vaultIssuer = {
  type: "vault",
  server: { mount: "pki_server", role: "postgres-server" },
  client: { mount: "pki_client", role: "postgres-client" },
};

/**
 * An instance is ready as soon as it has started. From then on, each probe costs a connection, and probes of five
 * Clusters every second would take a quarter of the machine.
 */
export const PROBES = { startup: { periodSeconds: 1, failureThreshold: 300 }, readiness: { periodSeconds: 5 } };

/** A configuration of one small database, overridden by `settings`. */
export function oneDatabase(name: string, settings: Record<string, unknown> = {}): StackConfig {
  return {
    vault: { auth: { method: "approle" } },
    databases: {
      [name]: {
        deletionProtection: false,
        image: "lab.local/postgresql:17",
        instances: 1,
        storage: { size: "1Gi" },
        resources: { requests: { cpu: "50m", memory: "128Mi" } },
        parameters: { shared_buffers: "32MB", max_connections: "50" },
        issuer: { type: "tls" },
        teleport: { proxy: PROXY },
        spec: { probes: PROBES },
        ...settings,
      },
    },
  };
}
