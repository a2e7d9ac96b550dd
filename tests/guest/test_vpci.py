#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A guest is given a PCI function, uses it, and lets it go.

    test_vpci.py VSWITCHD VSWITCHCTL VMWORKER-MODEL

    L1 ── vswitchd, vmworker-model ── guest: the distribution's full kernel, hv_pci, igbvf
              └ a VF that is none (tests/tools/model_function.c)

The kernel's own drivers must find it, map it, get its interrupts on the processor that they asked for, and take it out when they are asked to.
The same with Hyper-V played by KVM, and by the worker.
"""
import json
import os
import socket
import sys

import guest
import vst

LOAD = 'hv_vmbus,hv_utils,af_packet,pci-hyperv,igbvf'
DEVICE = '/sys/bus/pci/devices/*'
SERIAL = 77


class Control:
    """A worker's control socket (docs/vmworker.md)."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(90)
        self.sock.connect(path)
        self.events, self.id = [], 0

    def call(self, method, fds=(), **params):
        """The answer, {'result'} or {'error'}."""
        self.id += 1
        socket.send_fds(self.sock, [json.dumps({'id': self.id, 'method': method, **params}).encode()], fds)
        while True:
            packet = json.loads(self.sock.recv(1 << 16))
            if packet.get('id') == self.id:
                return packet
            self.events.append(packet)

    def event(self, match):
        """The next event that has all of 'match'."""
        while True:
            for i, packet in enumerate(self.events):
                if match.items() <= packet.items():
                    return self.events.pop(i)
            self.events.append(json.loads(self.sock.recv(1 << 16)))


