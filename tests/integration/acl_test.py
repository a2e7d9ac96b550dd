# SPDX-License-Identifier: BSD-2-Clause
"""Access lists over real stacks, on a switch that learns and on one that follows rules.

    a (10.0.0.1) ---+ lan (private)     b is the machine whose port has lists, a is everybody else
    b (10.0.0.2) ---+
    c (10.0.0.3) ---+ tenant blue       d (10.0.0.4) tenant blue: a list of the tenant
"""
import random
import socket
import struct
import threading
import time

import vst

A, B, C, D = '10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'


class Echo:
    """Answers on TCP and UDP ports of a namespace."""

    def __init__(self, ns, tcp=(), udp=()):
        self.sockets, self.ns = [], ns
        for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
            for port in ports:
                s = ns.socket(socket.AF_INET, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(('0.0.0.0', port))
                if kind == socket.SOCK_STREAM:
                    s.listen(64)
                self.sockets.append(s)
                threading.Thread(target=self._tcp if kind == socket.SOCK_STREAM else self._udp, args=(s,), daemon=True).start()

    @staticmethod
    def _serve(conn):
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:
            pass
        conn.close()

    def _tcp(self, s):
        while True:
            try:
                conn, _ = s.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    @staticmethod
    def _udp(s):
        while True:
            try:
                data, peer = s.recvfrom(65536)
                s.sendto(data, peer)
            except OSError:
                return


def connect(ns, address, port, timeout=3.0):
    s = ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.connect((address, port))
    return s


def talks(s, text=b'hello'):
    try:
        s.sendall(text)
        return s.recv(len(text)) == text
    except OSError:
        return False


def tcp(ns, address, port, timeout=3.0):
    """True, False when refused, None when nobody answers."""
    try:
        s = connect(ns, address, port, timeout)
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    try:
        return talks(s)
    finally:
        s.close()


def udp(ns, address, port, timeout=1.0, source=0):
    s = ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    try:
        s.bind(('0.0.0.0', source))
        s.connect((address, port))
        s.send(b'hello')
        return s.recv(100) == b'hello'
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    finally:
        s.close()


def put(sw, name, text, **kwargs):
    return sw.ctl(['acl', 'import', name, '-'], stdin=text, **kwargs)


def hits(sw, name, order):
    return [e['packets'] for e in sw.ctl(f'acl show {name}')['entries'] if e['order'] == order][0]


def sessions(sw, more=''):
    return sw.ctl(f'acl session list --port b {more}')['sessions']


def stateless(t, sw, a, b, how):
    put(sw, 'in', '10 allow arp\n20 allow tcp to any port 80 note "web"\n30 allow icmp icmp-type 8\n'
                  '40 deny udp from @bad\n50 allow udp to any port 53\n')
    sw.ctl('acl attach in --port b --direction egress')
    t.check(tcp(a, B, 80) is True, f'{how}: what an entry allows passes')
    t.check(tcp(a, B, 81, 1) is None, f'{how}: what none does, does not')
    t.check(a.ping(B), f'{how}: a ping by its type')
    t.check(udp(a, B, 53) is None, f'{how}: an address of the set is denied')
    sw.ctl('ipset exclude bad ' + A)
    t.check(vst.wait_for(lambda: udp(a, B, 53, 0.3), 3), f'{how}: without it, it passes')
    t.check(tcp(b, A, 80, 1) is None, f'{how}: answers to what b calls do not pass: nothing is remembered')
    put(sw, 'in', sw.tool('acl export in')[1] + '60 allow tcp established\n')
    t.check(tcp(b, A, 80) is True, f'{how}: by "established" they do')
    t.check(tcp(a, B, 81, 1) is None, f'{how}: and fresh ones do not')
    t.check(vst.wait_for(lambda: hits(sw, 'in', 20) > 0 and hits(sw, 'in', 60) > 0, 3), f'{how}: entries count',
            sw.ctl('acl show in')['entries'])
    t.check(sw.drops('b', 'acl-egress') > 0, f'{how}: drops have their reason')
    for dport, word in ((80, 'in: 20 allow tcp to any port 80'), (81, 'in, which denies what no entry matches')):
        got = sw.tool(['trace', 'a', f'tcp,nw_src={A},nw_dst={B},tp_src=999,tp_dst={dport},dl_dst={t.macs["b"]}'])[1]
        t.check(word in got and 'acl' in got, f'{how}: trace names the entry ({dport})', got)
    sw.ctl('ipset include bad ' + A)
    sw.ctl('acl detach in')
    t.check(tcp(a, B, 81) is True, f'{how}: without the list all passes')


def stateful(t, sw, a, b, how):
    put(sw, 'out', '10 allow arp\n20 allow stateful\n')
    put(sw, 'in', '10 allow arp\n')
    sw.ctl('acl attach out --port b --direction ingress')
    sw.ctl('acl attach in --port b --direction egress')
    t.check(tcp(b, A, 80) is True and udp(b, A, 53) is True and b.ping(A),
            f'{how}: what b calls is answered: TCP, UDP, ICMP')
    t.check(udp(b, A, 999) is False, f'{how}: and so is an error about it')
    t.check(tcp(a, B, 80, 1) is None and udp(a, B, 53) is None and not a.ping(B, count=1),
            f'{how}: what others call is not let through')
    s = connect(b, A, 80)
    t.check(talks(s), f'{how}: a connection')
    mine = f'{B}:{s.getsockname()[1]}>{A}:80'
    got = [x for x in sessions(sw, '--proto tcp') if x['orig'] == mine]
    t.check(len(got) == 1 and got[0]['state'] == 'ESTABLISHED', f'{how}: is a session', sessions(sw))
    t.check({x['proto'] for x in sessions(sw)} >= {'tcp', 'udp', 'icmp'}, f'{how}: all of them are', sessions(sw))
    t.check(sessions(sw, '--address 10.9.9.9') == [], f'{how}: filters of the list filter')
    killed = sw.ctl(f'acl session kill --port b --address {A}')['killed']
    t.check(killed >= 3 and sessions(sw) == [], f'{how}: sessions are ended by hand', (killed, sessions(sw)))
    t.check(talks(s), f'{how}: what the list allows opens another')
    put(sw, 'out', '10 allow arp\n20 allow stateful tcp to any port 81\n')
    t.check(vst.wait_for(lambda: not [x for x in sessions(sw) if x['orig'] == mine], 3),
            f'{how}: a session ends with what allowed it', sessions(sw))
    s.settimeout(1)
    t.check(not talks(s), f'{how}: and its packets with it')
    s.close()
    sw.ctl('acl detach out')
    sw.ctl('acl detach in')


def big_set(t, sw, a, b):
    r = random.Random(3)
    addresses = {f'{r.randrange(11, 223)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}' for _ in range(100000)}
    sw.ctl(['ipset', 'add', 'many', '--members', t.file('many', '\n'.join(addresses) + f'\n{A}\n')], timeout=120)
    put(sw, 'in', '10 allow arp\n20 deny from @many\n30 allow\n')
    sw.ctl('acl attach in --port b --direction egress')
    t.check(tcp(a, B, 80, 1) is None, 'an address of a hundred thousand is denied')
    sw.ctl('ipset exclude many ' + A)
    t.check(vst.wait_for(lambda: tcp(a, B, 80, 1), 5), 'and passes when it is taken out')
    sw.ctl('acl detach in')
    put(sw, 'in', '10 allow\n')
    sw.ctl('ipset remove many')


def tcp_frame(dst, src, saddr, daddr, sport, dport, flags=2):
    def csum(data):
        n = sum(struct.unpack(f'!{len(data) // 2}H', data))
        while n >> 16:
            n = (n & 0xffff) + (n >> 16)
        return ~n & 0xffff
    seg = struct.pack('!HHIIBBHHH', sport, dport, random.getrandbits(32), 0, 0x50, flags, 65535, 0, 0)
    pseudo = socket.inet_aton(saddr) + socket.inet_aton(daddr) + struct.pack('!BBH', 0, 6, len(seg))
    seg = seg[:16] + struct.pack('!H', csum(pseudo + seg)) + seg[18:]
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(seg), 0, 0, 64, 6, 0, socket.inet_aton(saddr), socket.inet_aton(daddr))
    ip = ip[:10] + struct.pack('!H', csum(ip)) + ip[12:]
    return vst.frame(dst, src, ip + seg, ethertype=0x0800)


