#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# filter_kernel.sh BUILD [SECONDS]: one XDP program, an allow-list that allows nothing, beside the kernel in one run: natively on a
# veth there, as a filter module here.  Packets dropped a second, in millions, on one core each:
#
#     generator   the kernel makes frames and drops them at once: what is not the receiver's cost
#     kernel      it sends them by a veth pair, and the program drops them at the other end
#     switch      filter_bench's 'drop all': from a received burst to freed frames
#
# The kernel's receiver alone is 1 / (1 / kernel - 1 / generator).  As root, on a machine that is otherwise quiet.
set -e
[ -x "${1:-}/tests/bench/xdp_send" ] || { echo "filter_kernel.sh BUILD [SECONDS]" >&2; exit 2; }
BENCH=$1/tests/bench SECONDS_EACH=${2:-4}
OBJECT=$BENCH/filter_bench.bpf.o
NS=fk$$
cleanup() { ip link del "$NS"a 2>/dev/null || true; ip netns del $NS 2>/dev/null || true; }
trap cleanup EXIT
ip netns add $NS
ip link add "$NS"a type veth peer name "$NS"b
ip link set "$NS"b netns $NS
ip link set "$NS"a up
ip -n $NS link set "$NS"b up
ip -n $NS link set "$NS"b xdpdrv object "$OBJECT" program allow
dropped() { ip netns exec $NS ethtool -S "$NS"b | awk '/rx_queue_[0-9]+_xdp_drops:/ {n += $2} END {print n + 0}'; }

generator=$("$BENCH/xdp_send" "$OBJECT" - "$SECONDS_EACH")
before=$(dropped)
sent=$("$BENCH/xdp_send" "$OBJECT" "$NS"a "$SECONDS_EACH")
after=$(dropped)
kernel=$(awk "BEGIN {print ($after - $before) / $SECONDS_EACH / 1e6}")
bench=$("$BENCH/filter_bench" "$OBJECT" 1024)
switch=$(awk '/dropping all/ {for (i = 1; i < NF; i++) if ($i == "all" && $(i - 1) == "dropping") print $(i + 1)}' <<< "$bench")
echo "$bench"
awk "BEGIN {
  alone = 1 / (1 / $kernel - 1 / $generator)
  printf \"generator %.1f, sent %.1f; kernel drops %.2f (its receiver alone %.2f), switch %.1f Mpps: %.1f and %.1f times\\n\",
    $generator, $sent, $kernel, alone, $switch, $switch / $kernel, $switch / alone
}"
