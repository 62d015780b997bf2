import { strict as assert } from "node:assert";
import { checkTokenSpec, joinToken, type JoinRules } from "../../../../components/teleport/resources/join-token";

const JWKS = '{"keys":[{"use":"sig","kty":"RSA","kid":"1","alg":"RS256","n":"AQAB","e":"AQAB"}]}';

/** Settings, and the spec that Teleport's reference of `kind: token` gives for them. */
const METHODS: [JoinRules, Record<string, unknown>][] = [
  [
    { method: "kubernetes", serviceAccounts: ["teleport:agent"] },
    { kubernetes: { allow: [{ service_account: "teleport:agent" }] } },
  ],
  [
    { method: "kubernetes", serviceAccounts: ["teleport:agent"], jwks: JWKS },
    {
      kubernetes: {
        type: "static_jwks",
        static_jwks: { jwks: JWKS },
        allow: [{ service_account: "teleport:agent" }],
      },
    },
  ],
  [
    { method: "kubernetes", serviceAccounts: ["teleport:agent"], oidcIssuer: "https://oidc.example.com/id/1" },
    {
      kubernetes: {
        type: "oidc",
        oidc: { issuer: "https://oidc.example.com/id/1" },
        allow: [{ service_account: "teleport:agent" }],
      },
    },
  ],
  [
    { method: "iam", allow: [{ account: "111111111111", arn: "arn:aws:sts::111111111111:assumed-role/agents/i-*" }] },
    { allow: [{ aws_account: "111111111111", aws_arn: "arn:aws:sts::111111111111:assumed-role/agents/i-*" }] },
  ],
  [
    { method: "gcp", allow: [{ projects: ["p-1"], locations: ["us-west1"] }] },
    { gcp: { allow: [{ project_ids: ["p-1"], locations: ["us-west1"] }] } },
  ],
  [
    { method: "azure", allow: [{ subscription: "s", resourceGroups: ["g"] }] },
    { azure: { allow: [{ subscription: "s", resource_groups: ["g"] }] } },
  ],
  [
    { method: "github", allow: [{ repository: "acme/shop", ref: "refs/heads/main" }] },
    { github: { allow: [{ repository: "acme/shop", ref: "refs/heads/main" }] } },
  ],
  [
    { method: "gitlab", domain: "gitlab.example.com", allow: [{ project_path: "acme/shop" }] },
    { gitlab: { domain: "gitlab.example.com", allow: [{ project_path: "acme/shop" }] } },
  ],
];

describe("join token", () => {
  for (const [join, rules] of METHODS) {
    it(`is for database agents, by ${join.method}: ${Object.keys(join).join(", ")}`, () => {
      const { kind, version, metadata, spec } = joinToken({ name: "agents", join });
      assert.deepEqual([kind, version, metadata], ["token", "v2", { name: "agents", labels: {} }]);
      assert.deepEqual(spec, { roles: ["Db"], join_method: join.method, ...rules });
      assert.deepEqual(checkTokenSpec("spec", spec), []);
    });
  }

  it("is for a bot if one is named", () => {
    const { spec } = joinToken({ name: "ci", botName: "cnpg-teleport", join: METHODS[5]![0] });
    assert.deepEqual([spec.roles, spec.bot_name], [["Bot"], "cnpg-teleport"]);
  });
});

describe("check of a join token", () => {
  const check = (join: unknown) => checkTokenSpec("spec", joinToken({ name: "agents", join: join as JoinRules }).spec);

  it("refuses the method whose name is the secret, and says why and what to use", () => {
    const [{ setting, problem, fix } = assert.fail("passed"), ...others] = check({ method: "token" });
    assert.deepEqual([setting, others], ["spec.join_method", []]);
    assert.match(problem, /the secret.*in the state/);
    assert.match(fix, /Use kubernetes, .* or gitlab/);
  });
  it("refuses a token without a method, which Teleport treats as a secret one", () => {
    assert.match(checkTokenSpec("spec", { roles: ["Db"] })[0]!.problem, /the secret/);
  });
  it("refuses methods that keep a secret in the token", () => {
    assert.match(check({ method: "bound_keypair" })[0]!.problem, /not a supported join method/);
  });
  it("refuses rules that match nothing or everything", () => {
    for (const method of ["iam", "gcp", "azure", "github", "gitlab"]) {
      assert.match(check({ method, allow: [] })[0]!.problem, /nothing can join/, method);
    }
    assert.match(check({ method: "kubernetes", serviceAccounts: [] })[0]!.problem, /nothing can join/);
    assert.match(check({ method: "github", allow: [{}] })[0]!.problem, /has no condition/);
  });
  it("refuses invalid signing keys, an invalid issuer, and both together", () => {
    const account = { method: "kubernetes", serviceAccounts: ["teleport:agent"] };
    const jwks = ["nonsense", "", "null", "[]", "{}", '{"keys":{}}', '{"keys":[]}', '{"keys":[1]}', '{"keys":[{}]}'];
    for (const wrong of jwks)
      assert.deepEqual(
        check({ ...account, jwks: wrong }).map(({ setting }) => setting),
        ["spec.kubernetes.static_jwks.jwks"],
        wrong,
      );
    const issuers = ["oidc.example.com", "http://oidc.example.com", "https://", "", "https://a.example.com?b=c"];
    for (const wrong of issuers)
      assert.deepEqual(
        check({ ...account, oidcIssuer: wrong }).map(({ setting }) => setting),
        ["spec.kubernetes.oidc.issuer"],
        wrong,
      );
    const both = check({ ...account, jwks: JWKS, oidcIssuer: "https://oidc.example.com" });
    assert.match(both.map(({ problem }) => problem).join(), /cannot be combined/);
  });
  it("refuses private keys instead of public ones, and does not show them", () => {
    const jwks = '{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"confidential"}]}';
    const problems = check({ method: "kubernetes", serviceAccounts: ["teleport:agent"], jwks });
    assert.match(problems[0]?.problem ?? "", /private key/);
    assert.doesNotMatch(JSON.stringify(problems), /confidential/);
  });
  it("refuses an invalid service account", () => {
    for (const account of ["agent", "teleport/agent", "teleport:", "*"]) {
      assert.equal(check({ method: "kubernetes", serviceAccounts: [account] }).length, 1, account);
    }
  });
});
