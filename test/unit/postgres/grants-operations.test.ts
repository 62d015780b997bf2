import { strict as assert } from "node:assert";
import { mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sqlInPrimary } from "../../../components/postgres/psql";
import { providerOf } from "../../../components/dynamic/converge";
import { access, AccessInputs } from "../../../components/postgres/grants-operations";
import { CommandResult } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { FakeKubernetes, Ran } from "./fake-kubernetes";
import { printedBy } from "../printed-by";

const TIMING = { rolesWithin: 5_000, reasonsAfter: 10, poll: 2, grantsAtEach: 3 };

function inputs(more: Partial<AccessInputs> = {}): AccessInputs {
  const users = [{ name: "reader", access: "read" as const }];
  return { namespace: "db", cluster: "orders", uid: "uid-1", database: "app", users, ...more };
}

/** A Cluster with databases and roles. `drift` returns the differences. */
function setUp(drift: () => string = () => "") {
  const kubernetes = new FakeKubernetes();
  kubernetes.answer = ({ script }: Ran) => {
    if (script.includes("SELECT datname")) return "app\npostgres\n";
    if (script.includes("SELECT rolname FROM pg_roles WHERE rolname = ANY"))
      return ["reader", "writer", "pooler_authentication"]
        .filter((name) => script.includes(`'${name}'`) && scripts(kubernetes, `DROP ROLE "${name}"`).length === 0)
        .map((name) => `${name}\n`)
        .join("");
    if (script.includes("SELECT format(")) return drift();
    return undefined;
  };
  return { kubernetes, ...providerOf(access(async () => kubernetes, TIMING)) };
}

const scripts = ({ ran }: FakeKubernetes, part: string) => ran.filter(({ script }) => script.includes(part));

