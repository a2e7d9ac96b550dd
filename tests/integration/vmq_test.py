# SPDX-License-Identifier: BSD-2-Clause
"""Receive queues of NICs on an uplink: two synthetic NICs (vmbus-tap) and a host on the wire.

                        ext
    a ─ tap ═ vmbus-tap ══ a ┐
    b ─ tap ═ vmbus-tap ══ b ├ w0 ─ veth ─ w1  (namespace far)
                             ┘

What is shown: who has queues and why not, that everything arrives while queues come, move and go,
that it is configuration, and what is refused.

Argument besides the usual: the path of vmbus-tap.
"""
import sys

import vst
from transfer import DIGEST, transfer

TAP = sys.argv[3] if len(sys.argv) > 3 else None


class Nic:
    def __init__(self, t, sw, name, address, options=''):
        self.t, self.sw, self.name, self.ns = t, sw, name, t.ns(name)
        sw.ctl(f'port add ext {name} --kind vmbus --queues 2 {options}')
        self.start()
        self.ns.run(f'ip address add {address} dev {name}')

    def start(self):
        socket = self.sw.ctl(f'nic show {self.name}')['nic']['socket']
        log = open(self.t.file(f'{self.name}.log'), 'ab')
        self.proc = self.t.popen([TAP, '--netns', self.ns.name, '--name', self.name, '--queues', '2', socket], stdout=log, stderr=log)
        if not vst.wait_for(lambda: self.sw.ctl(f'nic show {self.name}')['guest'] == 'running' and self.sw.up(self.name), 20):
            raise vst.Failed(f'guest of {self.name} does not come up')


def row(sw, name):
    return sw.ctl(f'vmq show {name}')['nics'][0]


def queues(sw, name):
    return sw.ctl(f'vmq show {name}')['queues']


def has(sw, name, n, **more):
    """Does it come to have 'n' queues?"""
    return vst.wait_for(lambda: row(sw, name)['queues'] == n and all(row(sw, name)[k] == v for k, v in more.items()), 10)


def carries(t, what, a, far):
    got = transfer(far, '10.0.0.9', a.ns), transfer(a.ns, '10.0.0.1', far)
    t.check(got == (DIGEST, DIGEST), f'{what}: TCP arrives as it was, both ways', got)


def test(t):
    sw = t.daemon('vmq')
    sw.ctl('switch add ext --type external')
    far = t.ns('far')
    sw.ns.run(f'ip link add w0 type veth peer name w1 netns {far.name}')
    sw.ns.run('ip link set w0 up')
    far.run('ip link set w1 up')
    far.run('ip address add 10.0.0.9/24 dev w1')
    sw.ctl('port add ext w0 --kind phys --driver af_packet')
    a = Nic(t, sw, 'a', '10.0.0.1/24')
    b = Nic(t, sw, 'b', '10.0.0.2/24', '--vlan 10')

    t.check(row(sw, 'a')['why'] != '', 'why it has none is told from the start', row(sw, 'a'))
    t.check(vst.wait_for(lambda: 'not looked' not in row(sw, 'a')['why'], 10) and row(sw, 'a')['kind'] == 'shared',
            'without need there is none', row(sw, 'a'))
    carries(t, 'shared', a, far)
    sw.ctl('vmq set a --queues 2')
    t.check(has(sw, 'a', 2, kind='software', uplink='w0', vlan=0), 'what is asked for is there', row(sw, 'a'))
    carries(t, 'two queues', a, far)
    t.check(sum(q['packets'] for q in queues(sw, 'a')) > 0, 'its queues brought frames', queues(sw, 'a'))
    if t.control_cpu != t.worker_cpu:
        sw.ctl(f'core add {t.control_cpu}')
        carries(t, 'two workers', a, far)
        sw.ctl(f'core remove {t.control_cpu}')
        carries(t, 'one again', a, far)

    sw.ctl('vmq set b --queues 1')
    t.check(has(sw, 'b', 1, vlan=10), 'with the tag that its frames have on the wire', row(sw, 'b'))
    sw.ctl('vmq set a --weight 0')
    t.check(has(sw, 'a', 0) and row(sw, 'a')['why'] == 'its weight is 0', 'weight 0: none', row(sw, 'a'))
    sw.ctl('vmq set a --default weight')
    t.check(has(sw, 'a', 2), 'as before', row(sw, 'a'))
    sw.ctl('nic set a --mac 02:00:00:00:00:77')
    t.check(has(sw, 'a', 2), 'another address: its queues go along', row(sw, 'a'))

    text = sw.ctl('config show')['text']
    t.check('vmq set a --queues 2' in text, 'it is configuration', text)
    code, _, err = sw.tool('vmq set w0 --queues 1')
    t.check(code == 5 and 'not-a-nic' in err and 'fix:' in err, 'an uplink is no NIC', (code, err))
    code, _, err = sw.tool('vmq set nobody --queues 1')
    t.check(code == 3, 'nor is what is not there', (code, err))
    t.check(sw.tool('vmq set a --queues 9')[0] == 2, 'at most eight')
    t.check(sw.tool('vmq set a --weight 3 --check')[0] in (0, 8) and row(sw, 'a')['weight'] == 100, '--check changes nothing')

    sw.kill()
    sw.start()
    t.check(has(sw, 'a', 2), 'it is there after kill -9', row(sw, 'a'))
    sw.ctl('port remove w0')
    t.check(has(sw, 'a', 0) and 'uplink' in row(sw, 'a')['why'], 'no uplink, no queues', row(sw, 'a'))
    sw.ctl('port add ext w0 --kind phys --driver af_packet')
    t.check(has(sw, 'a', 2), 'it is back, they are', row(sw, 'a'))
    sw.ctl('vmq remove a')
    t.check(has(sw, 'a', 0, configured='auto'), 'what was said is taken back', row(sw, 'a'))
    sw.ctl('port remove b')
    t.check('vmq set b' not in sw.ctl('config show')['text'], 'and goes with the port')
    t.check(vst.wait_for(sw.balanced, 5), 'the ledger is balanced', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon ends in good order', sw.log_text()[-2000:])
    a.proc.kill()
    b.proc.kill()


vst.main(test)
