#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hardware VMQ's way on AF_XDP: our XDP program gives each address a queue of its own.

    netns wire: w0 ── veth, Q queues ── u0 :netns here ── AF_XDP, Q + 3 receive queues ── steerloop

For one queue and for two, frames for six addresses go in, tagged and not; each must come by its queue and none may be lost, also when
rules move.
"""
import json
import subprocess
import sys
import time

import vst

VM = [f'02:00:00:00:02:{i:02x}' for i in range(6)]
OTHER = '02:00:00:00:09:09'
GROUP = 'ff:ff:ff:ff:ff:ff'
ROUNDS = 20
WAIT_S = 30


class Steerloop:
    def __init__(self, t, ns, argv, first):
        self.first = first  # queues of the interface
        self.p = ns.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.p.stdout.readline()
        while line and not line.startswith(('ready', 'error')):
            line = self.p.stdout.readline()
        if 'no AF_XDP' in line or 'has no XDP' in line:
            raise vst.Skip(line.strip())
        if not line.startswith('ready'):
            raise vst.Failed(f'steerloop: {line!r}')

    def ask(self, command):
        self.p.stdin.write(command + '\n')
        self.p.stdin.flush()
        return self.p.stdout.readline().strip()

    def do(self, command):
        answer = self.ask(command)
        if answer != 'ok':
            raise vst.Failed(f'{command}: {answer}')

    def rule(self, mac, vlan, queue):
        return self.ask(f'set {mac} {vlan} {queue + self.first - 1}')

    def move(self, mac, vlan, queue):
        answer = self.rule(mac, vlan, queue)
        if answer != 'ok':
            raise vst.Failed(f'{mac} {vlan} to {queue}: {answer}')

    def gather(self, n):
        """{address: {queue: frames}} until 'n' frames came, or the time is over."""
        got = {}

        def look():
            for queue, row in enumerate(json.loads(self.ask('show'))['queues']):
                for mac, count in row['to'].items():
                    got.setdefault(mac, {})
                    # 0: shared, whichever of the interface's own queues it was.
                    queue_of_own = max(queue - self.first + 1, 0)
                    got[mac][queue_of_own] = got[mac].get(queue_of_own, 0) + count
            return sum(sum(by.values()) for by in got.values()) >= n
        vst.wait_for(look, WAIT_S)
        return got


def send_all(sock):
    for _ in range(ROUNDS):
        for mac in VM:
            sock.send(vst.frame(mac, OTHER, b'x' * 50))
        sock.send(vst.frame(VM[0], OTHER, b'x' * 50, tags=[(0x8100, 7)]))
        sock.send(vst.frame(GROUP, OTHER, b'x' * 50))
    return ROUNDS * (len(VM) + 2)


def expect(t, loop, sock, what, queues, tagged=0):
    got = loop.gather(send_all(sock))
    want = {}
    what = f'{loop.first} queue{"s" if loop.first > 1 else ""}: {what}'
    for mac, queue in [(mac, queues.get(i, 0)) for i, mac in enumerate(VM)] + [(VM[0], tagged), (GROUP, 0)]:
        want.setdefault(mac, {})
        want[mac][queue] = want[mac].get(queue, 0) + ROUNDS
    t.check(got == want, what, f'got {got}, want {want}')


def with_queues(t, n):
    here, far = t.ns(f'here{n}'), t.ns(f'wire{n}')
    here.run(f'ip link add u0 numtxqueues {n} numrxqueues {n} type veth peer name w0 numtxqueues {n} numrxqueues {n}')
    here.run(f'ip link set w0 netns {far.name}')
    here.run('ip link set u0 up')
    far.run('ip link set w0 up')
    loop = Steerloop(t, here, [sys.argv[3], '-l', '0', '--no-telemetry', '--no-huge', '--no-pci', '--no-shconf', '-m', '256',
                               f'--file-prefix={t.prefix}', '--', 'xdp', 'u0', str(n + 3)], n)
    sock = far.sniff('w0')
    loop.do('open 1')
    if not vst.wait_for(lambda: loop.ask('link') == 'ok', WAIT_S):
        raise vst.Failed('no carrier')
    expect(t, loop, sock, 'without rules all come by the queues of the interface', {})
    for i in range(3):
        loop.move(VM[i], 0, i + 1)
    expect(t, loop, sock, 'three of six have a queue, tagged frames are none of theirs', {0: 1, 1: 2, 2: 3})
    loop.move(VM[0], 7, 3)
    expect(t, loop, sock, 'a VLAN has a queue of its own', {0: 1, 1: 2, 2: 3}, tagged=3)
    loop.do(f'unset {VM[0]} 0')
    loop.do(f'unset {VM[0]} 7')
    loop.move(VM[0], 'any', 2)
    expect(t, loop, sock, 'any VLAN', {0: 2, 1: 2, 2: 3}, tagged=2)
    answer = loop.rule(VM[3], 'any', 4)
    t.check(answer.startswith('error rule for'), 'a queue that is not there is refused', answer)
    lost = moves(loop, sock)
    t.check(lost is None, 'moves lose nothing', lost)
    loop.do('close')
    expect(t, loop, sock, 'closed, all come as before', {})
    loop.do('open 1')
    loop.move(VM[5], 0, 1)
    expect(t, loop, sock, 'opened again', {5: 1})
    loop.p.stdin.close()
    t.check(loop.p.wait(WAIT_S) == 0, 'the program ends well')


def moves(loop, sock):
    """More frames than there are buffers go through each queue; what was wrong, or None."""
    for i in range(60):
        loop.move(VM[1], 0, i % 3 + 1)
        n = send_all(sock)
        got = loop.gather(n)
        if sum(sum(by.values()) for by in got.values()) != n or got[VM[1]] != {i % 3 + 1: ROUNDS}:
            return f'{i}: {got}'
    return None


def test(t):
    for n in (1, 2):
        with_queues(t, n)


vst.main(test)
