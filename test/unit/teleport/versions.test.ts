/**
 * How answers of Teleport 14 to 18 differ from those of 13.3.8, which the lab runs.
 *
 * The documents were recorded from Teleport's own types, with the documents that this program writes as input. The types are
 * those of its api module of 15.0.0-dev (December 2023) and of 18.0.0-dev (January 2025). The messages are from its source, at
 * the place that is named.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessRole } from "../../../components/teleport/resources/access-role";
import { botClient } from "../../../components/teleport/resources/bot-client";
import { botDocument } from "../../../components/teleport/resources/bot";
import { selectDatabaseClientCa } from "../../../components/teleport/ca/database-client-ca";
import { databaseDocument } from "../../../components/teleport/resources/database";
import { differences, ownership, withOwner } from "../../../components/teleport/resources/document";
import type { TeleportFailure } from "../../../components/teleport/client/errors";
import { resolveIdentity } from "../../../components/teleport/client/identity";
import { joinToken } from "../../../components/teleport/resources/join-token";
import { whyNotConnected, classify, tctlMessage } from "../../../components/teleport/client/failure";
import { find } from "../../../components/teleport/resources/lifecycle";
import { parseDocuments, TeleportDocument } from "../../../components/teleport/client/tctl";
import { OpenSsl } from "../certificates/openssl";
import { FakeTeleport } from "./fake-teleport";

const OWNER = { owner: "o/p/s/orders", registration: "1" };

/** A list as tctl prints it (`WriteJSONArray` of lib/utils). */
const printed = (...documents: object[]): TeleportDocument[] => parseDocuments(JSON.stringify(documents, null, 4));

const cloud = (more: object = {}) => ({
  aws: {
    redshift: {},
    rds: { iam_auth: false },
    elasticache: {},
    secret_store: {},
    memorydb: {},
    rdsproxy: {},
    redshift_serverless: {},
    opensearch: {},
    iam_policy_status: "IAM_POLICY_STATUS_UNSPECIFIED",
    ...more,
  },
  azure: { redis: {} },
  mysql: {},
});
const database = databaseDocument({
  name: "orders",
  description: "Orders",
  labels: { provisioned_by: "cloudnative-pg" },
  uri: "orders-rw:5432",
  caCert: "PEM",
  serverName: "orders-rw",
  dynamicLabels: { "example.com/date": { command: ["date"], period: "90s" } },
  adminUser: { name: "teleport_admin" },
});
const databaseSpec = (more?: object) => ({
  protocol: "postgres",
  uri: "orders-rw:5432",
  dynamic_labels: { "example.com/date": { period: "1m30s", command: ["date"], result: "" } },
  ...cloud(more),
  gcp: {},
  tls: { mode: 0, ca_cert: "PEM", server_name: "orders-rw" },
  ad: { domain: "", spn: "" },
  admin_user: { name: "teleport_admin", default_database: "" },
  mongo_atlas: {},
  oracle: { audit_user: "" },
});

const role = accessRole({
  name: "orders",
  databaseLabels: { provisioned_by: "cloudnative-pg", environment: ["dev", "prod"] },
  databaseNames: ["orders"],
  createDatabaseUser: "best_effort_drop",
  databaseRoles: ["readers"],
  options: { client_idle_timeout: "90m" },
});
const roleSpec = (more?: object) => ({
  options: {
    forward_agent: false,
    max_session_ttl: "8h0m0s",
    cert_format: "standard",
    client_idle_timeout: "1h30m0s",
    enhanced_recording: ["command", "network"],
    record_session: { desktop: true, default: "best_effort" },
    desktop_clipboard: true,
    desktop_directory_sharing: true,
    pin_source_ip: false,
    ssh_file_copy: true,
    idp: { saml: { enabled: true } },
    create_desktop_user: false,
    create_db_user: true,
    create_db_user_mode: "best_effort_drop",
    ...more,
  },
  allow: {
    db_labels: { environment: ["dev", "prod"], provisioned_by: "cloudnative-pg" },
    db_names: ["orders"],
    db_roles: ["readers"],
  },
  deny: role.spec.deny,
});

