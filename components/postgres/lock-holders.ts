/** The sessions that hold the locks that another session waits for. Pure. */
import { literal, textArray } from "./sql";

/**
 * Returns a line for each session that blocks the session with this `application_name`. Ends blocking sessions of the
 * roles in `ends`. A prepared transaction has no session.
 */
export function lockHoldersQuery(session: string, ends: readonly string[]): string {
  return `\\set ON_ERROR_STOP on
SET search_path = pg_catalog, pg_temp;
SELECT CASE
  WHEN holder.pid IS NULL THEN 'A prepared transaction (see pg_prepared_xacts) holds the lock'
  ELSE format('The lock is held by process %s of the user %s in the database %s (application %s, %s, its transaction began at %s)%s',
    holder.pid, coalesce(holder.usename, '?'), coalesce(holder.datname, '?'),
    coalesce(nullif(holder.application_name, ''), 'without a name'), coalesce(holder.state, holder.backend_type),
    coalesce(to_char(holder.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '?'),
    CASE WHEN holder.usename = ANY (${textArray(ends)}) AND pg_terminate_backend(holder.pid)
      THEN '; this session was ended, because it blocked the change of the rights of its own user' ELSE '' END)
  END
FROM pg_stat_activity waiting, unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
  LEFT JOIN pg_stat_activity holder ON holder.pid = blocking.pid
WHERE waiting.application_name = ${literal(session)};`;
}
