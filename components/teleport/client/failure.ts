/**
 * Turns the error messages of tctl into a kind of failure, and into an error with cause and next step. When tctl cannot
 * connect, it gives no reason. The reason is then found by what else is known: the proxy's public ping, the identity,
 * and tctl's own version. Pure.
 */
import { TeleportError, TeleportFailure } from "./errors";
import type { IdentityFacts } from "./identity";
import type { ProxyPing } from "./ping";

/** The longest part of tctl's message that an error repeats. It is the end, which has the reason. */
const LONGEST_MESSAGE = 2_000;

/** The error message in tctl's output, without colours and logger prefixes. */
export function tctlMessage(output: string): string {
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const message = plain.slice(Math.max(0, plain.lastIndexOf("ERROR:"))).replace(/^ERROR:\s*/, "");
  const line = message.trim().replace(/\s*\n\s*/g, "; ");
  return (line.length > LONGEST_MESSAGE ? `…${line.slice(-LONGEST_MESSAGE)}` : line) || "it gave no reason";
}

/**
 * The only message of tctl when it cannot connect: no server answers, the server refuses the identity, or tctl is too
 * old. tctl drops the reason, also with `--debug` (`TryRun` of tool/tctl/common/tctl.go, 13 to 17).
 */
const NOT_CONNECTED = /Cannot connect to the auth server\. Is the auth server running on/;

/** Whether tctl could not connect and gives no reason. Then it has sent no request. */
export function isWithoutReason(message: string): boolean {
  return NOT_CONNECTED.test(message);
}

/**
 * The messages of tctl when it has neither an identity file nor a profile of `tsh login` for the proxy. It then takes
 * itself for a tctl on the machine of the auth service (`ApplyConfig` of tool/tctl/common/tctl.go).
 */
const NO_IDENTITY = /Could not load Teleport host UUID file|tctl must be (either )?used on/i;

/** Phrases of each kind, the most specific first. They are matched after names are removed from the message. */
export const PATTERNS: readonly (readonly [TeleportFailure, RegExp])[] = [
  ["identity", NO_IDENTITY],
  ["tctl-version", /unknown (long|short) flag|client version is unsupported/i],
  // Each version has its own wording. Every message about a second factor means that it is missing.
  ["mfa", /(?<!\w)MFA(?!\w)/],
  ["in-use", /… is still in use/i],
  ["already-exists", /… already (exists|registered)/i],
  ["not-found", /… (is )?not found|… (doesn't|does not) exist/i],
  ["identity", /lock targeting .* is in force/i],
  ["access-denied", /access (to .* )?denied|not allowed to|permission denied|does not have permission/i],
  [
    "identity",
    /expired|certificate (is )?(revoked|unknown|signed by unknown authority)|unknown authority|not logged in|no such file|please relogin|bad certificate|ssh: handshake|tls: .*certificate|parse identity file/i,
  ],
  ["in-use", /still in use/i],
  ["already-exists", /already (exists|registered)/i],
  ["not-found", /not found|doesn't exist|does not exist/i],
  [
    "unavailable",
    /connection refused|connection reset|deadline exceeded|timeout|timed out|too many requests|429|rate limit|unavailable|EOF|no route to host|network is unreachable|broken pipe|failed to connect|cannot connect|connection closed|transport|no such host/i,
  ],
];

/** The prompt for a second factor. tctl writes it to stderr, and waits. */
const PROMPT =
  /MFA is required|tap any .*security key|OTP (code|device)|complete an SSO authentication flow|available MFA methods/i;

/** The placeholder for a name. It occurs in no name and in no word. */
const NAME = "…";
/** gRPC puts its description into quotes, as others do with names: `desc = "transport: …"`. */
const DESCRIPTION = /desc = "((?:\\.|[^"\\])*)"/g;
/** Names in quotes. An apostrophe within a word (doesn't) is not a quote. */
const QUOTED = /"(?:\\.|[^"\\])*"|`[^`]*`|(?<![\w'])'[^']*'(?!\w)/g;
/**
 * Words that can only be names: with a hyphen, an underscore, a slash or an `@`, or a dot inside. Also
 * `token(*****x)`.
 */
