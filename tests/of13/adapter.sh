#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Starts vswitchd as the target of a conformance suite (README.md): a switch of three taps that
# passes tags as they are, with one controller, and nothing in its tables.
#
# VSWITCH_BUILD says where the build is; unless it does, it is build/ of this checkout.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${VSWITCH_BUILD:-$here/../../build}
dir=${OFT_DIR:-}

ctl() {
	"$build/ctl/vswitchctl" --socket "$dir/socket" "$@"
}

# The first processor that this may run on is the control thread's, the second the worker's.
cpus() {
	taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done
}

start() {
	local cpu worker port

	cpu=$(cpus | sed -n 1p)
	worker=$(cpus | sed -n 2p)
	"$build/vswitch/vswitchd" --socket "$dir/socket" --store "$dir/state.db" --initial - \
		--control-cpu "$cpu" --mbufs 16384 --no-huge --eal --no-telemetry \
		>"$dir/log" 2>&1 &
	echo $! >"$dir/pid"
	for _ in $(seq 100); do
		ctl switch list >/dev/null 2>&1 && break
		sleep 0.1
	done
	ctl core add "${worker:-$cpu}" || true # it may be there from the start
	ctl switch add target --type internal --fail-mode secure --datapath-id "$OFT_DPID" \
		--loop-guard off || return 1
	ctl controller add target "tcp:$OFT_HOST:$OFT_PORT" || return 1
	for port in $OFT_IFS; do
		ctl port add target "$port" --kind tap --vlan-mode trunk --allowed all --bpdu on || return 1
	done
}

case ${1:-} in
ports)	echo own ;;
start)	start ;;
stop)	kill "$(cat "$dir/pid")" ;;
*)	echo "usage: $0 ports|start|stop" >&2; exit 2 ;;
esac
