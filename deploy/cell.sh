#!/usr/bin/env bash
# cell: a cell that stays until `./dev down`, as one container or one background process, and the CLI
# against it.
set -euo pipefail
repo=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$repo"
data=$repo/build/cell
