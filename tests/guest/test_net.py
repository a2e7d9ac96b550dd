#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What guests of the hypervisor send each other through the switch.

                           sw
    a  4 processors ══╗
    b  4 processors ══╬═ lan, private: a and b of tenant blue, c of tenant red
    c  1 processor ═══╝
       nic1 ══════════ int, internal ── host port
       nic2 ══════════ ext, external ── veth ── a namespace 'wire'
       nic3 ══════════ trk, private: a trunk of VLANs 10 and 20; taps v10 and v20 have access to one each

Ping, iperf3 both ways with all offloads at both MTUs over 4 channels; who hears whom; capture; a rule.
"""
import struct
import time

import guest
import vst

SECONDS = 3  # of each iperf3
FRAME = 14 + 1500


def build(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    sw.ctl('switch add int --type internal')
    sw.ctl('switch add ext --type external')
    sw.ctl('switch add trk --type private')
    sw.ctl('tenant add blue --id 10')
    sw.ctl('tenant add red --id 11')
    sw.ctl('port add int host --kind host --address 10.1.0.1/24')
    wire = t.ns('wire')
    sw.ns.run(f'ip link add name up0 type veth peer name e0 netns {wire.name}')
    wire.run('ip addr add 10.2.0.1/24 dev e0')
    wire.run('ip link set dev e0 up')
    sw.ctl('port add ext up0 --kind phys --driver af_packet')
    taps = [sw.tap('trk', f'v{vlan}', f'10.3.{vlan}.1/24') for vlan in (10, 20)]
    for vlan in (10, 20):
        sw.ctl(f'vlan set v{vlan} --access {vlan}')
    a, b = (guest.Vm(sw, name, processors=4, nics=['lan,tenant=blue,queues=4,mtu=9000']) for name in 'ab')
    c = guest.Vm(sw, 'c', load=guest.LOAD + ',8021q', nics=['lan,tenant=red,mtu=9000', 'int', 'ext', 'trk'])
    sw.ctl('vlan set c/nic3 --trunk 10,20')
    for vm in (a, b, c):
        vm.start()
    a.address('10.0.0.1/24', mtu=1500)
    b.address('10.0.0.2/24', mtu=1500)
    c.address('10.0.0.2/24', mtu=1500)
    return sw, a, b, c, wire, taps


def offloads(t, g):
    have = g.out('ethtool -k eth0')
    for feature in ('tx-checksumming', 'tcp-segmentation-offload', 'rx-checksumming', 'tx-tcp6-segmentation'):
        t.check(f'{feature}: on' in have, f'{g.name}: {feature} is on', have)
    g.run('ethtool -L eth0 combined 4')
    t.check('4' in g.out("ethtool -l eth0 | awk '/^Current/ { c = 1 } c && /^Combined/ { print $2 }'"), f'{g.name}: 4 channels')
    open_ = g.out('for d in /sys/bus/vmbus/drivers/hv_netvsc/*-*; do ls $d/channels | wc -l; done')
    t.check(open_ == '4', f'{g.name}: and VMBus has as many', open_)


def hears(c, command, seconds):
    """Frames that c's first NIC receives from others while 'command' runs."""
    c.run("timeout 60 tcpdump -Z root -p -n -i eth0 -w /tmp/heard -U not ether src $(cat /sys/class/net/eth0/address) "
          "</dev/null >/dev/null 2>&1 & sleep 2")
    command()
    time.sleep(seconds)
    return c.out('killall tcpdump; sleep 1; tcpdump -Z root -n -r /tmp/heard 2>/dev/null', ok=None)


def blue_and_red(t, a, b, c):
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    t.check(a.ping('10.0.0.2', size=1472, options='-M do'), 'with packets of the whole MTU')

    def noise():
        a.run('ping -b -c 3 -i 0.2 10.0.0.255; ip neigh flush all; ping -c 3 -i 0.2 10.0.0.2', ok=None)

    heard = hears(c, noise, 1)
    t.check(heard == '', 'c, of another tenant, hears nothing of it', heard)
    t.check(not c.ping('10.0.0.1', count=1), 'and reaches nobody')


