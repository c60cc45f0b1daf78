#!/usr/bin/env bash
# Runs what the pack brought, and leaves JSON files in $OUT (default ./out): ./run.sh [devices|conformance|bench|peft …]
# A part that fails is reported and the next one runs. LIMIT_S bounds each part; JORA_GPU_ICD names another Vulkan driver,
# JORA_BENCH other flags of `jora bench`, JORA_PEFT other flags of peft_bench.py.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${OUT:=out}"
out=$(cd "$OUT" && pwd)
log=$out/log.txt
chosen=" $* "
failed=()

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unpack() {
  local archive
  for archive in "$here"/*.tar.xz; do
    # Python reads xz where the machine has no xz program.
    tar -xJf "$archive" -C "$work" 2>/dev/null || python3 -m tarfile -e "$archive" "$work" || return
  done
  cp -r "$here"/{adapter.mjs,assets,dist,lib} "$work"
}

about_machine() {
  date -u
  uname -a
  nvidia-smi
  ldconfig -p | grep -E 'lib(vulkan|cuda|GLX_nvidia|EGL_nvidia)\.'
}

# The first ICD with which WebGPU finds an adapter: the driver's own file, or ours, with X11's libraries or without.
choose_driver() {
  local icd
  local candidates=(
    /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /{usr/share,etc}/vulkan/icd.d/nvidia_icd*.json
    "$here"/icd/nvidia_glx.json "$here"/icd/nvidia_egl.json
  )
  [ -z "${JORA_GPU_ICD:-}" ] || candidates=("$JORA_GPU_ICD")
  for icd in "${candidates[@]}"; do
    [ -e "$icd" ] || continue
    export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd
    if "${node[@]}" "$work/adapter.mjs" >"$out/adapter.json" 2>>"$log"; then
      echo "Vulkan driver: $icd"
      return
    fi
  done
  rm -f "$out/adapter.json"
  echo "NO VULKAN DRIVER WORKS, see $log"
  failed+=(driver)
}

# part NAME FILE COMMAND…: what it prints is the file, what it complains of goes to the log.
part() {
  local name=$1 file=$out/$2 began=$SECONDS
  shift 2
  [ "$chosen" = "  " ] || [[ $chosen == *" $name "* ]] || return 0
  echo "== $name"
  if timeout "${LIMIT_S:-300}" "$@" >"$file" 2>"$work/stderr"; then
    echo "-- $name: $((SECONDS - began)) s, $file"
  else
    echo "-- $name: FAILED with $? after $((SECONDS - began)) s"
    tail -n 15 "$work/stderr"
    [ -s "$file" ] || rm "$file"
    failed+=("$name")
  fi
  { echo "== $name" && cat "$work/stderr"; } >>"$log"
}

if ! unpack; then
  echo "cannot unpack into $work"
  exit 1
fi
# Our libraries are for our Node alone: Python keeps the system's.
node=(env "LD_LIBRARY_PATH=$work/lib:${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64" "$work/bin/node")
about_machine >"$log" 2>&1
choose_driver

part devices devices.json "${node[@]}" "$work/dist/jora.mjs" devices --json
part conformance conformance.json "${node[@]}" "$work/dist/conformance.mjs"
read -ra bench <<<"${JORA_BENCH:---shape llama-2-7b --seq 512,2048 --gradient-checkpointing both}"
read -ra peft <<<"${JORA_PEFT:-}"
part bench bench.json "${node[@]}" "$work/dist/jora.mjs" bench --json --device webgpu "${bench[@]}"
part peft peft.json python3 "$here/peft_bench.py" "${peft[@]}"
"$work/bin/node" "$here/compare.mjs" "$out"

[ ${#failed[@]} -eq 0 ] || echo "failed: ${failed[*]}"
exit $((${#failed[@]} > 0))
