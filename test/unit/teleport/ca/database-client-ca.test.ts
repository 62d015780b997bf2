import { strict as assert } from "node:assert";
import {
  readDatabaseClientCa,
  selectDatabaseClientCa,
  rotationOf,
  rotationWarning,
} from "../../../../components/teleport/ca/database-client-ca";
import { providerOf } from "../../../../components/dynamic/converge";
import { certAuthority } from "../../../../components/teleport/ca/cert-authority-operations";
import { TeleportError, TeleportFailure } from "../../../../components/teleport/client/errors";
import { TeleportClient, TeleportDocument } from "../../../../components/teleport/client/tctl";
import { UNKNOWN } from "../../../../components/value-check";

const keys = (...pems: string[]) => ({ tls: pems.map((pem) => ({ cert: Buffer.from(pem).toString("base64") })) });

function authority(type: string, cluster = "lab", spec: Record<string, unknown> = {}): TeleportDocument {
  return {
    kind: "cert_authority",
    sub_kind: type,
    version: "v2",
    metadata: { name: cluster },
    spec: { type, active_keys: keys(`${cluster} ${type}`), additional_trusted_keys: {}, ...spec },
  };
}

describe("a Teleport cluster's database client CA", () => {
  const old = [authority("host"), authority("db")];

  it("is db_client where the cluster has it", () => {
    assert.deepEqual(selectDatabaseClientCa([...old, authority("db_client")]), {
      cluster: "lab",
      certificates: ["lab db_client"],
    });
  });

  // Teleport 13 and 14
  it("is db where the cluster has no other", () => {
    assert.deepEqual(selectDatabaseClientCa(old), { cluster: "lab", certificates: ["lab db"] });
  });

  it("has both certificates during a rotation, the one in use first", () => {
    const rotation = { state: "in_progress", phase: "update_clients" };
    const rotating = authority("db_client", "lab", {
      active_keys: keys("new"),
      additional_trusted_keys: keys("old"),
      rotation,
    });
    assert.deepEqual(selectDatabaseClientCa([rotating]), {
      cluster: "lab",
      certificates: ["new", "old"],
      rotationPhase: "update_clients",
      rotationType: "db_client",
      rotationSchedule: [],
    });
  });

  it("is told by no phase once the rotation is over", () => {
    const standby = authority("db_client", "lab", { rotation: { state: "standby", phase: "standby" } });
    assert.ok(!("rotationPhase" in selectDatabaseClientCa([standby])));
  });

  it("is of the cluster that signed the identity, not of one that it trusts", () => {
    const both = [authority("db_client", "leaf"), authority("db_client", "lab")];
    assert.deepEqual(selectDatabaseClientCa(both, "lab").certificates, ["lab db_client"]);
    assert.throws(() => selectDatabaseClientCa(both), /several clusters \(leaf, lab\)/);
  });

  // Teleport 13 and 14
  it("is not taken from a trusted cluster that alone has the newer type", () => {
    const mixed = [authority("db_client", "leaf"), authority("db", "leaf"), authority("db", "lab")];
    assert.deepEqual(selectDatabaseClientCa(mixed, "lab").certificates, ["lab db"]);
  });

  it("is reported as missing, with the right that is required", () => {
    assert.throws(
      () => selectDatabaseClientCa([authority("host")], "lab"),
      /no database CA of the cluster lab.*cert_authority/,
    );
  });
});

