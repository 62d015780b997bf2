/** Finding and ending processes by their temporary folder, and their memory. */
import { strict as assert } from "node:assert";
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killProcesses, peakMemory, processesIn } from "../../../bench/processes";

const MIB = 64;

describe("the processes of the bench", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const started: ChildProcess[] = [];
  /** A process that says when it runs, with another one below it. */
  const start = async (temporary: string) => {
    const sleep = "setInterval(() => {}, 1000)";
    const program = `global.memory = Buffer.alloc(${MIB} << 20, 1);
      require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(sleep)}]);
      console.log("runs"); ${sleep}`;
    const child = spawn(process.execPath, ["-e", program], { env: { ...process.env, TMPDIR: temporary } });
    started.push(child);
    await once(child.stdout, "data");
    return child.pid;
  };
  after(() => {
    for (const child of started) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  it("are those with the temporary folder or a folder in it, and their children; the others go on", async function () {
    if (process.platform !== "linux") return this.skip();
    const [own, below, other] = [folder, join(folder, "below"), `${folder}-other`];
    const wanted = [await start(own), await start(below)];
    const spared = await start(other);
    const found = processesIn(folder);
    assert.equal(found.length, 4);
    for (const pid of wanted) assert.ok(pid && found.includes(pid));
    await killProcesses(folder);
    assert.deepEqual(processesIn(folder), []);
    assert.ok(spared && processesIn(other).includes(spared));
    await killProcesses(other);
  });

  it("have a peak of memory, and it is an error if none runs", async function () {
    if (process.platform !== "linux") return this.skip();
    const peak = await peakMemory(folder, async () => {
      await start(folder);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    });
    await killProcesses(folder);
    assert.ok(peak > MIB && peak < 100 * MIB, `${peak} MiB`);
    await assert.rejects(
      peakMemory(folder, async () => {}),
      /No process of a program or provider was seen/,
    );
  });
});
