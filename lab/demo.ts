/**
 * `npm run demo`: the main use case on real systems. Starts the lab and, inside it, deploys a database, logs in
 * through Teleport as a reader and as a writer, destroys the database, and shows that it is no longer in Teleport.
 * Every step is checked. The exit code is 0 only if all checks pass. `--keep` keeps the stack and the lab.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../components";
import { parseDocuments } from "../components/teleport/client/tctl";
import { Login, sqlThroughTeleport } from "./drive/login";
import { Stack } from "./drive/stack";
import { inherit, run } from "./host/command";
import { PROJECT, STATUS_CODE } from "./layout";

const KEEP = process.argv.includes("--keep");
/** Set for the part that runs inside the lab. */
const INSIDE = "--inside";

async function main(): Promise<void> {
  if (process.argv.includes(INSIDE)) return demonstrate();
  const lab = (args: string[], quiet = false) =>
    inherit("npm", ["run", "--silent", "lab", "--", ...args], { cwd: PROJECT, quiet });
  const wasUp = (await lab(["status"], true)) !== STATUS_CODE.absent;
  if ((await lab(["up"])) !== 0) throw new Error("The lab did not start. The messages above say why.");
  const self = ["node", "-r", "ts-node/register/transpile-only", __filename, INSIDE, ...(KEEP ? ["--keep"] : [])];
  const code = await lab(["exec", ...self]);
  if (KEEP) {
    say(
      "The database and the lab are still running. To use them: npm run lab -- shell. To remove them: npm run demo, and then npm run lab -- down.",
    );
  } else if (!wasUp) {
    await lab(["down"]);
  }
  process.exitCode = code;
}

