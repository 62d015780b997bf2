/**
 * Runs Vault's agent, and when the pod ends gives its token back, which ends the credentials with it: the agent alone
 * leaves both until their time is over (its command/agent.go revokes nothing). A sidecar is told to end after the
 * application has (KEP-753), which a preStop hook would not wait for.
 *
 * Where the agent ends by itself its token is left, so that the application goes on with what it has until Kubernetes
 * has started the agent again. The first wait is for an agent that has ended already, which a shell may have taken note of.
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
