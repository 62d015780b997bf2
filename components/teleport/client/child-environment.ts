/**
 * The environment of `tctl`: the variables that it needs, and none of the secrets in the environment of a CI job.
 * Pure.
 */

/** Variables of the system, in upper or lower case: Windows has its own spelling, and proxy variables have two. */
const SYSTEM =
  /^(path|home|userprofile|appdata|localappdata|systemroot|comspec|user|logname|lang|lc_.*|tz|te?mp(dir)?|xdg_.*|ssl_cert_(file|dir)|(https?|all|no)_proxy|ssh_auth_sock|godebug)$/i;
/**
 * Variables of Teleport, except for identities and configuration files: the command line names the identity and the
 * server.
 */
const TELEPORT = /^TELEPORT_(?!.*IDENTITY|CONFIG$|CONFIG_FILE$)/;

/** Values for variables that the caller's environment does not set. */
const DEFAULTS = {
  // Without this, tctl 17 and newer would download the version that the cluster names and run it (managed updates of
  // client tools). A download takes time, and the version on the PATH was chosen for this machine.
  TELEPORT_TOOLS_VERSION: "off",
};

/**
 * Values that override the caller's environment. A machine that runs a Teleport agent has the agent's configuration
 * in /etc/teleport.yaml. tctl up to 15 takes that file as its own configuration and then ignores `--identity`. If the
 * variable is set and empty, tctl reads no file (`TryRun` of tool/tctl/common/tctl.go).
 */
const FIXED = { TELEPORT_CONFIG_FILE: "" };

export function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed = Object.entries(environment).filter(([name]) => SYSTEM.test(name) || TELEPORT.test(name));
  return { ...DEFAULTS, ...Object.fromEntries(needed), ...FIXED };
}
