/** What `tctl` is told of the environment: what it needs, and none of the secrets that a CI job keeps there. Pure. */

/** The system's, of any case: Windows has its own spelling, and proxies have two. */
const SYSTEM =
  /^(path|home|userprofile|appdata|localappdata|systemroot|comspec|user|logname|lang|lc_.*|tz|te?mp(dir)?|xdg_.*|ssl_cert_(file|dir)|(https?|all|no)_proxy|ssh_auth_sock|godebug)$/i;
/**
 * Teleport's own, but for identities and configuration files: the operation names its identity and its server on the
 * command line.
 */
const TELEPORT = /^TELEPORT_(?!.*IDENTITY|CONFIG$|CONFIG_FILE$)/;

/** What holds where the caller's environment says nothing else. */
const DEFAULTS = {
  // Newer versions would else download the version that the cluster names, and run that: a download takes its time, and
  // what the PATH has is what was chosen for this machine (managed updates of client tools, 17 and newer).
  TELEPORT_TOOLS_VERSION: "off",
};

/**
 * What holds whatever the caller's environment says. A machine that runs an agent of Teleport has its configuration in
 * /etc/teleport.yaml, and tctl up to 15 takes that for its own: it then looks past `--identity`. Set and empty, no file
 * is read (`TryRun` of tool/tctl/common/tctl.go).
 */
const FIXED = { TELEPORT_CONFIG_FILE: "" };

export function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed = Object.entries(environment).filter(([name]) => SYSTEM.test(name) || TELEPORT.test(name));
  return { ...DEFAULTS, ...Object.fromEntries(needed), ...FIXED };
}
