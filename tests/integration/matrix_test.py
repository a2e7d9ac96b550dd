# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of port with every other, each with a Linux stack behind it.

    tap      the stack of a namespace
    host     the stack of the daemon's own namespace
    packet   a veth driven by AF_PACKET, its other end in a namespace
    xdp      a veth driven by AF_XDP, its other end in a namespace
    dpdk     a veth driven by DPDK's own driver for packet sockets, its other end in a namespace
  memif    a second daemon, joined by memif, with a tap in a namespace
    vhost    dpdk-testpmd: a virtio-user device, joined to a tap in a namespace; at MTU 9000 a third daemon does that

    tap ---+------+--- xdp                                        +-------+
    host --+ lan  +--- memif ===[socket]=== memif (far daemon) ---+ ftap  |
  packet --+------+--- vhost ===[socket]=== virtio-user (testpmd) --- vtap
"""
import itertools
import os
import shutil

import vst
from transfer import DIGEST, transfer


class Bench:
    def __init__(self, t, mtu):
        self.t, self.mtu, self.tag = t, mtu, f'm{mtu}'
        self.sw = t.daemon(f'sw{mtu}')
        self.sw.ctl('switch add lan --type external')
        self.at = {}  # kind: (namespace, address)

    def address(self):
        return f'10.0.0.{len(self.at) + 1}'

    def add_tap(self):
        self.at['tap'] = (self.sw.tap('lan', 'tap', f'{self.address()}/24', mtu=self.mtu), self.address())

    def add_host(self):
        self.sw.ctl(f'port add lan host --kind host --mtu {self.mtu} --address {self.address()}/24')
        self.at['host'] = (self.sw.ns, self.address())

    def add_veth(self, kind, driver):
        far = self.t.ns(f'{kind}{self.mtu}')
        self.sw.ns.run(f'ip link add name {kind} mtu {self.mtu} type veth peer name e0 mtu {self.mtu} netns {far.name}')
        far.run(f'ip addr add {self.address()}/24 dev e0')
        far.run('ip link set dev e0 up')
        self.sw.ctl(f'port add lan {kind} --kind phys --driver {driver} --mtu {self.mtu}')
        self.at[kind] = (far, self.address())

    def add_packet(self):
        self.add_veth('packet', 'af_packet')

    def add_xdp(self):
        if self.mtu <= 3000:
            self.add_veth('xdp', 'af_xdp')
            return
        # More than a page holds: AF_PACKET takes its place, and both say why.
        why = f'MTU {self.mtu} does not fit an AF_XDP frame'
        self.add_veth('xdp', 'auto')
        port = self.sw.tool('port show xdp')[1]
        self.t.check(f'AF_PACKET: {why}' in port, f'MTU {self.mtu}, xdp: a packet socket serves it, and says why', port)
        self.sw.ns.run(f'ip link add name forced mtu {self.mtu} type veth peer name forced1')
        code, _, said = self.sw.tool(f'port add lan forced --kind phys --driver af_xdp --mtu {self.mtu}')
        self.t.check(code == 11 and why in said, f'MTU {self.mtu}, xdp: a port that must have AF_XDP is refused', (code, said))

    def add_dpdk(self):
        """A driver of DPDK's that knows nothing of offloads, so that both sides of it see frames as a wire has them."""
        far = self.t.ns(f'dpdk{self.mtu}')
        self.sw.ns.run(f'ip link add name dpdk mtu {self.mtu} type veth peer name e0 mtu {self.mtu} netns {far.name}')
        far.run('ethtool -K e0 tx off')
        far.run(f'ip addr add {self.address()}/24 dev e0')
        far.run('ip link set dev e0 up')
        self.sw.ns.run('ip link set dev dpdk up')
        self.sw.ctl(f'port add lan dpdk --kind phys --device net_af_packet0,iface=dpdk '
                    f'--mtu {self.mtu}')
        self.at['dpdk'] = (far, self.address())

    def add_memif(self):
        path = os.path.join(self.t.dir, f'memif{self.mtu}.sock')
        self.sw.ctl(f'port add lan memif --kind memif --socket {path} --mtu {self.mtu}')
        far = self.t.daemon(f'far{self.mtu}')
        far.ctl('switch add net --type external')
        far.ctl(f'port add net up --kind memif --mode client --socket {path} --mtu {self.mtu}')
        ns = far.tap('net', 'ftap', f'{self.address()}/24', mtu=self.mtu)
        self.t.check(self.sw.up('memif', 20) and far.up('up', 20), f'memif of MTU {self.mtu}: two daemons are joined',
                     (self.sw.port('memif'), far.port('up')))
        self.at['memif'] = (ns, self.address())
        self.far = far

    def add_vhost(self):
        if self.mtu > 1500:
            self.add_vhost_daemon()
        else:
            self.add_vhost_testpmd()

    def add_vhost_daemon(self):
        """testpmd's tap carries no more than 1500."""
        path = os.path.join(self.t.dir, f'vhost{self.mtu}.sock')
        self.sw.ctl(f'port add lan vhost --kind vhost --socket {path} --mtu {self.mtu}')
        huge = self.t.huge_free() >= 400
        far = self.t.daemon(f'vfar{self.mtu}', huge=huge, args=['--eal', '--single-file-segments'] if huge else [])
        far.ctl('switch add net --type external')
        far.ctl(f'port add net up --kind phys --device net_virtio_user0,path={path},server=1,queues=1 --mtu {self.mtu}')
        ns = far.tap('net', 'vtap', f'{self.address()}/24', mtu=self.mtu)
        self.t.check(self.sw.up('vhost', 20) and far.up('up', 20), f'vhost of MTU {self.mtu}: two daemons are joined',
                     (self.sw.port('vhost'), far.port('up')))
        self.at['vhost'] = (ns, self.address())

    def add_vhost_testpmd(self):
        path = os.path.join(self.t.dir, f'vhost{self.mtu}.sock')
        ns = self.t.ns(f'vhost{self.mtu}')
        self.sw.ctl(f'port add lan vhost --kind vhost --socket {path} --mtu {self.mtu}')
        log = open(self.t.file(f'testpmd{self.mtu}.log'), 'w')
        # Server here, as QEMU is; the tap is made in the namespace that testpmd runs in.
        # Frames of one buffer: testpmd takes no segments from the guest's side without scattered reception.
        # Its memory is a file that the switch maps, of huge pages where there are some.
        memory = ['--in-memory', '--single-file-segments'] if self.t.huge_free() >= 400 else ['--no-huge', '--no-shconf']
        ns.popen(['dpdk-testpmd', '--no-pci', '--no-telemetry', *memory, '-m', '192',
                  '--lcores', f'0@{self.t.control_cpu},1@{self.t.control_cpu}',
                  '--vdev', f'net_virtio_user0,path={path},server=1,queues=1', '--vdev', 'net_tap0,iface=vtap', '--',
                  '--forward-mode=io', '--auto-start', '--total-num-mbufs=8192', f'--mbuf-size={self.mtu + 700}',
                  f'--max-pkt-len={self.mtu + 18}', '--nb-cores=1', '--stats-period=3600'], stdout=log, stderr=log)
        if not vst.wait_for(lambda: self.sw.up('vhost', 1) and 'vtap' in ns.run('ip -o link').stdout, 20):
            self.t.check(False, 'vhost: virtio-user is joined', open(log.name).read()[-1500:])
            return
        ns.run(f'ip addr add {self.address()}/24 dev vtap')
        ns.run(f'ip link set dev vtap mtu {self.mtu} up')
        self.at['vhost'] = (ns, self.address())


