# SPDX-License-Identifier: BSD-2-Clause
"""Random commands of every noun, good and bad, while random frames flow and interfaces, peers and
namespaces come and go.  After each step the ledger is balanced; at the end nothing is left behind.

    taps (namespace 'stacks')  ----+
    veths, AF_PACKET and AF_XDP ---+ switches that come and go --- vhost guests (honest, lying, dying)
    host ports, memif (far daemon) +

RANDOM_SECONDS says how long (40); RANDOM_SEED, which is printed, repeats the same commands.
RANDOM_TRACE=FILE keeps them, each with its exit code.  RANDOM_WITHOUT=tap,vhost leaves kinds of port
out, to find whose a fault is.
"""
import collections
import errno
import fcntl
import json
import os
import random
import re
import socket
import struct
import threading
import time

import vhost_guest
import vst

SECONDS = float(os.environ.get('RANDOM_SECONDS', 40))
SEED = int(os.environ.get('RANDOM_SEED', time.time_ns() % 1000000))
TRACE = os.environ.get('RANDOM_TRACE')
WITHOUT = os.environ.get('RANDOM_WITHOUT', '').split(',')
KINDS = ['tap', 'tap', 'tap', 'veth', 'veth', 'host', 'vhost', 'vhost', 'memif', 'mem', 'vdev']
# What --help says; without 6 (no daemon), 7 (not permitted) and 9 (no answer in time), which would be faults.
CODES = {0, 1, 2, 3, 4, 5, 8, 11}
SWITCHES = ['s0', 's1', 's2', 's3']
TENANTS = ['t0', 't1', 't2']
PORTS = [f'p{i}' for i in range(12)]
MIRRORS = ['m0', 'm1', 'm2', 'm3']
VETHS = ['v0', 'v1', 'v2']
PACKET_VNET_HDR = 15
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


# Frames

def random_mac(rng):
    return rng.choice((b'\xff' * 6, b'\x01\x00\x5e\x00\x00\x01', b'\x33\x33\x00\x00\x00\x01', b'\x01\x80\xc2\x00\x00\x00',
                       bytes(6), b'\x02\x00\x00\x00\x01' + bytes([rng.randrange(40)]),
                       b'\x02\x00\x00\x00\x01' + bytes([rng.randrange(40)]), b'\x02' + rng.randbytes(5)))


def random_tags(rng):
    tags = b''
    while rng.random() < 0.35:
        tags += struct.pack('!HH', rng.choice((0x8100, 0x88a8, 0x9100)), rng.choice((0, 1, 10, 20, 30, 4095, rng.getrandbits(16))))
    return tags


def layer4(rng, proto, payload):
    if proto == 6:
        return struct.pack('!HHIIBBHHH', 1024, 80, 1, 1, rng.choice((0x50, 0x50, 0x00, 0x40, 0xf0)), 0x18, 1000, 0, 0) + payload
    if proto == 17:
        return struct.pack('!HHHH', 53, 4789, rng.choice((8 + len(payload), 0, 7, 65535)) & 0xffff, 0) + payload
    return payload


def random_packet(rng, payload):
    """An IP packet that is whole, or wrong in one field of one layer."""
    proto = rng.choice((6, 17, 1, 47, 58, 0, 44, 255))
    upper = layer4(rng, proto, payload)
    if rng.random() < 0.5:
        ihl = rng.choice((5, 5, 5, 5, 0, 4, 15))
        total = rng.choice((20 + len(upper), 20 + len(upper), 0, 19, 65535)) & 0xffff
        return 0x0800, struct.pack('!BBHHHBBHII', rng.choice((4, 4, 4, 5)) << 4 | ihl, 0, total, 0,
                                   rng.choice((0, 0x4000, 0x2000, 0x1fff)), 64, proto, 0, 0x0a000001, 0x0a000002) + upper
    plen = rng.choice((len(upper), len(upper), 0, 65535, len(upper) + 1)) & 0xffff
    return 0x86dd, struct.pack('!IHBB', 6 << 28, plen, proto, 64) + rng.randbytes(32) + upper


