#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# ctrate.sh [rounds] [systems]: connection set-up rate, beside Open vSwitch in one run: a million distinct TCP SYNs, each
# ct(commit)ed; the rate is the slope of the number of connections.  Systems take turns; the last line is the ratio.
#
#     SWB=.../bench tests/bench/ctrate.sh 3 "ovs vswitch"
#
# SWB is the folder of the switch benchmark, whose setup.sh was run (SWB_CACHE: its cache, if that is elsewhere).
# As root; the daemon is that of build/ unless VSWITCHD and VSWITCHCTL say others.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ -f "${SWB:-}/lib.sh" ] || { echo "ctrate: SWB must name the folder of the switch benchmark" >&2; exit 2; }
SWB=$(cd "$SWB" && pwd)
ROUNDS=${1:-3} SYSTEMS=${2:-ovs vswitch}
[ -f "${SWB_CACHE:-$SWB/.cache}/pcap/syn-1m.pcap" ] || { echo "ctrate: no traffic: run $SWB/setup.sh" >&2; exit 2; }
RESULTS=$(mktemp)
trap 'rm -f "$RESULTS"' EXIT

rules() {
  echo "table=0,ip,ct_state=-trk,actions=ct(table=1)"
  echo "table=1,in_port=1,ip,ct_state=+trk+new,actions=ct(commit),output:2"
  echo "table=1,in_port=1,ip,ct_state=+trk+est,actions=output:2"
}

# What differs: how rules go in, and how many connections there are over three seconds ("time number" a line).
ovs_rules() { rules | ofctl add-flows br0 -; }
ovs_series() { for _ in $(seq 60); do echo "$(date +%s.%N) $(appctl dpctl/ct-get-nconns)"; sleep 0.05; done; }
vswitch_rules() { rules | "$VSWITCHCTL" --socket "$RUN/vswitch.sock" flow replace br0 - >/dev/null; }
vswitch_series() {
  python3 - "$RUN/vswitch.sock" <<'P'
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile('rw')
end = time.time() + 3
while time.time() < end:
    f.write(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'conntrack.stats', 'params': {}}) + '\n')
    f.flush()
    answer = json.loads(f.readline())
    print(time.time(), answer['result']['entries'])
    time.sleep(0.01)
P
}

# One run of one system, in a process of its own: prints "system connections rate seconds samples".
one() { # system
  local sys=$1
  BENCH=$SWB
  . "$SWB/lib.sh"; . "$SWB/workloads.sh"
  case $sys in ovs) . "$SWB/sut/ovs.sh";; *) . "$ROOT/tests/bench/sut/vswitch.sh";; esac
  wl_base
  IN0=syn-1m.pcap VARIANT= NORULES=1
  RUN=$(mktemp -d)
  trap 'sut_stop; rm -rf "$RUN"' EXIT
  # Both start as a switch that learns, so that traffic flows before the first connection is made.
  case $sys in ovs) POLICY=ct;; *) POLICY=normal;; esac
  sut_start
  wait_for 15 moving || { echo "ctrate: $sys: nothing moves" >&2; tail -5 "$RUN"/*.log >&2; return 1; }
  sleep 1
  "${sys}_series" >"$RUN/series" &
  "${sys}_rules" || return 1
  wait $!
  python3 - "$sys" "$RUN/series" <<'P'
import sys
s = [tuple(map(float, line.split())) for line in open(sys.argv[2]) if len(line.split()) == 2]
top = max((n for _, n in s), default=0)
m = [(t, n) for t, n in s if 0.02 * top < n < 0.98 * top]
if len(m) < 2:
    # Faster than we look: from the last that saw none to the first that saw all.
    before = [(t, n) for t, n in s if n <= 0.02 * top][-1:]
    after = [(t, n) for t, n in s if n >= 0.98 * top][:1]
    m = before + m + after
rate = (m[-1][1] - m[0][1]) / (m[-1][0] - m[0][0]) if len(m) > 1 else 0
print(sys.argv[1], int(top), int(rate), '%.2f' % (m[-1][0] - m[0][0] if m else 0), len(m))
P
}
export -f one rules ovs_rules ovs_series vswitch_rules vswitch_series
export SWB ROOT

for _ in $(seq "$ROUNDS"); do
  for sys in $SYSTEMS; do
    flock "${SWB_LOCK:-/run/lock/swbench.lock}" setsid -w bash -c 'echo -20 >/proc/self/autogroup 2>/dev/null; one "$1"' _ "$sys" |
      tee -a "$RESULTS" | awk '{printf "%-8s %d connections, %d a second over %s s, %d samples\n", $1, $2, $3, $4, $5}'
  done
done
python3 - "$RESULTS" $SYSTEMS <<'P'
import statistics, sys
rates = {}
for line in open(sys.argv[1]):
    name, _, rate, _, _ = line.split()
    rates.setdefault(name, []).append(float(rate))
base, *others = sys.argv[2:]
for name in others:
    if rates.get(base) and rates.get(name) and statistics.median(rates[base]) > 0:
        print(f'{name}: {statistics.median(rates[name]) / statistics.median(rates[base]):.2f} times {base} (medians)')
P
