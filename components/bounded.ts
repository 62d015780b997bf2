/** The boundary to Pulumi's engine: whatever an operation says in the end, it can be sent. */
import type * as pulumi from "@pulumi/pulumi";
import { firstOf, limited, SHOWN } from "./message-limits";

type Method = (...args: unknown[]) => Promise<unknown>;

/** The same operations, whose errors and failed checks are cut to what the engine can be sent. */
export function bounded<Kinds extends Record<string, object>>(kinds: Kinds): Kinds {
  const entries = Object.entries(kinds).map(([kind, methods]) => [kind, boundedMethods(methods)]);
  return Object.fromEntries(entries) as Kinds;
}

function boundedMethods(methods: object): object {
  const entries = Object.entries(methods as Record<string, Method>).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      try {
        const result = await method.apply(methods, args);
        return name === "check" ? boundedCheck(result as pulumi.dynamic.CheckResult) : result;
      } catch (error) {
        throw boundedError(error);
      }
    },
  ]);
  return Object.fromEntries(entries) as object;
}

function boundedCheck(result: pulumi.dynamic.CheckResult): pulumi.dynamic.CheckResult {
  const { failures } = result;
  if (!failures || failures.length === 0) return result;
  const property = failures[0]?.property ?? "";
  const shown = failures
    .slice(0, SHOWN)
    .map((failure) => ({ property: failure.property, reason: limited(failure.reason) }));
  const left = firstOf(failures.map(({ reason }) => reason)).slice(SHOWN);
  return { ...result, failures: [...shown, ...left.map((reason) => ({ property, reason }))] };
}

/** The same error, so that its kind stays. Its stack repeats the message, and Pulumi prints it. */
function boundedError(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(limited(String(error)));
  const message = limited(error.message);
  if (message === error.message) return error;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line));
  error.message = message;
  error.stack = [`${error.name}: ${message}`, ...frames.slice(-SHOWN)].join("\n");
  return error;
}