def pair(t, b, one, two):
    (ns1, ip1), (ns2, ip2) = b.at[one], b.at[two]
    name = f'MTU {b.mtu}, {one} with {two}'
    if not t.check(ns1.reaches(ip2, 20), f'{name}: ping', b.sw.tool('drop list')[1]):
        return
    t.check(ns1.ping(ip2, size=b.mtu - 28, whole=True, count=5, wait=5) and ns2.ping(ip1, size=b.mtu - 28, whole=True, count=5, wait=5),
            f'{name}: packets of the whole MTU, both ways', b.sw.tool('drop list')[1])
    there, back = transfer(ns1, ip1, ns2), transfer(ns2, ip2, ns1)
    t.check(there == DIGEST and back == DIGEST, f'{name}: TCP payload arrives as it was, both ways',
            (there, back, b.sw.tool('drop list')[1]))


def matrix(t, mtu, kinds):
    b = Bench(t, mtu)
    for kind in kinds:
        getattr(b, 'add_' + kind)()
    for one, two in itertools.combinations(b.at, 2):
        pair(t, b, one, two)
    bad = {kind: ns.snmp('Tcp', 'InCsumErrors') + ns.snmp('Udp', 'InCsumErrors') for kind, (ns, _) in b.at.items()}
    t.check(not any(bad.values()), f'MTU {mtu}: no stack saw a wrong checksum', bad)
    t.check(b.sw.balanced(), f'MTU {mtu}: the ledger is balanced', b.sw.ledger())
    b.sw.stop()
    for d in t.daemons:
        if d.proc.poll() is None:
            d.stop()
    for proc in t.children:
        if proc.poll() is None:
            proc.terminate()


def test(t):
    kinds = ['tap', 'host', 'packet', 'xdp', 'dpdk', 'memif']
    if shutil.which('dpdk-testpmd'):
        kinds.append('vhost')
    else:
        t.note('no vhost: needs dpdk-testpmd')
    matrix(t, 1500, kinds)
    matrix(t, 9000, [k for k in kinds if k != 'dpdk'])  # Its frames fit one buffer.


vst.main(test, ['ethtool'])
