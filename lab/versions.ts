/** The versions and Go modules of everything that the lab runs. Versions are defined only here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const VERSIONS = {
  go: "1.26",
  node: "20.19",
  pulumi: "3.220.0",
  pulumiLanguageNodejs: "3.68.0",
  pulumiKubernetes: "4.34.2",
  pulumiTls: "5.6.1",
  pulumiVault: "7.8.0",
  kubernetes: "1.34.4",
  etcd: "3.7.3",
  coredns: "1.15.0",
  cnpg: "1.30.0",
  barmanCloud: "0.15.0",
  versitygw: "1.8.0",
  vault: "1.21.0",
  teleport: "13.3.8",
  postgresqlMajor: "17",
  debian: "trixie",
  /** The version from which major upgrades start, and the Debian release that has it. */
  olderPostgresqlMajor: "15",
  olderDebian: "bookworm",
} as const;

/** What `npm run test:compat` runs in addition: the newest engine, and package managers. `up` builds none of it. */
export const NEWEST = {
  pulumi: "3.274.1",
  pulumiSdk: "3.276.0",
  node: "24.21.0",
  pnpm: "10.34.8",
  yarn: "4.18.1",
} as const;

/** The operator that test/faults/alone/operator-upgrade.test.ts upgrades to the lab's. `up` does not build it. */
export const FORMER_CNPG = "1.29.1";

/** One executable of a tool. */
export interface Binary {
  name: string;
  /** Go package, or a folder of lab/tools/<tool>. */
  from: string;
  /** Linker flags in addition to "-s -w". */
  stamp?: string;
  /** How to check that an executable on the PATH has this version. Absent: it is always built. */
  probe?: { args: string[]; expect: string };
}

/** The executables that one go.mod builds. */
export interface Tool {
  name: string;
  version: string;
  /** Folder in lab/tools. Default: the name. */
  folder?: string;
  binaries: Binary[];
  /** Files kept from modules: name in the tool's share folder, module, path in the module. */
  files?: { name: string; module: string; path: string; executable?: boolean }[];
  /**
   * Files from modules that are copied next to the tool's own main before it is built. `version` is set in a JSON
   * file that has one.
   */
  embeds?: { name: string; module: string; path: string; version?: string }[];
}

const KUBERNETES_STAMP = [
  `-X k8s.io/component-base/version.gitVersion=v${VERSIONS.kubernetes}`,
  `-X k8s.io/component-base/version.gitMajor=${VERSIONS.kubernetes.split(".")[0]}`,
  `-X k8s.io/component-base/version.gitMinor=${VERSIONS.kubernetes.split(".")[1]}`,
  `-X k8s.io/client-go/pkg/version.gitVersion=v${VERSIONS.kubernetes}`,
].join(" ");

function kubernetesBinary(name: string, probe = ["--version"]): Binary {
  const expect = `v${VERSIONS.kubernetes}`;
  return { name, from: `k8s.io/kubernetes/cmd/${name}`, stamp: KUBERNETES_STAMP, probe: { args: probe, expect } };
}

/**
 * The version of a plugin: the version that its SDK requires, and the date of its sources. The date is part of the
 * module's version in go.mod. When the engine compares versions, it ignores everything after a "+".
 */
function pluginVersion(version: string, folder: string, module: string): string {
  const pinned = readFileSync(join(__dirname, "tools", folder, "go.mod"), "utf8");
  const day = new RegExp(`\\s${module} v\\S+[.-](\\d{8})\\d{6}-`).exec(pinned)?.[1];
  if (!day)
    throw new Error(
      `lab/tools/${folder}/go.mod must require ${module} at a pseudo-version (v<version>-<date>-<commit>).`,
    );
  return `${version}+source.${day}`;
}

const BRIDGED = "pulumi-resource-bridged";
const KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4";
const PLUGIN_VERSIONS = {
  tls: pluginVersion(VERSIONS.pulumiTls, BRIDGED, "github.com/hashicorp/terraform-provider-tls"),
  vault: pluginVersion(VERSIONS.pulumiVault, BRIDGED, "github.com/hashicorp/terraform-provider-vault"),
  kubernetes: pluginVersion(VERSIONS.pulumiKubernetes, "pulumi-resource-kubernetes", KUBERNETES_PROVIDER),
};

function pulumiPlugin(name: keyof typeof PLUGIN_VERSIONS, from: string): Binary {
  return { name: `pulumi-resource-${name}`, from, stamp: `-X main.version=${PLUGIN_VERSIONS[name]}` };
}

