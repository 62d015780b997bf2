/**
 * The adapter to Teleport: runs `tctl` with time limits and bounded retries, and turns its exit into typed results and
 * TeleportErrors. Nothing secret is passed in arguments: documents are sent on standard input, and the identity is
 * passed as the path of a file.
 */
import { ChildProcess, spawn } from "node:child_process";
import { retried } from "../../waiting";
import { TeleportError } from "./errors";
import { Identity, resolveIdentity } from "./identity";
import {
  Circumstances,
  identityRefused,
  whyNotConnected,
  isWithoutReason,
  tctlFailure,
  tctlTimeout,
  tctlKilled,
  tctlMessage,
} from "./failure";
import { pingProxy } from "./ping";

/** The Teleport cluster, and the name of the credentials. Contains nothing secret. */
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

/** The operations on Teleport. Unit tests replace it with a fake. */
export interface TeleportClient {
  /** Name of the Teleport cluster that signed the identity, if it is known. */
  readonly cluster?: string;
  /** Returns all resources of a reference such as `db/orders` or `cert_authorities`; none if it does not exist. */
  get(reference: string): Promise<TeleportDocument[]>;
  /**
   * Creates a resource. Fails with "already-exists" if there is one of that name. An existing token is overwritten:
   * check first.
   */
  create(document: TeleportDocument): Promise<void>;
  /** Creates or overwrites a resource. Only for resources that are known to belong to this program. */
  overwrite(document: TeleportDocument): Promise<void>;
  /** Removes a resource. Does nothing if it does not exist. */
  remove(reference: string): Promise<void>;
}

/** Time limit of one tctl command. */
const CALL_LIMIT_MS = 30_000;
/** Time limit of `tctl version`, which does not connect to a server. */
const VERSION_LIMIT_MS = 5_000;
/** How much of tctl's stderr is kept: the end, which has the reason. */
const KEPT_STDERR = 64 * 1024;

/**
 * Running tctl processes. They end with this process: a later run must not meet changes in Teleport that an earlier
 * run still makes.
 */
const running = new Set<ChildProcess>();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/**
 * Runs `use` with a client, and removes the client's temporary files when it ends.
 *
 * @param delays in milliseconds, before each repetition of a command that Teleport did not answer; an empty list
 * means one attempt
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
        return await runWithReason([...args, ...where], input, connection.proxy, identity);
      } catch (error) {
        if (error instanceof TeleportError) mayBeDone ||= error.mayBeDone;
        throw error;
      }
    };
    try {
      return await retried(once, isTransient, delays);
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

/** Whether the same command may succeed later. */
function isTransient(error: unknown): boolean {
  return error instanceof TeleportError && error.failure === "unavailable";
}

/** Runs tctl. If tctl cannot connect and gives no reason, the error gives it. */
async function runWithReason(args: string[], input: string, proxy: string, identity: Identity): Promise<string> {
  const first = await runTctl(args, input, proxy);
  if ("output" in first) return first.output;
  if (!first.withoutReason) throw first.error;
  const circumstances: Circumstances = {
    command: `tctl ${args[0]}`,
    proxy,
    identity: identity.reread?.() ?? identity,
    ping: await pingProxy(proxy),
    tctlVersion: await tctlVersion(proxy),
  };
  const why = whyNotConnected(circumstances);
  if (why) throw why;
  // Teleport may have become available in between: only if it still refuses tctl is the identity the reason.
  const second = await runTctl(args, input, proxy);
  if ("output" in second) return second.output;
  throw second.withoutReason ? identityRefused(circumstances) : second.error;
}

/** The output of `tctl version`; undefined if it fails. */
async function tctlVersion(proxy: string): Promise<string | undefined> {
  const result = await runTctl(["version"], "", proxy, VERSION_LIMIT_MS);
  return "output" in result ? result.output : undefined;
}

type Ended = { output: string } | { error: TeleportError; withoutReason: boolean };

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
    const fail = (error: TeleportError, withoutReason = false) => resolve({ error, withoutReason });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-KEPT_STDERR)));
    child.on("error", (error: NodeJS.ErrnoException) => {
      running.delete(child);
      fail(new TeleportError("tctl-missing", cannotRun(error)));
    });
    child.on("close", (code, signal) => {
      running.delete(child);
      if (code === 0) return resolve({ output: stdout });
      if (child.killed) return fail(tctlTimeout(command, limit, proxy, stderr));
      if (signal) return fail(tctlKilled(command, signal, proxy));
      const message = tctlMessage(stderr || stdout);
      fail(tctlFailure(command, message, proxy, stderr), isWithoutReason(message));
    });
    child.stdin.on("error", () => {}); // tctl may exit before it has read its input; its exit code gives the result
    child.stdin.end(input);
  });
}

/** Why tctl could not be started. */
function cannotRun({ code, message }: NodeJS.ErrnoException): string {
  const fixes: Record<string, string> = {
    ENOENT: "it is not on the PATH. Install Teleport's tctl, in the cluster's version, on the PATH",
    EACCES: "the file on the PATH may not be executed. Make it executable (chmod +x), or install it again",
  };
  return `tctl cannot be run: ${fixes[code ?? ""] ?? message}.`;
}

/** Parses tctl's JSON, which may be surrounded by warnings. */
export function parseDocuments(output: string): TeleportDocument[] {
  const lines = output.split("\n");
  const places = lines.map((_, place) => place);
  // tctl's JSON begins and ends at the left margin. A warning may begin with a bracket too.
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

/** Variables of the system, in upper or lower case: Windows has its own spelling, and proxy variables have two. */
const SYSTEM =
  /^(path|home|userprofile|appdata|localappdata|systemroot|comspec|user|logname|lang|lc_.*|tz|te?mp(dir)?|xdg_.*|ssl_cert_(file|dir)|(https?|all|no)_proxy|ssh_auth_sock|godebug)$/i;
/**
 * Variables of Teleport, except for identities and configuration files: the command line names the identity and the
 * server.
 */
const TELEPORT = /^TELEPORT_(?!.*IDENTITY|CONFIG$|CONFIG_FILE$)/;

/** Values for variables that the caller's environment does not set. */
const DEFAULTS = {
  // Without this, tctl 17 and newer would download the version that the cluster names and run it (managed updates of
  // client tools). A download takes time, and the version on the PATH was chosen for this machine.
  TELEPORT_TOOLS_VERSION: "off",
};

/**
 * Values that override the caller's environment. A machine that runs a Teleport agent has the agent's configuration
 * in /etc/teleport.yaml. tctl up to 15 takes that file as its own configuration and then ignores `--identity`. If the
 * variable is set and empty, tctl reads no file (`TryRun` of tool/tctl/common/tctl.go).
 */
const FIXED = { TELEPORT_CONFIG_FILE: "" };

/** The environment of `tctl`: the variables that it needs, and none of the secrets in the environment of a CI job. */
export function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed = Object.entries(environment).filter(([name]) => SYSTEM.test(name) || TELEPORT.test(name));
  return { ...DEFAULTS, ...Object.fromEntries(needed), ...FIXED };
}
