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
  it("has its phase and the CA type for tctl", () => {
    const rotation = { state: "in_progress", phase: "init", mode: "manual", schedule };
    assert.deepEqual(authority("db_client", rotation), {
      rotationPhase: "init",
      rotationType: "db_client",
      rotationSchedule: [],
    });
    assert.equal(authority(undefined, rotation)?.rotationType, "db");
  });

  it("has a schedule only if Teleport continues automatically", () => {
    const rotation = authority("db", { state: "in_progress", phase: "init", mode: "auto", schedule });
    assert.deepEqual(rotation?.rotationSchedule, [schedule.update_clients, schedule.update_servers, schedule.standby]);
  });

  it("does not exist before the first rotation and after the last phase", () => {
    for (const rotation of [undefined, {}, { phase: "" }, { state: "standby", phase: "standby", mode: "", schedule }])
      assert.equal(authority("db", rotation), undefined);
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
