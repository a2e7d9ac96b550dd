# SPDX-License-Identifier: BSD-2-Clause
"""Mirrors: copies of a stream between two machines, to a port, into a VLAN, and to an address.

      a (10.0.0.1) ─┐                        ┌─ mon            copies, and nothing else
      b (10.0.0.2) ─┼─ lan (private)     ────┤
      c (10.0.0.3) ─┘                        └─ trunk (VLANs)  RSPAN
      far (192.0.2.9) ── ext (external) ── VTEP 192.0.2.1      ERSPAN, decoded by tshark

The stream is numbered: whatever becomes of copies, no frame of it may be missing.
"""
import json
import os
import socket
import struct
import subprocess
import threading
import time

import vst

A, B = '02:00:00:00:0a:01', '02:00:00:00:0b:01'


def mirror(sw, name='m'):
    rows = [r for r in sw.ctl('mirror list')['mirrors'] if r['name'] == name]
    return rows[0] if rows else None


def losses(sw, name='m'):
    return {r['reason']: r['lost'] for r in sw.ctl(f'mirror show {name}')['losses']}


def refused(t, sw, words, slug, sentence, *texts):
    code, _, err = sw.tool(words)
    t.check(code not in (0, 6) and f'error[{slug}]' in err and all(x in err for x in texts), sentence, (code, err))


class Stream:
    """Numbered UDP packets from one namespace to another; who is missing?"""

    def __init__(self, frm, to, address, port=7000, size=100):
        self.to = to.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.to.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.to.bind((address, port))
        self.to.settimeout(0.5)
        self.frm = frm.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.frm.connect((address, port))
        self.size, self.sent, self.got, self.stop = size, 0, set(), False
        self.threads = [threading.Thread(target=f) for f in (self._receive, self._send)]

    def _send(self):
        while not self.stop:
            for _ in range(8):
                self.frm.send(struct.pack('!I', self.sent).ljust(self.size, b'\0'))
                self.sent += 1
            time.sleep(0.002)

    def _receive(self):
        while True:
            try:
                self.got.add(struct.unpack_from('!I', self.to.recv(2048))[0])
            except socket.timeout:
                if self.stop:
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        for thread in reversed(self.threads):
            thread.join()
        self.frm.close()
        self.to.close()

    def missing(self):
        return sorted(set(range(self.sent)) - self.got)


