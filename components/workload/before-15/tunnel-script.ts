/**
 * Runs a tunnel to one database with the certificate that tbot 13 writes. `tsh` loads the certificate when it starts,
 * and cannot renew a bot's certificate itself (teleport#36291). So the script restarts tsh for each new certificate,
 * which ends the connections through the tunnel. It does not restart tsh while the files are being written.
 *
 * All settings are environment variables, so that no name is interpreted by the shell.
 */
export const TUNNEL_SCRIPT = `set -u
tunnel=
trap 'test -n "$tunnel" && kill "$tunnel" 2>/dev/null; exit 0' TERM INT
written() { cat "$FOLDER/identity" "$FOLDER/key" "$FOLDER/tlscert" 2>/dev/null | cksum; }
pause() { sleep "$1" & wait $!; }
while :; do
  while [ ! -s "$FOLDER/identity" ]; do pause 1; done
  used=$(written)
  pause 1
  [ "$used" = "$(written)" ] || continue
  tsh --identity="$FOLDER/identity" --proxy="$PROXY" proxy db --tunnel --port="$PORT" \\
    --db-user="$DATABASE_USER" --db-name="$DATABASE_NAME" "$SERVICE" &
  tunnel=$!
  while kill -0 "$tunnel" 2>/dev/null && [ "$used" = "$(written)" ]; do pause 2; done
  kill "$tunnel" 2>/dev/null
  wait "$tunnel"
  tunnel=
done
`;