def syn_flood(t, sw, a):
    """First packets from everywhere, on d, whose tenant may have so many connections."""
    sw.ctl('tenant set blue --connection-limit 3000')
    c, d = t.ns_of['c'], t.ns_of['d']
    put(sw, 'web', '10 allow arp\n20 allow stateful tcp to any port 80 idle 1h\n')
    sw.ctl('acl attach web --port d --direction egress')
    live = connect(c, D, 80)
    t.check(talks(live), 'a connection before the flood')
    sniffer, mac = c.sniff('c'), sw.ctl('port show d')['mac']
    frames = [tcp_frame(mac, t.macs['c'], f'10.9.{i >> 8 & 255}.{i & 255}', D, 1024 + i % 60000, 80) for i in range(20000)]
    end, n, alive = time.monotonic() + 6, 0, True
    while time.monotonic() < end:
        for f in frames[n % 20000:n % 20000 + 500]:
            try:
                sniffer.send(f)
            except OSError:
                time.sleep(0.001)
        n += 500
        alive = alive and talks(live)
    total = sw.ctl('acl session list --port d --limit 1')['total']
    t.check(alive, 'a stream goes on through a flood of first packets')
    t.check(500 < total <= 3000, "sessions stay within the tenant's limit", total)
    t.check([x for x in sw.ctl(f'acl session list --port d --address {C} --limit 0')['sessions'] if x['state'] == 'ESTABLISHED'],
            'and the stream is one of them')
    t.note(f'{n} first packets, {total} sessions')
    live.close()
    sniffer.close()
    sw.ctl('acl session kill --port d')
    sw.ctl('acl detach web')