def random_frame(rng, most=1600):
    size = rng.choice((0, 1, 20, 46, 200, 1000, 1460, 1500, 1600, 9000))
    ethertype, data = rng.choice((
        lambda: random_packet(rng, rng.randbytes(min(size, most - 60))),
        lambda: random_packet(rng, rng.randbytes(min(size, most - 60))),
        lambda: (0x0806, rng.randbytes(rng.choice((0, 7, 28)))),
        lambda: (rng.choice((0x88b5, 0x0001, 0x05dc, 0x8809, 0x88cc, 0x8100, 0x88a8)), rng.randbytes(min(size, most - 60)))))()
    frame = random_mac(rng) + random_mac(rng) + random_tags(rng) + struct.pack('!H', ethertype) + data
    return frame[:rng.randrange(14, len(frame) + 1)] if rng.random() < 0.1 and len(frame) > 14 else frame[:most]


def super_frame(rng):
    """A TCP segment far above any MTU, and the header that tells the kernel so; now and then it lies."""
    v6 = rng.random() < 0.5
    n = rng.choice((3000, 16000, 60000))
    mss = rng.choice((1, 536, 1400, 1448, 8000, 65535)) if rng.random() < 0.3 else 1400
    tcp = struct.pack('!HHIIBBHHH', 1024, 80, 1, 1, 0x50, 0x18, 1000, 0, 0) + bytes(n)
    if v6:
        ip = struct.pack('!IHBB', 6 << 28, len(tcp), 6, 64) + bytes(31) + b'\1' + bytes(31) + b'\2'
    else:
        ip = struct.pack('!BBHHHBBHII', 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, 0x0a000001, 0x0a000002)
    eth = random_mac(rng) + b'\x02\x00\x00\x00\x01\x05' + struct.pack('!H', 0x86dd if v6 else 0x0800)
    start = 14 + len(ip)
    header = struct.pack('<BBHHHH', 1, 4 if v6 else 1, start + 20, mss, start, 16)
    return header + eth + ip + tcp


class Traffic:
    """Random frames into whatever interfaces of a namespace there are, and guests behind vhost ports."""

    def __init__(self, t, namespaces, interfaces, sockets, seed):
        self.rng, self.stop, self.n, self.n_guests, self.lies = random.Random(seed), False, 0, 0, 0
        self.interfaces, self.sockets, self.guests, self.error = interfaces, sockets, {}, None
        self.raw = [(ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
                    for ns in namespaces]
        for _, gso in self.raw:
            gso.setsockopt(vst.SOL_PACKET, PACKET_VNET_HDR, 1)
        for pair in self.raw:
            for s in pair:
                s.setblocking(False)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def wires(self):
        rng = self.rng
        for plain, gso in self.raw:
            for _ in range(24):
                big = rng.random() < 0.1
                data, interface = super_frame(rng) if big else random_frame(rng, 9014), rng.choice(self.interfaces)
                try:
                    (gso if big else plain).sendto(data, (interface, 0))
                    self.n += 1
                except OSError as e:  # There is no such interface now, or the kernel knows the frame for bad.
                    if e.errno == errno.ENETDOWN:
                        self.up(plain, interface)

    @staticmethod
    def up(sock, interface):
        try:
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack('16sH14x', interface.encode(), IFF_UP))
        except OSError:
            pass

    def guest(self, path):
        rng, guest = self.rng, self.guests.get(path)
        try:
            if guest is None:
                if os.path.exists(path) and rng.random() < 0.2:
                    self.guests[path] = vhost_guest.Guest(path, 1)
                    self.n_guests += 1
                return
            guest.receive()
            for _ in range(rng.randrange(6)):
                self.n += guest.send(rng.randbytes(rng.randrange(14)) if rng.random() < 0.1 else random_frame(rng, 1900))
            what = rng.random()
            if what < 0.05:
                guest.lie(rng)
                self.lies += 1
            elif what < 0.055:
                guest.babble(rng)
            elif what < 0.065:
                raise ConnectionError('it dies')
        except (OSError, struct.error):
            guest = self.guests.pop(path, None)
            if guest is not None:
                guest.die()

    def run(self):
        try:
            while not self.stop:
                self.wires()
                for path in self.sockets:
                    self.guest(path)
                time.sleep(0.002)
        except Exception as e:  # Whatever it is, the test must fail for it.
            self.error = repr(e)

    def end(self):
        self.stop = True
        self.thread.join(20)
        for pair in self.raw:
            for s in pair:
                s.close()
        for guest in self.guests.values():
            guest.die()


