import { strict as assert } from "node:assert";
import { rotationOf, rotationWarning } from "../../../../components/teleport/ca/rotation";

const schedule = {
  update_clients: "2026-11-22T02:40:07Z",
  update_servers: "2026-11-22T12:40:07Z",
  standby: "2026-11-22T22:40:07Z",
};
/** As 13.3.8 shows it: with a schedule in both modes. */
const authority = (sub_kind: string | undefined, rotation?: object) =>
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
  it("is told by its phase and by the type that tctl takes", () => {
    const rotation = { state: "in_progress", phase: "init", mode: "manual", schedule };
    assert.deepEqual(authority("db_client", rotation), {
      rotationPhase: "init",
      rotationType: "db_client",
      rotationSchedule: [],
    });
    assert.equal(authority(undefined, rotation)?.rotationType, "db");
  });

  it("has times only where Teleport goes on by itself", () => {
    const rotation = authority("db", { state: "in_progress", phase: "init", mode: "auto", schedule });
    assert.deepEqual(rotation?.rotationSchedule, [schedule.update_clients, schedule.update_servers, schedule.standby]);
  });

  it("is not under way before the first one and after the last phase", () => {
    for (const rotation of [undefined, {}, { phase: "" }, { state: "standby", phase: "standby", mode: "", schedule }])
      assert.equal(authority("db", rotation), undefined);
  });
});

describe("the warning of a rotation", () => {
  const warning = (rotationPhase: string, more = {}) =>
    rotationWarning("lab", { rotationPhase, rotationType: "db", rotationSchedule: [], ...more });

  it("says which cluster, which phase, and that the CA has to be trusted before it is used", () => {
    assert.match(warning("init"), /Teleport cluster lab .*phase init\..* refuse every login from the phase update_cl/);
    for (const phase of ["update_clients", "update_servers"])
      assert.match(
        warning(phase),
        /new CA now, and a database refuses every login until a `pulumi up` since the phase/,
      );
  });

  it("ends with the commands that are left, in their order, and with those that go back", () => {
    const back = [enter("rollback"), enter("standby"), "pulumi up"];
    const left = (phase: string) => commands(warning(phase).replace(/^.*?(Once|Go on)/, ""));
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

  it("has the times where Teleport goes on by itself, and no command for what it does itself", () => {
    const rotationSchedule = Object.values(schedule);
    const first = warning("init", { rotationSchedule });
    assert.match(first, /by itself: update_clients at 2026-11-22T02.*update_servers at .*T12.*standby at .*T22/);
    assert.match(first, /`pulumi up` must have ended before update_clients\. After standby: `pulumi up`/);
    assert.ok(!first.includes(enter("update_clients")));
    const last = warning("update_servers", { rotationSchedule });
    assert.match(last, /by itself: standby at 2026-11-22T22:40:07Z\. After standby: `pulumi up`/);
  });

  it("knows no more than the name of a phase that is new", () => {
    assert.deepEqual(commands(warning("something_new")), ["pulumi up"]);
  });
});
