/**
 * The adapter to Teleport: runs `tctl` with time limits and bounded retries, and turns its exit into
 * typed results and TeleportErrors. Nothing secret is passed in arguments: documents go through
 * standard input, the identity as the path of a file.
 */
import { ChildProcess, spawn } from "node:child_process";
import { retried } from "../../waiting";
import { childEnvironment } from "./child-environment";
import { TeleportError } from "./errors";
import { Identity, resolveIdentity } from "./identity";
import { Circumstances, notLetIn, whyNotConnected } from "./not-connected";
import { pingProxy } from "./ping";
import { isUnexplained, tctlFailure, tctlHung, tctlKilled, tctlMessage } from "./failure";

/** Which Teleport cluster, and with whose credentials. Holds nothing secret. */
export interface TeleportConnection {
  /** `host:port` of the proxy (or of the auth service). */
  proxy: string;
  /** Name of a set of credentials; see identity.ts. Default: the unnamed set. */
  credentials?: string;
}

/** A Teleport resource as `tctl get --format=json` prints it. */
export interface TeleportDocument {
  kind: string;
  version: string;
  sub_kind?: string;
  metadata: { name: string; description?: string; labels?: Record<string, string>; [field: string]: unknown };
  spec: Record<string, unknown>;
  [field: string]: unknown;
}

/** What the operations need of Teleport; the tests of pure logic put a fake in its place. */
export interface TeleportClient {
  /** The Teleport cluster that signed the identity, where it can be told. */
  readonly cluster?: string;
  /** All resources that a reference such as `db/orders` or `cert_authorities` names; none if it does not exist. */
  get(reference: string): Promise<TeleportDocument[]>;
  /** Creates; fails with "already-exists" if there is one of that name. A token is overwritten: look first. */
  create(document: TeleportDocument): Promise<void>;
  /** Creates or overwrites. Only for what is known to be ours. */
  overwrite(document: TeleportDocument): Promise<void>;
  /** Removes; does nothing if it does not exist. */
  remove(reference: string): Promise<void>;
}

/** Limit of one call. */
const CALL_LIMIT_MS = 30_000;
/** Limit of `tctl version`, which asks nobody. */
const VERSION_LIMIT_MS = 5_000;
/** What is kept of tctl's words on stderr: their end, which has the reason. */
const KEPT_WORDS = 64 * 1024;

/** Calls that are under way. They end with this process: nothing may change in Teleport behind a next run's back. */
const running = new Set<ChildProcess>();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/**
 * Runs `use` with a client, and removes what the client wrote when it ends.
 *
 * @param delays in milliseconds, before each repetition of a call that Teleport did not answer; none for one attempt
 */
export async function withTeleport<Result>(
  connection: TeleportConnection,
  use: (client: TeleportClient) => Promise<Result>,
  delays?: readonly number[],
): Promise<Result> {
  const identity = await resolveIdentity(connection.credentials);
  try {
    return await use(tctlClient(connection, identity, delays));
  } finally {
    identity.release();
  }
}

function tctlClient(connection: TeleportConnection, identity: Identity, delays?: readonly number[]): TeleportClient {
  const where = [`--auth-server=${connection.proxy}`, ...(identity.file ? [`--identity=${identity.file}`] : [])];
  const call = async (args: string[], input = "") => {
    let mayBeDone = false;
    const once = async () => {
      try {
        return await explained([...args, ...where], input, connection.proxy, identity);
      } catch (error) {
        if (error instanceof TeleportError) mayBeDone ||= error.mayBeDone;
        throw error;
      }
    };
    try {
      return await retried(once, isPassing, delays);
    } catch (error) {
      if (!(error instanceof TeleportError) || error.mayBeDone === mayBeDone) throw error;
      throw new TeleportError(error.failure, error.message, { mayBeDone }); // an earlier attempt may have done it
    }
  };
  return {
    cluster: identity.cluster,
    async get(reference) {
      try {
        return parseDocuments(await call(["get", reference, "--format=json"]));
      } catch (error) {
        if (error instanceof TeleportError && error.failure === "not-found") return [];
        throw error;
      }
    },
    async create(document) {
      await call(["create"], JSON.stringify(document));
    },
    async overwrite(document) {
      await call(["create", "--force"], JSON.stringify(document));
    },
    async remove(reference) {
      try {
        await call(["rm", reference]);
      } catch (error) {
        if (error instanceof TeleportError && error.failure === "not-found") return;
        throw error;
      }
    },
  };
}

