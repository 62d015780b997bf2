/**
 * A `tctl` that runs the real one, and stops at a given step: before or after the n-th call for a resource. So a run
 * can be ended at each step without a race. Calls are counted by the name of their resource.
 */
import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { CommandResult, searchPath } from "../../lab/host/command";
import { eventually } from "../lab/lab";

/** A call of an operation, counted from 1, before or after it runs. */
export type Step = `${"before" | "after"} ${number}`;

export class StoppingTctl {
  private readonly folder = mkdtempSync(join(tmpdir(), "stopping-tctl-"));

  /** @param prefix prefix of all names that are counted */
  constructor(prefix: string) {
    const real = searchPath()
      .map((place) => join(place, "tctl"))
      .find(existsSync);
    assert.ok(real, "the lab has a tctl");
    for (const name of ["bin", "calls", "steps", "stopped"]) mkdirSync(join(this.folder, name));
    writeFileSync(join(this.folder, "bin", "tctl"), script(this.folder, real, prefix), { mode: 0o755 });
  }

  /** A PATH on which this `tctl` comes first. */
  get path(): string {
    return [join(this.folder, "bin"), ...searchPath()].join(delimiter);
  }

  /** Restarts the counters, and stops at the given steps, by the resource's name. */
  stopAt(steps: ReadonlyMap<string, Step>): void {
    for (const name of ["calls", "steps", "stopped"]) {
      rmSync(join(this.folder, name), { recursive: true, force: true });
      mkdirSync(join(this.folder, name));
    }
    rmSync(join(this.folder, "go"), { force: true });
    for (const [name, step] of steps) writeFileSync(join(this.folder, "steps", name), step);
  }

  /** Waits until each resource has reached its step. */
  async untilStopped(steps: ReadonlyMap<string, Step>, ended: Promise<CommandResult>): Promise<void> {
    let over: CommandResult | undefined;
    void ended.then((result) => (over = result));
    const missing = () => {
      const stopped = readdirSync(join(this.folder, "stopped"));
      return [...steps.keys()].filter((name) => !stopped.includes(name));
    };
    await eventually(
      "each resource stands at its step",
      async () => {
        if (over) assert.deepEqual(missing(), [], `the run ended before these came to their step:\n${over.output}`);
        return missing().length === 0;
      },
      200_000,
    ).catch((error: Error) => assert.fail(`${error.message}; not yet: ${missing().map((name) => this.told(name))}`));
  }

  /** Continues the stopped calls. */
  goOn(): void {
    writeFileSync(join(this.folder, "go"), "");
  }

  /** The calls for a resource, in order. */
  told(name: string): string {
    const file = join(this.folder, "calls", name);
    return `${name}: ${existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").join(", ") : "no call"}`;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function script(folder: string, real: string, prefix: string): string {
  return `#!/bin/sh
input=$(cat)
name=$(printf '%s\\n' "$1 $2" "$input" | grep -o '${prefix}[a-z0-9-]*' | head -n 1)
[ -n "$name" ] || { printf %s "$input" | ${real} "$@"; exit; }
echo "$1 \${2##-*}" >> ${folder}/calls/$name
call=$(wc -l < ${folder}/calls/$name)
step=$(cat ${folder}/steps/$name 2>/dev/null)
stop() {
  touch ${folder}/stopped/$name
  until [ -e ${folder}/go ]; do sleep 0.3; done
}
[ "$step" != "before $call" ] || stop
[ ! -e ${folder}/stopped/$name ] || stop # the call was given up, and is made again
printf %s "$input" | ${real} "$@"
code=$?
[ "$step" != "after $call" ] || stop
exit $code
`;
}
