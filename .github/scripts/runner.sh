#!/usr/bin/env bash
# What a runner's workflow does beside `make`: clocks of a GPU, the job's summary, the artifact's name.
#   runner.sh lock-clocks [MHz]   persistence mode, and clocks that stay where they are; says whether they held
#   runner.sh free-clocks         undoes it; for a step that always runs, since a lock outlives the job
#   runner.sh summary FILE        appends a page to the job's summary, cut below the limit
#   runner.sh artifact RUN        writes the artifact's name, by machine class and attempt
set -euo pipefail

# Beyond 1 MiB a step's summary is dropped as a whole.
readonly MOST_BYTES=1000000

note() { echo "runner: $*"; }

# As root where the runner may, and without asking for a password where it may not.
smi() {
  if [ "$(id -u)" = 0 ]; then nvidia-smi "$@"; else sudo -n nvidia-smi "$@"; fi
}

lock_clocks() {
  smi -pm 1 > /dev/null || note "persistence mode could not be set; the first call of each process is slower"
  local clock=${1:-}
  if [ -z "$clock" ]; then
    # Two thirds of the maximum: what most cards sustain; a card's own limit may be given instead.
    local maximum
    maximum=$(nvidia-smi --query-gpu=clocks.max.sm --format=csv,noheader,nounits | head -n 1)
    clock=$((maximum * 2 / 3))
  fi
  if ! smi -lgc "$clock,$clock" > /dev/null; then
    note "clocks could not be locked to $clock MHz; slowed blocks are marked in the records all the same"
    return
  fi
  sleep "${SETTLE_S:-2}"
  local seen
  seen=$(nvidia-smi --query-gpu=clocks.sm --format=csv,noheader,nounits | sort -n | head -n 1)
  # An idle card may stay below its lock; that it is not above is what can be seen here.
  if [ "$seen" -gt "$clock" ]; then
    note "clocks were locked to $clock MHz but are at $seen: the lock does not hold"
  else
    note "clocks are locked to $clock MHz (now $seen)"
  fi
}

free_clocks() {
  smi -rgc > /dev/null || note "clocks could not be freed: run nvidia-smi -rgc on the host"
}

summary() {
  local target=${GITHUB_STEP_SUMMARY:?set by the runner} page=$1
  if [ ! -s "$page" ]; then
    echo "No report: $page is missing. The log of the step before says why." >> "$target"
  elif [ "$(wc -c < "$page")" -le "$MOST_BYTES" ]; then
    cat "$page" >> "$target"
  else
    # Whole lines only, so that no character and no table row is cut in two.
    head -c "$MOST_BYTES" "$page" | sed '$d' >> "$target"
    printf '\n\n**Cut here: the page is longer than a summary may be. The artifact has all of it.**\n' >> "$target"
  fi
}

artifact() {
  local class
  class=$(sed -n 's/.*"machine_class_sha256": "\([0-9a-f]\{12\}\).*/\1/p' "$1/run.json" 2> /dev/null | head -n 1 || true)
  echo "name=run-${class:-unknown}-attempt-${GITHUB_RUN_ATTEMPT:-1}" >> "${GITHUB_OUTPUT:?set by the runner}"
}

case "${1:-}" in
  lock-clocks) lock_clocks "${2:-}" ;;
  free-clocks) free_clocks ;;
  summary) summary "${2:?a page}" ;;
  artifact) artifact "${2:?a run folder}" ;;
  *) echo "usage: runner.sh lock-clocks [MHz] | free-clocks | summary FILE | artifact RUN" >&2; exit 2 ;;
esac