# Commands

class Wrong(Exception):
    """Something does not hold."""


class Line:
    """The control socket, held open: quicker than the tool for what is asked after each step."""

    def __init__(self, sw):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(sw.socket)
        self.lines = self.sock.makefile('rb')

    def ask(self, method, **params):
        self.sock.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}).encode() + b'\n')
        answer = json.loads(self.lines.readline() or b'{"error": "the daemon hung up"}')
        if 'result' not in answer:
            raise Wrong(f'{method}: {answer}')
        return answer['result']

    def close(self):
        self.lines.close()
        self.sock.close()


class Commands:
    """Makes up command lines: most could be meant, some are wrong."""

    def __init__(self, t, line, rng, stacks, brief):
        self.t, self.line, self.rng, self.stacks, self.brief = t, line, rng, stacks, brief
        self.saved, self.n_files, self.there = [], 0, {}

    def pick(self, names, new=False):
        """One of the names; mostly one that is there, or one that is not yet."""
        kind = {id(SWITCHES): 'switch', id(TENANTS): 'tenant', id(PORTS): 'port'}[id(names)]
        fit = [n for n in names if (n in self.there.get(kind, ())) != new]
        if fit and self.rng.random() < 0.85:
            return self.rng.choice(fit)
        return self.rng.choice(names) if self.rng.random() < 0.95 else self.rng.choice(('nosuch', 'x' * 31, 'a.b', '0'))

    def maybe(self, p, text):
        return text() if self.rng.random() < p else ''

    def vlan(self):
        return self.rng.choice((1, 10, 20, 30, 4094, 0, 4095))

    def vlan_options(self):
        rng = self.rng
        return rng.choice((
            lambda: f'--vlan-mode access --vlan {self.vlan()}', lambda: f'--vlan-mode trunk --allowed 1-30 --native {self.vlan()}',
            lambda: '--vlan-mode trunk --allowed 10,20', lambda: f'--vlan-mode tunnel --vlan {self.vlan()} --tpid 0x88a8',
            lambda: '--vlan-mode isolated --vlan 10 --secondary 20', lambda: '--vlan-mode community --vlan 10 --secondary 30',
            lambda: '--vlan-mode promiscuous --vlan 10 --secondary 20,30'))()

    def port_options(self):
        rng = self.rng
        return ' '.join((
            self.maybe(0.15, lambda: f'--tenant {self.pick(TENANTS)}'), self.maybe(0.2, self.vlan_options),
            self.maybe(0.1, lambda: f'--admin {rng.choice(("up", "down"))}'),
            self.maybe(0.1, lambda: f'--mac 02:00:00:00:02:{rng.randrange(100):02}'),
            self.maybe(0.2, lambda: f'--mtu {rng.choice((68, 576, 1280, 1500, 9000, 65521, 67))}'),
            self.maybe(0.1, lambda: f'--mac-limit {rng.choice((0, 1, 5))}'),
            self.maybe(0.1, lambda: f'--flood {rng.choice(("on", "off"))}'),
            self.maybe(0.1, lambda: f'--bpdu {rng.choice(("on", "off"))}')))

    def port_add(self):
        rng, name = self.rng, self.pick(PORTS, new=True)
        kind = rng.choice([k for k in KINDS if k not in WITHOUT])
        number = rng.randrange(2)
        what = {
            'tap': lambda: f'--kind tap --netns {rng.choice((self.stacks.name, self.stacks.name, self.brief, "nosuchns"))}',
            'veth': lambda: f'--kind phys --device {rng.choice(VETHS)} --driver {rng.choice(("af_packet", "af_xdp", "auto"))}',
            'host': lambda: '--kind host' + self.maybe(0.3, lambda: f' --address 10.7.{rng.randrange(9)}.1/24'),
            'vhost': lambda: f'--kind vhost --mode {rng.choice(("server", "server", "server", "client"))} '
                             f'--socket {self.t.dir}/vhost{number}',
            'memif': lambda: f'--kind memif --socket {self.t.dir}/memif{number} --id {number} '
                             f'--mode {rng.choice(("server", "client"))}',
            'mem': lambda: '--kind mem',
            # Not net_ring: it is closed with frames in its ring, and those are DPDK's to lose.
            'vdev': lambda: f'--kind phys --driver dpdk --device {rng.choice(("net_null7,no-rx=1", "net_nosuch"))}',
        }[kind]()
        return (f'port add {self.pick(SWITCHES)} {name} {what} {self.port_options()} '
                + self.maybe(0.1, lambda: f'--queues {rng.choice((1, 2, 4, 64, 65))}')
                + self.maybe(0.1, lambda: f' --descriptors {rng.choice((32, 256, 1024, 31))}')
                + self.maybe(0.1, lambda: ' --offloads off'))

    def port_set(self):
        what = self.port_options()
        if self.rng.random() < 0.2:
            what = '--default ' + self.rng.choice(('tenant', 'mtu', 'mac', 'vlan-mode,vlan,secondary,native,allowed,tpid', 'flood,bpdu'))
        return f'port set {self.pick(PORTS)} {what}'

    def vlan_set(self):
        what = self.rng.choice(('--access 10', '--access 20', '--trunk 1-30', '--trunk 10 --native 20', '--tunnel 30', '--none',
                                '--isolated 10:20', '--community 10:30', '--promiscuous 10:20,30', '--access 4095'))
        return f'vlan set {self.pick(PORTS)} {what}'

    def switch(self):
        rng = self.rng
        return rng.choice((
            lambda: f'switch add {self.pick(SWITCHES, new=True)} --type {rng.choice(("external", "external", "internal", "private", "odd"))}',
            lambda: f'switch add {self.pick(SWITCHES, new=True)} --type external --mac-age {rng.choice(("1s", "60s", "0s"))} --mac-limit 50',
            lambda: f'switch set {self.pick(SWITCHES)} --mac-limit {rng.choice((1, 10, 1000))} --loop-guard {rng.choice(("on", "off"))}',
            lambda: f'switch set {self.pick(SWITCHES)} --default mac-age,mac-limit',
            lambda: f'switch remove {self.pick(SWITCHES)} ' + self.maybe(0.3, lambda: '--with-ports')))()

    def tenant(self):
        rng = self.rng
        return rng.choice((
            lambda: f'tenant add {self.pick(TENANTS, new=True)} --id {rng.choice((1, 2, 3, 4, 5, 6, 0, 1 << 24))}',
            lambda: f'tenant set {self.pick(TENANTS)} --mac-limit {rng.choice((0, 1, 20))} --flood-rate {rng.choice(("1M", "1G", "x"))}',
            lambda: f'tenant set {self.pick(TENANTS)} --default mac-limit,flood-rate',
            lambda: f'tenant remove {self.pick(TENANTS)}'))()

    def qos(self):
        rng = self.rng
        rate = lambda: rng.choice(('1k', '64k', '1M', '10M', '500M', '1T', '0'))
        return rng.choice((
            lambda: f'qos set {self.pick(PORTS)} --to-max {rate()} ' + self.maybe(0.3, lambda: f'--limit {rng.choice((1, 5, 1000))} --delay 1ms'),
            lambda: f'qos set {self.pick(PORTS)} --from-max {rate()} ' + self.maybe(0.3, lambda: f'--from-burst {rng.choice((64, 3000, 100000))}'),
            lambda: f'qos set {self.pick(PORTS)} --from-min {rate()} --from-weight {rng.choice((1, 2, 9))}',
            lambda: f'qos set {self.pick(PORTS)} --to-max {rate()} --priority-dscp 0-9 --priority-pcp 1-3 --priority-max {rate()}',
            lambda: f'qos set {self.pick(PORTS)} --mark-dscp {rng.choice(("46", "pcp"))} --mark-pcp {rng.choice(("5", "dscp"))}',
            lambda: f'qos set {self.pick(PORTS)} --trust {rng.choice(("none", "dscp", "both"))}',
            lambda: f'qos set {self.pick(PORTS)} --tenant {self.pick(TENANTS)} --max {rate()} --weight {rng.choice((1, 5))}',
            lambda: f'qos set {self.pick(PORTS)} --default to-max,from-max,from-min',
            lambda: f'qos clear {self.pick(PORTS)} --all'))()

    def core(self):
        rng, cpus = self.rng, self.t.cpus[:1] + self.t.cpus[-1:]
        return rng.choice((lambda: f'core add {rng.choice(cpus)}', lambda: f'core remove {rng.choice(cpus)}',
                           lambda: f'core set --max-sleep {rng.choice(("20us", "500us", "10ms", "1h"))}',
                           lambda: f'core set --rebalance {rng.choice(("on", "off"))}', lambda: 'core add 999'))()

    def mac(self):
        rng = self.rng
        address = f'02:00:00:00:01:{rng.randrange(40):02x}'
        return rng.choice((
            lambda: f'mac add {self.pick(SWITCHES)} {address} --port {self.pick(PORTS)}' + self.maybe(0.3, lambda: f' --vlan {self.vlan()}'),
            lambda: f'mac remove {self.pick(SWITCHES)} {address}', lambda: 'mac flush',
            lambda: f'mac flush --port {self.pick(PORTS)}', lambda: f'mac flush --switch {self.pick(SWITCHES)} --vlan 10'))()

    def capture(self):
        rng = self.rng
        self.n_files += 1
        return rng.choice((
            lambda: f'capture start {self.maybe(0.6, lambda: self.pick(PORTS))} -w {self.t.dir}/c{self.n_files % 4}.pcapng --force '
                    f'--stage {rng.choice(("ingress", "egress", "drop", "ingress,egress,drop"))} '
                    + self.maybe(0.3, lambda: f'--count {rng.randrange(1, 500)} ') + self.maybe(0.3, lambda: '--snaplen 64 ')
                    + self.maybe(0.4, lambda: rng.choice(("--filter 'tcp or vlan'", "--filter 'ip6 and len > 100'", '--filter ((('))),
            lambda: f'capture start --switch {self.pick(SWITCHES)} -w {self.t.dir}/r{self.n_files % 2} --ring 2x1M --force',
            lambda: f'capture start --tenant {self.pick(TENANTS)} -w {self.t.dir}/t.pcapng --force',
            lambda: 'capture stop all', lambda: f'capture stop {rng.randrange(9)}'))()

    def mirror(self):
        rng, name = self.rng, self.rng.choice(MIRRORS)
        sources = rng.choice((lambda: f'--port {self.pick(PORTS)}', lambda: f'--port {self.pick(PORTS)},{self.pick(PORTS)}',
                              lambda: f'--tenant {self.pick(TENANTS)}', lambda: f'--switch {self.pick(SWITCHES)}'))
        to = rng.choice((lambda: f'--to {self.pick(PORTS)}', lambda: f'--to {self.pick(PORTS)} --keep-traffic',
                         lambda: f'--to-vlan {rng.choice((10, 20, 999, 0))} --to-switch {self.pick(SWITCHES)}',
                         lambda: f'--erspan 10.7.0.9 --session {rng.choice((0, 7, 1024))} --vtep {self.pick(PORTS)}'))
        words = ' '.join((
            self.maybe(0.3, lambda: f'--direction {rng.choice(("ingress", "egress", "both"))}'),
            self.maybe(0.2, lambda: f'--vlan {self.vlan()}'), self.maybe(0.2, lambda: f'--snaplen {rng.choice((0, 14, 64, 65535))}'),
            self.maybe(0.2, lambda: f'--sample {rng.choice((1, 10, 0))}'), self.maybe(0.2, lambda: f'--limit {rng.choice(("1M", "1", "x"))}'),
            self.maybe(0.2, lambda: rng.choice(("--filter 'tcp or vlan'", '--filter (((', "--filter 'len > 100'"))),
            self.maybe(0.2, lambda: '--duplicates'), self.maybe(0.3, lambda: '--across-tenants')))
        return rng.choice((
            lambda: f'mirror add {name} {sources()} {to()} {words}', lambda: f'mirror add {name} {sources()} {to()} {words}',
            lambda: f'mirror set {name} {rng.choice((sources, to))()} {words}', lambda: f'mirror remove {name}',
            lambda: f'mirror set {name} --default filter,vlan,snaplen,limit,sample,duplicates', lambda: f'mirror show {name}',
            lambda: 'mirror list'))()

    def show(self):
        return self.rng.choice((
            'switch list', f'switch show {self.pick(SWITCHES)} --pipeline', 'port list', f'port show {self.pick(PORTS)} --queues',
            'port stats --queues', 'vlan show', 'tenant list', 'tenant stats', f'tenant show {self.pick(TENANTS)}', 'mac list --limit 5',
            'drop list', 'drop reasons', 'core list', 'capture list', 'config show', 'config history --limit 3', 'config diff', 'events',
            'doctor', 'qos list', 'qos stats', f'qos show {self.pick(PORTS)}', 'stats', 'top --json', 'stats --nonsense', 'frobnicate', 'config show 999999'))

    def config(self):
        rng = self.rng
        shown = self.line.ask('config.show')
        revision, text = shown['revision'], shown['text']
        self.saved = (self.saved + [text])[-4:]
        path = self.t.file('random.conf', rng.choice(self.saved))
        return rng.choice((
            lambda: f'config load {path}', lambda: f'config check {path}', lambda: f'config diff {path}',
            lambda: 'config load ' + self.t.file('merge.conf', '\n'.join(self.change() for _ in range(3)) + '\n') + ' --merge',
            lambda: 'config load ' + self.t.file('bad.conf', text + 'port add nosuch x --kind tap\n'),
            lambda: 'config rollback', lambda: f'config rollback {rng.randrange(max(revision - 6, 0), revision + 2)}',
            lambda: self.change() + ' --confirm 1s', lambda: 'config confirm', lambda: self.change() + ' --check',
            lambda: f'config set --log-level {rng.choice(("info", "error", "warning"))}', lambda: 'config set --mac-age 20s',
            lambda: 'config set --metrics ' + rng.choice(('127.0.0.1:9464', 'off', '127.0.0.1:x'))))()

    def change(self):
        return self.rng.choice((self.port_add, self.port_set, self.vlan_set, self.switch, self.tenant, self.qos))()

    def next(self):
        self.there = self.line.ask('config.show')['state']
        makers = [(self.mirror, 12), (self.port_add, 26), (self.port_set, 12), (lambda: f'port remove {self.pick(PORTS)}', 14), (self.vlan_set, 8),
                  (self.switch, 8), (self.tenant, 6), (self.core, 6), (self.mac, 6), (self.capture, 6), (self.show, 8), (self.qos, 12),
                  (self.config, 8)]
        return self.rng.choices([m for m, _ in makers], [w for _, w in makers])[0]()


