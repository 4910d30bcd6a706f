#!/usr/bin/env bash
# Evaluate main.bicep offline with the Bicep compiler, as Azure would before it creates anything.
# Right parameters are accepted. Wrong ones are refused, and the message names what to set.
#
#   tests/infra/refusals.sh [BICEP]
set -euo pipefail
cd "$(dirname "$0")/../../infra"
bicep=${1:-bicep}
file=refusals.bicepparam
trap 'rm -f "$file" "${file%.bicepparam}.snapshot.json"' EXIT

main() {
  accepted key none
  accepted oidc https://a.example "param oidcIssuer = 'https://login.example/'" "param oidcAudience = 'api://usher'"
  accepted easyauth https://a.example "param easyAuthClientId = '11111111-1111-1111-1111-111111111111'"
  refused USHER_EASYAUTH_CLIENT_ID easyauth none
  refused USHER_OIDC_ISSUER oidc none "param oidcAudience = 'api://usher'"
  refused USHER_OIDC_AUDIENCE oidc none "param oidcIssuer = 'https://login.example/'"
  refused USHER_ALLOWED_ORIGINS key 'https://*.example'
  refused USHER_EVENTS_WITH_IDENTITY key none 'param eventsWithIdentity = true'
  refused "authMode|'easyauth'" open none
}

# accepted MODE ORIGINS [LINE...]
accepted() {
  evaluate "$@" || fail "$* is refused: $output"
  echo "accepted as it should be: $*"
}

# refused PATTERN MODE ORIGINS [LINE...]
refused() {
  pattern=$1
  shift
  ! evaluate "$@" || fail "$* is not refused"
  grep -qE "$pattern" <<<"$output" || fail "the refusal of $* does not name $pattern: $output"
  echo "refused as it should be: $*"
}

evaluate() {
  write_parameters "$@" >"$file"
  output=$("$bicep" snapshot "$file" --mode overwrite --location westeurope \
    --subscription-id 00000000-0000-0000-0000-000000000000 2>&1)
}

write_parameters() {
  echo "using 'main.bicep'"
  echo "param environmentName = 'refusals'"
  echo "param location = 'westeurope'"
  echo "param authMode = '$1'"
  echo "param allowedOrigins = '$2'"
  shift 2
  printf '%s\n' "$@"
}

fail() {
  echo "refusals: $1" >&2
  exit 1
}

main