/** Whether the same call may succeed in a moment. */
function isPassing(error: unknown): boolean {
  return error instanceof TeleportError && error.failure === "unavailable";
}

/** A call of tctl; where tctl cannot connect and does not say why, the error does. */
async function explained(args: string[], input: string, proxy: string, identity: Identity): Promise<string> {
  const first = await runTctl(args, input, proxy);
  if ("output" in first) return first.output;
  if (!first.unexplained) throw first.error;
  const circumstances: Circumstances = {
    command: `tctl ${args[0]}`,
    proxy,
    identity: identity.reread?.() ?? identity,
    ping: await pingProxy(proxy),
    tctlVersion: await tctlVersion(proxy),
  };
  const why = whyNotConnected(circumstances);
  if (why) throw why;
  // Teleport may have come back in between: only if tctl is not let in now either is it for the identity.
  const second = await runTctl(args, input, proxy);
  if ("output" in second) return second.output;
  throw second.unexplained ? notLetIn(circumstances) : second.error;
}

/** What `tctl version` prints; undefined if it cannot tell. */
async function tctlVersion(proxy: string): Promise<string | undefined> {
  const told = await runTctl(["version"], "", proxy, VERSION_LIMIT_MS);
  return "output" in told ? told.output : undefined;
}

type Ended = { output: string } | { error: TeleportError; unexplained: boolean };

function runTctl(args: string[], input: string, proxy: string, limit = CALL_LIMIT_MS): Promise<Ended> {
  const command = args[0] ?? "";
  return new Promise((resolve) => {
    const child = spawn("tctl", args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: childEnvironment(process.env),
      timeout: limit,
      killSignal: "SIGKILL",
    });
    running.add(child);
    let stdout = "";
    let stderr = "";
    const fail = (error: TeleportError, unexplained = false) => resolve({ error, unexplained });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-KEPT_WORDS)));
    child.on("error", (error: NodeJS.ErrnoException) => {
      running.delete(child);
      fail(new TeleportError("tctl-missing", cannotRun(error)));
    });
    child.on("close", (code, signal) => {
      running.delete(child);
      if (code === 0) return resolve({ output: stdout });
      if (child.killed) return fail(tctlHung(command, limit, proxy, stderr));
      if (signal) return fail(tctlKilled(command, signal, proxy));
      const told = tctlMessage(stderr || stdout);
      fail(tctlFailure(command, told, proxy, stderr), isUnexplained(told));
    });
    child.stdin.on("error", () => {}); // tctl may end before it has read; its exit code tells
    child.stdin.end(input);
  });
}

/** Why there is no process. */
function cannotRun({ code, message }: NodeJS.ErrnoException): string {
  const fixes: Record<string, string> = {
    ENOENT: "there is none on the PATH. Install Teleport's tctl, of the cluster's version, on the PATH",
    EACCES: "the one on the PATH may not be executed. Make it executable (chmod +x), or install it anew",
  };
  return `tctl cannot be run: ${fixes[code ?? ""] ?? message}.`;
}

/** Reads tctl's JSON, among warnings that it printed before and after. */
export function parseDocuments(output: string): TeleportDocument[] {
  const lines = output.split("\n");
  const places = lines.map((_, place) => place);
  // What tctl prints begins and ends at the left margin; a warning may begin with a bracket as well.
  for (const start of places.filter((place) => /^([[{]|null$)/.test(lines[place]!))) {
    const ends = places.filter((place) => place === start || (place > start && /^[\]}]/.test(lines[place]!)));
    for (const end of ends.reverse()) {
      const documents = documentsIn(lines.slice(start, end + 1).join("\n"));
      if (documents) return documents;
    }
  }
  throw new TeleportError("failed", `tctl get printed no JSON: ${tctlMessage(output).slice(0, 200)}.`);
}

function documentsIn(text: string): TeleportDocument[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const documents = (Array.isArray(parsed) ? parsed : parsed === null ? [] : [parsed]) as Partial<TeleportDocument>[];
    return documents.every((document) => typeof document?.kind === "string")
      ? (documents as TeleportDocument[])
      : undefined;
  } catch {
    return undefined;
  }
}
