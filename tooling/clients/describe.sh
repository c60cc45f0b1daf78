#!/usr/bin/env bash
# usage: tooling/clients/describe.sh [http://127.0.0.1:8000] [examples of each route]   with `pip install schemathesis`
# against a running `jora serve --max-new-tokens 2`. Fails for every answer of status 500 or above.
set -euo pipefail
base=${1:-http://127.0.0.1:8000}
exec schemathesis run "$base/openapi.json" --url "$base" --checks not_a_server_error --max-examples "${2:-50}" --phases examples,coverage,fuzzing --request-timeout 120
