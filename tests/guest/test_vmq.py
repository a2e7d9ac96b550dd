#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hardware VMQ on a device: QEMU's igb (82576), whose VMDq pools choose a queue by destination address.

    steerloop ── DPDK, vfio-pci ── igb ── hub ── virtio-net (vmqwire, this script's)

Called with the program alone: host adds the network cards (meson.build).  What steerloop counted on each queue is compared with the
device's own counters of its pools, read from its registers.
"""
import json
import os
import socket
import subprocess
import sys
import time

import guest  # noqa: F401  (the path to vst)
import vst

IGB = ('0x8086', '0x10c9')
# 82576 data sheet, 8.18.76: good packets received by a pool (PVFGPRC).
PVFGPRC, POOL_STEP = 0x10010, 0x100
VM = [f'02:00:00:00:02:{i:02x}' for i in range(10)]
OTHER = '02:00:00:00:09:09'
WAIT_S = 60
ROUNDS = 3


def sysfs(path):
    with open(path, encoding='ascii') as f:
        return f.read().strip()


def find_igb():
    for name in sorted(os.listdir('/sys/bus/pci/devices')):
        folder = f'/sys/bus/pci/devices/{name}'
        if (sysfs(f'{folder}/vendor'), sysfs(f'{folder}/device')) == IGB:
            return name
    return None


def give_to_vfio(device):
    folder = f'/sys/bus/pci/devices/{device}'
    guest.modprobe('vfio-pci', 'vfio_iommu_type1')
    if os.path.exists(f'{folder}/driver'):
        with open(f'{folder}/driver/unbind', 'w', encoding='ascii') as f:
            f.write(device)
    with open(f'{folder}/driver_override', 'w', encoding='ascii') as f:
        f.write('vfio-pci')
    with open('/sys/bus/pci/drivers_probe', 'w', encoding='ascii') as f:
        f.write(device)


def wire():
    """The other card of the hub."""
    guest.modprobe('virtio_net', 'af_packet')
    names = [n for n in os.listdir('/sys/class/net') if os.path.exists(f'/sys/class/net/{n}/device')]
    if len(names) != 1:
        raise vst.Failed(f'one network card was expected: {names}')
    subprocess.run(['ip', 'link', 'set', names[0], 'promisc', 'on', 'up'], check=True)
    return names[0]


class Steerloop:
    def __init__(self, argv):
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.line()
        while not line.startswith(('ready', 'error')) and line:
            line = self.line()
        if not line.startswith('ready'):
            raise vst.Failed(f'steerloop: {line!r}')

    def line(self):
        return self.p.stdout.readline()

    def ask(self, command):
        self.p.stdin.write(command + '\n')
        self.p.stdin.flush()
        return self.line().strip()

    def do(self, command):
        answer = self.ask(command)
        if answer != 'ok':
            raise vst.Failed(f'{command}: {answer}')

    def show(self):
        return json.loads(self.ask('show'))

    def end(self):
        self.p.stdin.close()
        return self.p.wait(WAIT_S)


def pools(loop, n=8):
    """The device's own counters of its pools; they start again at zero when they are read."""
    return [int(loop.ask(f'peek {PVFGPRC + POOL_STEP * i}')) for i in range(n)]


GROUPS = ('ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01', '01:00:5e:00:00:05')


def send_all(sock, rounds):
    for _ in range(rounds):
        for i in range(6):
            sock.send(vst.frame(VM[i], OTHER, b'x' * 50))
            sock.send(vst.frame(VM[i], OTHER, b'x' * 50, tags=[(0x8100, 7)]))
        for group in GROUPS:
            sock.send(vst.frame(group, OTHER, b'x' * 50))


def seen(loop):
    """Queue -> {address: frames} until nothing came for a while."""
    got, quiet = {}, 0
    while quiet < 3:
        quiet += 1
        time.sleep(0.3)
        for queue, row in enumerate(loop.show()['queues']):
            for mac, n in row['to'].items():
                got.setdefault(queue, {})[mac] = got.get(queue, {}).get(mac, 0) + n
                quiet = 0
    return got


def wait_link(loop, sock):
    """Carrier, and a frame that comes in."""
    if not vst.wait_for(lambda: loop.ask('link') == 'ok', WAIT_S):
        raise vst.Failed('the igb has no carrier')

    def through():
        sock.send(vst.frame(VM[9], OTHER, b'x' * 50))
        return any(row['to'] for row in loop.show()['queues'])
    if not vst.wait_for(through, WAIT_S):
        raise vst.Failed('no frame comes through')
    seen(loop)


def socket_on(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((name, 0))
    return s


def round_trip(t, loop, sock, what, queues, counted=True):
    """Frames for six addresses; 'queues' says where those come that have a queue of their own."""
    before = pools(loop)
    send_all(sock, ROUNDS)
    got = seen(loop)
    where = {VM[i]: queues.get(i, 0) for i in range(6)}
    wrong = {mac: {q: row[mac] for q, row in got.items() if mac in row} for mac, queue in where.items()
             if {q: row[mac] for q, row in got.items() if mac in row} != {queue: 2 * ROUNDS}}
    t.check(not wrong, f'{what}: each address on its queue, tagged or not, nothing lost', wrong)
    groups = {g: {q: row[g] for q, row in got.items() if g in row} for g in GROUPS}
    t.check(all(g == {0: ROUNDS} for g in groups.values()), f'{what}: each broadcast and multicast once, on the shared queue', groups)
    if counted:
        unicast = {q: sum(n for mac, n in row.items() if mac in where) for q, row in got.items()}
        device = [now - then for now, then in zip(pools(loop), before)]
        # The device counts the copies of group frames at each pool, too.
        want = [unicast.get(q, 0) + ROUNDS * len(GROUPS) for q in range(8)]
        # The other card's kernel may say something of its own, which all hear alike.
        strays = {d - w for d, w in zip(device, want)}
        t.check(len(strays) == 1 and 0 <= min(strays) <= 5, f"{what}: the device's own counters agree", f'device {device}, want {want}')


def test(t):
    device = find_igb()
    t.check(device is not None, 'there is an igb')
    give_to_vfio(device)
    sock = socket_on(wire())
    loop = Steerloop([sys.argv[3], '-l', '0', '--no-telemetry', '--no-huge', '-m', '256', '-a', '0000:00:00.0', '--',
                      'eth', device, '8'])
    loop.do('open 1')
    for i in range(3):
        loop.do(f'set {VM[i]} any {i + 1}')
    wait_link(loop, sock)
    state = loop.show()
    t.check(state['kind'] == 'vmdq' and 'flow:' in state['why'], 'VMDq, and why no flow rules', state)
    round_trip(t, loop, sock, 'three of six have a queue', {0: 1, 1: 2, 2: 3})
    answer = loop.ask(f'set {VM[3]} any 8')
    t.check(answer.startswith('error rule for'), 'a queue that is not there is refused', answer)
    loop.do(f'set {VM[2]} any 5')
    loop.do(f'unset {VM[1]} any')
    round_trip(t, loop, sock, 'one moved, one went', {0: 1, 2: 5})
    loop.do('mtu 1400')
    wait_link(loop, sock)
    round_trip(t, loop, sock, 'the device was restarted', {0: 1, 2: 5})
    loop.do('close')
    wait_link(loop, sock)
    got = seen_of(loop, sock)
    t.check(all(sum(row.get(VM[i], 0) for row in got.values()) == 2 * ROUNDS for i in range(6)), 'without VMDq all come as before', got)
    t.check(loop.end() == 0, 'the program ends well')


def seen_of(loop, sock):
    send_all(sock, ROUNDS)
    return seen(loop)


if __name__ == '__main__':
    vst.main(test)
