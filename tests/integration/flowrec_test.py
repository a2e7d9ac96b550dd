# SPDX-License-Identifier: BSD-2-Clause
"""Flow records as collectors see them: nfdump's nfcapd and tshark decode what real traffic made.

    red1 10.0.0.1 ─┐                            (lan, tenant red)
    red2 10.0.0.2 ─┤
                   lan (two workers)  ── IPFIX, sFlow ──► the daemon's namespace: nfcapd, sockets of the test
    blue1 10.1.0.1 ┤
    blue2 10.1.0.2 ┘                            (lan, tenant blue)

The collectors are addresses of the daemon's own namespace: that is from where records are sent.
"""
import glob
import ipaddress
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import vst


# A second reader of IPFIX, made from RFC 7011 and 5103 alone: what it finds is compared with what was sent.

NAMES = {1: 'octets', 2: 'packets', 4: 'proto', 5: 'tos', 6: 'flags', 7: 'sport', 8: 'src', 10: 'in', 11: 'dport',
         12: 'dst', 14: 'out', 27: 'src', 28: 'dst', 32: 'icmp', 40: 'x_octets', 41: 'x_messages', 42: 'x_records',
         56: 'smac', 58: 'vlan', 80: 'dmac', 82: 'name', 83: 'text', 89: 'status', 132: 'd_octets', 133: 'd_packets',
         136: 'end', 139: 'icmp', 149: 'domain', 152: 'start', 153: 'stop', 164: 'i_packets', 165: 'i_octets',
         166: 'lost', 234: 'vrf', 239: 'direction', 256: 'ethertype', 302: 'selector', 304: 'algorithm', 309: 'size',
         310: 'population'}
OURS = {1: 'reason', 2: 'reason_name', 3: 'reason_text'}


class Reader:
    def __init__(self):
        self.templates, self.records, self.options, self.errors = {}, [], [], []
        self.next, self.n_messages, self.domains = None, 0, set()

    def message(self, data):
        version, size, _, sequence, domain = struct.unpack_from('!HHIII', data)
        if version != 10 or size != len(data):
            self.errors.append(f'version {version}, {size} of {len(data)} bytes')
            return
        if self.next is not None and sequence != self.next:
            self.errors.append(f'sequence {sequence}, not {self.next}')
        self.domains.add(domain)
        self.n_messages += 1
        at, n = 16, 0
        while at + 4 <= size:
            set_id, length = struct.unpack_from('!HH', data, at)
            if length < 4 or at + length > size:
                self.errors.append(f'a set of {length} bytes')
                return
            body = data[at + 4:at + length]
            if set_id in (2, 3):
                self.template(body, set_id == 3)
            else:
                n += self.data(set_id, body)
            at += length
        self.next = (sequence + n) & 0xffffffff

    def template(self, body, options):
        at = 0
        while at + 4 <= len(body):
            number, count = struct.unpack_from('!HH', body, at)
            at += 4 + (2 if options else 0)
            fields = []
            for _ in range(count):
                ie, size = struct.unpack_from('!HH', body, at)
                at += 4
                pen = 0
                if ie & 0x8000:
                    pen, = struct.unpack_from('!I', body, at)
                    at += 4
                ie &= 0x7fff
                name = (OURS.get(ie) if pen == 32473 else NAMES.get(ie)) or f'?{pen}/{ie}'
                fields.append((('r_' if pen == 29305 else '') + name, size))
            self.templates[number] = (options, fields)

    def data(self, number, body):
        if number not in self.templates:
            self.errors.append(f'no template {number}')
            return 0
        options, fields = self.templates[number]
        at, n = 0, 0
        while at + 4 <= len(body):
            row = {}
            for name, size in fields:
                if size == 65535:
                    size = body[at]
                    at += 1
                value = body[at:at + size]
                at += size
                if name in ('src', 'dst'):
                    row[name] = str(ipaddress.ip_address(value))
                elif name in ('smac', 'dmac'):
                    row[name] = value.hex(':')
                elif name in ('name', 'text', 'reason_name', 'reason_text'):
                    row[name] = value.decode()
                else:
                    row[name] = int.from_bytes(value, 'big')
            if at > len(body):
                self.errors.append('a record is cut')
                return n
            (self.options if options else self.records).append(row)
            n += 1
        return n