class Stream:
    """Numbered datagrams from one namespace to ports of another, and who got what.  No more than a few are under way
    of what is 'paced', for an interface drops what a busy machine does not take from it."""

    WINDOW = 150

    def __init__(self, src, dst, address, ports, paced):
        self.paced, self.given_up = paced, 0
        self.sent, self.got = {p: 0 for p in ports}, {p: set() for p in ports}
        self.stop, self.socks = False, {}
        for p in ports:
            s = dst.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
            s.bind(('0.0.0.0', p))
            s.settimeout(0.2)
            self.socks[p] = s
        self.out = src.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.threads = [threading.Thread(target=self._send, args=(address,), daemon=True)]
        self.threads += [threading.Thread(target=self._take, args=(p,), daemon=True) for p in ports]
        for x in self.threads:
            x.start()

    def _send(self, address):
        while not self.stop:
            self._wait()
            for p in self.sent:
                for _ in range(10):
                    self.out.sendto(struct.pack('!I', self.sent[p]), (address, p))
                    self.sent[p] += 1
            time.sleep(0.001)

    def _wait(self):
        end = time.monotonic() + 3
        while self.sent[self.paced] - len(self.got[self.paced]) - self.given_up > self.WINDOW:
            if time.monotonic() > end:  # They are lost; what is behind them is asked, too.
                self.given_up = self.sent[self.paced] - len(self.got[self.paced])
            time.sleep(0.0005)

    def _take(self, port):
        idle = 0
        while idle < 5:
            try:
                self.got[port].add(struct.unpack('!I', self.socks[port].recv(100))[0])
                idle = 0
            except socket.timeout:
                idle += self.stop

    def end(self):
        self.stop = True
        for x in self.threads:
            x.join()


def under_traffic(t, sw, a, b, how):
    """Lists change all the time; of both what is always allowed and what never is."""
    lists = ['10 allow arp\n20 allow udp to any port 5001\n30 deny udp to any port 5002\n40 allow\n',
             '5 deny tcp\n10 allow arp\n25 allow udp from 10.0.0.0/24 to any port 5000-5001\n30 deny\n',
             ''.join(f'{i} deny tcp from 10.{i % 250}.0.0/16\n' for i in range(1000, 1200)) +
             '2000 allow udp to any port 5001,6000\n3000 allow arp\n',
             '10 allow arp\n20 allow stateful udp to any port 5001 idle 1h\n30 deny\n']
    put(sw, 'in', lists[0])
    sw.ctl('acl attach in --port b --direction egress')
    put(sw, 'out', '10 deny udp to any port 5002\n20 allow\n')
    stream, n = Stream(a, b, B, (5001, 5002), 5001), 0
    end = time.monotonic() + 8
    while time.monotonic() < end:
        put(sw, 'in', lists[n % 4])
        if n % 5 == 0:
            sw.ctl('acl attach out --port a --direction ingress')
        elif n % 5 == 2:
            sw.ctl('acl detach out')
        n += 1
    stream.end()
    lost = stream.sent[5001] - len(stream.got[5001])
    t.check(lost == 0, f'{how}: {n} changes under {stream.sent[5001]} packets lose nothing that is allowed',
            (lost, sw.ctl('drop list')['drops']))
    t.check(stream.sent[5002] > 1000 and not stream.got[5002], f'{how}: and let nothing through that is denied',
            sorted(stream.got[5002])[:10])
    if n % 5 in (1, 2):
        sw.ctl('acl detach out')
    sw.ctl('acl detach in')


