/**
 * Runs Vault's agent. When the pod ends, the script revokes the agent's token, which also revokes the credentials.
 * The agent itself would leave both until they expire (its command/agent.go revokes nothing). Kubernetes stops a
 * sidecar after the application has ended (KEP-753); a preStop hook would not wait for that.
 *
 * If the agent exits by itself, the script keeps its token, so that the application can use its credentials until
 * Kubernetes has restarted the agent. The first `wait` also covers an agent that has already exited: the shell may
 * have reaped it, but remembers its exit code. A signal interrupts `wait`, so the loop waits until the agent has
 * exited.
 */
export const VAULT_AGENT_SCRIPT = `set -u
ending=
vault agent -config="$CONFIGURATION" &
agent=$!
trap 'ending=yes; kill -TERM "$agent" 2>/dev/null' TERM INT
wait "$agent"; code=$?
while kill -0 "$agent" 2>/dev/null; do wait "$agent"; code=$?; done
[ -n "$ending" ] || exit "$code"
if [ -s "$TOKEN" ]; then
  VAULT_TOKEN=$(cat "$TOKEN") VAULT_CLIENT_TIMEOUT=10 VAULT_MAX_RETRIES=1 vault token revoke -self
fi
exit 0
`;
