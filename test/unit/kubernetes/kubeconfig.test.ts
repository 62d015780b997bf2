import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type * as k8s from "@kubernetes/client-node";
import {
  readKubeconfig,
  useProxy,
  parseKubeconfig,
  refuseUnusableKubeconfig,
} from "../../../components/kubernetes/kubeconfig";

describe("the kubeconfig", () => {
  const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
  let library: typeof k8s;
  before(async () => (library = await import("@kubernetes/client-node")));
  after(() => rmSync(folder, { recursive: true }));

  const write = (name: string, content: object) => {
    const file = join(folder, name);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "Config", ...content }));
    return file;
  };
  const cluster = (name: string, server: string, further: object = {}) => ({ name, cluster: { server, ...further } });
  const context = (name: string, of: string = name) => ({ name, context: { cluster: of, user: of } });
  const whole = (name: string, server: string) => ({
    clusters: [cluster(name, server)],
    users: [{ name, user: { token: `token-${name}` } }],
    contexts: [context(name)],
    "current-context": name,
  });
  const read = (...files: string[]) => readKubeconfig(library, { KUBECONFIG: files.join(delimiter) });
  const a = () => write("a", whole("a", "https://a.test"));
  const b = () => write("b", whole("b", "https://b.test"));

  describe("that is given as text", () => {
    const SECRET = "verysecret";
    const text = (user: object, further: object = {}) =>
      JSON.stringify({
        clusters: [cluster("a", "https://a.test", further)],
        users: [{ name: "a", user }],
        contexts: [context("a")],
        "current-context": "a",
      });

    it("is read as YAML and as JSON", () => {
      const yaml = [
        "apiVersion: v1",
        "kind: Config",
        "clusters: [{ name: a, cluster: { server: 'https://a.test', certificate-authority-data: Y2E= } }]",
        "users:",
        `- { name: a, user: { token: ${SECRET} } }`,
        "contexts: [{ name: b, context: { cluster: a, user: a } }]",
        "current-context: b",
      ];
      for (const given of [text({ token: SECRET }), yaml.join("\n")]) {
        const config = parseKubeconfig(library, given);
        assert.equal(config.getCurrentCluster()?.server, "https://a.test");
        assert.equal(config.getCurrentUser()?.token, SECRET);
        refuseUnusableKubeconfig(config);
      }
    });

    it("may fetch credentials by a command, or read them from an absolute path", () => {
      for (const user of [
        { exec: { command: "aws", args: ["eks", "get-token"] } },
        { exec: { command: "/usr/bin/aws" } },
        { tokenFile: "/run/token" },
        { "client-certificate": "/c", "client-key": "/k" },
        { "client-certificate": "c", "client-certificate-data": "YQ==", "client-key": "k", "client-key-data": "YQ==" },
      ])
        refuseUnusableKubeconfig(parseKubeconfig(library, text(user, { "certificate-authority": "/ca" })));
    });

    it("has no relative path, because it comes from no folder", () => {
      for (const [user, further, fields] of [
        [{}, { "certificate-authority": "ca.crt" }, "certificate-authority"],
        [{ "client-certificate": "c", "client-key": "./k" }, {}, "client-certificate and client-key"],
        [{ tokenFile: "token" }, {}, "tokenFile"],
        [{ exec: { command: "./login" } }, {}, "exec.command"],
      ] as const) {
        const message = new RegExp(
          `must not have a relative path, because it comes from no file: see ${fields}\\. Write`,
        );
        assert.throws(() => refuseUnusableKubeconfig(parseKubeconfig(library, text(user, further))), {
          failure: "configuration",
          message,
        });
      }
    });

    it("says what is wrong with it, and shows nothing of it", () => {
      for (const [given, message] of [
        [
          `users:\n- name: "${SECRET}`,
          /^kubernetes\.kubeconfig is not valid YAML or JSON: see its line \d+\. Pass the content/,
        ],
        [`{ "token": "${SECRET}" `, /not valid YAML or JSON/],
        [`*${SECRET}`, /not valid YAML or JSON/],
        [
          `/home/${SECRET}/.kube/config`,
          /has no context\. Pass the content of a kubeconfig, not the path of a file\.$/,
        ],
        [`${SECRET}: [1, 2]`, /must have clusters, users and contexts/],
        [`contexts: ${SECRET}`, /must have clusters, users and contexts/],
        [`clusters: [${SECRET}]\nusers: [null]\ncontexts: [null]`, /must have clusters, users and contexts/],
        ["", /must have clusters, users and contexts/],
        ["null", /must have clusters, users and contexts/],
        ["[]", /must have clusters, users and contexts/],
      ] as const) {
        assert.throws(
          () => parseKubeconfig(library, given),
          (error: Error) => message.test(error.message) && !`${error.stack} ${JSON.stringify(error)}`.includes(SECRET),
          given,
        );
      }
      const config = parseKubeconfig(
        library,
        text({ token: SECRET }).replace('"current-context":"a"', '"current-context":"b"'),
      );
      assert.throws(
        () => refuseUnusableKubeconfig(config),
        /no cluster for its current context\. Set kubernetes\.context/,
      );
    });
  });

  it("has the current context of the first file that sets one", () => {
    assert.equal(read(a(), b()).getCurrentCluster()?.server, "https://a.test");
    assert.equal(read(b(), a()).getCurrentCluster()?.server, "https://b.test");
    const silent = write("silent", { ...whole("c", "https://c.test"), "current-context": "" });
    assert.equal(read(silent, b()).getCurrentCluster()?.server, "https://b.test");
    assert.equal(read(a(), b()).getContexts().length, 2);
  });

  it("ignores missing and empty files, and files that are listed twice", () => {
    writeFileSync(join(folder, "empty"), "");
    const config = read(join(folder, "missing"), "", join(folder, "empty"), a(), a(), join(folder, "later"));
    assert.equal(config.getCurrentCluster()?.server, "https://a.test");
    assert.equal(config.getClusters().length, 1);
  });

  it("uses the first of several entries with the same name", () => {
    const other = write("other", { ...whole("a", "https://other.test"), "current-context": "a" });
    assert.equal(read(a(), other).getCurrentCluster()?.server, "https://a.test");
    assert.equal(read(other, a()).getCurrentCluster()?.server, "https://other.test");
    const user = write("user", { users: [{ name: "a", user: { token: "first" } }] });
    assert.equal(read(user, a()).getCurrentUser()?.token, "first");
  });

  it("resolves paths relative to the file that contains them", () => {
    const file = write("below/relative", {
      clusters: [cluster("a", "https://a.test", { "certificate-authority": "ca.crt" })],
      users: [
        { name: "a", user: { "client-certificate": "c.crt", "client-key": "/k", tokenFile: "token" } },
        { name: "path", user: { exec: { command: "aws", args: [] } } },
        { name: "file", user: { exec: { command: "./login", args: [] } } },
      ],
      contexts: [context("a")],
      "current-context": "a",
    });
    const config = read(b(), file);
    config.setCurrentContext("a");
    const below = join(folder, "below");
    const { certFile, keyFile, authProvider } = config.getCurrentUser() as k8s.User;
    assert.equal(config.getCurrentCluster()?.caFile, join(below, "ca.crt"));
    assert.deepEqual([certFile, keyFile], [join(below, "c.crt"), "/k"]);
    assert.deepEqual(authProvider, { name: "tokenFile", config: { tokenFile: join(below, "token") } });
    const commandOf = (name: string) => (config.getUser(name)?.exec as { command: string }).command;
    assert.deepEqual([commandOf("path"), commandOf("file")], ["aws", join(below, "login")]);
  });

  it("prefers inline data to a file", () => {
    const data = Buffer.from("ca").toString("base64");
    const both = { "certificate-authority": "gone.crt", "certificate-authority-data": data };
    const file = write("both", { ...whole("a", "https://a.test"), clusters: [cluster("a", "https://a.test", both)] });
    const { caFile, caData } = read(file).getCurrentCluster() as k8s.Cluster;
    assert.deepEqual([caFile, caData], [undefined, data]);
  });

  it("accepts incomplete entries that are not used", () => {
    const file = write("partial", { ...whole("a", "https://a.test"), contexts: [context("a"), { name: "x" }] });
    assert.equal(read(file).getCurrentCluster()?.server, "https://a.test");
  });

  it("says which file cannot be read", () => {
    const broken = join(folder, "broken");
    writeFileSync(broken, "a: [");
    assert.throws(() => read(a(), broken), new RegExp(`${broken}: `));
  });

  it("is the one of the home folder if KUBECONFIG is not set", () => {
    write("home/.kube/config", whole("home", "https://home.test"));
    const config = readKubeconfig(library, { HOME: join(folder, "home") });
    assert.equal(config.getCurrentCluster()?.server, "https://home.test");
  });

  it("means the same as for kubectl", function () {
    const kubectl = spawnSync("kubectl", ["version", "--client"], { encoding: "utf8" });
    if (kubectl.error) return; // where there is none, the lab's test compares
    const other = write("other", { ...whole("a", "https://other.test"), "current-context": "a" });
    const missing = join(folder, "missing");
    for (const files of [
      [a(), b()],
      [b(), a()],
      [missing, other, a()],
      [b(), missing, other],
    ]) {
      const env = { ...process.env, KUBECONFIG: files.join(delimiter) };
      const view = spawnSync(
        "kubectl",
        ["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"],
        {
          env,
          encoding: "utf8",
        },
      );
      assert.equal(read(...files).getCurrentCluster()?.server, view.stdout, files.join(delimiter));
    }
  });

  describe("and a proxy", () => {
    const HTTPS_PROXY = "http://user:word@proxy.test:3128";
    const proxyOf = (config: k8s.KubeConfig, environment: NodeJS.ProcessEnv) => {
      useProxy(config, environment);
      return config.getCurrentCluster()?.proxyUrl;
    };

    it("that HTTPS_PROXY names is used for the current cluster", () => {
      assert.equal(proxyOf(read(a(), b()), { HTTPS_PROXY }), `${HTTPS_PROXY}/`);
      assert.equal(proxyOf(read(a()), { HTTPS_PROXY, NO_PROXY: ".test" }), undefined);
      assert.equal(proxyOf(read(a()), {}), undefined);
    });

    it("that it names itself overrides the variables", () => {
      const own = cluster("a", "https://a.test", { "proxy-url": "http://own.test:1" });
      const file = write("own", { ...whole("a", "https://a.test"), clusters: [own] });
      assert.equal(proxyOf(read(file), { HTTPS_PROXY, NO_PROXY: "*" }), "http://own.test:1");
    });
  });
});