const JWKS = '{"keys":[{"use":"sig","kty":"RSA","kid":"1","alg":"RS256","n":"AQAB","e":"AQAB"}]}';
const serviceAccounts = ["teleport:agent"];
const inCluster = joinToken({ name: "orders", join: { method: "kubernetes", serviceAccounts } });
const byKeys = joinToken({ name: "orders", join: { method: "kubernetes", serviceAccounts, jwks: JWKS } });
const allow = [{ service_account: "teleport:agent" }];
const tokenSpec = (kubernetes: object) => ({ roles: ["Db"], join_method: "kubernetes", kubernetes });

const RECORDED: [what: string, written: TeleportDocument, version: string, rest: object][] = [
  ["a database", database, "15", { spec: databaseSpec(), status: cloud() }],
  ["a database", database, "18", { spec: databaseSpec({ docdb: {} }), status: cloud({ docdb: {} }) }],
  ["a role", role, "15", { spec: roleSpec({ port_forwarding: true }) }],
  ["a role", role, "18", { spec: roleSpec() }],
  ["a token", inCluster, "15 and 18", { spec: tokenSpec({ allow, type: "in_cluster" }) }],
  [
    "a token with signing keys",
    byKeys,
    "15 and 18",
    { spec: tokenSpec({ allow, type: "static_jwks", static_jwks: { jwks: JWKS } }) },
  ],
];

describe("what Teleport prints of a document", () => {
  for (const [what, written, version, rest] of RECORDED)
    it(`is ours and shows no change in ${version}: ${what}`, () => {
      const owned = withOwner(written, OWNER);
      const labels = { ...owned.metadata.labels, ...(owned.kind === "db" ? { "teleport.dev/origin": "dynamic" } : {}) };
      const metadata = { ...owned.metadata, labels, revision: "0e4ee7ce-5a2c-4d3e-9b3f-0a6e7d9d5e6f" };
      const [found = assert.fail("nothing")] = printed({ ...owned, metadata, ...rest });
      assert.deepEqual(ownership(found), OWNER);
      assert.deepEqual(differences(found, written), []);
    });

  it("shows a difference if a version drops a field, such as trust_system_cert_pool before June 2024", () => {
    const trusting = databaseDocument({ name: "orders", uri: "db:5432", serverName: "db", trustSystemPool: true });
    const spec = { ...trusting.spec, tls: { mode: 0, server_name: "db" } };
    const [found = assert.fail("nothing")] = printed({ ...trusting, spec });
    assert.deepEqual(
      differences(found, trusting).map(({ path }) => path),
      ["spec.tls.trust_system_cert_pool"],
    );
  });

  // `getDatabase` of tool/tctl/common finds a database by its name. Since 14 it also finds it by the name under which
  // it was discovered.
  it("is not ours if it is a discovered database that has the name as a label", async () => {
    const labels = { "teleport.internal/discovered-name": "orders", "teleport.dev/origin": "cloud" };
    const discovered = { ...database, metadata: { name: "orders-rds-us-east-1", labels } };
    const client = { ...new FakeTeleport(0).client, get: async () => printed(discovered) };
    assert.equal(await find(client, database), undefined);
  });

  for (const [version, lifetime] of [
    ["15 to 17, as Go has it (`Resource153ToLegacy` of api/types)", { seconds: 43200 }],
    ["18, as protobuf has it (`ProtoResource153ToLegacy`)", "43200s"],
  ] as const)
    it(`is the bot that was written, in ${version}`, async () => {
      const bot = withOwner(botDocument({ name: "shop", roles: ["shop-orders"] }), OWNER);
      const spec = { roles: ["shop-orders"], traits: [{ name: "logins", values: [] }], max_session_ttl: lifetime };
      const status = { user_name: "bot-shop", role_name: "bot-shop" };
      const client = botClient({ ...new FakeTeleport(0).client, get: async () => printed({ ...bot, spec, status }) });
      assert.deepEqual(await client.get("bot/shop"), [bot]);
    });

  // `CertAuthoritySpecV2` of api/types: with an HSM or KMS, each auth server has its own keys.
  it("has every active and every additional certificate of db_client, and the phase of its rotation", () => {
    const base64 = (pem: string) => Buffer.from(pem).toString("base64");
    const never = "0001-01-01T00:00:00Z";
    const authority = (sub_kind: string, more: object = {}) => ({
      kind: "cert_authority",
      sub_kind,
      version: "v2",
      metadata: { name: "lab" },
      spec: {
        type: sub_kind,
        cluster_name: "lab",
        active_keys: { tls: [{ cert: base64(sub_kind), key_type: 2 }, { cert: base64("of another auth server") }] },
        additional_trusted_keys: {},
        ...more,
      },
    });
    const rotating = authority("db_client", {
      rotation: {
        state: "in_progress",
        phase: "init",
        mode: "manual",
        current_id: "x",
        started: "2026-01-01T00:00:00Z",
        grace_period: "30h0m0s",
        last_rotated: never,
        schedule: { update_clients: never, update_servers: never, standby: never },
      },
      additional_trusted_keys: { tls: [{ cert: base64("new") }] },
    });
    const kinds = ["host", "user", "db", "openssh", "jwt", "saml_idp", "oidc_idp", "spiffe", "okta"];
    const answer = printed(...kinds.map((kind) => authority(kind)), rotating);
    assert.deepEqual(selectDatabaseClientCa(answer, "lab"), {
      cluster: "lab",
      certificates: ["db_client", "of another auth server", "new"],
      rotationPhase: "init",
      rotationType: "db_client",
      rotationSchedule: [],
    });
  });
});

