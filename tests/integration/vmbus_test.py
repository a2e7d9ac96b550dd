# SPDX-License-Identifier: BSD-2-Clause
"""Namespaces behind synthetic NICs: a guest's half of VMBus in a process of its own (vmbus-tap), which
joins its NIC to a tap in the namespace.

                          sw
    a ─ tap ═ vmbus-tap ══[socket, shared memory]══ a ┐
    b ─ tap ═ vmbus-tap ══════════════════════════  b ├ lan
    host namespace ─ tap ─────────────────────────  c ┘

What is shown: frames of all sizes and offloads, VLANs, tenants, NICs that come, go and change while
traffic flows, a guest that is killed, and a switch that is killed under load and takes the open
channels up again.

Arguments besides the usual: the path of vmbus-tap, and of vmbus-hostile.
"""
import re
import socket
import sys
import threading
import time

import vst
from transfer import DIGEST, transfer

TAP = sys.argv[3] if len(sys.argv) > 3 else None
HOSTILE = sys.argv[4] if len(sys.argv) > 4 else None


class Nic:
    """A port of kind vmbus, the process that plays its guest, and the namespace behind that."""

    def __init__(self, t, sw, switch, name, address=None, options='', mtu=None, queues=1, guest=''):
        self.t, self.sw, self.name = t, sw, name
        # A guest asks for an MTU of its own, and gets the port's where that is less.
        self.ns, self.queues, self.guest, self.address = t.ns(name), queues, f'--mtu 9198 {guest}', address
        self.add = (f'port add {switch} {name} --kind vmbus --queues {queues} {options}'
                    + (f' --mtu {mtu}' if mtu else ''))
        sw.ctl(self.add)
        self.socket = self.show()['nic']['socket']
        self.log = t.file(f'{name}.log')
        self.proc = None
        self.start()

    def start(self):
        with open(self.log, 'ab') as log:
            self.proc = self.t.popen([TAP, '--netns', self.ns.name, '--name', self.name, '--queues', str(self.queues),
                                      '--verbose'] + self.guest.split() + [self.socket], stdout=log, stderr=log)
        if not vst.wait_for(self.running, 10):
            raise vst.Failed(f'guest of {self.name} does not come up: {self.show()}\n{self.log_text()}')
        if self.address:
            self.ns.run(f'ip address add {self.address} dev {self.name}')
        return self

    def log_text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def show(self):
        return self.sw.ctl(f'nic show {self.name}')

    def running(self):
        return self.show()['guest'] == 'running' and self.sw.port(self.name)['link'] == 'up'

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def link(self):
        """What the namespace's kernel says of the interface."""
        return self.ns.run(f'ip -o link show dev {self.name}').stdout

    def carrier(self):
        return 'LOWER_UP' in self.link()


def two(t, name, **kwargs):
    sw = t.daemon(name)
    sw.ctl('switch add lan --type private')
    a = Nic(t, sw, 'lan', 'a', '10.0.0.1/24', **kwargs)
    b = Nic(t, sw, 'lan', 'b', '10.0.0.2/24', **kwargs)
    return sw, a, b


def end(t, sw, *nics):
    bad = [n.ns.snmp('Tcp', 'InCsumErrors') for n in nics]
    t.check(bad == [0] * len(nics), f'{sw.name}: no stack saw a wrong checksum', bad)
    t.check(vst.wait_for(sw.balanced, 2), f'{sw.name}: the ledger is balanced', sw.ledger())
    for n in nics:
        faults = n.show()['nic']['faults']
        t.check(faults == {}, f'{sw.name}: nobody was at fault at {n.name}', faults)
    t.check(sw.stop() == 0, f'{sw.name}: the daemon ends in good order', sw.log_text()[-2000:])
    for n in nics:
        n.kill()


