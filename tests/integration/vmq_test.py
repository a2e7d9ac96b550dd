# SPDX-License-Identifier: BSD-2-Clause
"""Receive queues of NICs on an uplink: two synthetic NICs (vmbus-tap) and a host on the wire.

                        ext
    a ─ tap ═ vmbus-tap ══ a ┐
    b ─ tap ═ vmbus-tap ══ b ├ w0 ─ veth ─ w1  (namespace far)
                             ┘

    c ─ tap ═ vmbus-tap ══ c ┬ ext2 ─ x0 ─ veth, 2 queues, AF_XDP ─ x1  (namespace wire)
    d ─ tap ═ vmbus-tap ══ d ┘

What is shown: who has queues and why not, that everything arrives while queues come, move and go,
that it is configuration, and what is refused.

Argument besides the usual: the path of vmbus-tap.
"""
import struct
import sys
import threading
import time

import vst
from transfer import DIGEST, transfer

TAP = sys.argv[3] if len(sys.argv) > 3 else None


class Nic:
    def __init__(self, t, sw, name, address, options='', sw_name='ext'):
        self.t, self.sw, self.name, self.ns = t, sw, name, t.ns(name)
        sw.ctl(f'port add {sw_name} {name} --kind vmbus --queues 2 {options}')
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


N_SEQ = 4000
MAC = '02:00:00:00:00:99'


def sequence(wire, tap, mac, step):
    """Numbered frames to a NIC until 'step' is through; what was wrong with what came, or None."""
    stepper = threading.Thread(target=step)
    stepper.start()
    sent, seen, quiet_since = 0, [], time.monotonic()
    while time.monotonic() - quiet_since < 10:
        if sent < N_SEQ or stepper.is_alive():
            wire.send(vst.frame(mac, '02:00:00:00:09:09', struct.pack('!I', sent) + b'x' * 46))
            sent += 1
            quiet_since = time.monotonic()
            time.sleep(0.001)
        elif len(seen) >= sent:
            break
        else:
            time.sleep(0.01)
        for got in tap.frames(0):
            if got[12:14] == b'\x88\xb5' and b'is anybody' not in got:
                seen.append(struct.unpack('!I', got[14:18])[0])
    stepper.join()
    missing = sorted(set(range(sent)) - set(seen))
    return None if seen == list(range(sent)) else (sent, len(seen), missing[:20], [p for p in zip(seen, seen[1:]) if p[1] < p[0]][:10])


def hears(wire, tap, mac):
    """The guest has taken its new address: until then its adapter asks for no frames."""
    wire.send(vst.frame(mac, '02:00:00:00:09:09', b'is anybody there'.ljust(50)))
    return any(b'is anybody there' in f for f in tap.frames(0.1))


def by_device(t, sw):
    """The device's own queues, where our XDP program chooses them."""
    wire = t.ns('wire')
    sw.ns.run(f'ip link add x0 numtxqueues 2 numrxqueues 2 type veth peer name x1 numtxqueues 2 numrxqueues 2 netns {wire.name}')
    sw.ns.run('ip link set x0 up')
    wire.run('ip link set x1 up')
    wire.run('ip address add 10.0.0.9/24 dev x1')
    sw.ctl('switch add ext2 --type external')
    sw.ctl('port add ext2 x0 --kind phys --driver af_xdp')
    c = Nic(t, sw, 'c', '10.0.0.1/24', sw_name='ext2')
    d = Nic(t, sw, 'd', '10.0.0.2/24', sw_name='ext2')
    sw.ctl('vmq set c --queues 1')
    t.check(has(sw, 'c', 1, kind='software') and 'queues' in row(sw, 'c')['why'],
            "a device without spare queues: the switch's, and why", row(sw, 'c'))
    sw.ctl('port remove x0')
    sw.ctl('port add ext2 x0 --kind phys --driver af_xdp --queues 3')
    t.check(has(sw, 'c', 1, kind='xdp', why=''), "with one more it is the device's", row(sw, 'c'))
    carries(t, 'xdp', c, wire)
    sw.ctl('config set --metrics 127.0.0.1:9466')
    got = sw.ns.run(['python3', '-c', 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9466/metrics").read().decode())']).stdout
    of = [x for x in got.splitlines() if x.startswith('vswitch_nic_rx_queue') and 'port="c"' in x]
    t.check('vswitch_nic_rx_queues{switch="ext2",port="c",kind="xdp"} 1' in of and
            any(x.startswith('vswitch_nic_rx_queue_packets_total{') and not x.endswith(' 0') for x in of), 'metrics say it', of)
    t.check(sum(q['packets'] for q in queues(sw, 'c')) > 0, 'by its queue', queues(sw, 'c'))
    wire.run('ip link set x1 down')
    t.check(vst.wait_for(lambda: not sw.up('x0'), 10), 'its link goes')
    wire.run('ip link set x1 up')
    t.check(vst.wait_for(lambda: sw.up('x0'), 10) and c.ns.reaches('10.0.0.9', 10) and has(sw, 'c', 1, kind='xdp'),
            'and comes, and the queue is as it was', row(sw, 'c'))
    sw.ctl('vmq set d --queues 1')
    t.check(has(sw, 'd', 1, kind='software') and 'taken' in row(sw, 'd')['why'] and row(sw, 'c')['kind'] == 'xdp',
            "the second has the switch's", row(sw, 'd'))
    sw.ctl('vmq set c --hardware off')
    t.check(has(sw, 'c', 1, kind='software') and 'forbidden' in row(sw, 'c')['why'], "forbidden: the switch's", row(sw, 'c'))
    t.check(has(sw, 'd', 1, kind='xdp'), 'and the other has what it left', row(sw, 'd'))
    sw.ctl('vmq remove d')
    sw.ctl(f'nic set c --mac {MAC}')
    sw.ctl('vmq set c --hardware on')
    t.check(has(sw, 'c', 1, kind='xdp'), 'another address: the rule goes along', row(sw, 'c'))
    kinds = []

    def step():
        for i in range(6):
            sw.ctl(f'vmq set c --hardware {("off", "on")[i % 2]}')
            has(sw, 'c', 1, kind=('software', 'xdp')[i % 2])
            kinds.append(row(sw, 'c')['kind'])
    far, tap = wire.sniff('x1'), c.ns.sniff('c')
    t.check(vst.wait_for(lambda: hears(far, tap, MAC), 20), 'and the guest has it')
    tap.frames(0.5)
    wrong = sequence(far, tap, MAC, step)
    t.check(wrong is None and kinds == ['software', 'xdp'] * 3, 'moved to and fro, all frames arrive in order',
            (wrong, kinds, [r for r in sw.ctl('drop list')['drops'] if r['packets']]))
    sw.ns.run('ip link delete x0')
    t.check(has(sw, 'c', 0) and 'uplink' in row(sw, 'c')['why'], 'the device vanishes: none, and why', row(sw, 'c'))
    for name in ('x0', 'd', 'c'):
        sw.ctl(f'port remove {name}')
    d.proc.kill()
    c.proc.kill()


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
    by_device(t, sw)
    t.check(vst.wait_for(sw.balanced, 5), 'the ledger is balanced', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon ends in good order', sw.log_text()[-2000:])
    a.proc.kill()
    b.proc.kill()


vst.main(test)