/** Messages of tctl on stderr. `UserMessage` of trace prints each cause on its own line, indented. */
const WORDS: [failure: TeleportFailure, source: string, told: string][] = [
  // After 17, `getCollectionByRef` and `Delete` of tool/tctl/common/resource_command.go name the resource.
  ["not-found", "tool/tctl, get db", 'getting resource "orders" of type "db"\n\tdatabase "orders" not found'],
  [
    "not-found",
    "lib/auth/machineid, get bot",
    'getting resource "shop" of type "bot"\n\tfetching bot\n\t\tfetching bot user\n\t\t\tuser "bot-shop" not found',
  ],
  [
    "not-found",
    "lib/auth/machineid, rm bot",
    'error deleting resource "shop" of type "bot"\n\tdeleting bot role\n\t\tfetching bot role\n\t\t\trole bot-shop is not found',
  ],
  ["not-found", "lib/services/local, get token", "provisioning token(****ts) not found"],
  [
    "access-denied",
    "lib/authz, list",
    'getting resource "" of type "cert_authority"\n\taccess denied to perform action "readnosecrets" on "cert_authority"',
  ],
  ["already-exists", "tool/tctl, create role, to 16", "role 'orders' already exists"],
  ["already-exists", "tool/tctl, create db", 'use -f or --force flag to overwrite\n\tdatabase "orders" already exists'],
  // A person has the name of the bot's user (`CreateUser` of lib/services/local/users.go).
  [
    "already-exists",
    "lib/auth/machineid, create bot",
    'use -f or --force flag to overwrite\n\tcreating bot user\n\t\tuser "bot-shop" already registered',
  ],
  ...["a user", "a certificate authority", "an access list"].map((by): (typeof WORDS)[number] => [
    "in-use",
    "lib/auth/access.go",
    `failed to delete a role that is still in use by ${by}, check the system server logs for more details`,
  ]),
  // Administrative actions from 15 on (api/mfa/mfa.go, lib/client/mfa/cli.go).
  ["mfa", "ErrAdminActionMFARequired", "admin-level API request requires MFA verification"],
  [
    "mfa",
    "ErrAdminActionMFARequired and its cause",
    "admin-level API request requires MFA verification, client cannot perform MFA ceremony",
  ],
  ["mfa", "ErrMFANotSupported", "re-authentication with MFA is not supported for this client"],
  [
    "mfa",
    "ErrNoMFADevices, to 17",
    "MFA is required to access this resource but user has no MFA devices; use 'tsh mfa add' to register MFA devices",
  ],
  [
    "mfa",
    "ErrNoMFADevices, newer",
    "Multi-factor authentication (MFA) is required to access this resource but the current user has no supported MFA " +
      "devices enrolled; see Account Settings in the Web UI or use 'tsh mfa add' to register an MFA device",
  ],
  ["mfa", "ErrExpiredReusableMFAResponse", "Reusable MFA response validation failed and possibly expired"],
  ["mfa", "CLIPrompt", "hardware device MFA not supported by your platform, please register an OTP device"],
  ["mfa", "CLIPrompt", "client does not support any available MFA methods [SSO, BROWSER], see debug logs for details"],
  [
    "mfa",
    "HandleMFAPromptGoroutines",
    "failed to authenticate using available MFA devices\n\tTOTP authentication failed\n\t\tcontext deadline exceeded",
  ],
];