def carries(t, what, a, b, size):
    t.check(a.ns.reaches('10.0.0.2', 10), f'{what}: a reaches b', a.sw.tool('drop list')[1])
    t.check(a.ns.ping('10.0.0.2', size=size, whole=True, count=5) and b.ns.ping('10.0.0.1', size=size, whole=True, count=5),
            f'{what}: packets of the whole MTU, both ways', a.sw.tool('drop list')[1])
    there, back = transfer(a.ns, '10.0.0.1', b.ns), transfer(b.ns, '10.0.0.2', a.ns)
    t.check(there == DIGEST and back == DIGEST, f'{what}: TCP payload arrives as it was, both ways', (there, back))


def sizes(t):
    for mtu, queues in ((1500, 1), (9000, 1), (1500, 2)):
        name = f'mtu{mtu}q{queues}'
        sw, a, b = two(t, name, mtu=mtu, queues=queues)
        carries(t, name, a, b, mtu - 28)
        row = [n for n in sw.ctl('nic list')['nics'] if n['name'] == 'a'][0]
        t.check(row['guest'] == 'running' and row['nvsp'] == '6.1' and row['channels'] == f'{queues} of {queues}',
                f'{name}: nic list says who is there', row)
        t.check(f'mtu {mtu} ' in a.link() and sw.port('a')['mac'] in a.link(), f'{name}: the guest has MAC and MTU of the port',
                a.link())
        end(t, sw, a, b)


def offloads(t):
    """The guest leaves checksums and segments to the switch; whoever gets the frames checks them."""
    sw = t.daemon('offload')
    sw.ctl('switch add lan --type private')
    a = Nic(t, sw, 'lan', 'a', '10.0.0.1/24')
    # A plain interface, whose stack gets finished packets and looks at every checksum.
    c = sw.tap('lan', 'c', '10.0.0.3/24', options='--offloads off')
    sniff = c.sniff('c')
    t.check(a.ns.reaches('10.0.0.3', 10), 'offload: a reaches c')
    sniff.drain()
    t.check(transfer(a.ns, '10.0.0.1', c) == DIGEST, 'offload: TCP payload from the guest arrives as it was')
    row = sw.ctl('port show a')
    mean = row['rx_bytes'] / max(row['rx_packets'], 1)
    t.check(mean > 3000, 'offload: the guest sent super-frames (mean size above two packets)', mean)
    sniff.close()
    big = sw.ctl('port show c')
    t.check(big['segments'] > 100, 'offload: the switch made packets of them', big['segments'])
    t.check(transfer(c, '10.0.0.3', a.ns) == DIGEST, 'offload: and back')
    t.check(c.snmp('Tcp', 'InCsumErrors') == 0 and c.snmp('Tcp', 'InSegs') > 700,
            'offload: the receiver saw whole packets with right checksums', c.snmp('Tcp', 'InSegs'))
    sw.ctl('nic set a --offloads off')
    t.check(vst.wait_for(a.running, 10), 'offload: without offloads the NIC comes back', a.log_text())
    t.check(a.ns.reaches('10.0.0.3', 10) and transfer(a.ns, '10.0.0.1', c) == DIGEST,
            'offload: without offloads TCP goes as well')
    end(t, sw, a)


