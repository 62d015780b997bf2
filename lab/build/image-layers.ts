/**
 * The layers of the container images: a root file system with Debian and PostgreSQL, Barman's tools on top of it, and
 * layers with a few files each.
 */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, run } from "../host/command";
import { VERSIONS } from "../versions";

const MIRROR = process.env.DEBIAN_MIRROR || "http://deb.debian.org/debian";

/** Files that no container needs, more than half of the size. */
const LEFT_OUT = [
  "./usr/share/doc",
  "./usr/share/man",
  "./usr/share/locale",
  "./usr/share/info",
  "./usr/share/i18n",
  "./usr/lib/llvm-*",
  "./usr/lib/x86_64-linux-gnu/libLLVM*",
  "./usr/lib/x86_64-linux-gnu/libz3*",
  // The JIT compiler is removed completely: with it but without LLVM, expensive queries and pg_rewind fail.
  "./usr/lib/postgresql/*/lib/bitcode",
  "./usr/lib/postgresql/*/lib/llvmjit*",
  "./var/lib/apt",
  "./var/cache",
  "./var/log",
  "./proc",
  "./sys",
  "./dev",
];

/** The layers made of Debian's packages, with Debian's versions. */
interface DebianLayers {
  base: string;
  /** Barman's tools for object stores. */
  barman: string;
  postgresql: string;
  olderPostgresql: string;
  pgbouncer: string;
}

/**
 * Packages of the older Debian: its PostgreSQL, and libraries that the newer Debian has only in other versions. For
 * an upgrade, CloudNativePG copies the older programs into a container of the newer image, so they must run there. So
 * both images have this layer, and differ only in which programs are on the PATH. libgnutls30t64 comes from the newer
 * Debian, for the older libldap.
 */
const OLDER_PACKAGES = [
  `postgresql-${VERSIONS.olderPostgresqlMajor}`,
  `postgresql-client-${VERSIONS.olderPostgresqlMajor}`,
  "libicu72",
  "libldap-2.5-0",
];
const FOR_OLDER = "libgnutls30t64";

/**
 * Unpacks packages of another Debian. Arguments: mirror, name of the release, packages. apt must not install them
 * over the newer ones.
 */
const UNPACK = `set -e
list=/etc/apt/sources.list.d/older.list
echo "deb $1 $2 main" > "$list"
shift 2
older() { apt-get -q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=- "$@"; }
mkdir /tmp/older
cd /tmp/older
older update
older download "$@"
for package in *.deb; do dpkg-deb --extract "$package" /; done
cd /
rm -r /tmp/older "$list"
`;

/**
 * Barman's tools for object stores, and the libraries of compressions that Python itself does not have. Not
 * python3-snappy: Debian 13's (0.5.3) ends a backup with a segmentation fault.
 */
const BARMAN_PACKAGES = ["barman-cli-cloud", "python3-lz4", "python3-zstandard"];

/**
 * Installs Barman's tools for object stores, and removes botocore's descriptions of all services except S3: 100 MB of
 * files. Then lists what has changed. The packages compile their Python modules, since the sidecar's file system is
 * read-only. Arguments: mirror, name of the release, file that is older than the changes.
 */
const INSTALL_BARMAN = `set -e
list=/etc/apt/sources.list.d/barman.list
echo "deb $1 $2 main" > "$list"
newer() { apt-get -q -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$list" -o Dir::Etc::SourceParts=- "$@"; }
newer update >&2
DEBIAN_FRONTEND=noninteractive newer install -y --no-install-recommends ${BARMAN_PACKAGES.join(" ")} >&2
rm "$list"
services=/usr/lib/python3/dist-packages/botocore/data
find "$services" -mindepth 1 -maxdepth 1 -type d ! -name s3 -exec rm -r {} +
cd /
find . -xdev ! -type d -cnewer "$3"
`;

