/** Reads and checks the stack's settings and the outputs of the platform's stack. Pure. */
import { Access, accessOf, isAccess, PlatformOutputs, WAYS } from "./access";
import type { AppSettings } from "./settings";

/** Where the application runs, what it does, and how it reaches its database. */
export interface App {
  namespace: string;
  image: string;
  query: string;
  interval: number;
  access: Access;
}

const QUERY = "SELECT current_database(), current_user, version AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/**
 * @param outputs outputs of the platform's stack
 * @throws Error with every mistake found
 */
export function appOf(settings: AppSettings, outputs: PlatformOutputs): App {
  const { platform, access: way = "secret", interval = 10, query = QUERY } = settings;
  const problems: string[] = [];
  const found = isAccess(way) ? accessOf(way, settings, outputs, problems) : undefined;
  if (!isAccess(way)) problems.push(`access = ${way}: is not supported. Use one of ${WAYS.join(", ")}.`);
  if (!Number.isInteger(interval) || interval < 1 || interval > 3_600) {
    problems.push(`interval = ${interval}: must be a number of seconds. Use a whole number from 1 to 3600.`);
  }
  if (query.trim() === "") problems.push("query: must not be empty. Write an SQL query, or remove the setting.");
  if (!found || problems.length > 0) {
    throw new Error(
      [`The configuration does not fit the stack ${platform}:`, ...problems.map((text) => `  - ${text}`)].join("\n"),
    );
  }
  return { ...found, image: settings.image ?? "postgres:17", query, interval };
}