def vlans(t):
    sw = t.daemon('vlan')
    sw.ctl('switch add lan --type private')
    a = Nic(t, sw, 'lan', 'a', '10.0.0.1/24', options='--vlan 10')
    b = Nic(t, sw, 'lan', 'b', '10.0.0.2/24', options='--vlan 10')
    c = Nic(t, sw, 'lan', 'c', '10.0.0.3/24', options='--vlan 20')
    d = Nic(t, sw, 'lan', 'd', options='--vlan-mode trunk --allowed 10,20')
    t.check(a.ns.reaches('10.0.0.2', 10), 'vlan: ports of one VLAN meet')
    t.check(not a.ns.ping('10.0.0.3', count=3), 'vlan: ports of two VLANs do not')
    at_a, at_c, at_d = a.ns.sniff('a'), c.ns.sniff('c'), d.ns.sniff('d')
    at_a.send(vst.frame('ff:ff:ff:ff:ff:ff', sw.port('a')['mac'], b'by the access port'))
    got = at_d.find(b'by the access port')
    t.check(got is not None and vst.tags_of(got) == [(0x8100, 10)], 'vlan: a trunk shows the guest the tag', got)
    for vlan in (10, 20, 30):
        at_d.send(vst.frame('ff:ff:ff:ff:ff:ff', sw.port('d')['mac'], b'by the trunk %d' % vlan, tags=[(0x8100, vlan)]))
    at_d.send(vst.frame('ff:ff:ff:ff:ff:ff', sw.port('d')['mac'], b'by the trunk without'))
    seen = {name: [f for f in s.frames(0.7) if b'by the trunk' in f] for name, s in (('a', at_a), ('c', at_c))}
    t.check([b'trunk 10' in f and vst.tags_of(f) == [] for f in seen['a']] == [True], 'vlan: its frames reach their VLAN',
            seen)
    t.check([b'trunk 20' in f and vst.tags_of(f) == [] for f in seen['c']] == [True], 'vlan: and no other', seen)
    for s in (at_a, at_c, at_d):
        s.close()
    end(t, sw, a, b, c, d)


def tenants(t):
    sw = t.daemon('tenant')
    sw.ctl('switch add lan --type private')
    sw.ctl('tenant add blue --id 100')
    sw.ctl('tenant add red --id 200')
    a = Nic(t, sw, 'lan', 'a', '10.0.0.1/24', options='--tenant blue')
    b = Nic(t, sw, 'lan', 'b', '10.0.0.2/24', options='--tenant blue')
    c = Nic(t, sw, 'lan', 'c', '10.0.0.2/24', options='--tenant red')
    t.check(a.ns.reaches('10.0.0.2', 10), 'tenant: ports of one meet')
    at_b, at_c = b.ns.sniff('b'), c.ns.sniff('c')
    a.ns.run('ping -c 3 -i 0.05 -W 1 10.0.0.2', ok=None)
    out = a.ns.sniff('a')
    for dst in ('ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', sw.port('c')['mac'], '02:00:00:00:77:77'):
        out.send(vst.frame(dst, sw.port('a')['mac'], b'secret of blue'))
    seen = at_b.find(b'secret of blue')
    leaked = [f for f in at_c.frames(0.7) if b'secret of blue' in f or f[6:12] == vst.mac(sw.port('a')['mac'])]
    t.check(seen is not None, 'tenant: the own tenant gets them (so the test sees what there is)')
    t.check(leaked == [], 'tenant: no frame of one reaches the other', leaked)
    sw.ctl('port set c --tenant blue')
    out.send(vst.frame('ff:ff:ff:ff:ff:ff', sw.port('a')['mac'], b'no secret now'))
    t.check(at_c.find(b'no secret now') is not None, 'tenant: a NIC that joins the tenant gets what is sent to it')
    for s in (at_b, at_c, out):
        s.close()
    end(t, sw, a, b, c)


