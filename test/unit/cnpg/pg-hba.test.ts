import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { parseHbaRule, pgHbaRules, checkPgHba } from "../../../components/cnpg/pg-hba";
import { DEFAULT_USERS } from "../../../components/cnpg/roles";

describe("pg_hba rules", () => {
  it("accept Teleport users only by certificate over TLS, in both address families, before all other rules", () => {
    assert.deepEqual(pgHbaRules(DEFAULT_USERS, ["host all all all md5"]), [
      "hostssl all teleport_user_read,teleport_user_write 0.0.0.0/0 cert",
      "hostssl all teleport_user_read,teleport_user_write ::/0 cert",
      "hostnossl all teleport_user_read,teleport_user_write 0.0.0.0/0 reject",
      "hostnossl all teleport_user_read,teleport_user_write ::/0 reject",
      "host all all all md5",
    ]);
  });
  it("are only the user's own rules without Teleport users", () => assert.deepEqual(pgHbaRules([], ["x"]), ["x"]));
});

describe("a rule of pg_hba.conf", () => {
  it("is parsed into its parts", () => {
    assert.deepEqual(parseHbaRule('hostssl a,"b c" all,"all" 10.0.0.0/8 cert map=m clientname=DN'), {
      type: "hostssl",
      databases: ["a", "b c"],
      users: ["all", '"all"'],
      address: "10.0.0.0/8",
      method: "cert",
      options: { map: "m", clientname: "DN" },
    });
    assert.deepEqual(parseHbaRule("local all all peer"), {
      type: "local",
      databases: ["all"],
      users: ["all"],
      method: "peer",
      options: {},
    });
    assert.equal(parseHbaRule("host all all 10.0.0.0 255.0.0.0 reject")?.address, "10.0.0.0 255.0.0.0");
    assert.equal(parseHbaRule("host all all ${podselector:shop} reject")?.address, "${podselector:shop}");
    assert.equal(parseHbaRule('host all all all ldap ldapprefix="cn=a b,"')?.options.ldapprefix, '"cn=a b,"');
  });
  it("is one complete line", () => {
    const broken = [
      "",
      "# nothing",
      "include other",
      "host all all reject",
      "host all all all",
      "hostssl all app all",
      'host "a all all reject',
    ];
    for (const rule of broken) assert.equal(parseHbaRule(rule), undefined, rule);
  });
  it("is never more than one line of the file", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("\n", "\r", "\\", "#"), fc.string(), (before, character, after) => {
        const rule = `host all app all reject ${before}${character}${after}`;
        if (character !== "\\" || after === "") assert.equal(parseHbaRule(rule), undefined);
      }),
    );
  });
});

describe("a rule that is never reached", () => {
  const late = (...pgHba: string[]) =>
    checkPgHba((setting) => setting, pgHba).some(
      ({ setting, problem }) => setting === "pgHba[1]" && /never reached/.test(problem),
    );
  it("is reported if an earlier rule decides", () => {
    assert.ok(late("host all all all scram-sha-256", "hostssl orders app 10.0.0.0/8 reject"));
    assert.ok(late("host all all 0.0.0.0/0 reject", "host all app 10.0.0.0/8 reject"));
    assert.ok(late("hostssl all a,b all reject", "hostssl orders b all scram-sha-256"));
    assert.ok(late("hostssl all app ::/0 reject", "hostssl all app 2001:db8::/32 reject"));
  });
  it("is not reported if it matches other connections", () => {
    assert.ok(!late("host all all 0.0.0.0/0 reject", "host all app ::/0 reject"));
    assert.ok(!late("hostssl all all all reject", "hostnossl all app all reject"));
    assert.ok(!late("host all all 10.0.0.0/16 reject", "host all all 10.0.0.0/8 reject"));
    assert.ok(!late("host all all all reject", "host replication app all reject"));
    assert.ok(!late("host orders all all reject", "host all all all reject"));
    assert.ok(!late("host all a all reject", "host all a,b all reject"));
    assert.ok(!late('host all "all" all reject', "host all app all reject"));
  });
});