def of_tenant(t, sw):
    c, d = t.ns_of['c'], t.ns_of['d']
    put(sw, 'web', '10 allow arp\n20 allow tcp\n')
    sw.ctl('acl attach web --tenant blue --direction ingress')
    t.check(tcp(c, D, 80) is True and not c.ping(D, count=1), "a tenant's list is asked at its ports")
    t.check(t.ns_of['a'].ping(B), 'and not at others')
    e = sw.tap('lan', 'e', '10.0.0.5/24', options='--tenant blue')
    t.check(vst.wait_for(lambda: tcp(e, D, 80, 1), 5) and not e.ping(D, count=1), 'nor only at those that were there')
    sw.ctl('port remove e')
    sw.ctl('acl detach web')


def restarted(t, sw, a, b):
    put(sw, 'in', '10 allow arp\n20 allow tcp to any port 80\n')
    sw.ctl('acl attach in --port b --direction egress')
    t.check(sw.stop() == 0, 'the daemon stops')
    sw.start()
    t.check(vst.wait_for(lambda: sw.up('a') and sw.up('b') and tcp(a, B, 80, 1), 10), 'after a restart what is allowed passes')
    t.check(tcp(a, B, 81, 1) is None, 'and nothing else')
    sw.ctl('acl detach in')


def told(t, sw, a):
    put(sw, 'in', '10 allow arp\n20 deny log tcp\n30 allow\n')
    sw.ctl('acl attach in --port b --direction egress')
    tcp(a, B, 4711, 1)
    got = vst.wait_for(lambda: [e for e in sw.ctl('events --limit 1000')['events'] if '4711' in e['text']], 3)
    t.check(got and A in got[0]['text'] and 'entry 20 of acl in' in got[0]['text'], 'a denial that is logged is an event',
            sw.ctl('events --limit 5')['events'])
    sw.ctl('acl detach in')


def metrics(t, sw):
    sw.ctl('config set --metrics 127.0.0.1:9464')
    got = sw.ns.run(['python3', '-c', 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9464/metrics").read().decode())']).stdout
    of = {x.split()[0]: int(x.split()[1]) for x in got.splitlines() if x.startswith('vswitch_acl_packets_total')}
    t.check(all(of.get(f'vswitch_acl_packets_total{{acl="in",action="{x}"}}', 0) > 0 for x in ('allow', 'deny')),
            'metrics have what lists decided, whatever entries they had', of)


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('tenant add blue --id 7')
    t.ns_of = {n: sw.tap('lan', n, f'{ip}/24', options='--tenant blue' if n in 'cd' else '')
               for n, ip in (('a', A), ('b', B), ('c', C), ('d', D))}
    t.macs = {n: sw.ctl(f'port show {n}')['mac'] for n in t.ns_of}
    a, b = t.ns_of['a'], t.ns_of['b']
    keep = [Echo(t.ns_of[n], tcp=(80, 81), udp=(53,)) for n in ('a', 'b', 'd')]
    t.check(a.reaches(B) and t.ns_of['c'].reaches(D) and len(keep) == 3, 'all reach each other')
    for name in ('in', 'out', 'web'):
        sw.ctl(f'acl add {name}')
    sw.ctl('ipset add bad ' + A)
    for how in ('learning', 'rules'):
        if how == 'rules':
            sw.ctl('flow replace lan -', stdin='priority=10,udp,tp_dst=9 actions=drop\npriority=0 actions=NORMAL\n')
        stateless(t, sw, a, b, how)
        stateful(t, sw, a, b, how)
        under_traffic(t, sw, a, b, how)
    big_set(t, sw, a, b)
    of_tenant(t, sw)
    syn_flood(t, sw, a)
    told(t, sw, a)
    metrics(t, sw)
    restarted(t, sw, a, b)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test)