class Below:
    """What happens below the daemon: interfaces and namespaces go and come, a memif peer too."""

    def __init__(self, t, sw, rng, stacks, brief):
        self.t, self.sw, self.rng, self.stacks, self.brief, self.far = t, sw, rng, stacks, brief, None
        self.far_again = None

    def veth(self, name):
        self.sw.ns.run(f'ip link add {name} type veth peer name {name}x netns {self.stacks.name}', ok=None)
        self.sw.ns.run(f'ip link set {name} up', ok=None)
        self.stacks.run(f'ip link set {name}x up', ok=None)

    def far_daemon(self):
        if self.far is not None:
            self.far.kill()
            self.far = None
            return 'kills the far daemon'
        if self.far_again is None:
            self.far_again = self.t.daemon('far')
        else:
            self.far_again.start()
        self.far = self.far_again
        self.far.tool('switch add net --type external')
        for number in range(2):
            mode = self.rng.choice(('server', 'client'))
            self.far.tool(f'port add net up{number} --kind memif --mode {mode} --socket {self.t.dir}/memif{number} --id {number}')
        return 'starts a far daemon'

    def step(self):
        rng, name = self.rng, self.rng.choice(PORTS)
        what = rng.randrange(8)
        if what == 0:
            return self.far_daemon()
        if what == 1:
            os.system(f'ip netns del {self.brief} 2>/dev/null; ip netns add {self.brief}')
            return f'netns {self.brief} goes and comes'
        if what in (2, 3):
            veth = rng.choice(VETHS)
            self.sw.ns.run(f'ip link del {veth}', ok=None)
            if rng.random() < 0.5:
                time.sleep(rng.random() * 0.3)
            self.veth(veth)
            return f'{veth} goes and comes'
        command = rng.choice(('del {0}', 'set {0} down', 'set {0} up', 'set {0} mtu 1400', 'set {0} name {0}y', 'set {0} netns 1'))
        (self.stacks if rng.random() < 0.7 else self.sw.ns).run('ip link ' + command.format(name), ok=None)
        return 'ip link ' + command.format(name)


