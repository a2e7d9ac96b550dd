# SPDX-License-Identifier: BSD-2-Clause
#
# vswitch under the switch benchmark: an adapter as its README describes.  Sourced by the benchmark, never run.
# VSWITCHD names the daemon (default: build/vswitchd/... of this checkout).
# Variants: 2w, a second worker, on the control core: the two ports' queues part (N workloads); vmbus, the guest of
# the V workloads has a synthetic NIC (tests/tools) instead of a virtio one; lists, R4 by access lists with sessions instead of
# rules with ct(); list10k, an ingress list of 10000 entries on the first port, of which the last takes the benchmark's packets.
VSWITCH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
VSWITCHD=${VSWITCHD:-$VSWITCH_ROOT/build/vswitch/vswitchd}
VSWITCHCTL=${VSWITCHCTL:-$VSWITCH_ROOT/build/ctl/vswitchctl}

VSWITCH_TOOLS=${VSWITCH_TOOLS:-$VSWITCH_ROOT/build/tests/tools}

sut_supports() { case $POLICY in normal|vm|inport|l3|acl:*|exact|pipeline|ct|encap|decap) ;; *) return 1;; esac; }

# The whole configuration is in the file that an empty store starts with.
vswitch_config() {
  echo "core add $PMD_CPU"
  case $VARIANT in *2w*) echo "core add $CTL_CPU";; esac
  case $POLICY in encap|decap) vswitch_overlay; return;; esac
  echo "switch add br0 --type external"
  echo "port add br0 p0 --kind phys --driver dpdk --device $(port_devargs 0) --mtu 1500"
  if [ "$POLICY" = vm ]; then
    vswitch_guest_port
    # Where the far station lives: behind the guest, or, when the guest is the source, behind the wire.
    case $GUEST in
      tx) echo "mac add br0 02:52:54:00:00:01 --port p0";;
      *)  echo "mac add br0 02:52:54:00:00:01 --port vh0";;
    esac
  else
    echo "port add br0 p1 --kind phys --driver dpdk --device $(port_devargs 1) --mtu 1500"
  fi
  vswitch_lists
}
# Port 0 may open, port 1 only answer: sessions of port 0.
vswitch_lists() {
  case $VARIANT in
    *list10k*)
      echo "acl add long --otherwise allow --entries '$(seq 1 9999 | while read -r i; do echo "allow udp from 10.$((i >> 8 & 255)).$((i & 255)).0/24 to 30.0.0.0/8"; done
        echo "allow udp from any to any")'"
      echo "acl attach long --port p0 --direction ingress";;
    *lists*)
      [ "$POLICY" = ct ] || return 0
      echo "acl add open --otherwise deny --entries 'allow stateful ip'"
      echo "acl add closed --otherwise deny"
      echo "acl attach open --port p0 --direction ingress"
      echo "acl attach closed --port p0 --direction egress";;
  esac
}
# A guest takes frames to its own address only, so its NIC has the far station's where that lives behind it.
vswitch_guest_port() {
  local mac=02:52:54:00:00:01; [ "$GUEST" = tx ] && mac=02:52:54:00:00:02
  case $VARIANT in
    *vmbus*) echo "port add br0 vh0 --kind vmbus --queues 1 --mac $mac";;
    *) echo "port add br0 vh0 --kind vhost --mode client --socket $RUN/vh0";;
  esac
}
# Takes the place of the harness's guest: its counters are where the harness looks for the other's.
case $VARIANT in *vmbus*)
start_guest() {
  local tool=vmbus-echo size=60
  case "$GUEST_IN" in *1518*) size=1514;; esac
  case $GUEST in
    rx) tool=vmbus-sink;;
    tx) tool="vmbus-gen --size $size --flows 1000 --dst 02:52:54:00:00:01";;
  esac
  mkdir -p "$RUN/nic"
  taskset -c "$CTL_CPU" "$VSWITCH_TOOLS"/$tool --huge --counters "$RUN/g.stats" "$RUN/nic/vh0.sock" >"$RUN/guest.log" 2>&1 </dev/null &
  GUEST_PIDS=$!
};;
esac
# br0: the inner side; ext0: the underlay, with the VTEP 172.31.1.1.  The far end does not answer ARP.
vswitch_overlay() {
  local in out; [ "$POLICY" = encap ] && in=0 out=1 || in=1 out=0
  echo "switch add br0 --type external"
  echo "switch add ext0 --type external"
  echo "port add br0 p$in --kind phys --driver dpdk --device $(port_devargs $in) --mtu 1500"
  echo "port add ext0 p$out --kind phys --driver dpdk --device $(port_devargs $out) --mtu 1600"
  echo "port add ext0 vtep0 --kind vtep --mac 02:52:50:00:00:02 --address 172.31.1.1/24 --mtu 1600 --neighbor 172.31.1.2=02:52:54:00:00:01"
  echo "port add br0 vx0 --kind vxlan --vtep vtep0 --remote 172.31.1.2 --key 100"
  echo "mac add ext0 02:52:54:00:00:01 --port p$out"
}
sut_start() {
  vswitch_config >"$RUN/vswitch.conf"
  taskset -c "$CTL_CPU,$PMD_CPU" "$VSWITCHD" --socket "$RUN/vswitch.sock" --store :memory: --initial "$RUN/vswitch.conf" \
    --control-cpu "$CTL_CPU" --driver "$PMD" >"$RUN/vswitch.log" 2>&1 </dev/null &
  SUT_PIDS=$!
  wait_for 15 test -S "$RUN/vswitch.sock"
  case $POLICY in normal|vm) return;; esac
  case $POLICY,$VARIANT in ct,*lists*) return;; esac
  vswitch_flows | "$VSWITCHCTL" --socket "$RUN/vswitch.sock" flow replace br0 - >/dev/null
}
# The rules of a policy, in the benchmark's port numbers.
vswitch_flows() {
  case $POLICY in
    encap|decap) echo "in_port=1,actions=output:2"; echo "in_port=2,actions=output:1";;
    inport) echo "in_port=1,actions=output:2"; echo "in_port=2,actions=output:1";;
    l3) echo "in_port=1,ip,nw_dst=20.0.0.0/8,actions=output:2";;
    acl:*) cat "$C/pcap/${POLICY#acl:}.flows";;
    exact) echo "in_port=1,udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],move:NXM_OF_IP_DST[]->NXM_NX_REG1[],move:NXM_OF_UDP_SRC[]->NXM_NX_REG2[0..15],move:NXM_OF_UDP_DST[]->NXM_NX_REG3[0..15],output:2";;
    pipeline) echo "table=0,in_port=1,actions=push_vlan:0x8100,set_field:4106->vlan_vid,write_metadata:0x7,goto_table:1"
              echo "table=1,metadata=0x7,ip,actions=set_field:02:aa:00:00:00:01->eth_src,set_field:02:aa:00:00:00:02->eth_dst,dec_ttl,goto_table:2"
              echo "table=2,metadata=0x7,actions=output:2";;
    ct) echo "table=0,ip,ct_state=-trk,actions=ct(table=1)"
        echo "table=1,in_port=1,ip,ct_state=+trk+new,actions=ct(commit),output:2"
        echo "table=1,in_port=1,ip,ct_state=+trk+est,actions=output:2"
        echo "table=1,in_port=2,ip,ct_state=+trk+est,actions=output:1";;
  esac
}
sut_info() {
  cat "$RUN/vswitch.log"
  "$VSWITCHCTL" --socket "$RUN/vswitch.sock" core list
  case $VARIANT in *vmbus*) "$VSWITCHCTL" --socket "$RUN/vswitch.sock" nic show vh0; cat "$RUN/guest.log";; esac
  "$VSWITCHCTL" --socket "$RUN/vswitch.sock" flow stats
}
sut_stop() { stop_pids $SUT_PIDS; }
