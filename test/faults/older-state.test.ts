/** States of older releases: preview, refresh, `up` and destroy work with them, with this release's code. */
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../lab/drive/stack";
import { CLUSTER, environment, recordedReleases, STACK } from "../fixtures/recorded";
import { CACHE_LAG, kubectl, sqlAsSuperuser, teleport } from "../lab/lab";
import { writerOfEach } from "./object-writers";
import { makeWorld, namespaceIsThere, resourcesOf } from "./recorded-world";

const DATABASE = `${CLUSTER}-${STACK}`;
/** The function that the stored provider calls to delete. */
const STORED_DELETE = "operations().delete(id, props)";

for (const { name, settings, state } of recordedReleases()) {
  describe(`a state of ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "older-state-"));
    const mark = join(folder, "deleted-by-the-recorded-code");
    const stack = new Stack(STACK, { env: { ...environment(), RECORDED_CODE_RAN: mark } });
    let recorded = state;

    const load = async (text: string) => {
      const file = join(folder, "state.json");
      writeFileSync(file, text, { mode: 0o600 });
      await stack.must(["stack", "import", "--file", file]);
    };

    before(async () => {
      stack.configure(settings);
      await stack.init();
      await load(recorded);
      const plain = await stack.must(["stack", "export", "--show-secrets"]);
      for (const [then, now] of await makeWorld(plain)) recorded = recorded.replaceAll(then, now);
      await load(recorded);
    });

    after(async () => {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
      await teleport.remove(DATABASE);
      await kubectl("delete", "namespace", CLUSTER, "--ignore-not-found", "--wait=false");
      rmSync(folder, { recursive: true, force: true });
    });

    it("needs nothing replaced or deleted", async () => {
      const planned = await stack.plannedChanges();
      // A later release may check more than an older one did.
      const { same = 0, update = 0, create: _, ...other } = planned;
      assert.deepEqual(other, {}, JSON.stringify(planned));
      assert.equal(
        same + update,
        resourcesOf(recorded).filter(
          ({ type }) => !type.startsWith("pulumi:providers:pulumi") && !/default_/.test(type),
        ).length - 1,
        JSON.stringify(planned),
      );
    });

    it("is refreshed and updated by `up`, after which nothing is left to do", async () => {
      const pods = await podsNow();
      await stack.must(["refresh", "--yes", "--skip-preview"]);
      await stack.up();
      assert.equal(await podsNow(), pods, "no pod was restarted");
      const { same, ...other } = await stack.plannedChanges();
      assert.ok(same);
      assert.deepEqual(other, {});
      const readers = "SELECT count(*) FROM pg_roles WHERE rolname = 'teleport_user_read'";
      assert.equal(await sqlAsSuperuser(CLUSTER, "app", readers), "1\n");
      const writers = await writerOfEach(CLUSTER);
      for (const [object, writer] of Object.entries(writersIn(recorded))) assert.equal(writers[object], writer, object);
      assert.ok(await teleport.database(DATABASE));
    });

    it("is destroyed by the code in the state, and leaves nothing behind", async () => {
      await load(withMarks(recorded));
      await stack.destroy();
      assert.ok(existsSync(mark), "the recorded code ran");
      assert.match(readFileSync(mark, "utf8"), new RegExp(`^${DATABASE}$`, "m"));
      assert.deepEqual(resourcesOf(await stack.state()), []);
      assert.equal(await namespaceIsThere(CLUSTER), false);
      await sleep(CACHE_LAG);
      assert.equal(await teleport.database(DATABASE), undefined);
    });
  });
}

/** The pods of the instances, with the times at which their PostgreSQL was started. */
async function podsNow(): Promise<string> {
  const pods = ["-n", CLUSTER, "get", "pods", "--selector=cnpg.io/podRole=instance", "-o"];
  const uids = await kubectl(
    ...pods,
    "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{end}",
  );
  return `${uids} ${await sqlAsSuperuser(CLUSTER, "app", "SELECT pg_postmaster_start_time()")}`;
}

/** The names under which the state's objects were written, by `Cluster orders`. */
function writersIn(state: string): Record<string, string> {
  const written = resourcesOf(state).filter(({ type }) => /^kubernetes:.*:(Cluster|Pooler|Secret)$/.test(type));
  assert.ok(written.length > 5);
  return Object.fromEntries(
    written.map(({ inputs, outputs }) => {
      const { kind, metadata } = inputs as { kind: string; metadata: { name: string } };
      return [`${kind} ${metadata.name}`, String(outputs?.__fieldManager)];
    }),
  );
}

/** The state with stored providers that record what they delete. */
function withMarks(state: string): string {
  const noted = 'process.getBuiltinModule("node:fs").appendFileSync(process.env.RECORDED_CODE_RAN, `${id}\\n`)';
  const marked = JSON.stringify(
    JSON.parse(state, (key, value: unknown) =>
      key === "__provider" && typeof value === "string"
        ? value.replace(STORED_DELETE, `(${noted}, ${STORED_DELETE})`)
        : value,
    ),
  );
  assert.ok(marked.includes("RECORDED_CODE_RAN"), "the recorded code is as this test knows it");
  return marked;
}