def changes(t):
    """The NIC goes, comes back and changes under a running guest."""
    sw, a, b = two(t, 'change')
    t.check(a.ns.reaches('10.0.0.2', 10), 'change: a reaches b')
    sw.ctl('nic set b --link down')
    t.check(vst.wait_for(lambda: not b.carrier(), 5), 'change: the guest sees the cable out', b.link())
    t.check(not a.ns.ping('10.0.0.2', count=2), 'change: nothing goes through')
    sw.ctl('nic set b --default link')
    t.check(vst.wait_for(b.carrier, 5) and a.ns.reaches('10.0.0.2', 10), 'change: and in again', b.link())
    sw.ctl('nic set b --mac 02:00:00:00:be:ef')
    t.check(vst.wait_for(lambda: '02:00:00:00:be:ef' in b.link() and b.running(), 10),
            'change: the NIC comes back with another address', b.link() + b.log_text())
    a.ns.run('ip neigh flush dev a')  # It knows the old one.
    t.check(a.ns.reaches('10.0.0.2', 10), 'change: which is reached')
    sw.ctl('nic set b --mtu 4000')
    t.check(vst.wait_for(lambda: 'mtu 4000 ' in b.link() and b.running(), 10), 'change: and with another MTU',
            b.link() + b.log_text())
    shown = sw.ctl('config show')['text']
    t.check('--mac 02:00:00:00:be:ef' in shown and '--mtu 4000' in shown, 'change: config show has it', shown)
    sw.ctl('port remove b')
    t.check(vst.wait_for(lambda: not b.carrier(), 5) and not a.ns.ping('10.0.0.2', count=1),
            'change: a port that is removed takes the NIC away', b.link())
    sw.ctl(b.add)
    t.check(vst.wait_for(b.running, 10), 'change: added again it is the same adapter', b.log_text())
    a.ns.run('ip neigh flush dev a')
    t.check(a.ns.reaches('10.0.0.2', 10), 'change: added again the guest finds it by itself',
            b.log_text())
    code, _, err = sw.tool('nic set nowhere --link up')
    t.check(code == 3 and 'nowhere' in err, 'change: a NIC that is none is refused with a reason', err)
    sw.tap('lan', 'plain')
    code, _, err = sw.tool('nic set plain --link up')
    t.check(code == 5 and 'vmbus' in err, 'change: and a port that is no NIC', err)
    end(t, sw, a, b)


def guest_dies(t):
    sw, a, b = two(t, 'dies')
    c = sw.tap('lan', 'c', '10.0.0.3/24')
    t.check(a.ns.reaches('10.0.0.2', 10) and a.ns.reaches('10.0.0.3', 10), 'dies: all are there')
    stream = c.popen('ping -q -i 0.01 -c 300 10.0.0.1', stdout=-1, text=True)
    time.sleep(0.5)
    b.kill()
    t.check(vst.wait_for(lambda: sw.port('b')['link'] == 'down', 5), 'dies: the port of a dead guest is down', sw.port('b'))
    out = stream.communicate(timeout=60)[0]
    lost = re.search(r'(\d+) packets transmitted, (\d+) received', out)
    t.check(lost and lost.group(1) == lost.group(2), 'dies: others lost nothing meanwhile', out)
    b.start()
    t.check(a.ns.reaches('10.0.0.2', 15), 'dies: another takes its place', b.log_text())
    end(t, sw, a, b)


class Stream:
    """TCP from one namespace to another for as long as wanted; what came is counted."""

    def __init__(self, src, address, dst):
        self.got, self.failed, self.stop = 0, None, False
        self.server = src.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server.bind((address, 0))
        self.server.listen(1)
        self.client = dst.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(20)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.serve, self.fetch)]
        self.address = (address, self.server.getsockname()[1])
        for thread in self.threads:
            thread.start()

    def serve(self):
        try:
            conn, _ = self.server.accept()
            conn.settimeout(20)
            while not self.stop:
                conn.sendall(b'x' * 65536)
                time.sleep(0.002)  # A load, not all that the machine can do.
            conn.close()
        except OSError as e:
            self.failed = self.failed or f'sender: {e}'

    def fetch(self):
        try:
            self.client.connect(self.address)
            while data := self.client.recv(1 << 16):
                self.got += len(data)
        except OSError as e:
            self.failed = self.failed or f'receiver: {e}'

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join(25)
        self.server.close()
        self.client.close()