const NAME_LIKE = /[^\s()";,]*(?:\w[-_@/]\w|\/\w|\w\.\w)[^\s()";,]*|(?<=\btoken)\([^)]*\)/g;
/** A name between its kind and the phrase about it, such as `role expired is not found`. */
const BETWEEN =
  /\b(token|role|user|bot|database|db|key|lock|resource) ([^\s…]+)(?= (?:(?:is )?not found|doesn't exist|does not exist|already exists|already registered|is still in use|denied)(?!\w))/gi;

/** tctl's message with names replaced by the placeholder, because a database may have any name, e.g. `expired`. */
function withoutNames(message: string): string {
  return message
    .replace(DESCRIPTION, (_, words: string) => `desc = ${words.replace(/\\(.)/g, "$1")}`)
    .replace(QUOTED, NAME)
    .replace(NAME_LIKE, ` ${NAME}`)
    .replace(/\s+/g, " ")
    .replace(BETWEEN, `$1 ${NAME}`);
}

/** The kind of a failure, from tctl's message. */
export function classify(message: string): TeleportFailure {
  const words = withoutNames(message);
  return PATTERNS.find(([, pattern]) => pattern.test(words))?.[0] ?? "failed";
}

/** Kinds of failures that an unanswered prompt for a second factor can cause. */
const UNANSWERED: readonly TeleportFailure[] = ["failed", "unavailable", "access-denied"];

/**
 * The error for a tctl command that failed with this message.
 *
 * @param output everything that tctl wrote, if that is more than the message
 */
export function tctlFailure(command: string, message: string, proxy: string, output: string = message): TeleportError {
  const kind = classify(message);
  const failure = UNANSWERED.includes(kind) && asksForMfa(output) ? "mfa" : kind;
  // If tctl was connected and then lost the connection, Teleport may have carried out the request.
  const mayBeDone = failure === "unavailable" && !isWithoutReason(message);
  return new TeleportError(failure, describe(failure, `tctl ${command}`, message, proxy), { mayBeDone });
}

/**
 * The error for a tctl command that this program ended because there was no answer within the limit in milliseconds.
 *
 * @param output what tctl had written until then
 */
export function tctlTimeout(command: string, limit: number, proxy: string, output: string): TeleportError {
  const within = `within ${limit / 1000} s`;
  const written = output.trim() === "" ? "" : ` (tctl wrote: ${tctlMessage(output)})`;
  // Teleport has refused a request for which it asks for a second factor, so nothing was done.
  const [failure, message] = asksForMfa(output)
    ? (["mfa", `it asked for a second factor, and nobody gave one ${within}${written}`] as const)
    : (["unavailable", `no answer ${within}${written}`] as const);
  const mayBeDone = failure === "unavailable";
  return new TeleportError(failure, describe(failure, `tctl ${command}`, message, proxy), { mayBeDone });
}

function asksForMfa(output: string): boolean {
  return PROMPT.test(withoutNames(output));
}

/** The error for a tctl command that another process ended. */
export function tctlKilled(command: string, signal: NodeJS.Signals, proxy: string): TeleportError {
  const what = `tctl ${command} at ${proxy} was ended by ${signal}, not by this program.`;
  const next = "Check whether the machine is short of memory, then run the command again; no progress is lost.";
  return new TeleportError("unavailable", `${what} ${next}`, { mayBeDone: true });
}

function describe(failure: TeleportFailure, command: string, message: string, proxy: string): string {
  if (NO_IDENTITY.test(withoutNames(message))) {
    return (
      `${command} at ${proxy} failed: there is no Teleport identity, because TELEPORT_IDENTITY_FILE is not set and nobody is logged in ` +
      "with `tsh login`. Set TELEPORT_IDENTITY_FILE to an identity file " +
      '(docs/teleport.md, "Teleport identity"), then run the command again; no progress is lost.'
    );
  }
  const next: Partial<Record<TeleportFailure, string>> = {
    "access-denied":
      "Give the identity's user the role that this project provides (registrarRole; accessRegistrarRole for roles and tokens, " +
      'workloadRegistrarRole also for bots and users; docs/permissions.md, "Teleport role")',
    identity: `Check that the identity file is complete, belongs to the cluster at ${proxy} and is neither revoked nor locked, and that the CA of the proxy is trusted here (SSL_CERT_FILE). Or get a new identity`,
    "in-use":
      "Remove the role from everyone who has it (`tctl users ls`, SSO connectors, access lists), then run the command again; no progress is lost",
    mfa:
      "Teleport asks people for a second factor before administrative actions, e.g. writes of roles, tokens, bots and users. " +
      "tctl 18 and newer asks before it creates anything. " +
      "Give the program the identity of a bot, which needs no second factor: run tbot with a bot that has the program's role (docs/teleport.md, " +
      '"Teleport identity")',
    "tctl-version": `Install tctl in the version of the Teleport cluster at ${proxy} (\`tctl version\` prints the version on the PATH)`,
    unavailable: `Check that Teleport answers at ${proxy}, then run the command again; no progress is lost`,
  };
  const advice = next[failure];
  return `${command} at ${proxy} failed: ${message.replace(/\.$/, "")}.${advice ? ` ${advice}.` : ""}`;
}

export interface Circumstances {
  /** The command that failed, e.g. `tctl get`. */
  command: string;
  /** `host:port`. */
  proxy: string;
  identity: IdentityFacts;
  ping: ProxyPing;
  /** Output of `tctl version`; undefined if it printed nothing. */
  tctlVersion?: string;
}

/**
 * The error with the reason. Undefined if Teleport answers and nothing is known that keeps this identity from
 * connecting.
 */
export function whyNotConnected(
  { command, proxy, identity, ping, tctlVersion }: Circumstances,
  now: Date = new Date(),
): TeleportError | undefined {
  const failed = `${command} at ${proxy} failed:`;
  if (ping.answers === "no") {
    const next = `Check that Teleport answers at ${proxy}, then run the command again; no progress is lost.`;
    return new TeleportError("unavailable", `${failed} it cannot connect (${ping.why}). ${next}`);
  }
  if (ping.answers === "untrusted") {
    const next = "If your own CA signed the proxy's certificate, set SSL_CERT_FILE to a file with that CA.";
    return new TeleportError("failed", `${failed} the proxy's certificate is not trusted here (${ping.why}). ${next}`);
  }
  const { source = "of `tsh login`", expires, cluster } = identity;
  if (expires && expires <= now) {
    const next = "Get a new identity, then run the command again; no progress is lost.";
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} expired at ${expires.toISOString()}. ${next}`,
    );
  }
  if (ping.cluster !== undefined && cluster !== undefined && cluster !== ping.cluster) {
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} belongs to the Teleport cluster ${cluster}, but the cluster there is ${ping.cluster}. ` +
        `Get an identity of ${ping.cluster}, or correct the proxy.`,
    );
  }
  const version = versionIn(tctlVersion);
  if (version && ping.oldestClient && isOlder(version, ping.oldestClient)) {
    return new TeleportError(
      "tctl-version",
      `${failed} tctl ${version} is too old for the Teleport cluster there, which is ${ping.version} and accepts ` +
        `${ping.oldestClient} and newer. Install tctl ${ping.version}.`,
    );
  }
  return undefined;
}

