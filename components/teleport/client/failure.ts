/** What tctl says of a failure: its kind, and the error that names cause and next step. Pure. */
import { TeleportError, TeleportFailure } from "./errors";

/** The most of tctl's words that an error repeats; the end of them tells the reason. */
const LONGEST_TOLD = 2_000;

/** What tctl says of a failure, without its colours and its logger's prefixes. */
export function tctlMessage(output: string): string {
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const told = plain.slice(Math.max(0, plain.lastIndexOf("ERROR:"))).replace(/^ERROR:\s*/, "");
  const line = told.trim().replace(/\s*\n\s*/g, "; ");
  return (line.length > LONGEST_TOLD ? `…${line.slice(-LONGEST_TOLD)}` : line) || "it gave no reason";
}

/**
 * All that tctl says when it does not get as far as its command, whether nobody answers, the identity is not let in, or
 * tctl is too old: it drops the reason, with `--debug` too (`TryRun` of tool/tctl/common/tctl.go, 13 to 17).
 */
const NOT_CONNECTED = /Cannot connect to the auth server\. Is the auth server running on/;

/** Whether tctl did not connect, and does not say why. It has asked for nothing then. */
export function isUnexplained(told: string): boolean {
  return NOT_CONNECTED.test(told);
}

/** The words of each kind, the most specific first. They are looked for where no name can be taken for them. */
export const PATTERNS: readonly (readonly [TeleportFailure, RegExp])[] = [
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
    /expired|certificate (is )?(revoked|unknown|signed by unknown authority)|unknown authority|not logged in|no such file|please relogin|bad certificate|ssh: handshake|tls: .*certificate|parse identity file|tctl must be (either )?used on/i,
  ],
  ["in-use", /still in use/i],
  ["already-exists", /already (exists|registered)/i],
  ["not-found", /not found|doesn't exist|does not exist/i],
  [
    "unavailable",
    /connection refused|connection reset|deadline exceeded|timeout|timed out|too many requests|429|rate limit|unavailable|EOF|no route to host|network is unreachable|broken pipe|failed to connect|cannot connect|connection closed|transport|no such host/i,
  ],
];

/** A person is asked for a second factor. tctl writes that to stderr, and waits. */
const PROMPT =
  /MFA is required|tap any .*security key|OTP (code|device)|complete an SSO authentication flow|available MFA methods/i;

/** What stands for a name. No name has it, and it is no word. */
const NAME = "…";
/** gRPC puts what happened in quotes, as others put names: `desc = "transport: …"`. */
const DESCRIPTION = /desc = "((?:\\.|[^"\\])*)"/g;
/** Names in quotes. An apostrophe within a word (doesn't) is none. */
const QUOTED = /"(?:\\.|[^"\\])*"|`[^`]*`|(?<![\w'])'[^']*'(?!\w)/g;
/** Words that only names have: with a hyphen, an underscore, a slash, an `@`, or a dot inside. Also `token(*****x)`. */
const NO_WORD = /[^\s()";,]*(?:\w[-_@/]\w|\/\w|\w\.\w)[^\s()";,]*|(?<=\btoken)\([^)]*\)/g;
/** A name between what it is a name of and what is said of it, such as `role expired is not found`. */
const BETWEEN =
  /\b(token|role|user|bot|database|db|key|lock|resource) ([^\s…]+)(?= (?:(?:is )?not found|doesn't exist|does not exist|already exists|already registered|is still in use|denied)(?!\w))/gi;

/** tctl's words with the names out of them: people may call a database whatever an error says. */
function withoutNames(told: string): string {
  return told
    .replace(DESCRIPTION, (_, words: string) => `desc = ${words.replace(/\\(.)/g, "$1")}`)
    .replace(QUOTED, NAME)
    .replace(NO_WORD, ` ${NAME}`)
    .replace(/\s+/g, " ")
    .replace(BETWEEN, `$1 ${NAME}`);
}

/** The kind of a failure, from tctl's words. */
export function classify(told: string): TeleportFailure {
  const words = withoutNames(told);
  return PATTERNS.find(([, pattern]) => pattern.test(words))?.[0] ?? "failed";
}

/** Kinds of failures that a person who does not answer can cause. */
const UNANSWERED: readonly TeleportFailure[] = ["failed", "unavailable", "access-denied"];

/**
 * The error of a call of tctl that failed with these words.
 *
 * @param wrote all that tctl wrote, where that is more
 */
export function tctlFailure(command: string, told: string, proxy: string, wrote: string = told): TeleportError {
  const kind = classify(told);
  const failure = UNANSWERED.includes(kind) && asksForMfa(wrote) ? "mfa" : kind;
  // Once it is connected, what it says of the line leaves open whether Teleport had done what it was asked for.
  const mayBeDone = failure === "unavailable" && !isUnexplained(told);
  return new TeleportError(failure, describe(failure, `tctl ${command}`, told, proxy), { mayBeDone });
}

/**
 * The error of a call of tctl that this program ended, since there was no answer within so many milliseconds.
 *
 * @param wrote what tctl had written until then
 */
export function tctlHung(command: string, limit: number, proxy: string, wrote: string): TeleportError {
  const within = `within ${limit / 1000} s`;
  const said = wrote.trim() === "" ? "" : ` (tctl wrote: ${tctlMessage(wrote)})`;
  // Teleport refused the request that it asks a second factor for: nothing was done.
  const [failure, told] = asksForMfa(wrote)
    ? (["mfa", `it asked for a second factor, and nobody gave one ${within}${said}`] as const)
    : (["unavailable", `no answer ${within}${said}`] as const);
  const mayBeDone = failure === "unavailable";
  return new TeleportError(failure, describe(failure, `tctl ${command}`, told, proxy), { mayBeDone });
}

function asksForMfa(wrote: string): boolean {
  return PROMPT.test(withoutNames(wrote));
}

/** The error of a call of tctl that somebody else ended. */
export function tctlKilled(command: string, signal: NodeJS.Signals, proxy: string): TeleportError {
  const told = `tctl ${command} at ${proxy} was ended by ${signal}, and not by this program.`;
  const next = "Look whether the machine is short of memory, then run the command again: nothing was forgotten.";
  return new TeleportError("unavailable", `${told} ${next}`, { mayBeDone: true });
}

function describe(failure: TeleportFailure, command: string, told: string, proxy: string): string {
  const next: Partial<Record<TeleportFailure, string>> = {
    "access-denied":
      "Give the identity's user the role that this project ships (registrarRole; accessRegistrarRole for roles and tokens, " +
      'workloadRegistrarRole for these, bots and users; docs/permissions.md, "Teleport role")',
    identity: `Check that the identity is whole, of the cluster at ${proxy} and neither revoked nor locked, that its CA is trusted here (SSL_CERT_FILE), or get a new one`,
    "in-use":
      "Take it from the users who have it (`tctl users ls`, SSO connectors, access lists), then run the command again: nothing was forgotten",
    mfa:
      "Teleport asks a person for a second factor before administrative actions, which write roles, tokens, bots and users. " +
      "tctl 18 and newer asks before it creates anything. " +
      "Give the program the identity of a bot, which is not asked: run tbot with a bot that has the program's role (docs/teleport.md, " +
      '"Teleport identity")',
    "tctl-version": `Install tctl of the version of the Teleport cluster at ${proxy} (\`tctl version\` tells the one that is on the PATH)`,
    unavailable: `Check that Teleport answers at ${proxy}, then run the command again: nothing was forgotten`,
  };
  const advice = next[failure];
  return `${command} at ${proxy} failed: ${told.replace(/\.$/, "")}.${advice ? ` ${advice}.` : ""}`;
}