async function demonstrate(): Promise<void> {
  const started = Date.now();
  const lab = process.env.CNPG_TELEPORT_LAB ?? "";
  const proxy = process.env.TELEPORT_PROXY ?? "";
  const stack = new Stack("dev", { folder: join(lab, "pulumi", "demo") });

  await step("Create the stack `dev`, with Pulumi.dev.yaml as its configuration", async () => {
    await stack.init();
    stack.configureWith(readFileSync(join(PROJECT, "Pulumi.dev.yaml"), "utf8"));
  });

  await step("pulumi up: a two-instance Cluster with certificates from Vault PKI, registered in Teleport", async () => {
    await stack.up({ echo: true });
  });

  const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
  const orders = databases.orders;
  check(orders, "the stack has the output databases.orders");
  const [primary = "", standby = ""] = orders.teleportDatabases;

  await step("The Cluster is ready", async () => {
    const columns =
      "-o=custom-columns=NAME:.metadata.name,READY:.status.readyInstances,PRIMARY:.status.currentPrimary,STATUS:.status.phase";
    show(await run("kubectl", ["-n", orders.namespace, "get", "cluster", orders.cluster, columns]));
    const ready = await run("kubectl", [
      "-n",
      orders.namespace,
      "get",
      "cluster",
      orders.cluster,
      "-o=jsonpath={.status.readyInstances}",
    ]);
    check(ready === "2", "two instances are ready");
  });

  await step("Teleport lists primary and standby", async () => {
    const names = await registered();
    names.forEach((name) => show(`  db/${name}`));
    check(names.includes(primary) && names.includes(standby), `Teleport lists ${primary} and ${standby}`);
  });

  const as = (person: "reader" | "writer", teleportDatabase: string): Login => ({
    identity: join(lab, "teleport", `${person}.identity`),
    proxy,
    teleportDatabase,
    user: person === "reader" ? "teleport_user_read" : "teleport_user_write",
    database: orders.database,
  });
  const query = async (login: Login, sql: string) => {
    show(`  ${login.user} at ${login.teleportDatabase}: ${sql}`);
    const result = await sqlThroughTeleport(login, sql);
    show(result.output.trim().replace(/^/gm, "    "));
    return result;
  };

  await step("The owner creates a table, as an application would", async () => {
    const pod = await run("kubectl", [
      "-n",
      orders.namespace,
      "get",
      "cluster",
      orders.cluster,
      "-o=jsonpath={.status.currentPrimary}",
    ]);
    const sql = `SET ROLE ${orders.owner}; CREATE TABLE IF NOT EXISTS items (name text); INSERT INTO items VALUES ('first')`;
    await run("kubectl", [
      "-n",
      orders.namespace,
      "exec",
      pod,
      "-c",
      "postgres",
      "--",
      "psql",
      "-qd",
      orders.database,
      "-c",
      sql,
    ]);
  });

  await step("A reader logs in through Teleport: SELECT works, INSERT is denied", async () => {
    const select = await query(as("reader", primary), "SELECT current_user, name FROM items LIMIT 1");
    check(select.stdout.trim() === "teleport_user_read|first", "the reader sees the row");
    const insert = await query(as("reader", primary), "INSERT INTO items VALUES ('no')");
    check(/read-only transaction/.test(insert.output), "the reader's INSERT is refused: its sessions are read-only");
    const writable = "SET default_transaction_read_only = off; INSERT INTO items VALUES ('no')";
    const denied = await query(as("reader", primary), writable);
    check(
      /permission denied/.test(denied.output),
      "its INSERT is also denied in a writable session: the reader has no right to write",
    );
    const standing = await query(as("reader", standby), "SELECT pg_is_in_recovery(), name FROM items LIMIT 1");
    check(standing.stdout.trim() === "t|first", "the reader reads from the standby");
  });

  await step("A writer logs in through Teleport: INSERT works", async () => {
    const insert = await query(
      as("writer", primary),
      "INSERT INTO items VALUES ('second') RETURNING current_user, name",
    );
    check(insert.stdout.includes("teleport_user_write|second"), "the writer's INSERT works");
  });

  await step("The session uses TLS, and a short-lived client certificate with the user's name", async () => {
    const sql = "SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    check(
      /^t\|TLS.*CN=teleport_user_read/.test((await query(as("reader", primary), sql)).stdout),
      "TLS with CN=teleport_user_read",
    );
    const database = (await documents()).find(({ metadata }) => metadata.name === primary);
    const mode = (database?.spec.tls as { mode?: unknown } | undefined)?.mode;
    check(mode === 0 || mode === "verify-full", "Teleport verifies the database's certificate in full (verify-full)");
  });

  if (KEEP) {
    show(`\nTo connect manually, in \`npm run lab -- shell\`:`);
    orders.connectCommands.forEach((command) => show(`  ${command}`));
    return finish(started);
  }

  await step("pulumi destroy", async () => {
    await stack.destroy({ echo: true });
  });

  await step("Teleport no longer lists the databases, and the namespace is gone", async () => {
    const left = (await registered()).filter((name) => name === primary || name === standby);
    check(left.length === 0, `neither ${primary} nor ${standby} is left in Teleport`);
    const namespace = await run("kubectl", ["get", "namespace", orders.namespace, "--ignore-not-found"]);
    check(namespace === "", `the namespace ${orders.namespace} is gone`);
    await stack.remove();
  });
  finish(started);

  async function documents() {
    const admin = join(lab, "teleport", "admin.identity");
    return parseDocuments(
      await run("tctl", ["get", "db", "--format=json", `--auth-server=${proxy}`, `--identity=${admin}`]),
    );
  }

  async function registered(): Promise<string[]> {
    return (await documents()).map(({ metadata }) => metadata.name);
  }
}

function finish(started: number): void {
  say(`All steps succeeded, in ${Math.round((Date.now() - started) / 1000)} s.`);
}

let steps = 0;

async function step(title: string, does: () => Promise<void>): Promise<void> {
  const started = Date.now();
  say(`${++steps}. ${title}`);
  await does();
  show(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function check(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(`Check failed: ${what}`);
  show(`  ✓ ${what}`);
}

function say(text: string): void {
  console.log(`\n${text}`);
}

function show(text: string): void {
  console.log(text);
}

main().catch((error: unknown) => {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