describe("access to a database", () => {
  it("is granted in every database, by the primary's superuser", async () => {
    const { kubernetes, create } = setUp();
    const { id } = await create(inputs());
    assert.equal(id, "db/orders");
    const made = scripts(kubernetes, "'DATABASE %I'").filter(({ script }) => !script.includes("OWNED BY"));
    assert.deepEqual(
      made.map(({ pod, database }) => ({ pod, database })),
      [
        { pod: "orders-1", database: "app" },
        { pod: "orders-1", database: "postgres" },
      ],
    );
  });

  it("is granted again for objects that appear during the check", async () => {
    const { kubernetes, create } = setUp(() => (grants() > 2 ? "" : "sales may not call lo_creat\n"));
    const grants = () =>
      scripts(kubernetes, "'DATABASE %I'").filter(({ script }) => !script.includes("OWNED BY")).length;
    await create(inputs());
    assert.equal(grants(), 4, "twice in two databases");
  });

  it("is also granted in a database that appears during the check", async () => {
    const { kubernetes, create } = setUp();
    const granted = () =>
      scripts(kubernetes, "'DATABASE %I'").filter(({ script }) => !script.includes("OWNED BY")).length;
    const { answer } = kubernetes;
    kubernetes.answer = (ran) => {
      if (ran.script.includes("SELECT datname") && granted() > 1) return "app\npostgres\nlate\n";
      if (ran.script.includes("SELECT format(") && ran.database === "late")
        return scripts(kubernetes, "'DATABASE %I'").some(({ database }) => database === "late")
          ? ""
          : "reader may not\n";
      return answer(ran);
    };
    await create(inputs());
  });

  it("treats a name that contains a line end as one name", async () => {
    const { kubernetes } = setUp();
    kubernetes.answer = () => ({ stdout: "x\napp\0writer\0" });
    const reference = { namespace: "db", cluster: "orders", uid: inputs().uid };
    assert.deepEqual(await sqlInPrimary(kubernetes, reference, "app", "SELECT 1"), ["x\napp", "writer"]);
  });

  it("drops users that are no longer declared: forbids logins first, drops last", async () => {
    const { kubernetes, update } = setUp();
    const writer = { name: "writer", access: "write" as const };
    await update("id", inputs({ users: [...inputs().users, writer] }), inputs());
    const order = kubernetes.ran
      .map(({ script }) => script)
      .filter((script) => /NOLOGIN|OWNED BY|DROP ROLE/.test(script));
    assert.match(order[0] ?? "", /"writer" NOLOGIN/);
    assert.match(order.at(-1) ?? "", /DROP ROLE "writer"/);
    assert.equal(scripts(kubernetes, "DROP OWNED BY").length, 2, "in each database");
    assert.equal(scripts(kubernetes, `"reader" NOLOGIN`).length, 0);
  });

  it("stores users that could not be dropped because a database allows no connections", async () => {
    const { kubernetes, update, diff } = setUp();
    const { answer } = kubernetes;
    kubernetes.answer = (ran) => (ran.script.includes("rolname = ANY") ? "reader\nwriter\n" : answer(ran));
    const writer = { name: "writer", access: "write" as const };
    const { outs } = await update("id", inputs({ users: [...inputs().users, writer] }), inputs());
    assert.deepEqual(outs?.toRemove, ["writer"]);
    assert.deepEqual(await diff("id", outs!, inputs()), { changes: true });
  });

  it("does not drop a role that the Cluster declares for something else", async () => {
    const { kubernetes, update } = setUp();
    kubernetes.cluster!.spec = { managed: { roles: [{ name: "writer" }] } };
    await update("id", inputs({ users: [{ name: "writer", access: "write" }] }), inputs());
    assert.deepEqual(scripts(kubernetes, "DROP ROLE"), []);
  });

  it("detects drift of the database while the declaration is unchanged", async () => {
    let drift = "";
    const { diff } = setUp(() => drift);
    assert.deepEqual(await diff("id", inputs(), inputs()), { changes: false });
    drift = "reader may not select sales\n";
    assert.deepEqual(await diff("id", inputs(), inputs()), { changes: true });
  });

  it("counts as unchanged if Kubernetes does not answer", async () => {
    const connect = () => Promise.reject(new KubernetesError("unavailable", "no answer"));
    const { diff } = providerOf(access(connect));
    assert.deepEqual(await diff("id", inputs(), inputs()), { changes: false });
    assert.deepEqual(await diff("id", inputs(), inputs({ database: "other" })), { changes: true });
  });

  it("fails with the operator's reason if a role does not become as declared", async () => {
    const { kubernetes, create } = setUp(() => "reader is not a member of nobody\n");
    kubernetes.cluster!.status = {
      currentPrimary: "orders-1",
      managedRolesStatus: { cannotReconcile: { reader: ['role "nobody" does not exist'] } },
    };
    await assert.rejects(
      create(inputs()),
      /reader is not a member of nobody.*CloudNativePG says: reader: role "nobody"/s,
    );
  });

  it("fails with the message of the DatabaseRole, not with an older message of the Cluster", async () => {
    const { kubernetes, create } = setUp(() => "reader is not a member of nobody\n");
    const stale = { reader: ["of before"] };
    kubernetes.cluster!.status = { currentPrimary: "orders-1", managedRolesStatus: { cannotReconcile: stale } };
    const status = { applied: false, message: 'role "nobody" does not exist' };
    kubernetes.objects.set("orders.reader", { metadata: { name: "orders.reader" }, status });
    await assert.rejects(create(inputs({ usersAs: "databaseRole" })), (error: Error) => {
      assert.match(error.message, /CloudNativePG says: reader: role "nobody" does not exist/);
      assert.doesNotMatch(error.message, /of before/);
      return true;
    });
  });

  it("keeps waiting if the operator's reason is an old one for another role", async () => {
    const begun = Date.now();
    const { kubernetes, create } = setUp(() => (Date.now() - begun < 300 ? "writer is not a member of app\n" : ""));
    const stale = { reader: ['role "nobody" does not exist'] };
    kubernetes.cluster!.status = { currentPrimary: "orders-1", managedRolesStatus: { cannotReconcile: stale } };
    await create(inputs());
    assert.ok(Date.now() - begun >= 300);
  });

  it("refuses to run SQL in another Cluster of the same name", async () => {
    const { kubernetes, create } = setUp();
    kubernetes.cluster!.metadata.uid = "another";
    await assert.rejects(create(inputs()), /not in the cluster that the kubeconfig's context leads to/);
    assert.deepEqual(kubernetes.ran, []);
  });

  it("is deleted without a message if the Cluster is gone", async () => {
    const { kubernetes, delete: remove } = setUp();
    kubernetes.cluster = undefined;
    await remove("id", inputs());
    assert.deepEqual(kubernetes.ran, []);
  });

  it("waits for the next run while no instance runs", async () => {
    const { kubernetes, create, diff } = setUp(() => "reader may not log in");
    await create(inputs({ suspended: true }));
    assert.deepEqual(kubernetes.ran, []);
    assert.deepEqual(await diff("id", inputs({ suspended: true }), inputs({ suspended: true })), { changes: false });
    assert.deepEqual(await diff("id", inputs({ suspended: true }), inputs()), { changes: true });
  });

  it("stores users that are removed while the Cluster is stopped, and drops them when it runs again", async () => {
    const { kubernetes, update, diff } = setUp();
    const writer = { name: "writer", access: "write" as const };
    const suspended = inputs({ suspended: true });
    const { outs } = await update("id", { ...suspended, users: [...suspended.users, writer] }, suspended);
    assert.deepEqual(outs?.toRemove, ["writer"]);
    assert.deepEqual(kubernetes.ran, []);
    assert.deepEqual(await diff("id", outs!, inputs()), { changes: true });
    await update("id", outs!, inputs());
    assert.match(kubernetes.ran.map(({ script }) => script).join(), /DROP ROLE "writer"/);
  });

  const STOPPED = [
    { annotations: { "cnpg.io/hibernation": "on" }, reason: /hibernation: "on"/ },
    { annotations: { "cnpg.io/fencedInstances": '["*"]' }, reason: /all its instances are fenced/ },
    { annotations: { "cnpg.io/fencedInstances": '["orders-1"]' }, reason: /orders-1 is fenced/ },
  ];
  for (const { annotations, reason } of STOPPED) {
    it(`does nothing in a Cluster that somebody stopped, prints a warning, and continues when it runs again: ${reason}`, async () => {
      let found = "reader may not log in\n";
      const { kubernetes, create, update, diff, delete: remove } = setUp(() => found);
      const writer = { name: "writer", access: "write" as const };
      const before = inputs({ users: [...inputs().users, writer] });
      kubernetes.cluster!.metadata.annotations = annotations;
      const printed: string[] = [];
      const print = console.error;
      console.error = (line: string) => void printed.push(line);
      try {
        await create(inputs());
        const { outs } = await update("id", before, inputs());
        assert.match(printed.join("\n"), reason);
        printed.length = 0;
        assert.deepEqual(await diff("id", outs!, inputs()), { changes: false });
        assert.deepEqual(printed, [], "ClusterServing prints that the Cluster is stopped");
        await remove("id", before);
        assert.match(printed.join("\n"), /is stopped: .*This could not be removed from it: reader, writer/);
        assert.deepEqual(kubernetes.ran, []);

        kubernetes.cluster!.metadata.annotations = {};
        assert.deepEqual(await diff("id", outs!, inputs()), { changes: true });
        assert.deepEqual(
          await diff("id", inputs(), inputs()),
          { changes: true },
          "it was created while the Cluster was stopped",
        );
        found = "";
        await update("id", outs!, inputs());
        assert.match(kubernetes.ran.map(({ script }) => script).join(), /DROP ROLE "writer"/);
      } finally {
        console.error = print;
      }
    });
  }

  it("continues if a standby is fenced", async () => {
    const { kubernetes, create } = setUp();
    kubernetes.cluster!.metadata.annotations = { "cnpg.io/fencedInstances": '["orders-2"]' };
    await create(inputs());
    assert.notDeepEqual(kubernetes.ran, []);
  });

  it("revokes users' rights when it is deleted, even if a Cluster that stays still declares their roles", async () => {
    const { kubernetes, delete: remove } = setUp();
    kubernetes.cluster!.spec = { managed: { roles: [{ name: "reader" }] } };
    await remove("id", inputs());
    const revoked = scripts(kubernetes, "REVOKE ALL ON %s FROM %I CASCADE").map(({ database }) => database);
    assert.deepEqual(revoked, ["app", "postgres"]);
    for (const part of ["GRANT SELECT", "NOLOGIN", "DROP ROLE"]) assert.deepEqual(scripts(kubernetes, part), [], part);
  });

  it("revokes users' rights when it is deleted, and keeps a role if its DatabaseRole stays", async () => {
    const { kubernetes, delete: remove } = setUp();
    kubernetes.objects.set("orders.reader", { metadata: { name: "orders.reader" }, spec: { name: "reader" } });
    const users = [...inputs().users, { name: "writer", access: "write" as const }];
    await remove("id", inputs({ users, usersAs: "databaseRole" }));
    assert.equal(scripts(kubernetes, "REVOKE ALL ON %s FROM %I CASCADE").length, 4, "each user's, in each database");
    assert.equal(scripts(kubernetes, `"reader" NOLOGIN`).length, 0);
    assert.equal(scripts(kubernetes, `DROP ROLE "writer"`).length, 1);
    assert.equal(scripts(kubernetes, `DROP ROLE "reader"`).length, 0);
  });

  it("drops a removed user before its DatabaseRole, which is deleted at the end of the run", async () => {
    const { kubernetes, update } = setUp();
    kubernetes.objects.set("orders.writer", { metadata: { name: "orders.writer" }, spec: { name: "writer" } });
    const before = inputs({ users: [...inputs().users, { name: "writer", access: "write" }], usersAs: "databaseRole" });
    await update("id", before, inputs({ usersAs: "databaseRole" }));
    assert.equal(scripts(kubernetes, `DROP ROLE "writer"`).length, 1);
  });

  it("creates the role of a DatabaseRole again if it was dropped by hand, because the operator does not", async () => {
    for (const [usersAs, made] of [
      ["databaseRole", 1],
      ["inline", 0],
    ] as const) {
      const { kubernetes, create } = setUp();
      await create(inputs({ usersAs }));
      assert.equal(scripts(kubernetes, `CREATE ROLE "reader"`).length, made, usersAs);
    }
  });

  it("changes with `usersAs`; older states count as inline", async () => {
    const { diff } = setUp();
    const [before, objects] = [inputs(), inputs({ usersAs: "databaseRole" })];
    assert.deepEqual(await diff("id", before, objects), { changes: true });
    assert.deepEqual(await diff("id", objects, before), { changes: true });
    assert.deepEqual(await diff("id", before, inputs({ usersAs: "inline" })), { changes: false });
  });

  it("grants to PUBLIC again, in every database, what an earlier release revoked, when it is deleted", async () => {
    const { kubernetes, delete: remove } = setUp();
    await remove("id", inputs());
    const last = kubernetes.ran.filter(({ script }) => script.includes("TO PUBLIC")).map(({ database }) => database);
    assert.deepEqual(last, ["app", "postgres"]);
  });

  it("names the session that holds a lock, and ends sessions of declared users that block the change of their rights", async () => {
    const { kubernetes } = setUp();
    const asked: string[] = [];
    const holder = "The lock is held by process 7 of the user app";
    kubernetes.exec = async ({ input = "", command }) => {
      if (input.includes("pg_blocking_pids")) {
        asked.push(input);
        return { code: 0, stdout: `${holder}\0`, stderr: "" };
      }
      assert.ok(command.some((word) => /^PGAPPNAME=cnpg-teleport [0-9a-f]{16}$/.test(word)));
      await sleep(60);
      return { code: 3, stdout: "", stderr: "ERROR:  canceling statement due to lock timeout\n" };
    };
    const reference = { namespace: "db", cluster: "orders", uid: inputs().uid };
    const locks = { ends: ["writer"], lookAfter: 10 };
    await assert.rejects(sqlInPrimary(kubernetes, reference, "app", "SELECT 1", locks), (error: Error) =>
      error.message.includes(`${holder}. Let it finish, or end it`),
    );
    assert.ok(asked.length > 0);
    for (const query of asked)
      assert.match(query, /usename = ANY \(ARRAY\['writer'\]::text\[\]\) AND pg_terminate_backend/);
  });

  it("does not look for blocking sessions while nothing waits", async () => {
    const { kubernetes } = setUp();
    await sqlInPrimary(kubernetes, { namespace: "db", cluster: "orders", uid: "uid-1" }, "app", "SELECT 1");
    assert.equal(kubernetes.ran.length, 1);
  });

  it("prints which databases it skips, and why", async () => {
    const { kubernetes, create } = setUp();
    const { answer } = kubernetes;
    kubernetes.answer = (ran) =>
      ran.script.includes("ALLOW_CONNECTIONS") ? "the database gone is left over\n" : answer(ran);
    const said = await printed(() => create(inputs()));
    assert.match(said, /^orders: the database gone is left over$/m);
  });

  it("marks PgBouncer's schema before rights are granted, so that users get none in it", async () => {
    const { kubernetes, create } = setUp();
    await create(inputs({ poolerLogins: ["explicit", "integrated"] }));
    const all = kubernetes.ran.map(({ script }) => script);
    const marked = all.findIndex((script) =>
      script.includes("COMMENT ON SCHEMA pooler_authentication IS 'cnpg-teleport: "),
    );
    assert.ok(marked >= 0 && marked < all.findIndex((script) => script.includes("GRANT USAGE ON SCHEMA %I")));
    assert.ok(!all.some((script) => script.includes("COMMENT ON SCHEMA public")));
  });

  it("keeps PgBouncer's login while Poolers change, and corrects its drift", async () => {
    const { kubernetes, update, diff } = setUp();
    await update("id", inputs({ poolerLogins: ["integrated"] }), inputs({ poolerLogins: ["explicit"] }));
    assert.doesNotMatch(kubernetes.ran.map(({ script }) => script).join(), /cnpg_pooler_pgbouncer.* NOLOGIN|DROP ROLE/);
    const explicit = inputs({ poolerLogins: ["explicit"], users: [] });
    kubernetes.answer = ({ script }) =>
      script.includes("SELECT datname")
        ? "app\n"
        : script.includes("PgBouncer does not have its login")
          ? "PgBouncer does not have its login\n"
          : "";
    assert.deepEqual(await diff("id", explicit, explicit), { changes: true });
  });

  /** Creates the rights although the first command in the primary's pod ends, or fails, like this. */
  async function madeAfter(first: Partial<CommandResult> | KubernetesError): Promise<void> {
    const { kubernetes, create } = setUp();
    const { answer } = kubernetes;
    let failures = 1;
    kubernetes.answer = (ran) => {
      if (failures-- <= 0) return answer(ran);
      if (first instanceof KubernetesError) throw first;
      return first;
    };
    await create(inputs());
  }

  it("retries during a switchover", async () => {
    const lost =
      "FATAL:  terminating connection due to administrator command\nserver closed the connection unexpectedly\nconnection to server was lost\n";
    await Promise.all([
      madeAfter({ code: 3, stderr: "ERROR: cannot execute GRANT in a read-only transaction" }),
      madeAfter({ code: 2, stderr: lost }),
      madeAfter({ code: 137 }),
      madeAfter(new KubernetesError("unavailable", "the connection was closed before it ended")),
      madeAfter(new KubernetesError("failed", "Running psql in pod db/orders-1 failed (404)")),
    ]);
    const denied = new KubernetesError("access-denied", "Running psql in pod db/orders-1 was denied (403)");
    await assert.rejects(madeAfter(denied), denied);
  });

  /** How long a script is retried if the primary is away for `goneFor` milliseconds, and whether it finally ran. */
  async function triedFor(goneFor: number, instances: number): Promise<{ seconds: number; ran: boolean }> {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      const kubernetes = new FakeKubernetes();
      const healthy = Array.from({ length: instances }, (_, index) => `orders-${index + 1}`);
      const status = { currentPrimary: "orders-1", instancesStatus: { healthy } };
      kubernetes.cluster = { metadata: { name: "orders", uid: "uid-1" }, spec: { instances }, status };
      kubernetes.answer = () => (Date.now() < goneFor ? { code: 2, stderr: "could not connect to server" } : "done");
      let ended: boolean | undefined;
      const script = sqlInPrimary(kubernetes, inputs(), "app", "SELECT 1");
      script.then(
        () => (ended = true),
        () => (ended = false),
      );
      for (;;) {
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        if (ended !== undefined) return { seconds: Date.now() / 1_000, ran: ended };
        mock.timers.tick(1_000);
      }
    } finally {
      mock.timers.reset();
    }
  }

  it("waits for a failover for minutes, or for half a minute if no other instance can take over", async () => {
    assert.deepEqual(await triedFor(100_000, 3), { seconds: 102, ran: true });
    const late = await triedFor(Infinity, 3);
    assert.ok(!late.ran && late.seconds >= 150 && late.seconds < 160, JSON.stringify(late));
    assert.deepEqual(await triedFor(20_000, 1), { seconds: 21, ran: true });
    assert.deepEqual(await triedFor(Infinity, 1), { seconds: 27, ran: false });
  });

  it("reports PostgreSQL's message", async () => {
    const { kubernetes, create } = setUp();
    kubernetes.answer = () => ({ code: 3, stderr: "ERROR:  out of everything\n" });
    await assert.rejects(
      create(inputs()),
      /SQL in database postgres of db\/orders failed: ERROR: {2}out of everything/,
    );
  });
});

/** What `work` prints. */
async function printed(work: () => Promise<unknown>): Promise<string> {
  return (await printedBy(work)).join("\n");
}