describe("certificates that override a Teleport cluster's database client CA", () => {
  /** As `tctl get --format=json` prints it (api/proto/teleport/subca/v1 of Teleport 18). */
  const override = (overrides: object[], type = "db_client", cluster = "lab"): TeleportDocument => ({
    kind: "cert_authority_override",
    sub_kind: type,
    version: "v1",
    metadata: { name: cluster },
    spec: { certificate_overrides: overrides },
  });
  const inForce = { public_key: "AB", certificate: "below a root of the company", chain: ["issuer", "root"] };
  const asking: string[] = [];
  const client = (authorities: TeleportDocument[], overrides: TeleportDocument[] | TeleportError): TeleportClient => ({
    cluster: "lab",
    get: async (reference) => {
      asking.push(reference);
      if (reference === "cert_authorities") return authorities;
      if (overrides instanceof TeleportError) throw overrides;
      return overrides;
    },
    create: () => assert.fail("it only reads"),
    overwrite: () => assert.fail("it only reads"),
    remove: () => assert.fail("it only reads"),
  });
  const read = async (overrides: TeleportDocument[] | TeleportError) =>
    (await readDatabaseClientCa(client([authority("db"), authority("db_client")], overrides))).certificates;

  it("are trusted with their chains, in addition to the CA's own", async () => {
    assert.deepEqual(await read([override([inForce])]), [
      "lab db_client",
      "below a root of the company",
      "issuer",
      "root",
    ]);
  });

  it("are trusted once each, but not if they are disabled, empty, or of another CA", async () => {
    const others = [override([inForce], "windows"), override([inForce], "db_client", "leaf")];
    assert.deepEqual(await read(others), ["lab db_client"]);
    assert.deepEqual(await read([override([{ ...inForce, disabled: true }, { public_key: "CD" }])]), ["lab db_client"]);
    assert.deepEqual(await read([{ ...override([]), spec: {} }]), ["lab db_client"]);
    assert.equal((await read([override([inForce, inForce])])).length, 4);
  });

  for (const [told, failure] of [
    ['unsupported resource: "cert_authority_override" - resources should be expressed as type/name', "failed"],
    ['getting "cert_authority_override" is not supported', "failed"],
    ["unknown service teleport.subca.v1.SubCAService", "failed"],
    ["access denied to perform action list on cert_authority_override", "access-denied"],
  ] as const)
    it(`are empty if they cannot be read: ${told}`, async () => {
      assert.deepEqual(await read(new TeleportError(failure, told)), ["lab db_client"]);
    });

  it("cause a failure if Teleport does not answer, so that the former CA is kept", async () => {
    await assert.rejects(read(new TeleportError("unavailable", "away")), { failure: "unavailable" });
  });

  // Teleport 13 and 14
  it("are not asked for where the cluster is older than they are", async () => {
    asking.length = 0;
    await readDatabaseClientCa(client([authority("db")], new TeleportError("failed", "unknown")));
    assert.deepEqual(asking, ["cert_authorities"]);
  });
});

describe("a Teleport cluster's CA in the state", () => {
  const rotation = { rotationPhase: "init", rotationType: "db", rotationSchedule: ["one", "two", "three"] };
  const known = { proxy: "teleport.example.com:443", cluster: "lab", certificates: ["old"], ...rotation };
  const { proxy } = known;
  const reading = (answer: { certificates: string[] } | TeleportFailure, answers: "yes" | "no" = "yes") =>
    providerOf(
      certAuthority(
        async () => {
          if (typeof answer === "string") throw new TeleportError(answer, answer);
          return { cluster: "lab", ...answer };
        },
        async () => (answers === "yes" ? { answers } : { answers, why: "away" }),
      ),
    );

  it("is read by check, with the connection as given", async () => {
    const { check } = reading({ certificates: ["new"] });
    for (const asked of [
      { proxy },
      { proxy, credentials: "emea" },
      { proxy, source: "proxy", caFile: "ca.pem" } as const,
    ]) {
      const former = { ...asked, ...rotation, cluster: "x", certificates: ["x"] };
      assert.deepEqual((await check(known, former)).inputs, { ...asked, cluster: "lab", certificates: ["new"] });
    }
  });

  it("is not known in a preview that does not know the proxy, and nobody is asked", async () => {
    const { check } = reading("unavailable");
    const { inputs, failures } = await check({} as typeof known, { proxy: UNKNOWN });
    assert.deepEqual(inputs, { proxy: UNKNOWN, certificates: UNKNOWN, cluster: UNKNOWN });
    assert.deepEqual(failures ?? [], []);
  });

  it("stays the same while Teleport is unavailable", async () => {
    assert.deepEqual((await reading("unavailable").check(known, { proxy })).inputs, known);
    const { rotationPhase: _phase, rotationType: _type, rotationSchedule: _schedule, ...atRest } = known;
    assert.deepEqual((await reading("unavailable").check(atRest, { proxy })).inputs, atRest);
    const { inputs } = await reading("unavailable").check({ ...atRest, rotationPhase: "init" }, { proxy });
    assert.deepEqual(inputs, { ...known, rotationSchedule: [] }, "of a state that knows the phase alone");
  });

  it("stays the same if the identity is invalid and Teleport is unavailable, so nobody can get a new one", async () => {
    assert.deepEqual((await reading("identity", "no").check(known, { proxy })).inputs, known);
    await assert.rejects(reading("identity", "yes").check(known, { proxy }), TeleportError);
  });

  it("is not kept for another proxy, or if Teleport refuses to show it", async () => {
    const check = (failure: TeleportFailure, olds: object, at = proxy) =>
      reading(failure).check(olds as typeof known, { proxy: at });
    await assert.rejects(check("unavailable", {}), TeleportError);
    await assert.rejects(check("unavailable", known, "other.example.com:443"), TeleportError);
    await assert.rejects(check("access-denied", known), TeleportError);
    await assert.rejects(check("failed", known), TeleportError);
  });

  it("changes with its certificates, its phase, and its source", async () => {
    const { diff } = reading({ certificates: [] });
    const changes = async (news: object) => (await diff("lab", known, { ...known, ...news })).changes;
    assert.equal(await changes({}), false);
    for (const news of [
      { certificates: ["old", "new"] },
      { rotationPhase: undefined },
      { rotationType: "db_client" },
      { rotationSchedule: undefined },
      { source: "proxy" },
      { caFile: "x" },
    ])
      assert.equal(await changes(news), true);
  });

  it("is read again by a refresh, which removes a finished rotation", async () => {
    const { read } = reading({ certificates: ["new"] });
    assert.deepEqual((await read("lab", known)).props, { proxy, cluster: "lab", certificates: ["new"] });
  });
});

