/** What `tctl` is told of the environment: what it needs, and none of the secrets that a CI job keeps there. Pure. */

/** The system's, of any case: Windows has its own spelling, and proxies have two. */
const SYSTEM =
  /^(path|home|userprofile|appdata|localappdata|systemroot|comspec|user|logname|lang|lc_.*|tz|te?mp(dir)?|xdg_.*|ssl_cert_(file|dir)|(https?|all|no)_proxy|ssh_auth_sock|godebug)$/i;
/** Teleport's own, but for identities: that of the operation is named on the command line. */
const TELEPORT = /^TELEPORT_(?!.*IDENTITY)/;

export function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const needed = Object.entries(environment).filter(([name]) => SYSTEM.test(name) || TELEPORT.test(name));
  return Object.fromEntries(needed);
}
