import { strict as assert } from "node:assert";
import * as grpc from "@grpc/grpc-js";
import { hasDrifted } from "../../components/dynamic/converge";
import { bounded } from "../../components/dynamic/bounded";
import { KubernetesError } from "../../components/kubernetes/errors";
import { firstOf, limited, printable } from "../../components/message-limits";
import { operations } from "../../components/operations";
import { printedBy } from "./printed-by";

const huge = "é".repeat(200_000);

describe("messages for the engine", () => {
  it("are cut to 8 KiB of UTF-8, and say how much is missing", () => {
    assert.equal(limited("short\nand plain"), "short\nand plain");
    const cut = limited(huge);
    assert.ok(Buffer.byteLength(cut) < 8_300);
    assert.match(cut, /^é{4096}… and 195904 more characters$/);
    assert.doesNotMatch(limited(`x${huge}`), /\uFFFD/);
  });

  it("show control characters as escape sequences", () => {
    assert.equal(printable("a\nb\x1b[31m\u202e"), "a\\nb\\x1b[31m\\u202e");
    assert.equal(limited("a\nb\x1b[31m"), "a\nb\\x1b[31m");
  });

  it("show the first items, and how many more there are", () => {
    assert.deepEqual(firstOf(["a", "b"], 2), ["a", "b"]);
    assert.deepEqual(firstOf(["a", "b", "c", "d"], 2), ["a", "b", "and 2 more"]);
  });
});

describe("operations, as the engine calls them", () => {
  const failing = (error: unknown) =>
    bounded({ kind: { create: async () => Promise.reject(error as Error) } }).kind.create();

  it("fail with a shortened message and the same class of error", async () => {
    const error = await failing(new KubernetesError("failed", huge)).then(
      () => assert.fail("it did not fail"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof KubernetesError);
    assert.equal(error.failure, "failed");
    assert.ok(Buffer.byteLength(error.message) < 8_300);
    assert.ok(Buffer.byteLength(error.stack ?? "") < 16_000);
    assert.match(error.stack ?? "", /\n +at /);
  });

  it("keep a short error as it is, and turn any other thrown value into an error", async () => {
    const short = new Error("short");
    await assert.rejects(failing(short), (error) => error === short);
    await assert.rejects(failing(huge), (error: Error) => error.message.length < 8_300);
  });

  /** What Pulumi's process for dynamic providers prints about an error of check, diff, read and delete. */
  const printed = (error: Error) => `${String(error)}: ${error.stack}`;
  const explained = () => new KubernetesError("failed", "The Cluster is gone. Create it again.");

  for (const method of ["diff", "read", "delete"]) {
    it(`print an error of ${method} once: only the engine's error of the resource has the message`, async () => {
      const kinds = bounded({ kind: { [method]: async () => Promise.reject(explained()) } });
      await assert.rejects(kinds.kind[method]!, (error: Error) => {
        assert.ok(error instanceof KubernetesError);
        assert.equal(error.message, explained().message);
        assert.equal(printed(error), "An operation failed: the error of its resource says why.");
        return true;
      });
    });
  }

  it("turn an error of a check into a failure, which Pulumi prints once and without a stack trace", async () => {
    const kinds = bounded({ kind: { check: async () => Promise.reject(explained()) } });
    assert.deepEqual(await kinds.kind.check(), { failures: [{ property: "", reason: explained().message }] });
  });

  it("keep the stack trace of a fault in the program", async () => {
    const fault = async () => (undefined as unknown as { a: string }).a;
    const kinds = bounded({ kind: { check: fault, read: fault } });
    for (const method of ["check", "read"] as const)
      await assert.rejects(kinds.kind[method], (error: Error) =>
        /^TypeError: .*\n +at /.test(printed(error).slice(printed(error).lastIndexOf("TypeError"))),
      );
  });

  it("return no undefined values at any depth, because the engine refuses them", async () => {
    const outs = { uid: undefined, at: [{ port: undefined, host: "db" }], none: null, zero: 0 };
    const kinds = bounded({
      kind: { create: async () => ({ id: "x", outs }), read: async () => ({}), delete: async () => {} },
    });
    assert.deepEqual(Object.entries((await kinds.kind.create()).outs), [
      ["at", [{ host: "db" }]],
      ["none", null],
      ["zero", 0],
    ]);
    assert.deepEqual(await kinds.kind.read(), {});
    assert.equal(await kinds.kind.delete(), undefined);
  });

  it("limit the number and the length of a check's reasons", async () => {
    const failures = Array.from({ length: 1_000 }, (_, index) => ({ property: `p${index}`, reason: huge }));
    const checks = bounded({ kind: { check: async () => ({ inputs: {}, failures }) } });
    const { failures: shown } = await checks.kind.check();
    assert.equal(shown.length, 21);
    assert.ok(shown.every(({ reason }) => reason.length < 8_300));
    assert.equal(shown.at(-1)?.reason, "and 980 more");
  });

  it("are all limited, under the names that existing states call", async () => {
    const kinds =
      "access autoUsers certAuthority clusterServing databasesServing databaseRolesServing operatorCheck poolerServing";
    for (const kind of `${kinds} registration vaultAdmin vaultLeases`.split(" ")) assert.ok(kind in operations, kind);
    // The error of a read repeats this long namespace.
    const error = await operations.access.read(huge, undefined).catch((reason: Error) => reason);
    assert.ok(error instanceof Error && error.message.length < 8_300);
  });

  it("send their errors over gRPC", async () => {
    const text = (value: Buffer) => value;
    const path = "/test/fail";
    const method = {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: text,
      requestDeserialize: text,
      responseSerialize: text,
      responseDeserialize: text,
    };
    const server = new grpc.Server();
    const create = bounded({ kind: { create: async () => Promise.reject(new Error(huge)) } }).kind.create;
    server.addService(
      { fail: method },
      {
        fail: (_call: unknown, callback: grpc.sendUnaryData<Buffer>) =>
          void create().catch((error: Error) => callback({ code: grpc.status.UNKNOWN, message: error.message })),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    try {
      const error = await new Promise<grpc.ServiceError | null>((resolve) =>
        client.makeUnaryRequest(path, text, text, Buffer.from(""), { deadline: Date.now() + 5_000 }, resolve),
      );
      assert.equal(error?.code, grpc.status.UNKNOWN, error?.message);
      assert.match(error?.details ?? "", /more characters$/);
    } finally {
      client.close();
      server.forceShutdown();
    }
  });
});

describe("the drift that a preview prints", () => {
  it("has a limited length, and no control characters", async () => {
    const printed = await printedBy(async () => {
      const found = Array.from({ length: 40_000 }, (_, index) => `table "t${index}\n\x1b[2J" is not readable`);
      assert.deepEqual(await hasDrifted("orders", "unseen", async () => found), true);
    });
    assert.equal(printed.length, 21);
    assert.equal(printed[0], 'orders: table "t0\\n\\x1b[2J" is not readable; `pulumi up` corrects this');
    assert.match(printed.at(-1) ?? "", /^orders: and 39980 more/);
  });
});