/** Debian with PostgreSQL and PgBouncer, and on top of it Barman. */
export async function makeDebianLayers(work: string): Promise<DebianLayers> {
  const root = join(work, "root");
  const base = join(work, "base.tar");
  const server = `postgresql-${VERSIONS.postgresqlMajor}`;
  const include = `--include=${server},pgbouncer,ca-certificates,locales,${FOR_OLDER}`;
  const log = join(work, "debootstrap.log");
  // Runs in its own mount namespace, so that debootstrap's mounts disappear with it, however it ends.
  await run("unshare", ["--mount", "debootstrap", "--variant=minbase", include, VERSIONS.debian, root, MIRROR], {
    log,
    limit: 1_800_000,
  });
  const older = ["sh", "-c", UNPACK, "unpack", MIRROR, VERSIONS.olderDebian, ...OLDER_PACKAGES];
  await run("unshare", ["--mount", "chroot", root, ...older], { log, limit: 600_000 });
  const version = async (name: string) => {
    const printed = await run("chroot", [root, "dpkg-query", "-W", "-f", "${Version}", name]);
    return /^[0-9.]+/.exec(printed)?.[0] ?? VERSIONS.postgresqlMajor;
  };
  const [postgresql, pgbouncer] = [await version(server), await version("pgbouncer")];
  const program = `/usr/lib/postgresql/${VERSIONS.olderPostgresqlMajor}/bin/postgres`;
  const olderPostgresql = /([0-9.]+)/.exec(await run("chroot", [root, program, "--version"]))?.[1] ?? "";
  // A second locale in addition to C.UTF-8, for clusters whose initdb names one.
  await run("chroot", [root, "localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8"]);
  // CloudNativePG starts PgBouncer from this path; Debian installs it elsewhere.
  symlinkSync("../sbin/pgbouncer", join(root, "usr/bin/pgbouncer"));
  // CloudNativePG runs PostgreSQL as user 26, and PostgreSQL needs a name for that user.
  const passwd = join(root, "etc/passwd");
  writeFileSync(passwd, readFileSync(passwd, "utf8").replace(/^postgres:x:\d+:\d+:/m, "postgres:x:26:26:"));
  const leftOut = LEFT_OUT.map((path) => `--exclude=${path}`);
  await run("tar", ["-C", root, ...leftOut, "-cf", base, "."], { limit: 300_000 });
  const barman = join(work, "barman.tar");
  const changed = await installBarman(root, log);
  const fromList = ["--no-recursion", "--verbatim-files-from", "--files-from=-"];
  await run("tar", ["-C", root, ...leftOut, "-cf", barman, ...fromList], { input: changed, limit: 300_000 });
  rmSync(root, { recursive: true });
  return { base, barman, postgresql, olderPostgresql, pgbouncer };
}

/** Installs Barman into a root file system. Resolves to the files that have changed, one a line. */
async function installBarman(root: string, log: string): Promise<string> {
  const stamp = "/.before-barman";
  writeFileSync(join(root, stamp), "");
  const install = ["sh", "-c", INSTALL_BARMAN, "install", MIRROR, VERSIONS.debian, stamp];
  const { code, stdout, stderr } = await attempt("unshare", ["--mount", "chroot", root, ...install], {
    limit: 900_000,
  });
  appendFileSync(log, stderr);
  if (code !== 0) throw new Error(`Barman's packages cannot be installed:\n${stderr.slice(-2000)}`);
  return stdout;
}

/** A layer with a few files: copies of files, and links to them. */
export async function makeLayer(
  file: string,
  content: Record<string, { copyOf: string } | { linkTo: string }>,
): Promise<string> {
  const root = `${file}.root`;
  for (const [path, source] of Object.entries(content)) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if ("copyOf" in source) copyFileSync(source.copyOf, target);
    else symlinkSync(source.linkTo, target);
  }
  await run("tar", ["-C", root, "--owner=0", "--group=0", "-cf", file, "."]);
  rmSync(root, { recursive: true });
  return file;
}