# What must hold

def settled(sw):
    """The state once it is twice the same: the tool's connections close a little later than it ends."""
    states = [state(sw)]

    def same():
        states.append(state(sw))
        return states[-1] == states[-2]
    vst.wait_for(same, 10, 0.3)
    return states[-1]


def state(sw):
    return {'mbufs': sw.ctl('stats')['buffers']['in_use'], 'descriptors': vst.descriptors(sw),
            'threads': collections.Counter(open(f'/proc/{sw.proc.pid}/task/{n}/comm').read().strip()
                                           for n in os.listdir(f'/proc/{sw.proc.pid}/task'))}


def look(sw, line, whole):
    """Raises Wrong at the first thing that does not hold."""
    if sw.proc.poll() is not None:
        raise Wrong(f'the daemon is dead: {sw.proc.returncode}')
    led = line.ask('stats.show')['ledger']
    if not led['balanced'] or led['in'] != led['out'] + led['drops'] + led['in_flight']:
        raise Wrong(f'the ledger is not balanced: {led}')
    if not whole:
        return
    code, out, err = sw.tool('switch verify')
    if code != 0:
        raise Wrong(f'switch verify: {out}{err}')
    shown = line.ask('config.show')
    code, out, err = sw.tool('--json config check -', shown['text'])
    # Meanwhile a change that nobody confirmed may have been undone.
    if (code != 0 or json.loads(out)['changes']) and line.ask('config.show')['text'] == shown['text']:
        raise Wrong(f'config show does not load again: {out}{err}\n{shown["text"]}')


