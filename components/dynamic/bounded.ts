/** The boundary to Pulumi's engine: reduces the results and errors of operations to what can be sent. */
import type * as pulumi from "@pulumi/pulumi";
import { firstOf, limited, MAX_SHOWN } from "../message-limits";

type Method = (...args: unknown[]) => Promise<unknown>;

/** The same operations, but results have no undefined values, and errors and failed checks have a limited length. */
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
      } catch (error) {
        throw boundedError(error);
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

/** Shortens the same error object, so that its class stays. Pulumi prints the stack, which repeats the message. */
function boundedError(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(limited(String(error)));
  const message = limited(error.message);
  if (message === error.message) return error;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line));
  error.message = message;
  error.stack = [`${error.name}: ${message}`, ...frames.slice(-MAX_SHOWN)].join("\n");
  return error;
}