describe("Teleport's message about a failure", () => {
  for (const [failure, source, told] of WORDS)
    it(`is ${failure} (${source}): ${told.replace(/\s+/g, " ")}`, () =>
      assert.equal(classify(tctlMessage(`\u001b[31mERROR: \u001b[0m${told}\n\n`)), failure));
});

describe("the version that tctl prints", () => {
  const ping = { answers: "yes", cluster: "prod", version: "18.2.0", oldestClient: "17.0.0-aa" } as const;
  for (const [text, isTooOld] of [
    ["Teleport v14.3.3 git:api/14.0.0-gd1e081e-1052-gbc7aed1 go1.21.6", true],
    ["Teleport Enterprise v16.5.18 git:v16.5.18-0-g5e8a2f1 go1.23.12", true],
    ["Teleport v17.7.3 git:v17.7.3-0-gd1c3b5a go1.23.12", false],
    ["Teleport Enterprise v18.2.0 git:v18.2.0-0-ga0b1c2d go1.24.7", false],
  ] as const)
    it(`is ${isTooOld ? "too old for" : "accepted by"} ${ping.version}: ${text}`, () => {
      const error = whyNotConnected({ command: "tctl get", proxy: "t:443", identity: {}, ping, tctlVersion: text });
      assert.equal(error?.failure, isTooOld ? "tctl-version" : undefined);
    });
});

// `encodeIdentityFile` of api/identityfile: key, SSH certificate, the user's certificate, SSH CAs, CAs. Since 17 the
// key is an elliptic one. During a rotation of the host CA there are two.
describe("an identity file of tbot", () => {
  const openssl = new OpenSsl();
  const folder = mkdtempSync(join(tmpdir(), "identity-"));
  after(() => {
    openssl.remove();
    rmSync(folder, { recursive: true });
  });

  it("has the user, the cluster and the expiry of its first certificate, whatever the other certificates are", async () => {
    const users = openssl.ca("lab");
    const user = openssl.leaf("bot-shop", users, { use: "clientAuth", days: 1 });
    const key = openssl.run(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    const hosts = [openssl.ca("old", undefined, 30), openssl.ca("new", undefined, 60)];
    const ssh = "ecdsa-sha2-nistp256-cert-v01@openssh.com AAAAKGVjZHNh";
    const sshCas = hosts.map(() => "@cert-authority lab,*.lab ecdsa-sha2-nistp256 AAAAE2VjZHNh type=host");
    writeFileSync(
      join(folder, "identity"),
      [key, ssh, "\n", user.pem, ...sshCas.map((line) => `${line}\n`), ...hosts.map(({ pem }) => pem)].join(""),
    );
    const resolve = (now: Date) => resolveIdentity(undefined, { TELEPORT_IDENTITY_FILE: folder }, now, []);
    const { user: name, cluster, expires = assert.fail("never") } = await resolve(new Date());
    assert.deepEqual([name, cluster], ["bot-shop", "lab"]);
    await assert.rejects(resolve(new Date(expires.getTime() + 1_000)), /expired at/);
  });
});