def captured_sizes(path):
    """Sizes of the frames in a pcapng file."""
    sizes = []
    with open(path, 'rb') as f:
        data = f.read()
    at = 0
    while at + 12 <= len(data):
        kind, size = struct.unpack_from('<II', data, at)
        if size < 12:
            break
        if kind == 6:  # An enhanced packet block.
            sizes.append(struct.unpack_from('<I', data, at + 24)[0])
        at += size
    return sizes


def throughput(t, sw, a, b):
    b.run('iperf3 -s -D')
    for mtu in (1500, 9000):
        for vm in (a, b):
            vm.run(f'ip link set eth0 mtu {mtu}')
        t.check(a.reaches('10.0.0.2') and a.ping('10.0.0.2', size=mtu - 28, options='-M do'), f'MTU {mtu}: whole packets pass')
        path = t.file(f'gso{mtu}.pcapng')
        sw.ctl(f'capture start a/nic0 --filter tcp -w {path}')
        there = guest.iperf(a, '10.0.0.2', SECONDS, '-P 4')
        sw.ctl('capture stop')
        back = guest.iperf(a, '10.0.0.2', SECONDS, '-P 4 -R')
        print(f'MTU {mtu}: {there:.0f} Mbit/s there, {back:.0f} back', flush=True)
        t.check(there > 0 and back > 0, f'MTU {mtu}: iperf3 runs both ways', (there, back))
        sizes = captured_sizes(path)
        t.check(sizes and max(sizes) > mtu + 14, f'MTU {mtu}: TCP leaves the guest in segments larger than that',
                max(sizes, default=0))
    for vm in (a, b):
        bad = vm.out("awk '/^Tcp:/ && ++n == 2 { print $NF }' /proc/net/snmp")
        t.check(bad == '0', f'{vm.name} saw no wrong checksum', bad)
    grown = b.out("ethtool -S eth0 | grep -E 'rx_queue_[0-3]_packets: *[1-9]' | wc -l")
    t.check(grown == '4', 'all 4 channels had a share', b.out("ethtool -S eth0 | grep -E '_packets'"))


def capture_and_rule(t, sw, a, b):
    path = t.file('ping.pcapng')
    sw.ctl(f'capture start a/nic0 --filter icmp -w {path}')
    a.run('ping -c 3 -i 0.2 10.0.0.2')
    sw.ctl('capture stop')
    t.check(len(captured_sizes(path)) == 6, "a capture on a VM's port has its frames, both ways", captured_sizes(path))
    sw.ctl(['flow', 'add', 'lan', 'priority=40000,icmp,in_port=a/nic0,actions=drop'])
    t.check(not a.ping('10.0.0.2', count=1), 'a rule that drops them steers its frames')
    sw.ctl(['flow', 'del', 'lan', '--strict', 'priority=40000,icmp,in_port=a/nic0'])
    t.check(a.reaches('10.0.0.2'), 'and without it they pass again')


def other_switches(t, sw, c, wire, taps):
    c.address('10.1.0.2/24', 'eth1').address('10.2.0.2/24', 'eth2').run('ip link set eth3 up')
    t.check(c.reaches('10.1.0.1'), 'a VM reaches the host on an internal switch')
    t.check(sw.ns.reaches('10.1.0.2'), 'and the host the VM')
    t.check(c.reaches('10.2.0.1'), 'a VM reaches a namespace on an external switch')
    t.check(wire.reaches('10.2.0.2'), 'and that the VM')
    for vlan, tap in zip((10, 20), taps):
        c.run(f'ip link add link eth3 name eth3.{vlan} type vlan id {vlan} && ip addr add 10.3.{vlan}.2/24 dev eth3.{vlan} && '
              f'ip link set eth3.{vlan} up')
        t.check(c.reaches(f'10.3.{vlan}.1'), f'over the trunk VLAN {vlan} reaches its tap')
        t.check(tap.ping(f'10.3.{vlan}.2', size=1472, whole=True), 'and back, with packets of the whole MTU')


def test(t):
    sw, a, b, c, wire, taps = build(t)
    for vm in (a, b):
        offloads(t, vm)
    blue_and_red(t, a, b, c)
    throughput(t, sw, a, b)
    capture_and_rule(t, sw, a, b)
    other_switches(t, sw, c, wire, taps)
    for vm in (a, b, c):
        t.check(vm.complaints() == '', f"{vm.name}'s kernel complains of nothing", vm.complaints())
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())


vst.main(test)
