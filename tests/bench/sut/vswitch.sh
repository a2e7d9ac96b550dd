# SPDX-License-Identifier: BSD-2-Clause
#
# vswitch under the switch benchmark: an adapter as its README describes.  Sourced by the benchmark, never run.
# VSWITCHD names the daemon (default: build/vswitchd/... of this checkout).  Variants: none.
VSWITCH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
VSWITCHD=${VSWITCHD:-$VSWITCH_ROOT/build/vswitch/vswitchd}

sut_supports() { [ "$POLICY" = normal ] || [ "$POLICY" = vm ]; }

# The whole configuration is in the file that an empty store starts with.
vswitch_config() {
  echo "core add $PMD_CPU"
  echo "switch add br0 --type external"
  echo "port add br0 p0 --kind phys --driver dpdk --device $(port_devargs 0) --mtu 1500"
  if [ "$POLICY" = vm ]; then
    echo "port add br0 vh0 --kind vhost --mode client --socket $RUN/vh0"
    # Where the far station lives: behind the guest, or, when the guest is the source, behind the wire.
    case $GUEST in
      tx) echo "mac add br0 02:52:54:00:00:01 --port p0";;
      *)  echo "mac add br0 02:52:54:00:00:01 --port vh0";;
    esac
  else
    echo "port add br0 p1 --kind phys --driver dpdk --device $(port_devargs 1) --mtu 1500"
  fi
}
sut_start() {
  vswitch_config >"$RUN/vswitch.conf"
  taskset -c "$CTL_CPU,$PMD_CPU" "$VSWITCHD" --socket "$RUN/vswitch.sock" --store :memory: --initial "$RUN/vswitch.conf" \
    --control-cpu "$CTL_CPU" --driver "$PMD" >"$RUN/vswitch.log" 2>&1 </dev/null &
  SUT_PIDS=$!
  wait_for 15 test -S "$RUN/vswitch.sock"
}
sut_info() { cat "$RUN/vswitch.log"; }
sut_stop() { stop_pids $SUT_PIDS; }