def switch_dies(t):
    """kill -9 under load, and a new switch: the channels stay open, the guests' drivers see nothing."""
    sw, a, b = two(t, 'restart', queues=2)
    t.check(a.ns.reaches('10.0.0.2', 10), 'restart: a reaches b')
    setups = [n.log_text().count('is behind') for n in (a, b)]
    stream = Stream(a.ns, '10.0.0.1', b.ns)
    for turn in range(3):
        ping = a.ns.popen('ping -D -i 0.01 -w 6 10.0.0.2', stdout=-1, text=True)
        time.sleep(1)
        began = time.monotonic()
        sw.kill()
        sw.start()
        t.check(vst.wait_for(lambda: a.running() and b.running(), 10), f'restart {turn}: both NICs run again',
                (a.show(), b.show(), a.log_text()[-1000:]))
        started, before = time.monotonic() - began, stream.got
        t.check(vst.wait_for(lambda: stream.got > before + (1 << 20), 10), f'restart {turn}: the TCP connection goes on',
                (stream.got, before, stream.failed))
        out = ping.communicate(timeout=30)[0]
        # Answers may come late, from requests that waited on the ring, rather than not at all.
        seen = [(float(when), int(seq)) for when, seq in re.findall(r'\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+)', out)]
        gap = max((y[0] - x[0] for x, y in zip(seen, seen[1:])), default=0)
        lost = seen[-1][1] - seen[0][1] + 1 - len(seen) if seen else 0
        t.note(f'restart {turn}: {gap * 1000:.0f} ms without an answer and {lost} pings lost; the new daemon was there after '
               f'{started * 1000:.0f} ms')
        t.check(len(seen) > 100 and gap < 3, f'restart {turn}: pings are answered before and after', out[-500:])
        shown = a.show()['nic']
        t.check(shown['resumed'] == 1, f'restart {turn}: the channels were taken up, not opened anew', shown)
    t.check([n.log_text().count('is behind') for n in (a, b)] == setups, 'restart: no guest set its NIC up again',
            a.log_text())
    stream.end()
    t.check(stream.failed is None, 'restart: no connection broke', stream.failed)
    end(t, sw, a, b)


def hostile(t):
    """A guest that lies in all the ways we know, beside two that do not."""
    if not HOSTILE:
        t.note('no vmbus-hostile was given: no attacks')
        return
    sw, a, b = two(t, 'hostile')
    sw.ctl('port add lan evil --kind vmbus --queues 4')
    evil = sw.ctl('nic show evil')['nic']['socket']
    t.check(a.ns.reaches('10.0.0.2', 10), 'hostile: a reaches b')
    ping = a.ns.popen('ping -D -i 0.02 -w 300 10.0.0.2', stdout=-1, text=True)
    stream = Stream(a.ns, '10.0.0.1', b.ns)
    with open(t.file('hostile.log'), 'w+') as log:
        attack = t.popen([HOSTILE, '--attack', 'all', '--messages', '20000', '--ms', '200', evil], stdout=log, stderr=log)
        try:
            code = attack.wait(200)
        except vst.subprocess.TimeoutExpired:
            code = 'hangs'
        log.seek(0)
        said = log.read()
    t.check(code == 0, 'hostile: after each attack an honest guest is served at the same port', said[-3000:])
    t.check(sw.proc.poll() is None and sw.answers(), 'hostile: the daemon lives', sw.log_text()[-2000:])
    ping.send_signal(vst.signal.SIGINT)
    out = ping.communicate(timeout=30)[0]
    sent, got = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', out).groups())
    seen = [float(when) for when in re.findall(r'\[([\d.]+)\] \d+ bytes from', out)]
    gap = max((y - x for x, y in zip(seen, seen[1:])), default=0)
    t.note(f'hostile: {got} of {sent} pings between the others were answered, at most {gap * 1000:.0f} ms without')
    t.check(sent - got <= 2, 'hostile: the others lost nothing', out[-400:])
    stream.end()
    t.check(stream.failed is None and stream.got > 1 << 20, 'hostile: nor did their connection break', stream.failed)
    log_lines = len(sw.log_text().splitlines())
    t.check(log_lines < 3000, 'hostile: the log is not flooded', log_lines)
    t.note(f'hostile: counted at the port: {sw.ctl("nic show evil")["nic"]["faults"]}')
    sw.ctl('port remove evil')
    end(t, sw, a, b)


def test(t):
    if TAP is None:
        raise vst.Skip('no vmbus-tap was given')
    only = sys.argv[5:]
    for part in (sizes, offloads, vlans, tenants, changes, guest_dies, switch_dies, hostile):
        if not only or part.__name__ in only:
            part(t)


vst.main(test)