class Pipes:
    """Three descriptors as of a device; want() is the host that wants it back."""

    def __init__(self):
        self.pairs = [os.pipe() for _ in range(3)]
        self.fds = [r for r, _ in self.pairs]

    def handed_over(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def want(self):
        os.write(self.pairs[2][1], b'x')

    def closed(self):
        """Nobody reads them any more."""
        try:
            os.write(self.pairs[0][1], b'x')
            return False
        except BrokenPipeError:
            return True


def attach(t, control, name='lan0', serial=SERIAL):
    pipes = Pipes()
    got = control.call('vf-attach', pipes.fds, name=name, address='0000:03:10.0', serial=serial)
    pipes.handed_over()
    return pipes, got


def interrupts(g):
    """Counts of the function's interrupts, by line and processor."""
    rows = g.out("grep -i 'PCI-MSI\\|Hyper-V PCIe' /proc/interrupts | grep -v '^ *NMI'", ok=None).splitlines()
    return {row.split(':')[0].strip(): [int(x) for x in row.split(':')[1].split() if x.isdigit()] for row in rows if ':' in row}


def network(g):
    return g.out(f'ls {DEVICE}/net', ok=None)


def bound(t, g, title):
    t.check(vst.wait_for(lambda: network(g) and 'No such' not in network(g), 60, 0.5), f'{title}: igbvf binds to it',
            g.out('dmesg | tail -n 30; ls /sys/bus/pci/devices /sys/bus/vmbus/devices'))


def seen(t, g, title):
    facts = g.out(f'cd {DEVICE} && cat vendor device class; readlink driver; cat resource | head -n 6; ls msi_irqs; '
                  f'cat /sys/bus/pci/slots/{SERIAL}/address')
    t.check('0x8086' in facts and '0x10ca' in facts and '0x020000' in facts, f'{title}: its ids are right', facts)
    t.check('igbvf' in facts, f'{title}: and its driver', facts)
    t.check(f'{SERIAL}' in g.out('ls /sys/bus/pci/slots'), f'{title}: its slot is the serial number', facts)


def interrupted(t, g, title, processors):
    """igbvf raises its receive interrupt itself, every two seconds."""
    nic = network(g)
    g.run(f'ip link set {nic} up')
    before = interrupts(g)
    t.check(len(before) == 3, f'{title}: it has three interrupts', before)
    rx = vst.wait_for(lambda: [n for n, row in interrupts(g).items() if sum(row) > sum(before.get(n, [0]))], 60, 0.5)
    t.check(rx, f'{title}: interrupts come', (before, interrupts(g)))
    if processors < 2 or not rx:
        return
    for cpu in (1, 0):
        g.run(f'echo {cpu} > /proc/irq/{rx[0]}/smp_affinity_list')
        first = interrupts(g)[rx[0]][cpu]
        t.check(vst.wait_for(lambda: interrupts(g)[rx[0]][cpu] > first, 60, 0.5), f'{title}: they follow to processor {cpu}', interrupts(g))


def complaints(g):
    """That the guest's processors have to wait for the host's is no complaint about what is tested here."""
    return g.out("dmesg | grep -iE 'WARNING:|BUG:|Oops:|(hv_|hyperv|igbvf|pci).*(error|fail|unable|timed? ?out)|unmask\\(\\) failed'", ok=None)


def gone(g):
    return vst.wait_for(lambda: g.out('ls /sys/bus/pci/devices') == '', 30, 0.5)


def let_go(t, control, g, pipes, title):
    got = control.call('vf-detach', name='lan0')
    t.check(got.get('result', {}).get('ejected') is True, f'{title}: the guest lets go when it is asked to', got)
    t.check(pipes.closed(), f'{title}: and its descriptors are closed')
    t.check(gone(g), f'{title}: nothing is left of it in the guest', g.out('ls /sys/bus/pci/devices; dmesg | tail'))
    t.check(control.call('info')['result']['vfs'] == [], f'{title}: nor in the worker')


def comes_and_goes(t, control, g, title):
    pipes, got = attach(t, control)
    bound(t, g, f'{title}, again')
    control.events.clear()  # Of the time before.
    pipes.want()
    event = control.event({'event': 'vf', 'state': 'ejecting'})
    t.check(event['why'] == 'wanted', f'{title}: the host wants it back, and the worker says so', event)
    control.event({'event': 'vf', 'state': 'gone'})
    t.check(pipes.closed() and gone(g), f'{title}: it goes', g.out('ls /sys/bus/pci/devices; dmesg | tail'))


def refused(t, control, title):
    pipes, got = attach(t, control)
    t.check(got.get('error', {}).get('code') == 'vf-exists', f'{title}: a NIC has one VF', got)
    t.check(pipes.closed(), f'{title}: and what came with the request is closed')
    for name, serial, code in (('lan1', SERIAL, 'vf-exists'), ('lan1', 0, 'bad-request'), ('', 5, 'vf')):
        pipes, got = attach(t, control, name, serial)
        t.check(got.get('error', {}).get('code') == code, f'{title}: {name!r} with serial number {serial} is refused', got)
    got = control.call('vf-detach', name='lan1')
    t.check(got.get('error', {}).get('code') == 'no-vf', f'{title}: one that is not there cannot be taken', got)


def uses(t, sw, face, processors):
    title = f'face {face}'
    g = guest.Vm(sw, f'g{face}', kernel='kernel-host', memory='256M', processors=processors, face=face, load=LOAD)
    g.start()
    control = Control(os.path.join(os.path.dirname(g.show()['console']), 'control.sock'))
    pipes, got = attach(t, control)
    t.check('result' in got, f'{title}: a function is attached', got)
    bound(t, g, title)
    seen(t, g, title)
    interrupted(t, g, title, processors)
    refused(t, control, title)
    let_go(t, control, g, pipes, title)
    comes_and_goes(t, control, g, title)
    t.check(not complaints(g), f"{title}: the kernel complains of nothing", complaints(g))
    print(f'{title}: {control.call("stats")["result"]["exits"]}', flush=True)
    sw.ctl(f'vm stop {g.name} --off')


def test(t):
    vst.Daemon.READY_S = 120
    sw = t.daemon('sw', args=['--vmworker', os.path.abspath(sys.argv[3])])
    uses(t, sw, 'user', 2)
    uses(t, sw, 'kvm', 1)


if __name__ == '__main__':
    vst.main(test)