function pulumiCli(name: string, version: string): Tool {
  const stamp = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`;
  const probe = { args: ["version"], expect: `v${version}` };
  return {
    name,
    version,
    binaries: [{ name: "pulumi", from: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", stamp, probe }],
  };
}

/** Built for `npm run test:compat` alone. */
export const NEWEST_PULUMI = pulumiCli("pulumi-newest", NEWEST.pulumi);

const CNPG = "github.com/cloudnative-pg/cloudnative-pg";

/** The operator of CloudNativePG, and its release's manifest. */
function operator(name: string, version: string): Tool {
  return {
    name,
    version,
    binaries: [{ name: "manager", from: `${CNPG}/cmd/manager` }],
    files: [{ name: "operator.yaml", module: CNPG, path: `releases/cnpg-${version}.yaml` }],
  };
}

/** Built for `npm run test:faults` alone. */
export const FORMER_OPERATOR = operator("cnpg-former", FORMER_CNPG);

const BARMAN_CLOUD = "github.com/cloudnative-pg/plugin-barman-cloud";

const teleportProbe = { args: ["version"], expect: `v${VERSIONS.teleport}` };

/** In build order: tools that share packages are next to each other. */
export const TOOLS: Tool[] = [
  pulumiCli("pulumi", VERSIONS.pulumi),
  {
    name: "pulumi-language-nodejs",
    version: VERSIONS.pulumiLanguageNodejs,
    binaries: [
      { name: "pulumi-language-nodejs", from: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs" },
    ],
    files: [
      {
        name: "pulumi-resource-pulumi-nodejs",
        module: "github.com/pulumi/pulumi/sdk/v3",
        path: "nodejs/dist/pulumi-resource-pulumi-nodejs",
        executable: true,
      },
    ],
  },
  {
    name: "pulumi-resource-tls",
    version: VERSIONS.pulumiTls,
    folder: BRIDGED,
    binaries: [pulumiPlugin("tls", "./tls")],
  },
  {
    name: "pulumi-resource-vault",
    version: VERSIONS.pulumiVault,
    folder: BRIDGED,
    binaries: [pulumiPlugin("vault", "./vault")],
  },
  {
    name: "pulumi-resource-kubernetes",
    version: VERSIONS.pulumiKubernetes,
    binaries: [pulumiPlugin("kubernetes", ".")],
    embeds: ["schema.json", "terraform-mapping.json"].map((name) => ({
      name,
      module: KUBERNETES_PROVIDER,
      path: `cmd/pulumi-resource-kubernetes/${name}`,
      ...(name === "schema.json" && { version: PLUGIN_VERSIONS.kubernetes }),
    })),
  },
  {
    name: "teleport",
    version: VERSIONS.teleport,
    binaries: [
      { name: "tctl", from: "github.com/gravitational/teleport/tool/tctl", probe: teleportProbe },
      { name: "tsh", from: "github.com/gravitational/teleport/tool/tsh", probe: teleportProbe },
      { name: "tbot", from: "github.com/gravitational/teleport/tool/tbot" },
      { name: "teleport", from: ".", stamp: "-checklinkname=0" }, // its parquet library links to a runtime function
    ],
  },
  {
    name: "kubernetes",
    version: VERSIONS.kubernetes,
    binaries: [
      kubernetesBinary("kube-apiserver"),
      kubernetesBinary("kube-controller-manager"),
      kubernetesBinary("kube-scheduler"),
      kubernetesBinary("kubelet"),
      kubernetesBinary("kube-proxy"),
      kubernetesBinary("kubectl", ["version", "--client"]),
    ],
  },
  {
    name: "etcd",
    version: VERSIONS.etcd,
    binaries: [
      {
        name: "etcd",
        from: "go.etcd.io/etcd/server/v3",
        probe: { args: ["--version"], expect: `etcd Version: ${VERSIONS.etcd}` },
      },
    ],
  },
  operator("cnpg", VERSIONS.cnpg),
  {
    name: "plugin-barman-cloud",
    version: VERSIONS.barmanCloud,
    binaries: [{ name: "plugin-barman-cloud", from: `${BARMAN_CLOUD}/cmd/manager` }],
    files: [
      {
        name: "objectstores.yaml",
        module: BARMAN_CLOUD,
        path: "config/crd/bases/barmancloud.cnpg.io_objectstores.yaml",
      },
      { name: "barman-cloud-role.yaml", module: BARMAN_CLOUD, path: "config/rbac/role.yaml" },
    ],
  },
  { name: "coredns", version: VERSIONS.coredns, binaries: [{ name: "coredns", from: "." }] },
  { name: "s3", version: VERSIONS.versitygw, binaries: [{ name: "s3", from: "." }] },
  {
    name: "vault",
    version: VERSIONS.vault,
    binaries: [
      {
        name: "vault",
        from: "github.com/hashicorp/vault",
        probe: { args: ["version"], expect: `Vault v${VERSIONS.vault}` },
      },
    ],
  },
];