/** The error if Teleport answers but refuses tctl twice, before and after the ping. */
export function identityRefused({ command, proxy, identity, ping, tctlVersion }: Circumstances): TeleportError {
  const { source = "of `tsh login`", user } = identity;
  const name = user === undefined ? "<user>" : user;
  const server = ping.answers === "yes" ? ping.version : undefined;
  const [mine, theirs] = [versionIn(tctlVersion), versionIn(server)];
  const skew =
    mine && theirs && majorOf(mine) !== majorOf(theirs) ? ` tctl is ${mine}, and Teleport is ${theirs}.` : "";
  return new TeleportError(
    "identity",
    `${command} at ${proxy} failed: Teleport answers there, but refuses the identity ${source}` +
      `${user === undefined ? "" : ` (user ${user})`}: the user is locked or was deleted, or Teleport's user CA was ` +
      `rotated after the identity was signed.${skew} Check \`tctl get locks\` and \`tctl get user/${name}\`, get a new identity, then ` +
      "run the command again; no progress is lost.",
  );
}

/** `13.3.8` of `Teleport v13.3.8 git:… go1.21`. */
function versionIn(text: string | undefined): string | undefined {
  return /\bv?(\d+\.\d+\.\d+)/.exec(text ?? "")?.[1];
}

function majorOf(version: string): number {
  return Number(version.split(".")[0]);
}

/** Compares by numbers. A pre-release counts as the release. */
function isOlder(version: string, than: string): boolean {
  const [mine, theirs] = [version, than].map((text) => (versionIn(text) ?? "0.0.0").split(".").map(Number));
  const differs = mine!.findIndex((number, place) => number !== theirs![place]);
  return differs >= 0 && mine![differs]! < theirs![differs]!;
}
