/** Problems with `tctl` or its machine: the user gets the reason, and nothing is left behind. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TeleportError } from "../../components/teleport/client/errors";
import { TeleportClient, withTeleport } from "../../components/teleport/client/tctl";
import { Stack } from "../../lab/drive/stack";
import { attempt, run, searchPath } from "../../lab/host/command";
import { processesWith } from "../../lab/host/processes";
import { PROJECT } from "../../lab/layout";
import { eventually, PROXY, teleport } from "../lab/lab";

const PROGRAM = join(PROJECT, "test", "lab", "registration-program");

describe("`tctl`", () => {
  const folder = mkdtempSync(join(tmpdir(), "tf-tctl-"));
  const path = process.env.PATH;
  const stacks: Stack[] = [];
  let real: string;

  const stackOf = async (name: string) => {
    const kept = join(folder, `stack-${name}`);
    mkdirSync(kept);
    const stack = new Stack(name, { project: PROGRAM, folder: kept });
    stacks.push(stack);
    stack.configure({ proxy: PROXY, name });
    await stack.init();
    return stack;
  };
  /** A folder for the beginning of the PATH with a `tctl` that runs this script; `$REAL` is the real one. */
  const standIn = (name: string, script: string, mode = 0o755): string => {
    const before = join(folder, name);
    mkdirSync(before);
    writeFileSync(join(before, "tctl"), `#!/bin/sh\nREAL="${real}"\n${script}\n`, { mode });
    return before;
  };
  const first = (before: string) => `${before}${delimiter}${path}`;
  /** The PATH with everything next to `tctl`, but without `tctl`. */
  const without = (): string => {
    const beside = join(folder, "beside");
    mkdirSync(beside, { recursive: true });
    for (const name of readdirSync(dirname(real)))
      if (name !== "tctl" && !existsSync(join(beside, name)))
        symlinkSync(join(dirname(real), name), join(beside, name));
    return [beside, ...searchPath().filter((each) => !existsSync(join(each, "tctl")))].join(delimiter);
  };
  /** Calls the lab's Teleport with the product's own adapter. */
  const asking = async <Result>(PATH: string, use: (client: TeleportClient) => Promise<Result>): Promise<Result> => {
    process.env.PATH = PATH;
    try {
      return await withTeleport({ proxy: PROXY }, use, []);
    } finally {
      process.env.PATH = path;
    }
  };

  before(async () => {
    real = (await run("which", ["tctl"])).trim();
  });
  after(async () => {
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it("that is missing, or may not be executed, is reported with what to do; nothing changes, and the next run with it continues", async () => {
    const stack = await stackOf("tf-no-tctl");
    const locked = standIn("locked", "true", 0o644);
    const cases: [string, RegExp][] = [
      [without(), /tctl cannot be run: it is not on the PATH\. Install Teleport's tctl, in the cluster's version/],
      [
        `${locked}${delimiter}${without()}`,
        /tctl cannot be run: the file on the PATH may not be executed\. Make it executable/,
      ],
    ];
    for (const [PATH, told] of cases) {
      await assert.rejects(
        asking(PATH, (client) => client.get("db")),
        { failure: "tctl-missing" },
      );
      const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"], { env: { PATH } });
      assert.notEqual(code, 0, output);
      assert.match(output, told);
    }
    assert.equal(await teleport.database("tf-no-tctl"), undefined);
    await stack.up();
    await stack.destroy();
  });

  it("may print warnings before and after its JSON, and much more", async () => {
    const noisy = standIn(
      "noisy",
      `echo '[WARN] a new version of Teleport is available'; echo '{"level":"warn","message":"soon"}'
       head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2
       "$REAL" "$@"; code=$?
       echo 'Your Teleport has an alert:'; echo '[INFO] bye'; exit $code`,
    );
    const written = {
      kind: "db",
      version: "v3",
      metadata: { name: "tf-noisy", labels: { provisioned_by: "cloudnative-pg" } },
    };
    await asking(path ?? "", (client) =>
      client.overwrite({ ...written, spec: { protocol: "postgres", uri: "x.invalid:5432" } }),
    );
    try {
      await eventually("it is seen", async () => (await teleport.database("tf-noisy")) !== undefined);
      const found = await asking(first(noisy), (client) => client.get("db/tf-noisy"));
      assert.deepEqual(
        found.map(({ metadata }) => metadata.name),
        ["tf-noisy"],
      );
      assert.deepEqual(await asking(first(noisy), (client) => client.get("db/tf-none")), []);
    } finally {
      await asking(path ?? "", (client) => client.remove("db/tf-noisy"));
    }
  });

  it("that fails after printing much is quoted only with the end of its output", async () => {
    const before = standIn("talking", "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 1");
    await assert.rejects(
      asking(first(before), (client) => client.get("db")),
      ({ message }: Error) => /the end/.test(message) && message.length < 5_000,
    );
  });

  it("that hangs is ended at its limit, and the signal that ended it is reported: neither counts as an answer", async () => {
    const hanging = standIn("hanging", `echo $$ > ${folder}/hanging.pid; exec sleep 600`);
    await assert.rejects(
      asking(first(hanging), (client) => client.get("db")),
      {
        failure: "unavailable",
        message: `tctl get at ${PROXY} failed: no answer within 30 s. Check that Teleport answers at ${PROXY}, then run the command again; no progress is lost.`,
      },
    );
    assert.equal(commandOf(Number(readFileSync(join(folder, "hanging.pid"), "utf8"))), undefined, "it is ended");
    const killed = standIn("killed", "kill -KILL $$");
    await assert.rejects(
      asking(first(killed), (client) => client.remove("db/tf-none")),
      /tctl rm at .* was ended by SIGKILL, not by this program\. Check whether the machine is short of memory/,
    );
  });

  it("that waits for a person's second factor is reported once, with the advice to use a bot", async () => {
    const prompting = standIn(
      "prompting",
      `[ "$1" = version ] && exec "$REAL" version
       echo call >> ${folder}/prompted
       echo 'MFA is required for admin-level API request: "UpsertRole"' >&2; echo 'Tap any security key' >&2; exec sleep 600`,
    );
    process.env.PATH = first(prompting);
    try {
      // With the normal pauses between attempts: there is no second attempt.
      const role = { kind: "role", version: "v6", metadata: { name: "tf-mfa" }, spec: {} };
      await assert.rejects(
        withTeleport({ proxy: PROXY }, (client) => client.create(role)),
        ({ failure, mayBeDone, message }: TeleportError) =>
          failure === "mfa" &&
          !mayBeDone &&
          /second factor.*Tap any security key.*identity of a bot.*tbot/s.test(message),
      );
    } finally {
      process.env.PATH = path;
    }
    assert.equal(readFileSync(join(folder, "prompted"), "utf8"), "call\n");
  });

  it("uses the given identity even on a machine with the configuration of a Teleport agent", async () => {
    const agent = join(folder, "teleport.yaml");
    writeFileSync(
      agent,
      `version: v3\nteleport: { data_dir: ${folder}/none, proxy_server: "elsewhere.invalid:443" }\nauth_service: { enabled: no }\nproxy_service: { enabled: no }\nssh_service: { enabled: yes }\n`,
    );
    // The variable points the real tctl to the file, in place of /etc/teleport.yaml; it then ignores the identity.
    const identity = process.env.TELEPORT_IDENTITY_FILE ?? "";
    const { code, stderr } = await attempt(
      "tctl",
      ["get", "db/tf-none", "--format=json", `--auth-server=${PROXY}`, `--identity=${identity}`],
      { env: { TELEPORT_CONFIG_FILE: agent } },
    );
    assert.notEqual(code, 0);
    assert.doesNotMatch(stderr, /doesn't exist|not found/, "it got as far as its question");
    process.env.TELEPORT_CONFIG_FILE = agent;
    try {
      assert.deepEqual(await asking(path ?? "", (client) => client.get("db/tf-none")), []);
    } finally {
      delete process.env.TELEPORT_CONFIG_FILE;
    }
  });

  it("killed after Teleport had done the work: the same `up` continues, with one registration", async () => {
    const stack = await stackOf("tf-killed-tctl");
    const mark = join(folder, "killed-once");
    const once = standIn(
      "killed-once-after",
      `[ "$1" = create ] && [ ! -e ${mark} ] && { touch ${mark}; "$REAL" "$@"; kill -KILL $$; }; exec "$REAL" "$@"`,
    );
    await stack.up({ env: { PATH: first(once) } });
    assert.ok(existsSync(mark), "it was killed");
    const mine = (await teleport.databases()).filter(({ metadata }) => metadata.name.startsWith("tf-killed-tctl"));
    assert.equal(mine.length, 1);
    await stack.destroy();
    assert.equal(await teleport.database("tf-killed-tctl"), undefined);
  });

  it("that is too old is reported: for unknown flags, and if the server accepts only newer versions", async () => {
    // The real tctl refuses the flag. No other version is available here, so a stand-in reports the version.
    const former = standIn(
      "former",
      `[ "$1" = version ] || exec "$REAL" "$@" --of-a-later-version=1; exec "$REAL" version`,
    );
    await assert.rejects(
      asking(first(former), (client) => client.get("db")),
      /unknown long flag '--of-a-later-version'\. Install tctl in the version of the Teleport cluster at/,
    );
    const refused = `ERROR: Cannot connect to the auth server. Is the auth server running on \\"${PROXY}\\"?`;
    const saying = (version: string) =>
      `[ "$1" = version ] && { echo "Teleport v${version} git: go1.20"; exit; }; echo "${refused}" >&2; exit 1`;
    await assert.rejects(
      asking(first(standIn("old", saying("11.3.4"))), (client) => client.get("db")),
      {
        failure: "tctl-version",
        message: `tctl get at ${PROXY} failed: tctl 11.3.4 is too old for the Teleport cluster there, which is 13.3.8 and accepts 12.0.0 and newer. Install tctl 13.3.8.`,
      },
    );
    await assert.rejects(
      asking(first(standIn("newer", saying("18.1.0"))), (client) => client.get("db")),
      /tctl is 18\.1\.0, and Teleport is 13\.3\.8\./,
    );
  });

  for (const [times, what] of [
    [1, "once: the command ends cleanly"],
    [2, "twice: it ends at once"],
  ] as const)
    it(`leaves no process behind after Ctrl-C, ${what}; the next run continues`, async () => {
      const name = `tf-interrupted-${times}`;
      const stack = await stackOf(name);
      const begun = join(folder, `${name}.begun`);
      const waiting = times === 1 ? `sleep 8; exec "$REAL" "$@"` : "exec sleep 600";
      const hanging = standIn(name, `[ "$1" = create ] && { touch ${begun}; ${waiting}; }; exec "$REAL" "$@"`);
      const marker = ["TELEPORT_TF_TEST", `${name}-${process.pid}`] as const; // inherited by tctl
      const config = `--config-file=${join(folder, `stack-${name}`, `Pulumi.${name}.yaml`)}`;
      const child = spawn("pulumi", ["up", "--yes", "--skip-preview", "--non-interactive", `--stack=${name}`, config], {
        cwd: PROGRAM,
        detached: true, // its own process group, as in a shell: Ctrl-C reaches all of it
        stdio: "ignore",
        env: { ...process.env, PATH: first(hanging), [marker[0]]: marker[1] },
      });
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
      await eventually("tctl creates", async () => existsSync(begun), 180_000);
      assert.ok(commandsWith(marker).length > 1, "they are found by what they were started with");
      for (let interrupt = 1; interrupt <= times; interrupt++) {
        process.kill(-child.pid!, "SIGINT");
        await sleep(1_000);
      }
      assert.notEqual(await ended, 0);
      await eventually("nothing of it runs", async () => commandsWith(marker).length === 0, 20_000);

      await stack.must(["cancel", "--yes"]).catch(() => {}); // the lock of the ended run, if there is one
      await stack.up();
      const mine = (await teleport.databases()).filter(({ metadata }) => metadata.name === name);
      assert.equal(mine.length, 1);
      await stack.destroy();
      assert.equal(await teleport.database(name), undefined);
    });
});

/** The command line of a process; undefined if there is none. */
function commandOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return line || undefined; // empty: a zombie
  } catch {
    return undefined;
  }
}

/** Commands of the processes with this variable in their environment. */
function commandsWith([name, value]: readonly [string, string]): string[] {
  return processesWith((variable) => variable === `${name}=${value}`).flatMap((pid) => commandOf(pid) ?? []);
}
