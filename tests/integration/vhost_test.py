# SPDX-License-Identifier: BSD-2-Clause
"""A vhost port and DPDK's virtio-user: rings of both layouts, several queues, both modes, and ends that
come and go.

                   sw                                                       far
    a ─ tap ─[ near ═ lan ═ vm ]─ vhost ══[socket]══ net_virtio_user ─[ up ═ net ═ b ]─ tap ─ b

Each end may listen; each end may be killed and comes back; and one cuts the memory short that both
share, while rings are in use.
"""
import ctypes
import os
import signal

import vst
from transfer import DIGEST, transfer

NEAR, FAR = '10.0.0.1', '10.0.0.2'


class Pair:
    """The two daemons; the far one has its memory in few files, as vhost-user wants it."""

    def __init__(self, t, name, mtu, mode, queues, packed):
        self.t, self.name, self.mtu, self.mode = t, name, mtu, mode
        self.path = t.file(name + '.sock')
        self.device = (f'net_virtio_user0,path={self.path},queues={queues},packed_vq={int(packed)},queue_size=256'
                       + (',server=1' if mode == 'client' else ''))
        self.queues = queues
        self.sw = t.daemon(name)
        self.sw.ctl('switch add lan --type external')
        self.sw.ctl(f'port add lan vm --kind vhost --socket {self.path} --mode {mode} --mtu {mtu} --queues {queues}')
        self.a = self.sw.tap('lan', 'near', f'{NEAR}/24', mtu=mtu, options='--mac 02:00:00:00:00:0a')
        huge = t.huge_free() >= 400
        self.far = t.daemon(name + '-far', huge=huge, args=['--eal', '--single-file-segments'] if huge else [])
        self.far.ctl('switch add net --type external')
        self.far.ctl(f'port add net up --kind phys --device {self.device} --mtu {mtu} --queues {queues}')
        self.b = self.far.tap('net', 'b', f'{FAR}/24', mtu=mtu, options='--mac 02:00:00:00:00:0b')

    def up(self):
        return self.sw.up('vm', 20) and self.far.up('up', 20) and self.a.reaches(FAR, 20)

    def carries(self, when):
        t, size = self.t, self.mtu - 28
        name = f'{self.name}, {when}'
        if not t.check(self.up(), f'{name}: the ends are joined', (self.sw.port('vm'), self.far.port('up'))):
            return
        t.check(self.a.ping(FAR, size=size, whole=True, count=5, wait=5)
                and self.b.ping(NEAR, size=size, whole=True, count=5, wait=5),
                f'{name}: packets of the whole MTU, both ways', self.sw.tool('drop list')[1])
        there, back = transfer(self.a, NEAR, self.b), transfer(self.b, FAR, self.a)
        t.check(there == DIGEST and back == DIGEST, f'{name}: TCP payload arrives as it was, both ways', (there, back))

    def show(self):
        return self.sw.ctl('port show vm')

    def end(self):
        bad = [ns.snmp('Tcp', 'InCsumErrors') for ns in (self.a, self.b)]
        self.t.check(bad == [0, 0], f'{self.name}: no stack saw a wrong checksum', bad)
        self.t.check(self.sw.balanced() and self.far.balanced(), f'{self.name}: both ledgers are balanced',
                     (self.sw.ledger(), self.far.ledger()))
        self.far.stop()
        self.sw.stop()


def find(value, key):
    """The first value of that name in an answer, however deep."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            got = find(inner, key)
            if got is not None:
                return got
    return None


def layouts(t):
    for name, mtu, mode, queues, packed in (('split', 1500, 'client', 1, False), ('packed', 9000, 'client', 1, True),
                                            ('split-queues', 9000, 'server', 2, False),
                                            ('packed-queues', 1500, 'server', 2, True)):
        p = Pair(t, name, mtu, mode, queues, packed)
        p.carries(f'MTU {mtu}, we are the {mode}')
        rings = find(p.show(), 'rings') or []
        t.check(len([r for r in rings if r['enabled'] and r['live']]) == 2 * queues
                and all(r['packed'] == packed for r in rings),
                f'{name}: {2 * queues} {"packed" if packed else "split"} rings are in use', rings)
        p.end()


def peers_come_and_go(t):
    for mode in ('client', 'server'):
        p = Pair(t, 'again-' + mode, 1500, mode, 1, False)
        p.carries('at first')
        p.far.kill()
        t.check(vst.wait_for(lambda: p.sw.port('vm')['link'] != 'up', 5), f'{p.name}: the peer died, the port is down',
                p.sw.port('vm'))
        t.check('peer' in p.sw.port('vm')['note'] and p.sw.port('vm')['note'] in p.sw.tool('port list')[1],
                f'{p.name}: the list of ports says why', p.sw.port('vm'))
        if os.path.exists(p.path) and mode == 'client':
            os.unlink(p.path)  # virtio-user does not take over a socket that is there.
        p.far.start()
        p.carries('the peer is back')
        p.sw.kill()
        if mode == 'server':  # virtio-user connects once.
            p.far.ctl('port remove up')
        p.sw.start()
        if mode == 'server':
            p.far.ctl(f'port add net up --kind phys --device {p.device} --mtu {p.mtu} --queues {p.queues}')
        p.carries('we are back')
        p.end()


def memory_files(pid):
    """The peer's files of shared memory."""
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            target = os.readlink(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        if 'memfd:' in target or 'nohuge' in target:
            yield f'/proc/{pid}/fd/{fd}'


def stop(pid):
    """Stands still in all of its threads; the signal alone only asks for it."""
    os.kill(pid, signal.SIGSTOP)

    def stands():
        states = []
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/stat') as f:
                states.append(f.read().rsplit(')', 1)[1].split()[0])
        return all(state == 'T' for state in states)

    if not vst.wait_for(stands, 10, 0.01):
        raise vst.Failed(f'process {pid} does not stop')


def memory_is_cut(t):
    """The peer stands still, or it would die of it first."""
    p = Pair(t, 'cut', 1500, 'client', 1, False)
    p.carries('before the cut')
    before = find(p.show(), 'faults')
    pid = p.far.proc.pid
    stop(pid)
    for path in memory_files(pid):
        with open(path, 'r+b') as f:
            ctypes.CDLL(None).ftruncate(f.fileno(), 0)
    p.a.ping(FAR, count=3)
    t.check(vst.wait_for(lambda: p.sw.port('vm')['link'] != 'up', 5), 'cut: the port goes down', p.sw.port('vm'))
    t.check(p.sw.proc.poll() is None and p.sw.answers(), 'cut: the daemon lives', p.sw.log_text())
    events = p.sw.events('link')
    t.check(any('vm link down: the peer\'s memory file was cut short while in use' in str(e) for e in events),
            'cut: an event says why it is down', events)
    t.check(find(p.show(), 'faults') == before + 1, 'cut: the fault is counted', p.show())
    t.check(p.sw.balanced(), 'cut: the ledger is balanced', p.sw.ledger())
    p.far.proc.kill()
    p.far.proc.wait()
    if os.path.exists(p.path):
        os.unlink(p.path)
    p.far.start()
    p.carries('a peer with whole memory')
    p.end()


def test(t):
    layouts(t)
    peers_come_and_go(t)
    memory_is_cut(t)


vst.main(test)
