#!/bin/sh
# Connect the hub to the app. Run it after the code is deployed; it can be repeated at any time.
#
#   infra/connect-hub.sh RESOURCE_GROUP FUNCTION_APP [system|master]
#
# azd calls it without arguments (azure.yaml) and sets both names in the environment. The script waits
# for the key that the Functions host creates for Web PubSub's events, deploys hub.bicep, which reads
# the key inside Azure, and checks the event handler. It learns only whether the key exists. `master`
# gives the hub the app's master key, while the system key is renewed.
set -eu

here=$(dirname "$0")
group=${1:-${AZURE_RESOURCE_GROUP:-}}
app=${2:-${AZURE_FUNCTION_NAME:-}}
key=${3:-system}
tries=30
pause=10

main() {
  check_arguments
  read_settings
  wait_for_key
  deploy_hub
  check_handler
}

check_arguments() {
  if [ -z "$group" ] || [ -z "$app" ]; then fail "usage: $0 RESOURCE_GROUP FUNCTION_APP [system|master]"; fi
  azure account show --output none || fail 'az is not logged in. Run: az login (azd has its own login).'
}

# Read the hub's properties from the app's settings, so that the two cannot differ.
read_settings() {
  hub=$(setting WebPubSubHub)
  address=$(setting WebPubSubConnectionString__serviceUri)
  if [ -z "$hub" ] || [ -z "$address" ]; then fail "$app lacks settings. Deploy main.bicep first."; fi
  service=${address#https://}
  service=${service%%.*}
  keep_alive=$(setting USHER_KEEP_ALIVE_SECONDS)
  single_group=$(setting USHER_SINGLE_GROUP | tr '[:upper:]' '[:lower:]')
}

setting() {
  azure functionapp config appsettings list --resource-group "$group" --name "$app" \
    --query "[?name=='$1'].value | [0]" --output tsv
}

# The request also starts the host, which creates the key when it first loads the app.
wait_for_key() {
  try=1
  until has_key; do
    [ "$try" -lt "$tries" ] || fail "$app has no key webpubsub_extension after $tries tries. \
Does it have its functions (az functionapp function list)? The last answer: $(echo "$answer" | redact)"
    say "waiting for the key of $app: $try of $tries"
    try=$((try + 1))
    sleep "$pause"
  done
  say "the key of $app exists"
}

has_key() {
  answer=$(azure functionapp keys list --resource-group "$group" --name "$app" \
    --query "contains(keys(systemKeys), 'webpubsub_extension')" --output tsv 2>&1) || return 1
  [ "$answer" = true ]
}

deploy_hub() {
  say "deploying hub $hub of $service"
  answer=$(azure deployment group create --resource-group "$group" --name usher-hub \
    --template-file "$here/hub.bicep" --output none --parameters "functionAppName=$app" \
    "webPubSubName=$service" "hubName=$hub" "singleGroup=${single_group:-false}" \
    "keepAliveSeconds=${keep_alive:-20}" "eventKey=$key" 2>&1) ||
    fail "the hub was not deployed: $(echo "$answer" | redact)"
}

check_handler() {
  wanted='connect connected disconnected'
  [ "$single_group" != true ] || wanted='connected disconnected'
  found=$(azure resource show --resource-group "$group" --api-version 2024-03-01 \
    --namespace Microsoft.SignalRService --parent "webPubSub/$service" --resource-type hubs \
    --name "$hub" --query 'properties.eventHandlers[].systemEvents[]' --output tsv |
    xargs -n 1 | sort | xargs)
  [ "$found" = "$wanted" ] || fail "hub $hub should send '$wanted' but sends '$found'."
  say "hub $hub of $service sends $found to $app"
}

azure() {
  az "$@" --only-show-errors ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"}
}

# An error message of the deployment could contain the handler's URL.
redact() {
  sed 's/code=[^&"'\'' ]*/code=REDACTED/g'
}

say() {
  echo "connect-hub: $1"
}

fail() {
  echo "connect-hub: $1" >&2
  exit 1
}

main
