#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A NIC that goes by a VF when it can, and by the switch when it cannot, under a guest that notices nothing.

    test_failover.py VSWITCHD VSWITCHCTL        in 'host --igb'

    guest: full kernel, hv_netvsc + igbvf ── NIC on ext ── up0 (PF, AF_PACKET) ┐
                                     └────── VF of the same card ══════════════ igb ──wire── virtio, 10.7.0.1 (L1)

The emulated card and processor are slow: what is held is that frames come, in order, and that what is lost is little.
"""
import re
import socket
import threading
import time

import guest
import test_sriov
import vst

NIC = 'a/nic0'
MODULES = 'hv_vmbus,hv_netvsc,hv_utils,af_packet,pci-hyperv,igbvf'
WAIT = 120  # igbvf, its start and the VMBus beside it, on an emulated processor.


def way(sw):
    return sw.ctl(f'nic show {NIC}').get('sriov') or {'state': 'off'}


def by_vf(t, sw, g, title):
    t.check(vst.wait_for(lambda: way(sw)['state'] == 'active', WAIT, 0.5), f'{title}: frames go by the VF',
            (way(sw), g.out('dmesg | tail -n 20; ip -br link')))
    lower = g.out("ip -o link | grep 'master eth0' | cut -d: -f2 | tr -d ' '")
    t.check(lower != '', f'{title}: it is the lower device of the synthetic NIC', g.out('ip link'))
    before = counts(g)
    t.check(g.reaches('10.7.0.1', timeout=WAIT, wait=5), f'{title}: the wire is reached', g.out('ip -s link; dmesg | tail'))
    t.check(g.ping('10.7.0.1', count=10, wait=5), f'{title}: and is reached on')
    after = counts(g)
    t.check(after['tx'] >= before['tx'] + 10 and after['rx'] >= before['rx'] + 10, f'{title}: ethtool counts on the VF',
            (before, after))


def counts(g):
    said = g.out('ethtool -S eth0')
    return {x: int(re.search(rf'vf_{x}_packets: (\d+)', said).group(1)) for x in ('rx', 'tx')}


class Sink:
    """Takes what one TCP connection sends; when did it stand still?"""

    def __init__(self, address, port):
        self.listener = socket.create_server((address, port))
        self.listener.settimeout(WAIT)
        self.arrivals = [(time.monotonic(), 0)]  # when, how many bytes then
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    def _take(self):
        with self.listener, self.listener.accept()[0] as conn:
            conn.settimeout(WAIT)
            while (size := len(conn.recv(1 << 20))) > 0:
                self.arrivals.append((time.monotonic(), size))

    def size(self, since, until):
        return sum(size for when, size in self.arrivals if since <= when < until)

    def longest_gap(self, since, until):
        times = [since] + [when for when, _ in self.arrivals if since <= when < until] + [until]
        return max(b - a for a, b in zip(times, times[1:]))


def stream(t, sw, g):
    """A VF is pulled under a stream, and given again: it goes on, by the one and by the other."""
    sink = Sink('10.7.0.1', 7001)
    sending = g.send("timeout 100 sh -c 'yes 0123456789abcdef | nc 10.7.0.1 7001'")
    t.check(vst.wait_for(lambda: len(sink.arrivals) > 20, WAIT), 'a stream goes by the VF')
    time.sleep(5)
    pulled = time.monotonic()
    sw.ctl(f'nic set {NIC} --sriov off')
    t.check(vst.wait_for(lambda: way(sw)['state'] == 'off', WAIT, 0.2), 'the VF is pulled under it', way(sw))
    gone = time.monotonic()
    time.sleep(8)
    again = time.monotonic()
    t.check(sink.size(gone + 2, again) > 0, 'it goes on by the switch', sink.size(gone, again))
    sw.ctl(f'nic set {NIC} --sriov on')
    t.check(vst.wait_for(lambda: way(sw)['state'] == 'active', WAIT, 0.2), 'the VF is there again', way(sw))
    there = time.monotonic()
    time.sleep(8)
    end = time.monotonic()
    t.check(sink.size(there + 2, end) > 0, 'and it goes on by the VF', sink.size(there, end))
    t.note(f'the stream stood still for {sink.longest_gap(pulled, gone + 2) * 1000:.0f} ms at most when its VF was pulled, of '
           f'which the switch took {way(sw)["worst_back_us"]} us, {sink.longest_gap(again, there + 2) * 1000:.0f} ms when it came '
           f'back, {sink.longest_gap(gone + 2, again) * 1000:.0f} ms by the switch with nothing going on')
    g.finish(sending, timeout=WAIT)
    sink.thread.join()


def vlan(t, sw, g, wire):
    """What the VF's NIC is told of VLANs holds on the wire."""
    test_sriov.run(f'ip link add link {wire} name wire5 type vlan id 5')
    test_sriov.run('ip addr add 10.8.0.1/24 dev wire5')
    test_sriov.run('ip link set wire5 up')
    g.run('ip addr add 10.8.0.2/24 dev eth0')
    sw.ctl('port set up0 --vlan-mode trunk --allowed 5')
    sw.ctl(f'nic set {NIC} --vlan-mode access --vlan 5')
    t.check(vst.wait_for(lambda: way(sw)['state'] == 'active' and way(sw)['vf']['policy']['vlan'] == 5, WAIT, 0.5),
            'VLAN: a VF that adds it is given', way(sw))
    before = counts(g)
    t.check(g.reaches('10.8.0.1', timeout=WAIT, wait=5), 'VLAN: who is in it is reached', g.out('ip -s link'))
    t.check(counts(g)['tx'] > before['tx'], 'VLAN: by the VF', (before, counts(g)))
    t.check(not g.ping('10.7.0.1', count=2), 'VLAN: and nobody without it')


