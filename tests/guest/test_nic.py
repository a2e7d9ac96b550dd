#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A guest's NICs change under it while its traffic flows.

    a  2 processors ══╗
    b  1 processor ═══╩═ lan, private

NICs come and go, their address and link change; 'ethtool' shows and changes what it should.
"""

import re

import guest
import vst


def ping_on(a):
    """A ping that goes on until told; loss() says what it lost."""
    a.run('ping -q -i 0.2 10.0.0.2 >/tmp/pings 2>&1 </dev/null &')


def loss(a):
    got = a.out("killall -INT ping; sleep 1; cat /tmp/pings")
    return got


def appear(t, sw, a):
    names = a.out('ls /sys/class/net')
    sw.ctl('nic add a/nic1 --switch lan')
    t.check(vst.wait_for(lambda: 'eth1' in a.out('ls /sys/class/net'), 15), 'a NIC that is added appears in the guest', names)
    a.address('10.0.1.1/24', 'eth1')
    b_second = 'ip addr add 10.0.1.2/24 dev eth0'
    return b_second


def hot(t, sw, a, b):
    b.run(appear(t, sw, a))
    t.check(a.reaches('10.0.1.2'), 'and carries frames')
    sw.ctl('nic remove a/nic1')
    t.check(vst.wait_for(lambda: 'eth1' not in a.out('ls /sys/class/net'), 15), 'one that is removed is gone from it')
    for _ in range(5):
        sw.ctl('nic add a/nic1 --switch lan')
        t_in = vst.wait_for(lambda: 'eth1' in a.out('ls /sys/class/net'), 15)
        sw.ctl('nic remove a/nic1')
        t_out = vst.wait_for(lambda: 'eth1' not in a.out('ls /sys/class/net'), 15)
        if not (t_in and t_out):
            break
    t.check(t_in and t_out, 'five times more')


def carrier(a):
    return a.out('cat /sys/class/net/eth0/carrier', ok=None)


def link(t, sw, a):
    sw.ctl('nic set a/nic0 --link down')
    t.check(vst.wait_for(lambda: carrier(a) == '0', 10), 'link down: the guest sees it')
    t.check(not a.ping('10.0.0.2', count=1), 'and nothing passes')
    sw.ctl('nic set a/nic0 --link up')
    t.check(vst.wait_for(lambda: carrier(a) == '1', 10), 'link up: the guest sees it')
    t.check(a.reaches('10.0.0.2'), 'and frames pass again')
    sw.ctl('nic set a/nic0 --speed 25G')
    t.check(vst.wait_for(lambda: '25000' in a.out('cat /sys/class/net/eth0/speed', ok=None), 10), 'speed is what it was told',
            a.out('ethtool eth0', ok=None))


def address(t, sw, a):
    a.run('ip link set eth0 down && ip link set eth0 address 02:00:00:00:00:77 && ip link set eth0 up')
    t.check(vst.wait_for(lambda: sw.ctl('nic show a/nic0')['nic']['guest']['mac'] == '02:00:00:00:00:77', 5), 'a guest changes its address',
            sw.ctl('nic show a/nic0')['nic']['guest'])
    t.check(not a.ping('10.0.0.2', count=1), 'and is not heard with it: the guards of a VM deny MAC spoofing')
    sw.ctl('nic set a/nic0 --guard-mac off')
    t.check(a.reaches('10.0.0.2'), 'where they do not, it is reached by it')
    sw.ctl('nic set a/nic0 --mac 02:00:00:00:00:78 --default guard-mac')
    t.check(vst.wait_for(lambda: '02:00:00:00:00:78' in a.out('cat /sys/class/net/eth0/address', ok=None), 20),
            'the host changes it: the NIC comes back with the new one', a.out('ip -br link', ok=None))
    a.run('ip addr flush dev eth0')
    a.address('10.0.0.1/24')
    t.check(a.reaches('10.0.0.2'), 'and carries frames')


def ethtool(t, sw, a):
    info = a.out('ethtool -i eth0')
    t.check('driver: hv_netvsc' in info, '-i: the driver', info)
    ring = a.out('ethtool -x eth0')
    t.check('RX flow hash indirection table' in ring and 'RSS hash key' in ring, '-x: table and key', ring[:300])
    a.run('ethtool -X eth0 equal 1')
    table = {x for row in re.findall(r'^ *\d+: (.*)$', a.out('ethtool -x eth0'), re.M) for x in row.split()}
    t.check(table == {'0'}, '-X: the table is changed', table)
    a.run('ethtool -L eth0 combined 1')
    t.check(a.reaches('10.0.0.2'), '-L: one channel, and it carries frames')
    a.run('ethtool -L eth0 combined 2; ethtool -X eth0 equal 2')
    t.check(a.reaches('10.0.0.2'), '-L: two channels again')
    for feature, name in (('tso', 'tcp-segmentation-offload'), ('tx', 'tx-checksumming'), ('rx', 'rx-checksumming')):
        a.run(f'ethtool -K eth0 {feature} off', ok=None)
        off = f'{name}: off' in a.out('ethtool -k eth0')
        passes = a.reaches('10.0.0.2')
        a.run(f'ethtool -K eth0 {feature} on', ok=None)
        t.check(off and passes, f'-K: {name} off and on')
    t.check(guest.iperf(a, '10.0.0.2', 2) > 0, 'TCP runs after all that')
    stats = a.out('ethtool -S eth0')
    t.check(all(x in stats for x in ('tx_no_space', 'rx_no_memory', 'stop_queue', 'wake_queue', 'rx_queue_0_packets', 'vf_rx_packets')),
            '-S: its counters', stats)
    a.run('ethtool -G eth0 rx 512', ok=None)
    t.check(a.reaches('10.0.0.2'), '-G: another receive buffer')


def driver(t, a):
    a.run('for i in 1 2 3; do rmmod hv_netvsc && modprobe hv_netvsc || exit 1; done; sleep 1')
    a.address('10.0.0.1/24')
    t.check(a.reaches('10.0.0.2'), 'the driver goes and comes three times, and works')


def test(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    a = guest.Vm(sw, 'a', processors=2, nics=['lan,queues=2,mac=02:00:00:00:00:0a'])
    b = guest.Vm(sw, 'b', nics=['lan,mac=02:00:00:00:00:0b'])
    for vm, ip in ((a, '10.0.0.1/24'), (b, '10.0.0.2/24')):
        vm.start()
        vm.address(ip)
    b.run('iperf3 -s -D')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    ping_on(a)
    hot(t, sw, a, b)
    got = loss(a)
    t.check(' 0% packet loss' in got, 'the NIC beside them lost no ping', got)
    link(t, sw, a)
    ethtool(t, sw, a)
    address(t, sw, a)
    driver(t, a)
    for vm in (a, b):
        t.check(vm.complaints() == '', f"{vm.name}'s kernel complains of nothing", vm.complaints())
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())


vst.main(test)