def steps(sw, rng, commands, below, trace):
    """Commands until the time is over; returns how many, and their exit codes."""
    end, n, codes = time.monotonic() + SECONDS, 0, collections.Counter()
    while time.monotonic() < end:
        n += 1
        if rng.random() < 0.1:
            line, code, err = below.step(), None, ''
        else:
            line = commands.next()
            code, _, err = sw.tool(line if line.count("'") % 2 == 0 else line.split(), timeout=120)
            codes[code] += 1
        print(n, code, line, err.replace('\n', ' '), file=trace, flush=True)
        if code is not None and code not in CODES:
            raise Wrong(f'exit code {code}: {err}; step {n}: {line}')
        if code == 1 and not line.startswith(('doctor', 'switch verify')) and 'error[' not in err:
            raise Wrong(f'exit code 1 without a reason; step {n}: {line}: {err}')
        try:
            look(sw, commands.line, n % 10 == 0)
        except (Wrong, vst.Failed) as e:
            raise Wrong(f'{e}\nafter step {n}: {line}') from None
    return n, codes


def clear(t, sw):
    """Takes all away again, as the first state() was."""
    sw.tool('capture stop all')
    sw.tool('config confirm')
    sw.ctl('config load -', stdin=f'core add {t.worker_cpu}\n')


