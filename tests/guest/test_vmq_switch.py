#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Queues of a real device for three NICs, by commands: QEMU's igb (82576) under the switch.

    test_vmq_switch.py VSWITCHD VSWITCHCTL VMBUS-TAP        in host, with the network cards of guest-vmq

    a, b, c ─ vmbus-tap ══ NICs on ext ── up (DPDK, vfio-pci) ── igb ── hub ── virtio-net (this script's)

The device's own counters of its pools are compared in test_vmq.py, where nobody else has its registers.
"""
import struct
import sys
import time

import guest
import vst
from test_vmq import OTHER, find_igb, give_to_vfio, socket_on, wire

MAC = {n: f'02:00:00:00:03:0{i}' for i, n in enumerate('abc', 1)}
N = 60
WAIT = 90


def row(sw, name):
    return sw.ctl(f'vmq show {name}')['nics'][0]


def queues(sw, name):
    return sw.ctl(f'vmq show {name}')['queues']


def has(sw, name, **fields):
    return vst.wait_for(lambda: all(row(sw, name)[k] == v for k, v in fields.items()), WAIT, 0.5)


class Nic:
    def __init__(self, t, sw, name):
        self.ns = t.ns(name)
        sw.ctl(f'port add ext {name} --kind vmbus --queues 1 --mac {MAC[name]}')
        socket = sw.ctl(f'nic show {name}')['nic']['socket']
        log = open(t.file(f'{name}.log'), 'ab')
        self.proc = t.popen([sys.argv[3], '--netns', self.ns.name, '--name', name, '--queues', '1', socket], stdout=log, stderr=log)
        if not vst.wait_for(lambda: sw.ctl(f'nic show {name}')['guest'] == 'running' and sw.up(name), WAIT):
            raise vst.Failed(f'guest of {name} does not come up')
        self.tap = self.ns.sniff(name)

    def numbers(self, seconds):
        """Of the numbered frames that came until now."""
        return [struct.unpack('!I', f[14:18])[0] for f in self.tap.frames(seconds) if f[12:14] == b'\x88\xb5' and f[18:19] == b'n']


def send(out, names, first=0):
    for i in range(first, first + N):
        for name in names:
            out.send(vst.frame(MAC[name], OTHER, struct.pack('!I', i) + b'n' * 46))
        time.sleep(0.005)


def reach(t, sw, out, nics, title):
    before = {n: sum(q['packets'] for q in queues(sw, n)) for n in nics}
    send(out, nics)
    for name, nic in nics.items():
        got = nic.numbers(2)
        t.check(got == list(range(N)), f'{title}: {name} has its frames, in order', got)
    return {n: sum(q['packets'] for q in queues(sw, n)) - before[n] for n in nics}


def test(t):
    device = find_igb()
    give_to_vfio(device)
    out = socket_on(wire())
    sw = guest.daemon(t, ns=guest.Here(t))
    sw.ctl('switch add ext --type external')
    sw.ctl(f'port add ext up --kind phys --device {device} --queues 8')
    nics = {n: Nic(t, sw, n) for n in 'abc'}
    t.check(vst.wait_for(lambda: sw.up('up'), WAIT), 'the device has a link')
    t.check(vst.wait_for(lambda: (send(out, 'a'), nics['a'].numbers(0.5))[1], WAIT), 'a frame comes through')
    for nic in nics.values():
        nic.numbers(1)
    reach(t, sw, out, nics, 'shared')
    for name in nics:
        sw.ctl(f'vmq set {name} --queues 1')
    for name in nics:
        t.check(has(sw, name, kind='software', queues=1), f'{name}: the switch gives it a queue first', row(sw, name))
    t.check('--hardware on' in row(sw, 'a')['why'], 'and says what the device could do', row(sw, 'a'))
    grown = reach(t, sw, out, nics, 'software')
    t.check(all(n == N for n in grown.values()), 'software: each by its queue', grown)
    for name in nics:
        sw.ctl(f'vmq set {name} --hardware on')
    for name in nics:
        t.check(has(sw, name, kind='vmdq', queues=1), f"{name}: the device's own queue", row(sw, name))
    t.check(vst.wait_for(lambda: sw.up('up'), WAIT), 'the device, restarted for it, has its link again')
    vst.wait_for(lambda: (send(out, 'a'), nics['a'].numbers(0.5))[1], WAIT)
    for nic in nics.values():
        nic.numbers(1)
    grown = reach(t, sw, out, nics, 'vmdq')
    t.check(all(n == N for n in grown.values()), 'vmdq: each by its queue', grown)
    sw.ctl('vmq set b --hardware off')
    t.check(has(sw, 'b', kind='software') and row(sw, 'a')['kind'] == 'vmdq', "b is taken off the device's", row(sw, 'b'))
    reach(t, sw, out, nics, 'one of them without')
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())
    for nic in nics.values():
        nic.proc.kill()


if __name__ == '__main__':
    vst.main(test)
