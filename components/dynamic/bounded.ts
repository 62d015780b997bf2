/** The boundary to Pulumi's engine: reduces the results and errors of operations to what can be sent. */
import type * as pulumi from "@pulumi/pulumi";
import { firstOf, limited, MAX_SHOWN } from "../message-limits";
import { SettingsError } from "../problems";

type Method = (...args: unknown[]) => Promise<unknown>;

/** The same operations, but results have no undefined values, and errors have a limited length and are printed once. */
export function bounded<Kinds extends Record<string, object>>(kinds: Kinds): Kinds {
  const entries = Object.entries(kinds).map(([kind, methods]) => [kind, boundedMethods(methods)]);
  return Object.fromEntries(entries) as Kinds;
}

function boundedMethods(methods: object): object {
  const entries = Object.entries(methods as Record<string, Method>).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      try {
        const result = defined(await method.apply(methods, args));
        return name === "check" ? boundedCheck(result as pulumi.dynamic.CheckResult) : result;
      } catch (thrown) {
        const error = boundedError(thrown);
        if (!isExplained(error)) throw error;
        if (name === "check") return { failures: [{ property: "", reason: error.message }] };
        throw PRINTED.includes(name) ? printedOnce(error) : error;
      }
    },
  ]);
  return Object.fromEntries(entries) as object;
}

/** Removes keys whose value is undefined. Pulumi refuses them with "Unexpected struct type." */
function defined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(defined);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.map(([key, each]) => [key, defined(each)]));
}

function boundedCheck(result: pulumi.dynamic.CheckResult): pulumi.dynamic.CheckResult {
  const { failures } = result;
  if (!failures || failures.length === 0) return result;
  const property = failures[0]?.property ?? "";
  const shown = failures
    .slice(0, MAX_SHOWN)
    .map((failure) => ({ property: failure.property, reason: limited(failure.reason) }));
  const left = firstOf(failures.map(({ reason }) => reason)).slice(MAX_SHOWN);
  return { ...result, failures: [...shown, ...left.map((reason) => ({ property, reason }))] };
}

/**
 * Pulumi's process for dynamic providers prints an error of these methods as `${error}: ${error.stack}`, in addition to the error
 * of the resource that the engine prints (@pulumi/pulumi/cmd/dynamic-provider). It does the same for `check`, so errors of `check`
 * become failures.
 */
const PRINTED = ["diff", "read", "delete"];

/** Whether the message explains the error. Errors of JavaScript or of the system are bugs, and keep their stack trace. */
function isExplained(error: Error): boolean {
  const isThrownHere = error.constructor === Error && !("code" in error);
  return isThrownHere || "failure" in error || error instanceof SettingsError;
}

/** The same error, with one short line for the process to print. So only the error of the resource has the message. */
function printedOnce(error: Error): Error {
  return Object.defineProperties(error, {
    toString: { value: () => "An operation failed" },
    stack: { value: "the error of its resource says why." },
  });
}

/** Shortens the same error object, so that its class stays. Pulumi prints the stack, which repeats the message. */
function boundedError(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(limited(String(error)));
  const message = limited(error.message);
  if (message === error.message) return error;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line));
  error.message = message;
  error.stack = [`${error.name}: ${message}`, ...frames.slice(-MAX_SHOWN)].join("\n");
  return error;
}
