import { strict as assert } from "node:assert";
import { accessRegistrarRole, registrarBot, registrarRole } from "../../../components/teleport/program-roles";

interface Rule {
  resources: string[];
  verbs: string[];
}
const rules = (role: ReturnType<typeof registrarRole>) => (role.spec.allow as { rules: Rule[] }).rules;
const writes = (role: ReturnType<typeof registrarRole>) =>
  rules(role)
    .filter(({ verbs }) => verbs.some((verb) => ["create", "update", "delete"].includes(verb)))
    .flatMap(({ resources }) => resources);

describe("the program's own role", () => {
  it("may write databases, and nothing that would lead to an administrator's rights", () => {
    assert.deepEqual(writes(registrarRole()), ["db"]);
  });
  it("may write roles and tokens too in the explicit variant", () => {
    assert.deepEqual(writes(accessRegistrarRole()), ["db", "role", "token"]);
    assert.notEqual(accessRegistrarRole().metadata.name, registrarRole().metadata.name);
  });
  for (const role of [registrarRole(), accessRegistrarRole()]) {
    it(`opens no database, and reads no private key: ${role.metadata.name}`, () => {
      const { db_users: users, db_names: names, db_labels: labels } = role.spec.allow as Record<string, unknown>;
      assert.deepEqual([users, names, labels], [undefined, undefined, { provisioned_by: ["cloudnative-pg"] }]);
      const ofCas = rules(role).filter(({ resources }) => resources.includes("cert_authority"));
      assert.deepEqual(
        ofCas.flatMap(({ verbs }) => verbs),
        ["list", "readnosecrets"],
      );
    });
  }
});

describe("the program's bot", () => {
  it("uses the program's role, in the form of Teleport's API (machineid/v1 Bot)", () => {
    assert.deepEqual(registrarBot("ci"), {
      kind: "bot",
      version: "v1",
      metadata: { name: "ci" },
      spec: { roles: ["cnpg-teleport-registrar"] },
    });
  });
});