class UdpCollector:
    """A socket in a namespace and a thread that reads it."""

    def __init__(self, ns, port, address='127.0.0.1'):
        self.sock = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.bind((address, port))
        self.sock.settimeout(0.2)
        self.reader, self.raw, self.stop = Reader(), [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                data = self.sock.recv(65536)
            except (socket.timeout, OSError):
                continue
            self.raw.append(data)
            try:
                self.reader.message(data)
            except (struct.error, IndexError) as e:
                self.reader.errors.append(repr(e))

    def close(self):
        self.stop = True
        self.thread.join()
        self.sock.close()


class TcpCollector:
    """Accepts one connection at a time."""

    def __init__(self, ns, port):
        self.sock = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(('127.0.0.1', port))
        self.sock.listen()
        self.sock.settimeout(0.2)
        self.readers, self.stop = [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                conn, _ = self.sock.accept()
            except (socket.timeout, OSError):
                continue
            reader, data = Reader(), b''
            self.readers.append(reader)
            conn.settimeout(0.2)
            while not self.stop:
                try:
                    more = conn.recv(65536)
                except socket.timeout:
                    continue
                except OSError:
                    break
                if not more:
                    break
                data += more
                while len(data) >= 4 and len(data) >= struct.unpack_from('!H', data, 2)[0]:
                    size, = struct.unpack_from('!H', data, 2)
                    reader.message(data[:size])
                    data = data[size:]
            conn.close()

    def close(self):
        self.stop = True
        self.thread.join()
        self.sock.close()


def total(records, match, *keys):
    """Sums over the records of a conversation; 'r_' keys of those without answers are 0."""
    rows = [r for r in records if all(r.get(k) == v for k, v in match.items())]
    return [sum(r.get(k, 0) for r in rows) for k in keys]


# Traffic of known size

def udp_send(ns, dst, dport, n, size, sport=5000):
    """n datagrams of 'size' bytes of payload; none is answered."""
    ns.run(['python3', '-c', f'''
import socket, time
s = socket.socket(socket.AF_INET6 if ':' in '{dst}' else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', {sport}))
for i in range({n}):
    s.sendto(bytes({size}), ('{dst}', {dport}))
    if i % 64 == 63: time.sleep(0.002)
'''])


def udp_sink(ns, port, family='AF_INET'):
    got = ns.popen(['python3', '-c', f'''
import socket
s = socket.socket(socket.{family}, socket.SOCK_DGRAM); s.bind(('', {port})); print('ready', flush=True)
while True: s.recv(65536)
'''], stdout=subprocess.PIPE, text=True)
    got.stdout.readline()
    return got


def tcp_transfer(a, b, address, port, size, back):
    """'size' bytes there and 'back' bytes back, and a close in good order."""
    server = b.popen(['python3', '-c', f'''
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', {port})); s.listen(); print('ready', flush=True)
c = s.accept()[0]; n = 0
while n < {size}: n += len(c.recv(65536))
c.sendall(bytes({back})); c.close()
'''], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    got = a.run(['python3', '-c', f'''
import socket
s = socket.create_connection(('{address}', {port}), timeout=10)
s.sendall(bytes({size})); n = 0
while n < {back}:
    d = s.recv(65536)
    if not d: break
    n += len(d)
assert n == {back}
s.close()
'''], ok=None)
    server.wait(10)
    return got.returncode == 0


def no_offloads(ns, name):
    """So that what the stack sends as one frame is one packet."""
    ns.run(f'ethtool -K {name} tso off gso off gro off tx off', ok=None)


def counted(ns, name):
    """Packets and bytes that the interface sent, by the kernel's own counters."""
    def one(what):
        with_ns = ns.run(f'cat /sys/class/net/{name}/statistics/{what}').stdout
        return int(with_ns)
    return one('tx_packets'), one('tx_bytes')


def seen(sw, name, key):
    return sw.ctl(f'ipfix show {name}')[key]


def wait_records(collector, match, keys, want, timeout=20):
    got = vst.wait_for(lambda: total(collector.reader.records, match, *keys) == want, timeout, 0.1)
    return got, total(collector.reader.records, match, *keys)


def refused(t, sw, words, slug, sentence):
    before = sw.ctl('config show')['text']
    code, _, err = sw.tool(words)
    t.check(code not in (0, 6) and f'error[{slug}]' in err, sentence, (code, err))
    t.check(sw.ctl('config show')['text'] == before, 'and nothing changed')
    return err


def bad_input(t, sw):
    for place, why in (('udp:collector.example:4739', 'no address'), ('udp:10.0.0.9:0', '1 to 65535'),
                       ('udp:10.0.0.9:65536', '1 to 65535'), ('sctp:10.0.0.9', 'neither udp: nor tcp:'),
                       ('10.0.0.9:4739', 'neither udp: nor tcp:'), ('udp:fd00::9', 'brackets'),
                       ('udp:0.0.0.0', 'nobody'), ('udp:[fd00::9', 'no address'), ('udp:', 'no address')):
        err = refused(t, sw, ['ipfix', 'add', 'x', '--switch', 'lan', '--collector', place], 'bad-collector',
                      f'collector {place} is refused')
        t.check(why in err and 'fix:' in err, 'and it says why', err)
    refused(t, sw, 'ipfix add x --switch lan --collector udp:10.0.0.9 --collector udp:10.0.0.9:4739',
            'collector-twice', 'one collector twice')
    refused(t, sw, 'ipfix add x --collector udp:10.0.0.9', 'usage', 'neither switch nor tenant')
    refused(t, sw, 'ipfix add x --switch nowhere --collector udp:10.0.0.9', 'not-found', 'no such switch')
    refused(t, sw, 'sflow add x --switch lan --collector tcp:10.0.0.9', 'bad-collector', 'sFlow has no TCP')
    refused(t, sw, 'sflow add x --switch lan --collector udp:10.0.0.9 --agent me', 'bad-agent', 'an agent by name')
    code, out, _ = sw.tool('ipfix add x --switch lan --collector udp:127.0.0.1:9 --check')
    t.check(code in (0, 8) and sw.ctl('ipfix list')['exporters'] == [], '--check changes nothing', (code, out))


def counts(t, sw, ns, udp):
    """What the collector adds up is what was sent, in both directions."""
    a, b = ns['red1'], ns['red2']
    # UDP there only.
    sink = udp_sink(b, 7000)
    udp_send(a, '10.0.0.2', 7000, 500, 100)
    ok, got = wait_records(udp, {'src': '10.0.0.1', 'dst': '10.0.0.2', 'dport': 7000, 'proto': 17},
                           ('packets', 'octets'), [500, 500 * 128])
    t.check(ok, '500 datagrams of 128 bytes of IP', got)
    rows = [r for r in udp.reader.records if r.get('dport') == 7000]
    t.check(rows and rows[0]['sport'] == 5000 and rows[0]['end'] == 1 and rows[0]['status'] == 64
            and rows[0]['vrf'] == 11, 'with port, end reason, status and tenant', rows)
    sink.kill()
    # ICMP both ways, one record.
    vst.wait_for(lambda: seen(sw, 'red', 'flows') == 0, 10)
    pings = {'src': '10.0.0.1', 'proto': 1, 'icmp': 0x0800}
    keys = ('packets', 'octets', 'r_packets', 'r_octets')
    before = total(udp.reader.records, pings, *keys)
    t.check(a.ping('10.0.0.2', count=10, size=200), 'pings')
    ok, got = wait_records(udp, pings, keys, [n + more for n, more in zip(before, [10, 2280, 10, 2280])])
    t.check(ok, 'ten pings and ten answers of 228 bytes are one conversation', got)
    # TCP both ways, against the kernel's counters.
    before = counted(a, 'red1'), counted(b, 'red2')
    t.check(tcp_transfer(a, b, '10.0.0.2', 8080, 300000, 70000), 'a transfer')
    time.sleep(0.5)
    after = counted(a, 'red1'), counted(b, 'red2')
    match = {'src': '10.0.0.1', 'dport': 8080, 'proto': 6}
    vst.wait_for(lambda: total(udp.reader.records, match, 'packets')[0] > 0, 20)
    time.sleep(1)
    got = total(udp.reader.records, match, 'packets', 'octets', 'r_packets', 'r_octets')
    # ARP may pass meanwhile, of either side: that is what the difference may be.
    arps = [total(udp.reader.records, {'ethertype': 0x806}, k)[0] for k in ('packets', 'r_packets')]
    sent = [after[i][0] - before[i][0] for i in (0, 1)]
    t.check(0 <= sent[0] - got[0] <= sum(arps) + 2 and 0 <= sent[1] - got[2] <= sum(arps) + 2,
            'TCP: packets are those of the kernel', (got, sent, arps))
    t.check(got[1] >= 300000 + 40 * 4 and got[3] >= 70000, 'and more bytes than the payload', got)
    rows = [r for r in udp.reader.records if r.get('dport') == 8080]
    t.check(len(rows) == 1 and rows[0]['end'] == 3 and rows[0]['flags'] & 0x13 == 0x13
            and rows[0]['r_flags'] & 0x12 == 0x12 and rows[0]['direction'] == 1,
            'one record, ended by FIN, with the flags of both sides', rows)
    t.check(rows and 0 <= rows[0]['stop'] - rows[0]['start'] < 10000 and abs(rows[0]['stop'] / 1000 - time.time()) < 60,
            'times are the host\'s', rows)
    # IPv6.
    for name, address in (('red1', 'fd00::1/64'), ('red2', 'fd00::2/64')):
        n = ns[name]
        n.run(['sh', '-c', f'echo 0 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6'], ok=None)
        n.run(f'ip -6 address add {address} dev {name} nodad', ok=None)
    if a.reaches('fd00::2'):
        sink = udp_sink(b, 7001, 'AF_INET6')
        udp_send(a, 'fd00::2', 7001, 77, 50)
        ok, got = wait_records(udp, {'src': 'fd00::1', 'dst': 'fd00::2', 'dport': 7001}, ('packets', 'octets'),
                               [77, 77 * 98])
        t.check(ok, '77 datagrams of IPv6', got)
        sink.kill()
    t.check(udp.reader.errors == [], 'no message is wrong, no sequence number is missing', udp.reader.errors[:5])
    t.check(len(udp.reader.domains) == 1, 'of one observation domain', udp.reader.domains)


def everything(t, sw, udp):
    """Frames of all records, and nothing else, came in by the ports."""
    def sums():
        rows = udp.reader.records
        return sum(r['packets'] + r.get('r_packets', 0) for r in rows)

    def received():
        return sum(p['rx_packets'] for p in sw.ctl('port stats')['ports'] if p['name'].startswith('red'))
    vst.wait_for(lambda: sums() == received() and seen(sw, 'red', 'flows') == 0, 20, 0.2)
    t.check(sums() == received(), 'records say of every frame that the ports received', (sums(), received()))


def described(t, udp):
    """Options say what numbers mean."""
    names = {o['in']: o for o in udp.reader.options if 'name' in o}
    rows = [r for r in udp.reader.records if r.get('dport') == 7000]
    t.check(rows and names.get(rows[0]['in'], {}).get('name') == 'red1'
            and 'tenant red' in names[rows[0]['in']]['text'], 'interfaces have names', names)
    reasons = {o['reason']: o['reason_name'] for o in udp.reader.options if 'reason_name' in o}
    t.check('tx-full' in reasons.values() and 'no-receiver' in reasons.values(), 'so have reasons of drops', reasons)
    t.check(any(o.get('population') == 1 for o in udp.reader.options), 'how is sampled is said')
    t.check(any('x_records' in o for o in udp.reader.options), 'and how much was exported')
    return reasons


def drops(t, sw, ns, udp, reasons):
    """A rule drops what goes to port 7100: records say how much, and why."""
    sw.ctl('flow add lan priority=10,udp,tp_dst=7100,actions=drop')
    udp_send(ns['red1'], '10.0.0.2', 7100, 40, 10)
    ok, got = wait_records(udp, {'dport': 7100}, ('packets', 'd_packets', 'd_octets'), [40, 40, 40 * 38])
    t.check(ok, '40 packets came and 40 were dropped', got)
    rows = [r for r in udp.reader.records if r.get('dport') == 7100]
    t.check(rows and reasons.get(rows[0]['reason']) == 'no-action' and rows[0]['status'] >> 6 == 2,
            'the record says why', rows)
    sw.ctl('flow del lan udp,tp_dst=7100')


def drops_on_the_way_out(t, sw, ns, udp, reasons):
    """The receiver's interface is down: what was to leave by it is the sender's flow's loss."""
    a, b = ns['red1'], ns['red2']
    mac = b.run('cat /sys/class/net/red2/address').stdout.strip()
    a.run(f'ip neigh replace 10.0.0.2 lladdr {mac} dev red1 nud permanent')
    b.run('ip link set red2 down')
    vst.wait_for(lambda: sw.port('red2')['state'] == 'down', 5)
    udp_send(a, '10.0.0.2', 7150, 30, 10)
    ok, got = wait_records(udp, {'dport': 7150}, ('packets', 'd_packets', 'd_octets'), [30, 30, 30 * 38])
    rows = [r for r in udp.reader.records if r.get('dport') == 7150]
    t.check(ok and rows and reasons.get(rows[0]['reason']) in ('tx-down', 'no-receiver'),
            'what is dropped on its way out is said, too', (got, rows))
    b.run('ip link set red2 up')
    a.run('ip neigh del 10.0.0.2 dev red1')
    t.check(a.reaches('10.0.0.2'), 'and it is back')


def flows_shown(t, sw, ns):
    """The largest conversations now."""
    sink = udp_sink(ns['red2'], 7200)
    udp_send(ns['red1'], '10.0.0.2', 7200, 50, 900)
    udp_send(ns['red1'], '10.0.0.2', 7201, 5, 10, sport=5001)
    got = sw.ctl('ipfix flows red --limit 50')
    rows = [f for f in got['flows'] if f['dport'] in (7200, 7201)]
    t.check([f['dport'] for f in rows] == [7200, 7201] and rows[0]['packets'] == 50 and rows[0]['bytes'] == 50 * 928
            and rows[0]['in'] == 'red1' and rows[0]['tenant'] == 'red', 'live flows, the largest first', rows)
    code, out, _ = sw.tool('ipfix flows red --by packets')
    t.check(code == 0 and '10.0.0.1' in out and 'udp' in out, 'as a table', out)
    sink.kill()


def metrics(t, sw):
    sw.ctl('config set --metrics 127.0.0.1:9465')
    got = sw.ns.run(['python3', '-c', 'import urllib.request as u; '
                     'print(u.urlopen("http://127.0.0.1:9465/metrics").read().decode())']).stdout
    rows = {x.rsplit(' ', 1)[0]: float(x.rsplit(' ', 1)[1]) for x in got.splitlines() if x and x[0] != '#'}
    t.check(rows.get('vswitch_flow_packets_total{name="red"}', 0) > 500
            and rows.get('vswitch_flow_missed_total{name="red"}') == 0
            and rows.get('vswitch_flow_collector_up{kind="ipfix",name="red",collector="udp:127.0.0.1:4739"}') == 1,
            'metrics have them', [x for x in rows if 'flow_' in x])
    sw.ctl('config set --metrics off')


def tenants(t, sw, ns, udp, blue):
    """Each collector sees its tenant alone."""
    sink = udp_sink(ns['blue2'], 7300)
    udp_send(ns['blue1'], '10.1.0.2', 7300, 30, 10)
    sink.kill()
    ok, got = wait_records(blue, {'dport': 7300}, ('packets',), [30])
    t.check(ok, 'blue\'s collector has blue\'s', got)
    time.sleep(1)
    t.check(not [r for r in udp.reader.records if str(r.get('src', '')).startswith('10.1.')],
            'red\'s collector sees nothing of blue')
    t.check(not [r for r in blue.reader.records if str(r.get('src', '')).startswith('10.0.')],
            'blue\'s sees nothing of red')
    t.check(all(r['vrf'] == 12 for r in blue.reader.records), 'the tenant\'s id is in its records')


def active(t, sw, ns, udp):
    """A flow that lasts is reported while it does; the parts add up."""
    sw.ctl('ipfix set red --active 2s')
    sink = udp_sink(ns['red2'], 7400)
    for _ in range(12):
        udp_send(ns['red1'], '10.0.0.2', 7400, 10, 10)
        time.sleep(0.4)
    ok, got = wait_records(udp, {'dport': 7400}, ('packets', 'octets'), [120, 120 * 38])
    rows = [r for r in udp.reader.records if r.get('dport') == 7400]
    t.check(ok and len(rows) >= 2 and 2 in [r['end'] for r in rows], 'records at each active timeout add up',
            (got, [(r['packets'], r['end']) for r in rows]))
    sw.ctl('ipfix set red --default active')
    sink.kill()


def flood(t, sw, ns, udp):
    """SYNs from thousands of ports: memory stays, all is counted or missed, others are still seen."""
    memory = seen(sw, 'red', 'memory')

    def received():
        return [p['rx_packets'] for p in sw.ctl('port stats red1')['ports']][0]
    before, came = sw.ctl('ipfix show red'), received()
    ns['red1'].run(['python3', '-c', '''
import socket, struct, random
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('red1', 0))
head = bytes.fromhex('020000000002020000000001') + b'\\x08\\x00'
n = 0
for i in range(30000):
    # Of no network that red2 could answer.
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 0, 0, 64, 6, 0, struct.pack('!I', 0x0a010000 + random.getrandbits(16)),
                     bytes([10, 0, 0, 2]))
    tcp = struct.pack('!HHIIBBHHH', random.getrandbits(16), 80, 0, 0, 0x50, 2, 1000, 0, 0)
    s.send(head + ip + tcp + bytes(6))
'''], timeout=120)
    after = sw.ctl('ipfix show red')
    t.check(after['memory'] == memory and after['flows'] <= after['flows_max'], 'a flood takes no more memory', after)
    came = received() - came
    t.check(came > 5000 and after['packets'] - before['packets'] >= came, 'every frame of it that came in was looked at',
            (came, before, after))
    sink = udp_sink(ns['red2'], 7500)
    time.sleep(1)
    udp_send(ns['red1'], '10.0.0.2', 7500, 20, 10)
    ok, got = wait_records(udp, {'dport': 7500}, ('packets',), [20], 30)
    t.check(ok, 'others are counted soon after', got)
    vst.wait_for(lambda: seen(sw, 'red', 'flows') < 100, 40, 0.5)
    t.check(seen(sw, 'red', 'flows') < 100, 'the flood\'s flows end', sw.ctl('ipfix show red'))
    syns = total(udp.reader.records, {'dport': 80, 'proto': 6}, 'packets')[0]
    missed = sw.ctl('ipfix show red')['missed_packets']
    # The machines' own frames (neighbour discovery) find no place either.
    t.check(abs(came - syns - missed) <= 3, 'each is in a record or counted as missed', (came, syns, missed))
    sink.kill()


def vanishes(t, sw, ns):
    """A TCP collector that goes and comes: what it missed is counted, templates come again."""
    one = TcpCollector(sw.ns, 4801)
    sw.ctl('ipfix add tcp --tenant red --collector tcp:127.0.0.1:4801 --inactive 1s --active 10s')
    t.check(vst.wait_for(lambda: one.readers and one.readers[0].options, 10), 'a TCP collector is met', sw.ctl(
        'ipfix show tcp'))
    ns['red1'].ping('10.0.0.2', count=3)
    t.check(vst.wait_for(lambda: [r for r in one.readers[0].records if r.get('icmp') == 0x0800], 10),
            'and gets records', one.readers[0].records)
    t.check(one.readers[0].errors == [], 'all in order', one.readers[0].errors)
    one.close()
    t.check(vst.wait_for(lambda: sw.ctl('ipfix show tcp')['state'] != 'open', 10), 'it is gone', sw.ctl('ipfix show tcp'))
    ns['red1'].ping('10.0.0.2', count=3)
    t.check(vst.wait_for(lambda: sw.ctl('ipfix show tcp')['lost'] > 0, 10), 'what it misses is counted',
            sw.ctl('ipfix show tcp'))
    rows = [r for r in sw.ctl('doctor')['checks'] if r['check'] == 'ipfix tcp']
    t.check(rows and 'cannot be reached' in rows[0]['found'], 'doctor says so', rows)
    t.check(any('127.0.0.1:4801' in e['text'] for e in sw.ctl('events')['events']), 'and an event')
    two = TcpCollector(sw.ns, 4801)
    t.check(vst.wait_for(lambda: two.readers and two.readers[-1].options, 40), 'it is met again when it is back',
            sw.ctl('ipfix show tcp'))
    ns['red1'].ping('10.0.0.2', count=3)
    t.check(vst.wait_for(lambda: [r for r in two.readers[-1].records if r.get('icmp') == 0x0800], 10),
            'and gets records again')
    t.check(two.readers[-1].errors == [], 'from 0 on', two.readers[-1].errors)
    sw.ctl('ipfix remove tcp')
    two.close()


def refuses(t, sw):
    """A UDP port at which nobody listens."""
    sw.ctl('ipfix add none --tenant red --collector udp:127.0.0.1:4999 --template-refresh 1s')
    t.check(vst.wait_for(lambda: sw.ctl('ipfix show none')['state'] == 'failing', 10), 'a refusal shows',
            sw.ctl('ipfix show none'))
    t.check('nobody listens' in sw.ctl('ipfix show none')['collectors'][0]['error'], 'with its reason')
    sw.ctl('ipfix remove none')


def survives(t, sw, udp):
    """A restart, and config show fed back."""
    shown = sw.ctl('config show')['text']
    t.check('ipfix add red' in shown and 'sflow add look' in shown, 'config show has them', shown)
    sw.kill()
    sw.start()
    t.check(sw.ctl('config show')['text'] == shown, 'they survive kill -9')
    n = udp.reader.n_messages
    udp.reader.next = None
    t.check(vst.wait_for(lambda: udp.reader.n_messages > n, 10), 'and the collector hears of it')
    sw.ctl('config load -', stdin=shown)
    t.check(sw.ctl('config show')['text'] == shown, 'config show fed back makes the same')


def removed(t, sw, ns, udp):
    """What was counted is sent when an exporter goes."""
    sink = udp_sink(ns['red2'], 7600)
    ns['red1'].reaches('10.0.0.2')
    udp_send(ns['red1'], '10.0.0.2', 7600, 25, 10)
    sw.ctl('ipfix remove red')
    ok, got = wait_records(udp, {'dport': 7600}, ('packets',), [25], 5)
    rows = [r for r in udp.reader.records if r.get('dport') == 7600]
    t.check(ok and rows[-1]['end'] in (4, 1), 'its last flows are sent', (got, rows))
    t.check('ipfix' not in sw.ctl('config show')['text'].replace('ipfix add blue', ''), 'and it is gone')
    sink.kill()
    code, _, err = sw.tool('tenant remove blue')
    t.check(code != 0, 'a tenant in use stays', err)


# Others' readers

def nfcapd(t, sw, ns):
    """nfdump adds up the same."""
    folder = os.path.join(t.dir, 'nfcapd')
    os.makedirs(folder, exist_ok=True)
    proc = sw.ns.popen(['nfcapd', '-w', folder, '-p', '4900', '-b', '127.0.0.1', '-t', '2'],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    sw.ctl('ipfix add nf --tenant red --collector udp:127.0.0.1:4900 --inactive 1s --template-refresh 1s')
    time.sleep(0.5)
    sink = udp_sink(ns['red2'], 7700)
    udp_send(ns['red1'], '10.0.0.2', 7700, 123, 200)
    ns['red1'].ping('10.0.0.2', count=7, size=100)

    def found():
        got = subprocess.run(['nfdump', '-R', folder, '-o', 'json', 'ip 10.0.0.1'], capture_output=True, text=True)
        try:
            return json.loads(got.stdout) if got.stdout.strip() else []
        except json.JSONDecodeError:
            return []
    rows = []

    def there():
        rows[:] = found()
        return (sum(r.get('in_packets', 0) for r in rows if r.get('dst_port') == 7700) == 123 and
                any(r.get('proto') == 1 for r in rows))
    t.check(vst.wait_for(there, 30, 0.5), 'nfdump counts 123 datagrams', rows)
    got = [r for r in rows if r.get('dst_port') == 7700]
    t.check(sum(r.get('in_bytes', 0) for r in got) == 123 * 228, 'and their bytes', got)
    pings = [r for r in rows if r.get('proto') == 1]
    there_, back = (sum(r.get(k, 0) for r in pings) for k in ('in_packets', 'out_packets'))
    t.check(there_ + back == 14, 'pings and answers', pings)
    sw.ctl('ipfix remove nf')
    proc.send_signal(signal.SIGTERM)
    proc.wait(5)
    sink.kill()


def pcap(path, messages, port):
    """The collector's datagrams as a capture file, for tshark."""
    with open(path, 'wb') as f:
        f.write(struct.pack('=IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))  # raw IP
        for data in messages:
            udp = struct.pack('!HHHH', 40000, port, 8 + len(data), 0)
            ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0, bytes([127, 0, 0, 1]),
                             bytes([127, 0, 0, 1]))
            f.write(struct.pack('=IIII', 0, 0, 28 + len(data), 28 + len(data)) + ip + udp + data)


def tshark_reads(t, udp):
    path = os.path.join(t.dir, 'ipfix.pcap')
    pcap(path, udp.raw[:200], 4739)
    got = subprocess.run(['tshark', '-r', path, '-d', 'udp.port==4739,cflow', '-V'], capture_output=True, text=True)
    bad = [x for x in got.stdout.splitlines() if 'Malformed' in x or 'No template found' in x]
    t.check('Version: 10' in got.stdout and not bad, 'tshark finds nothing malformed', bad[:3] or got.stderr[:200])
    t.check('flowEndReason' in got.stdout or 'Flow End Reason' in got.stdout, 'and reads the records')


def sflow(t, sw, ns):
    """Samples: about as many as there should be; counters: the ports' own."""
    got = UdpCollector(sw.ns, 6343)
    got.reader.message = lambda data: None
    sw.ctl('sflow add look --switch lan --collector udp:127.0.0.1:6343 --sample 20 --header 100 --counters 1s '
           '--agent 192.0.2.7')
    sink = udp_sink(ns['red2'], 7800)
    time.sleep(0.3)
    got.raw.clear()
    udp_send(ns['red1'], '10.0.0.2', 7800, 4000, 300)
    time.sleep(3)
    samples = sw.ctl('sflow show look')
    t.check(samples['samples'] >= 150 and samples['lost'] == 0, 'samples were taken', samples)
    path = os.path.join(t.dir, 'sflow.pcap')
    pcap(path, list(got.raw), 6343)
    out = subprocess.run(['tshark', '-r', path, '-d', 'udp.port==6343,sflow', '-V'], capture_output=True, text=True).stdout
    t.check('Malformed' not in out and 'sFlow' in out and '192.0.2.7' in out, 'tshark reads them', out[:300])
    n = out.count('Dst Port: 7800') or out.count('Destination Port: 7800')
    # 4000 frames, one of each 20 that follow each other: 200, give or take what a window holds.
    t.check(190 <= n <= 210, 'as many samples of the flow as one of twenty', n)
    t.check('Sampling rate: 1 out of 20' in out, 'with the rate')
    t.check('Counters sample' in out, 'and counters')
    octets = []
    for port in sw.ctl('port stats')['ports']:
        if port['name'] == 'red1':
            octets = [port['rx_bytes'], port['rx_packets']]
    time.sleep(2.5)
    path2 = os.path.join(t.dir, 'sflow2.pcap')
    pcap(path2, got.raw[-12:], 6343)
    out = subprocess.run(['tshark', '-r', path2, '-d', 'udp.port==6343,sflow', '-V'], capture_output=True, text=True).stdout
    t.check(f'Input Octets: {octets[0]}' in out, 'whose bytes are the port\'s', (octets, [
        x.strip() for x in out.splitlines() if 'Input Octets' in x]))
    sink.kill()
    got.close()


def test(t):
    for program in ('nfcapd', 'nfdump', 'tshark'):
        if shutil.which(program) is None:
            raise vst.Skip(f'{program} is not installed: apt-get install nfdump tshark')
    sw = t.daemon()
    sw.ctl(f'core add {t.control_cpu}')
    sw.ctl('switch add lan --type private')
    sw.ctl('tenant add red --id 11')
    sw.ctl('tenant add blue --id 12')
    ns = {}
    for name, address, tenant in (('red1', '10.0.0.1/24', 'red'), ('red2', '10.0.0.2/24', 'red'),
                                  ('blue1', '10.1.0.1/24', 'blue'), ('blue2', '10.1.0.2/24', 'blue')):
        ns[name] = sw.tap('lan', name, address, f'--tenant {tenant}')
        no_offloads(ns[name], name)
    bad_input(t, sw)
    udp, blue = UdpCollector(sw.ns, 4739), UdpCollector(sw.ns, 4740)
    sw.ctl('ipfix add red --tenant red --collector udp:127.0.0.1:4739 --inactive 1s --max-flows 4096 '
           '--template-refresh 2s')
    sw.ctl('ipfix add blue --switch lan --tenant blue --collector udp:127.0.0.1:4740 --inactive 1s')
    t.check(vst.wait_for(lambda: udp.reader.options and blue.reader.options, 10), 'collectors are told what comes')
    start = sum(p['rx_packets'] for p in sw.ctl('port stats')['ports'] if p['name'].startswith('red'))
    t.check(ns['red1'].reaches('10.0.0.2') and ns['blue1'].reaches('10.1.0.2'), 'traffic flows')
    counts(t, sw, ns, udp)
    if start == 0:
        everything(t, sw, udp)
    reasons = described(t, udp)
    metrics(t, sw)
    tenants(t, sw, ns, udp, blue)
    drops(t, sw, ns, udp, reasons)
    drops_on_the_way_out(t, sw, ns, udp, reasons)
    flows_shown(t, sw, ns)
    active(t, sw, ns, udp)
    flood(t, sw, ns, udp)
    vanishes(t, sw, ns)
    refuses(t, sw)
    nfcapd(t, sw, ns)
    tshark_reads(t, udp)
    sflow(t, sw, ns)
    survives(t, sw, udp)
    removed(t, sw, ns, udp)
    t.check(udp.reader.errors == [] or all('sequence' in e for e in udp.reader.errors),
            'every message to the end was in order', udp.reader.errors[:5])
    udp.close()
    blue.close()


vst.main(test)
