#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a port costs in memory, by kind.

    sudo tests/bench/port_memory.py build/vswitch/vswitchd build/ctl/vswitchctl [-n PORTS] [KIND...]

For each kind: a daemon of its own, a few ports to have paid what the first one costs, then PORTS more.
Printed per port, of those: resident memory (VmRSS), huge pages (one pool for all, so it stays), and
packet buffers that the port's driver keeps, each 2.3 KB of the pool (--mbufs).

A port has one queue.  A vhost port is measured without a peer: what the guest shares is the guest's.  Guests
of vmbus-guest (tests/tools/vmbus-sink of the same build) share rings and buffers, of which count what was touched.  The
far ends of memif ports are in another daemon; the client made the memory that both have mapped.
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'integration'))
import vst  # noqa: E402

KINDS = ('mem', 'host', 'tap', 'packet', 'xdp', 'vhost', 'memif-server', 'memif-client', 'vmbus', 'vmbus-guest')
LONELY = ('vhost', 'vmbus')  # nobody at the other end
FIRST = 4


def status(daemon, field):
    with open(f'/proc/{daemon.proc.pid}/status') as f:
        return int(re.search(rf'^{field}:\s+(\d+)', f.read(), re.M).group(1))


def measure(daemon):
    return (status(daemon, 'VmRSS'), status(daemon, 'HugetlbPages'), daemon.ctl('stats')['buffers']['in_use'])


class Ports:
    def __init__(self, t, daemon, kind):
        self.t, self.daemon, self.kind = t, daemon, kind
        self.far = t.ns('far') if kind in ('tap', 'packet', 'xdp') else None
        if kind.startswith('memif'):
            self.far = t.daemon(kind + '-far')
            self.far.ctl('switch add lan --type external')

    def add(self, i):
        ctl, kind, name = self.daemon.ctl, self.kind, f'p{i}'
        if kind in ('mem', 'host'):
            ctl(f'port add lan {name} --kind {kind} --queues 1')
        elif kind == 'tap':
            ctl(f'port add lan {name} --kind tap --netns {self.far.name} --queues 1')
        elif kind in ('packet', 'xdp'):
            self.daemon.ns.run(f'ip link add name {name} type veth peer name {name} netns {self.far.name}')
            self.far.run(f'ip link set dev {name} up')
            ctl(f'port add lan {name} --kind phys --driver af_{kind} --queues 1')
        elif kind == 'vhost':
            ctl(f'port add lan {name} --kind vhost --mode server --socket {self.t.file(name)} --queues 1')
        elif kind.startswith('vmbus'):
            ctl(f'port add lan {name} --kind vmbus --queues 1')
            if kind == 'vmbus-guest':
                tool = os.path.join(os.path.dirname(sys.argv[1]), '..', 'tests', 'tools', 'vmbus-sink')
                socket = os.path.join(self.daemon.dir, 'nic', f'{name}.sock')
                self.daemon.ns.popen([tool, '--sleep', socket], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            ends = {'server': ctl, 'client': self.far.ctl}
            if kind == 'memif-client':
                ends = {'server': self.far.ctl, 'client': ctl}
            for mode, end in ends.items():
                end(f'port add lan {name} --kind memif --mode {mode} --socket {self.t.file(kind + name)} --queues 1')

    def settle(self, n):
        if self.kind not in LONELY:
            vst.wait_for(lambda: all(p['link'] == 'up' for p in self.daemon.ctl('port list')['ports']), 20)


def one_kind(t, kind, n):
    daemon = t.daemon(kind)
    daemon.ctl('switch add lan --type external')
    ports = Ports(t, daemon, kind)
    for i in range(FIRST):
        ports.add(i)
    ports.settle(FIRST)
    before = measure(daemon)
    for i in range(FIRST, FIRST + n):
        ports.add(i)
    ports.settle(FIRST + n)
    after = measure(daemon)
    rss, huge, buffers = ((b - a) / n for a, b in zip(before, after))
    print(f'{kind:13}{rss:10.0f} KB {huge:10.0f} KB {buffers:10.1f}', flush=True)
    t.check(daemon.balanced(), f'{kind}: the ledger is balanced')
    daemon.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('vswitchd')
    parser.add_argument('vswitchctl')
    parser.add_argument('-n', type=int, default=32, metavar='PORTS')
    parser.add_argument('kinds', nargs='*', metavar='KIND', help=' '.join(KINDS))
    args = parser.parse_intermixed_args()
    sys.argv = [sys.argv[0], args.vswitchd, args.vswitchctl]

    def test(t):
        print(f'{args.n} ports  resident each  huge pages each  buffers each', flush=True)
        for kind in args.kinds or KINDS:
            one_kind(t, kind, args.n)

    vst.main(test)


main()