def test(t):
    card, wire = test_sriov.interface('02:00:00:00:01:00'), test_sriov.interface('02:00:00:00:01:ff')
    test_sriov.run(f'ip link set {wire} up')
    test_sriov.run(f'ip addr add 10.7.0.1/24 dev {wire}')
    sw = guest.daemon(t, ns=guest.Here(t))
    sw.ctl('switch add ext --type external')
    sw.ctl(f'port add ext up0 --kind phys --device {card} --driver af_packet')
    g = guest.Vm(sw, 'a', kernel='kernel-host', memory='256M', nics=['ext'], load=MODULES)
    g.start()
    g.address('10.7.0.2/24')
    t.check(g.reaches('10.7.0.1', timeout=WAIT, wait=5), 'by the switch the wire is reached', sw.ctl('port list'))
    # Not before: with VFs the emulated card hands its own broadcasts back, as if they came from the wire.
    sw.ctl(f'sriov vfs {card} 1')
    sw.ctl(f'nic set {NIC} --sriov on')
    t.check(vst.wait_for(lambda: way(sw).get('reason') == 'policy', 10), 'guards that a VF cannot carry hold it back', way(sw))
    sw.ctl(f'guard set {NIC} --profile open --mac on')
    by_vf(t, sw, g, 'first')
    said = sw.tool(f'why {NIC} arp')[1]
    t.check(f'frames of {NIC} go by VF 0 of {card} now' in said, 'why: it says that the switch sees none of them', said)
    pings = g.send('ping -q -i 0.1 -c 300 -W 5 10.7.0.1')
    sw.ctl(f'nic set {NIC} --sriov off')
    vst.wait_for(lambda: way(sw)['state'] == 'off', WAIT, 0.5)
    got = g.finish(pings, timeout=120).out
    lost = re.search(r'(\d+) packets transmitted, (\d+) received', got)
    t.check(lost and int(lost.group(1)) - int(lost.group(2)) <= 20, 'on the way back few pings are lost', got)
    t.note(f'{got.splitlines()[-2:]}; {way(sw)}')
    t.check(g.ping('10.7.0.1', count=10, wait=5), 'off: the wire is reached by the switch')
    sw.ctl(f'nic set {NIC} --sriov on')
    by_vf(t, sw, g, 'again')
    stream(t, sw, g)
    vlan(t, sw, g, wire)
    t.check(not g.complaints(), 'its kernel complains of nothing', g.complaints())
    sw.ctl('vm stop a --off')


if __name__ == '__main__':
    vst.main(test)
