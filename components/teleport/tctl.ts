/**
 * The adapter to Teleport: runs `tctl` with time limits and bounded retries, and turns its exit into
 * typed results and TeleportErrors. Nothing secret is passed in arguments: documents go through
 * standard input, the identity as the path of a file.
 */
import { spawn } from "node:child_process";
import { retried } from "../retry";
import { childEnvironment } from "./child-environment";
import { TeleportError, TeleportFailure } from "./errors";
import { Identity, resolveIdentity } from "./identity";

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
  const call = (args: string[], input = "") =>
    retried(() => runTctl([...args, ...where], input, connection), isPassing, delays);
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

function runTctl(args: string[], input: string, connection: TeleportConnection): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("tctl", args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: childEnvironment(process.env),
      timeout: CALL_LIMIT_MS,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT";
      const fix = missing ? "Install Teleport's tctl, of the cluster's version, on the PATH" : error.message;
      reject(new TeleportError("tctl-missing", `tctl cannot be run: ${fix}.`));
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(stdout);
      const told = signal ? `no answer within ${CALL_LIMIT_MS / 1000} s` : tctlMessage(stderr || stdout);
      const failure = signal ? "unavailable" : classify(told);
      reject(new TeleportError(failure, describe(failure, `tctl ${args[0]}`, told, connection)));
    });
    child.stdin.on("error", () => {}); // tctl may end before it has read; its exit code tells
    child.stdin.end(input);
  });
}

/** What tctl says of a failure, without its colours and its logger's prefixes. */
export function tctlMessage(output: string): string {
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const told = plain.slice(Math.max(0, plain.lastIndexOf("ERROR:"))).replace(/^ERROR:\s*/, "");
  return told.trim().replace(/\s*\n\s*/g, "; ") || "it gave no reason";
}

const FAILURES: [TeleportFailure, RegExp][] = [
  ["access-denied", /access (to .* )?denied|not allowed to|permission denied|does not have permission/i],
  [
    "identity",
    /expired|certificate (is )?(revoked|unknown|signed by unknown authority)|unknown authority|not logged in|no such file|please relogin|bad certificate|ssh: handshake|tls: .*certificate/i,
  ],
  ["in-use", /still in use/i],
  ["already-exists", /already exists/i],
  ["not-found", /not found|doesn't exist|does not exist/i],
  [
    "unavailable",
    /connection refused|connection reset|deadline exceeded|timeout|timed out|too many requests|429|unavailable|EOF|no route to host|network is unreachable|broken pipe|failed to connect|cannot connect|connection closed|transport|no such host/i,
  ],
];

/** The kind of a failure, from tctl's words. */
export function classify(told: string): TeleportFailure {
  return FAILURES.find(([, words]) => words.test(told))?.[0] ?? "failed";
}

function describe(failure: TeleportFailure, command: string, told: string, { proxy }: TeleportConnection): string {
  const next: Partial<Record<TeleportFailure, string>> = {
    "access-denied":
      "Give the identity's user the role that this project ships (registrarRole; accessRegistrarRole for roles and tokens, " +
      'workloadRegistrarRole for these, bots and users; README, "Teleport role")',
    identity: `Check that the identity is of the cluster at ${proxy} and not revoked, that its CA is trusted here (SSL_CERT_FILE), or get a new one`,
    "in-use":
      "Take it from the users who have it (`tctl users ls`, SSO connectors, access lists), then run the command again: nothing was forgotten",
    unavailable: `Check that Teleport answers at ${proxy}, then run the command again: nothing was forgotten`,
  };
  const advice = next[failure];
  return `${command} at ${proxy} failed: ${told}.${advice ? ` ${advice}.` : ""}`;
}

/** Reads tctl's JSON, past any warnings that it printed before. */
export function parseDocuments(output: string): TeleportDocument[] {
  for (const start of [0, output.search(/^\s*[[{]/m)]) {
    if (start < 0) continue;
    try {
      const parsed: unknown = JSON.parse(output.slice(start));
      return (Array.isArray(parsed) ? parsed : parsed ? [parsed] : []) as TeleportDocument[];
    } catch {
      continue;
    }
  }
  throw new TeleportError("failed", `tctl get printed no JSON: ${tctlMessage(output).slice(0, 200)}.`);
}