class Decoded:
    """What tshark says of the packets on an interface: a list of field values for each."""

    def __init__(self, t, ns, ifname, fields, display=''):
        self.path, self.fields, self.display = t.file(f'{ifname}-{time.monotonic_ns()}.pcap'), fields, display
        self.proc = ns.popen(['tcpdump', '-U', '-n', '-i', ifname, '-Q', 'in', '-w', self.path],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        vst.wait_for(lambda: os.path.exists(self.path) and os.path.getsize(self.path) >= 24, 10)
        time.sleep(0.2)

    def rows(self, n=1, timeout=10):
        def look():
            argv = ['tshark', '-n', '-r', self.path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'separator=;']
            for f in self.fields:
                argv += ['-e', f]
            got = subprocess.run(argv + ([self.display] if self.display else []), capture_output=True, text=True)
            rows = [line.split(';') for line in got.stdout.splitlines()]
            return rows if len(rows) >= n else None
        got = vst.wait_for(look, timeout, 0.5) or []
        self.proc.terminate()
        self.proc.wait()
        return got


def topology(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('switch add ext --type external')
    a, b, c = (sw.tap('lan', n, f'10.0.0.{i + 1}/24') for i, n in enumerate('abc'))
    mon = sw.tap('lan', 'mon')
    for n in ('a', 'b', 'c', 'mon'):
        sw.up(n)
    t.check(a.reaches('10.0.0.2') and a.reaches('10.0.0.3'), 'machines reach each other')
    return sw, a, b, c, mon


def bad_input(t, sw):
    refused(t, sw, 'mirror add m --port nobody --to mon', 'not-found', 'a port that is not there')
    refused(t, sw, 'mirror add m --port a --to nobody', 'not-found', 'a target that is not there')
    refused(t, sw, 'mirror add m --port a,mon --to mon', 'mirror-loop', 'a port to itself', 'itself')
    refused(t, sw, 'mirror add m --to mon', 'usage', 'of nothing', '--port')
    refused(t, sw, 'mirror add m --port a', 'usage', 'to nowhere', '--erspan')
    refused(t, sw, 'mirror add m --port a --to mon --to-vlan 9', 'usage', 'to two places')
    refused(t, sw, 'mirror add m --port a --to mon --session 9', 'usage', 'words of another target', '--erspan')
    refused(t, sw, ['mirror', 'add', 'm', '--port', 'a', '--to', 'mon', '--filter', 'tcp prot 80'], 'bad-filter',
            'a bad filter, and where', 'column 5')
    refused(t, sw, 'mirror add m --port a --to mon --snaplen 0', 'usage', 'snaplen 0')
    refused(t, sw, 'mirror add m --port a --erspan 192.0.2.9 --session 1024 --vtep v', 'usage', 'session 1024')
    refused(t, sw, 'mirror add m --port a --erspan nowhere --session 1 --vtep mon', 'bad-address', 'no address')
    refused(t, sw, 'mirror add m --port a --erspan 192.0.2.9 --session 1 --vtep mon', 'no-vtep', 'no VTEP')
    refused(t, sw, 'mirror set m --snaplen 99', 'not-found', 'a mirror that is not there')
    t.check(sw.ctl('mirror list')['mirrors'] == [], 'none of that left anything')
    code, out, _ = sw.tool('mirror add m --port a --to mon --check')
    t.check(code == 8 and mirror(sw) is None, '--check says that it would, and does not', (code, out))


def span(t, sw, a, b, c, mon):
    sw.ctl('mirror add m --port a --to mon')
    got = Decoded(t, mon, 'mon', ['eth.src', 'ip.src', 'ip.dst', 'icmp.type', 'icmp.seq'], 'icmp')
    b.ping('10.0.0.3', count=2)
    a.ping('10.0.0.2', count=5)
    rows = got.rows(10)
    t.check(len(rows) == 10, 'each frame of a comes once, in both directions', rows)
    t.check({r[3] for r in rows} == {'8', '0'} and all('10.0.0.1' in (r[1], r[2]) for r in rows),
            'and none of b and c', rows)
    s = sw.ctl('mirror show m')
    t.check(s['seen'] == s['copied'] + s['duplicates'] + s['filtered'] + s['lost'], 'counters balance', s)
    t.check(s['state'] == 'copies' and s['source_ports'] == ['a'] and s['target_ports'] == ['mon'], 'show', s)
    mon.run('ip addr add 10.0.0.4/24 dev mon')
    t.check(not mon.ping('10.0.0.1', count=1) and sw.drops('mon', 'mirror-only') > 0, 'the target cannot speak')
    mon.run('ip addr del 10.0.0.4/24 dev mon')
    sw.ctl('mirror set m --port a,b')
    got = Decoded(t, mon, 'mon', ['icmp.type', 'icmp.seq'], 'icmp')
    a.ping('10.0.0.2', count=5)
    rows = got.rows(10)
    t.check(len(rows) == 10, 'what passes two sources is copied once', rows)
    sw.ctl('mirror set m --duplicates')
    got = Decoded(t, mon, 'mon', ['icmp.type', 'icmp.seq'], 'icmp')
    a.ping('10.0.0.2', count=5)
    rows = got.rows(20)
    t.check(len(rows) == 20, 'twice with --duplicates', rows)
    sw.ctl('mirror set m --port a --direction ingress --default duplicates')
    got = Decoded(t, mon, 'mon', ['icmp.type'], 'icmp')
    a.ping('10.0.0.2', count=5)
    rows = got.rows(5)
    t.check([r[0] for r in rows] == ['8'] * 5, 'ingress only', rows)
    sw.ctl('mirror set m --direction egress')
    got = Decoded(t, mon, 'mon', ['icmp.type'], 'icmp')
    a.ping('10.0.0.2', count=5)
    rows = got.rows(5)
    t.check([r[0] for r in rows] == ['0'] * 5, 'egress only', rows)


def words(t, sw, a, mon):
    sw.ctl(['mirror', 'set', 'm', '--default', 'direction', '--filter', 'icmp[0] = 8', '--snaplen', '60'])
    got = Decoded(t, mon, 'mon', ['icmp.type', 'frame.len', 'ip.len'], 'icmp')
    a.ping('10.0.0.2', count=5, size=1000)
    rows = got.rows(5)
    t.check([r[0] for r in rows] == ['8'] * 5, 'a filter', rows)
    t.check(all(r[1] == '60' and r[2] == '1028' for r in rows), 'truncated, and the headers are whole', rows)
    s = sw.ctl('mirror show m')
    t.check(s['truncated'] >= 5 and s['filtered'] >= 5, 'both are counted', s)
    sw.ctl('mirror set m --default filter,snaplen --limit-packets 10')
    before = mirror(sw)['copied']
    with Stream(a, a.test.b, '10.0.0.2') as stream:
        time.sleep(2)
    copied = mirror(sw)['copied'] - before
    t.check(15 <= copied <= 30, 'a limit of 10 a second in a little more than 2 seconds', copied)
    t.check(not stream.missing() and stream.sent > 100, 'the stream lost nothing', (stream.sent, stream.missing()[:5]))
    t.check(losses(sw)['limit'] > 100, 'what was over the limit is counted', losses(sw))
    sw.ctl('mirror set m --default limit-packets --sample 10')
    before = mirror(sw)
    with Stream(a, a.test.b, '10.0.0.2') as stream:
        time.sleep(0.5)
    after = mirror(sw)
    seen, copied = after['seen'] - before['seen'], after['copied'] - before['copied']
    t.check(seen // 10 - 1 <= copied <= seen // 10 + 1, 'one of ten', (seen, copied))
    sw.ctl('mirror set m --default sample')


def target_gone(t, sw, a, b):
    with Stream(a, b, '10.0.0.2') as stream:
        time.sleep(0.3)
        sw.ctl('port set mon --admin down')
        time.sleep(0.5)
        lost = losses(sw)['target']
        sw.ctl('port set mon --admin up')
        time.sleep(0.3)
        before = mirror(sw)['copied']
        sw.ctl('port remove mon')
        code, out, err = sw.tool(['config', 'load', t.file('waiting', sw.tool('config show')[1]), '--check'])
        loads = code == 0
        # Once a second it is looked why: until then the reason is the one from before.
        waits = vst.wait_for(lambda: 'there is no port mon' in ((mirror(sw) or {}).get('note') or ''), 5)
        time.sleep(0.3)
        again = losses(sw)['target']
        mon = sw.tap('lan', 'mon')
        sw.up('mon')
        back = vst.wait_for(lambda: mirror(sw)['state'] == 'copies' and mirror(sw)['copied'] > before, 5)
    t.check(lost > 0, 'what a target that is off cannot take is counted')
    t.check(waits and again > lost, 'a target that is removed leaves its mirror waiting', mirror(sw))
    t.check(loads, 'its configuration loads again', (code, out, err))
    t.check(back, 'and it goes on when it is back', mirror(sw))
    t.check(not stream.missing() and stream.sent > 500, 'the stream lost nothing meanwhile',
            (stream.sent, stream.missing()[:5]))
    t.check(any('there is no port mon' in e['text'] for e in sw.events('mirror-waits')), 'an event says so',
            sw.events('mirror-waits'))
    return mon


def scopes(t, sw, a, b, c, mon):
    sw.ctl('mirror remove m')
    sw.ctl('mirror add m --switch lan --to mon')
    t.check(sw.ctl('mirror show m')['source_ports'] == ['a', 'b', 'c'], 'a whole switch but the target',
            sw.ctl('mirror show m'))
    got = Decoded(t, mon, 'mon', ['icmp.type'], 'icmp')
    b.ping('10.0.0.3', count=3)
    rows = got.rows(6)
    t.check(len(rows) == 6, 'copied once each', rows)
    code, out, _ = sw.tool('switch verify lan')
    t.check(code == 0 and 'mirror m' in out, 'verify names the mirror', out)
    code, out, _ = sw.tool('trace a eth_type=0x88b5,eth_dst=ff:ff:ff:ff:ff:ff')
    code, out, _ = sw.tool(['trace', 'a', 'eth()/ip()']) if code != 0 else (code, out, '')
    t.check('mirrors' in out and ' m would copy it' in out, 'a trace says that it would', out)


def tenants(t, sw, mon):
    sw.ctl('mirror remove m')
    sw.ctl('tenant add blue --id 100')
    sw.ctl('tenant add red --id 200')
    d = sw.tap('lan', 'd', '10.0.0.14/24', '--tenant blue')
    e = sw.tap('lan', 'e', '10.0.0.15/24', '--tenant blue')
    sw.tap('lan', 'r', '10.0.0.16/24', '--tenant red')
    sw.up('d'), sw.up('e'), sw.up('r')
    refused(t, sw, 'mirror add m --tenant blue --to r', 'mirror-tenant', 'one tenant to another', '--across-tenants')
    refused(t, sw, 'mirror add m --port a --to d', 'mirror-tenant', 'ports of none to a tenant')
    sw.ctl('mirror add m --tenant blue --to mon')
    refused(t, sw, 'port set mon --tenant red', 'mirror-tenant', 'its target does not move to another tenant')
    got = Decoded(t, mon, 'mon', ['ip.src', 'icmp.type'], 'icmp')
    d.reaches('10.0.0.15')
    rows = got.rows(2)
    t.check(len(rows) >= 2 and {r[0] for r in rows} == {'10.0.0.14', '10.0.0.15'},
            'a tenant to a port without one', rows)
    code, out, _ = sw.tool('switch verify lan')
    t.check(code == 0 and 'blue' in out, 'which verify says', out)
    sw.ctl('mirror set m --to r --across-tenants')
    t.check(sw.ctl('mirror show m')['target_ports'] == ['r'], 'across tenants when it is meant')
    sw.ctl('mirror remove m')


def rspan(t, sw, a, b):
    trunk = sw.tap('lan', 'trunk', options='--vlan-mode trunk --allowed 900-999')
    access = sw.tap('lan', 'probe', options='--vlan-mode access --vlan 999')
    sw.up('trunk'), sw.up('probe')
    sw.ctl('mirror add r --port a --to-vlan 999')
    t.check(sorted(sw.ctl('mirror show r')['target_ports']) == ['probe', 'trunk'], 'the ports of VLAN 999',
            sw.ctl('mirror show r'))
    s, p = trunk.sniff('trunk'), access.sniff('probe')
    marker = b'rspan of the real thing'
    a.run(['ping', '-c', '1', '-W', '1', '-p', marker[:16].hex(), '10.0.0.2'], ok=None)
    got, plain = s.find(marker[:16]), p.find(marker[:16])
    t.check(got is not None and vst.tags_of(got) == [(0x8100, 999)], 'tagged where tags go', got)
    t.check(plain is not None and vst.tags_of(plain) == [], 'untagged where they do not', plain)
    x = sw.tap('lan', 'tr', options='--vlan-mode trunk --allowed 10')
    sw.up('tr')
    sw.ctl('mirror set r --port tr')
    xs = x.sniff('tr')
    s.drain()
    xs.send(vst.frame('ff:ff:ff:ff:ff:ff', A, b'tagged already', tags=[(0x8100, 10)]))
    got = s.find(b'tagged already')
    t.check(got is not None and vst.tags_of(got) == [(0x8100, 999), (0x8100, 10)], 'a tag stays inside', got)
    sw.ctl('mirror set r --port trunk --vlan 900-999')
    s.send(vst.frame('ff:ff:ff:ff:ff:ff', A, b'from another switch', tags=[(0x8100, 999)]))
    time.sleep(0.3)
    t.check(mirror(sw, 'r')['copied'] == 0 or mirror(sw, 'r')['seen'] == mirror(sw, 'r')['copied'],
            'counters', mirror(sw, 'r'))
    before = mirror(sw, 'r')['seen']
    s.send(vst.frame('ff:ff:ff:ff:ff:ff', A, b'from another switch', tags=[(0x8100, 999)]))
    time.sleep(0.3)
    t.check(mirror(sw, 'r')['seen'] == before, 'what others copied into the VLAN is not copied again', mirror(sw, 'r'))
    sw.ctl('mirror remove r')
    for s in (s, p, xs):
        s.close()


def erspan(t, sw, a, b):
    far = sw.tap('ext', 'far', '192.0.2.9/24')
    sw.up('far')
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24,2001:db8::1/64')
    far.reaches('192.0.2.1')
    sw.ctl('mirror add e --port a --erspan 192.0.2.9 --session 7 --vtep vtep0')
    t.check(vst.wait_for(lambda: a.ping('10.0.0.2') and mirror(sw, 'e')['copied'] > 0, 5), 'the next hop is asked for')
    got = Decoded(t, far, 'far', ['erspan.spanid', 'ip.dst', 'gre.sequence_number', 'erspan.truncated', 'icmp.type',
                                  'ip.src', 'ip.checksum.status'], 'erspan && icmp.type == 8')
    a.ping('10.0.0.2', count=3)
    rows = got.rows(3)
    t.check(len(rows) == 3 and all(r[0] == '7' for r in rows), 'tshark decodes ERSPAN', rows)
    t.check(all(r[1].split(',') == ['192.0.2.9', '10.0.0.2'] and r[5].split(',') == ['192.0.2.1', '10.0.0.1']
                for r in rows), 'with the frame inside', rows)
    seqs = [int(r[2]) for r in rows]
    t.check(seqs == sorted(set(seqs)), 'and sequence numbers', seqs)
    sw.ctl('mirror set e --erspan-type 3 --snaplen 60')
    got = Decoded(t, far, 'far', ['erspan.version', 'erspan.spanid', 'erspan.truncated', 'erspan.timestamp', 'ip.len'],
                  'erspan')
    a.ping('10.0.0.2', count=3, size=500)
    rows = got.rows(6)
    t.check(len(rows) >= 6 and all(r[0] == '2' and r[1] == '7' and r[3] for r in rows), 'type III', rows)
    t.check(sum(r[2] in ('1', 'True') for r in rows) >= 6, 'truncated ones say so', rows)
    sw.ctl('mirror set e --default erspan-type,snaplen')
    got = Decoded(t, far, 'far', ['erspan.truncated', 'frame.len', 'tcp.checksum.status'], 'erspan && tcp.len > 0')
    transfer(a, b)
    rows = got.rows(10)
    t.check(len(rows) >= 10 and all(int(r[1]) <= 1514 for r in rows), 'super-frames come in pieces that fit', rows[:5])
    sw.ctl('mirror set e --erspan 198.51.100.1 --session 7 --vtep vtep0')
    a.ping('10.0.0.2', count=2)
    got = vst.wait_for(lambda: 'no route' in (mirror(sw, 'e')['note'] or '') and mirror(sw, 'e'), 5)
    t.check(got and losses(sw, 'e')['no-route'] > 0, 'an address without a route', mirror(sw, 'e'))
    sw.ctl('mirror set e --erspan 192.0.2.77 --session 7 --vtep vtep0')
    with Stream(a, b, '10.0.0.2') as stream:
        got = vst.wait_for(lambda: 'has not told its MAC' in mirror(sw, 'e')['note'], 8)
    t.check(got and losses(sw, 'e')['unresolved'] > 0, 'and one that nobody has', mirror(sw, 'e'))
    t.check(not stream.missing(), 'cost the stream nothing', stream.missing()[:5])
    sw.ctl('mirror remove e')


def transfer(frm, to, size=1 << 20):
    server = to.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(('10.0.0.2', 5001))
    server.listen()
    server.settimeout(20)
    client = frm.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(20)

    def receive():
        conn = server.accept()[0]
        while conn.recv(65536):
            pass
        conn.close()
    thread = threading.Thread(target=receive)
    thread.start()
    client.connect(('10.0.0.2', 5001))
    client.sendall(bytes(size))
    client.close()
    thread.join()
    server.close()


def text_round(t, sw):
    sw.ctl(['mirror', 'add', 'm', '--switch', 'lan', '--to', 'mon', '--filter', "tcp port 80 or udp", '--snaplen', '96',
            '--limit', '10M', '--sample', '3'])
    sw.ctl('mirror add e --port a,b --direction ingress --erspan 192.0.2.9 --session 0 --vtep vtep0 --dscp 8')
    text = sw.tool('config show')[1]
    lines = [x for x in text.splitlines() if x.startswith(('mirror', 'vswitchctl mirror'))]
    t.check(len(lines) == 2, 'config show has them', text)
    before = sw.ctl('mirror list')['mirrors']
    t.check(sw.stop() == 0, 'the daemon stops')
    sw.start()
    after = sw.ctl('mirror list')['mirrors']
    keys = ('name', 'of', 'to', 'direction', 'ports')
    t.check(sorted([r[k] for k in keys] for r in before) == sorted([r[k] for k in keys] for r in after), 'a restart brings them back', after)
    code, out, err = sw.tool(['config', 'load', t.file('config', text), '--check'])
    t.check(code == 0, 'config show fed back changes nothing', (code, out, err))
    sw.ctl('port remove a')
    t.check(sw.ctl('mirror show e')['source_ports'] == ['b'], 'a port that goes is forgotten', sw.ctl('mirror show e'))
    sw.ctl('port remove b')
    t.check(mirror(sw, 'e') is None and mirror(sw, 'm') is not None, 'with the last one the mirror goes')


def test(t):
    sw, a, b, c, mon = topology(t)
    t.b = b
    bad_input(t, sw)
    span(t, sw, a, b, c, mon)
    words(t, sw, a, mon)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    mon = target_gone(t, sw, a, b)
    scopes(t, sw, a, b, c, mon)
    tenants(t, sw, mon)
    rspan(t, sw, a, b)
    erspan(t, sw, a, b)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    text_round(t, sw)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test, programs=['tcpdump', 'tshark'])
