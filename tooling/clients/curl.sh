#!/usr/bin/env bash
# usage: tooling/clients/curl.sh [http://127.0.0.1:8000]   against a running `jora serve`
set -euo pipefail
base=${1:-http://127.0.0.1:8000}
ask() { curl -sS --fail-with-body -H 'content-type: application/json' "$base$1" -d "$2"; }
curl -sS --fail "$base/health"; echo
ask /v1/chat/completions '{"messages":[{"role":"user","content":"Say hello."}],"temperature":0,"max_tokens":8}'; echo
ask /v1/chat/completions '{"messages":[{"role":"user","content":"Say hello."}],"max_tokens":8,"stream":true}' | tail -n 2
[ "$(curl -s -o /dev/null -w '%{http_code}' -H 'content-type: application/json' "$base/v1/chat/completions" -d '{}')" = 400 ]
curl -sS --fail "$base/metrics" | grep '^jora_tokens_total'