def test(t):
    rng = random.Random(SEED)
    t.note(f'RANDOM_SEED={SEED} RANDOM_SECONDS={SECONDS:g}')
    sw = t.daemon()
    stacks, brief = t.ns('stacks'), t.ns('brief')
    below = Below(t, sw, rng, stacks, brief.name)
    for name in VETHS:
        below.veth(name)
    warm_up(sw, t)
    before = settled(sw)
    interfaces = PORTS + [v + 'x' for v in VETHS]
    traffic = Traffic(t, [stacks, sw.ns], interfaces, [f'{t.dir}/vhost{i}' for i in range(2)], SEED)
    for command in ('switch add s0 --type external', 'switch add s1 --type internal', 'tenant add t0 --id 1',
                    f'port add s0 p0 --kind tap --netns {stacks.name}', f'port add s0 p1 --kind vhost --mode server --socket {t.dir}/vhost0'):
        sw.ctl(command)
    line = Line(sw)
    with open(TRACE or os.devnull, 'w') as trace:
        try:
            n, codes = steps(sw, rng, Commands(t, line, rng, stacks, brief.name), below, trace)
            wrong = None
        except Wrong as e:
            n, codes, wrong = 0, {}, e
    t.check(wrong is None, f'{n} random steps: the ledger is balanced after each, the switches hold, nothing dies', wrong)
    if wrong is not None:
        return
    t.note(f'exit codes {dict(sorted(codes.items()))}; {traffic.n} frames sent, {traffic.n_guests} guests, {traffic.lies} lies')
    traffic.end()
    if below.far is not None:
        below.far.kill()
    t.check(traffic.error is None and traffic.n > 100 * SECONDS, 'traffic flowed', (traffic.error, traffic.n))
    t.check(codes[0] > 0.3 * n and len(codes) > 4, 'of the commands many worked and some did not', dict(codes))
    led = vst.wait_for(lambda: (x := sw.ledger())['in_flight'] == 0 and x, 5) or sw.ledger()
    t.check(led['in'] == led['out'] + led['drops'], 'at rest: in = out + drops', led)
    t.check(min(led['out'], led['drops']) > 20 * SECONDS, 'and both were many', led)
    clear(t, sw)
    line.close()
    vst.wait_for(lambda: state(sw) == before, 10, 0.5)
    after = state(sw)
    t.check(after['mbufs'] == before['mbufs'], 'no packet buffer is lost', (before['mbufs'], after['mbufs']))
    t.check(after['descriptors'] == before['descriptors'], 'no descriptor is left open',
            (after['descriptors'] - before['descriptors'], before['descriptors'] - after['descriptors']))
    t.check(after['threads'] == before['threads'], 'nor a thread', (before['threads'], after['threads']))
    t.check(sw.stop() == 0, 'the daemon ends in good order')
    log = sw.log_text()
    found = re.search(r'(==\d+==ERROR|[^\n]*runtime error)(.|\n)*', log)
    t.check(found is None, 'no sanitizer has found anything', found and found[0][:6000])


def warm_up(sw, t):
    """What is opened at the first use and kept."""
    sw.ctl('switch add w --type external')
    sw.ctl(f'port add w w0 --kind vhost --mode server --socket {t.dir}/w0')
    sw.ctl(f'port add w w4 --kind vhost --mode client --socket {t.dir}/w4')
    sw.ctl('port add w w1 --kind host')
    sw.ctl('port add w w2 --kind phys --device v0')
    sw.ctl(f'port add w w3 --kind memif --socket {t.dir}/memif-w')
    sw.ctl(f'capture start w1 -w {t.dir}/w.pcapng')
    sw.ctl('capture stop all')
    sw.ctl('switch remove w --with-ports')


vst.main(test)
