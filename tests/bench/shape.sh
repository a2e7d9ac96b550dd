#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# shape.sh [rounds] [core] [part...]: shape_bench, alone on a core, so many times (3), on the last core unless one is
# named; parts are those of shape_bench, all when none is named.  How busy the core was before, which it should not have
# been, is told first.
#
#     tests/bench/shape.sh 5 3 ports rates
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BENCH=${SHAPE_BENCH:-$ROOT/build/tests/bench/shape_bench}
ROUNDS=${1:-3} CORE=${2:-$(($(nproc) - 1))}
[ -x "$BENCH" ] || { echo "shape: no $BENCH: ninja -C build tests/bench/shape_bench" >&2; exit 2; }

# Ticks in which the core was not idle.
busy() { awk -v c="cpu$CORE" '$1 == c { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat; }

before=$(busy)
sleep 2
echo "core $CORE: $((($(busy) - before) * 50 / $(getconf CLK_TCK))) % busy with other things"
for round in $(seq "$ROUNDS"); do
  echo "== round $round"
  taskset -c "$CORE" "$BENCH" "${@:3}"
done