const schedule = {
  update_clients: "2026-11-22T02:40:07Z",
  update_servers: "2026-11-22T12:40:07Z",
  standby: "2026-11-22T22:40:07Z",
};
/** As 13.3.8 shows it: with a schedule in both modes. */
const rotationIn = (sub_kind: string | undefined, rotation?: object) =>
  rotationOf({
    kind: "cert_authority",
    version: "v2",
    ...(sub_kind === undefined ? {} : { sub_kind }),
    metadata: { name: "lab" },
    spec: { type: "db", ...(rotation ? { rotation } : {}) },
  });
const commands = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, command]) => command);
const enter = (phase: string, type = "db") => `tctl auth rotate --type=${type} --manual --phase=${phase}`;

describe("a rotation of a Teleport CA", () => {
  it("has its phase and the CA type for tctl", () => {
    const rotation = { state: "in_progress", phase: "init", mode: "manual", schedule };
    assert.deepEqual(rotationIn("db_client", rotation), {
      rotationPhase: "init",
      rotationType: "db_client",
      rotationSchedule: [],
    });
    assert.equal(rotationIn(undefined, rotation)?.rotationType, "db");
  });

  it("has a schedule only if Teleport continues automatically", () => {
    const rotation = rotationIn("db", { state: "in_progress", phase: "init", mode: "auto", schedule });
    assert.deepEqual(rotation?.rotationSchedule, [schedule.update_clients, schedule.update_servers, schedule.standby]);
  });

  it("does not exist before the first rotation and after the last phase", () => {
    for (const rotation of [undefined, {}, { phase: "" }, { state: "standby", phase: "standby", mode: "", schedule }])
      assert.equal(rotationIn("db", rotation), undefined);
  });
});

describe("the warning of a rotation", () => {
  const warning = (rotationPhase: string, more = {}) =>
    rotationWarning("lab", { rotationPhase, rotationType: "db", rotationSchedule: [], ...more });

  it("names the cluster and the phase, and says that databases must trust the CA before it is used", () => {
    assert.match(warning("init"), /Teleport cluster lab .*phase init\..* refuse every login from the phase update_cl/);
    for (const phase of ["update_clients", "update_servers"])
      assert.match(
        warning(phase),
        /now identify themselves with the new CA\. A database refuses every login until one `pulumi up` has finished since the phase/,
      );
  });

  it("ends with the remaining commands in order, and with the commands to roll back", () => {
    const back = [enter("rollback"), enter("standby"), "pulumi up"];
    const left = (phase: string) => commands(warning(phase).replace(/^.*?(When|Continue)/, ""));
    const remaining = ["update_clients", "update_servers", "standby"];
    for (const phase of ["init", ...remaining.slice(0, 2)])
      assert.deepEqual(left(phase), [
        "pulumi up",
        ...remaining.slice(remaining.indexOf(phase) + 1).map((next) => enter(next)),
        "pulumi up",
        ...back,
      ]);
    assert.deepEqual(left("rollback"), [enter("standby"), "pulumi up"]);
  });

  it("has the CA's own type in its commands", () => {
    assert.ok(warning("init", { rotationType: "db_client" }).includes(enter("update_clients", "db_client")));
  });

  it("has the schedule of an automatic rotation, and no command for phases that Teleport enters itself", () => {
    const rotationSchedule = Object.values(schedule);
    const first = warning("init", { rotationSchedule });
    assert.match(
      first,
      /continues automatically: update_clients at 2026-11-22T02.*update_servers at .*T12.*standby at .*T22/,
    );
    assert.match(first, /`pulumi up` must have finished before update_clients\. After standby: `pulumi up`/);
    assert.ok(!first.includes(enter("update_clients")));
    const last = warning("update_servers", { rotationSchedule });
    assert.match(last, /continues automatically: standby at 2026-11-22T22:40:07Z\. After standby: `pulumi up`/);
  });

  it("only names a phase that it does not know", () => {
    assert.deepEqual(commands(warning("something_new")), ["pulumi up"]);
  });
});
