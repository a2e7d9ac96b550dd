#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The switch beside DPDK's testpmd, on the same source, sink and core, in turns.

    sudo tests/bench/peer.py build/vswitch/vswitchd build/ctl/vswitchctl [-t SECONDS] [-r ROUNDS] [WORKLOAD...]

testpmd in io mode looks at nothing: its rate is what source and sink allow, so a ratio says what the switch's work
costs.  Frames come from DPDK's pcap driver, which copies each one from memory (infinite_rx), and end in its null
driver.  Both run on one core; EAL and control threads on another.  A small figure of the comparison with other
switches (docs/performance.md): it needs nothing that Debian does not have.

With --churn N, in place of testpmd: the switch undisturbed, and while N rules a second are added and as many deleted
over OpenFlow.  The rules are of the table, and of a mask, that the traffic passes.

Needs root, two cores, the package dpdk, and huge pages or enough memory.  Nothing else should run.
"""
import argparse
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CTL_CPU, PMD_CPU = 0, 1
RULE = 'in_port=1,ip,nw_dst=20.0.0.0/8,actions=output:2'
EXACT = ('in_port=1,udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],move:NXM_OF_IP_DST[]->NXM_NX_REG1[],'
         'move:NXM_OF_UDP_SRC[]->NXM_NX_REG2[0..15],move:NXM_OF_UDP_DST[]->NXM_NX_REG3[0..15],output:2')
TABLES = '''table=0,in_port=1,actions=push_vlan:0x8100,set_field:4106->vlan_vid,write_metadata:0x7,goto_table:1
table=1,metadata=0x7,ip,actions=set_field:02:aa:00:00:00:01->eth_src,set_field:02:aa:00:00:00:02->eth_dst,dec_ttl,goto_table:2
table=2,metadata=0x7,actions=output:2'''


def acl(n):
    """n rules of some twenty masks, then one that takes the rest."""
    rng, rules = random.Random(n), []
    for i in range(n):
        plen, ports = rng.choice((16, 20, 24, 28, 32)), rng.choice(('', ',tp_dst=%d', ',tp_src=%d', ',tp_src=%d'))
        rules.append('priority=%d,in_port=1,udp,nw_dst=20.%d.%d.%d/%d%s,actions=output:2' % (
            100 + i, rng.randrange(256), rng.randrange(256), rng.randrange(256), plen,
            ports % rng.randrange(1024, 65536) if ports else ''))
    return '\n'.join(rules + ['priority=1,in_port=1,actions=output:2'])


# name: flows, rules (None: a learning switch)
WORKLOADS = {
    'normal': (1000, None),
    'rule1': (1, RULE), 'rule1k': (1000, RULE), 'rule10k': (10000, RULE),
    'acl1k': (10000, acl(1000)), 'acl10k': (10000, acl(10000)),
    'tables': (10000, TABLES),
    'exact10k': (10000, EXACT),
}


def write_pcap(path, n_flows):
    rng = random.Random(1)
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for _ in range(max(n_flows, 64)):
            src, dst = rng.randrange(1 << 24), rng.randrange(1 << 24)
            sport, dport = rng.randrange(1024, 4000), rng.randrange(1024, 4000)
            if n_flows == 1:
                src, dst, sport, dport = 1, 1, 2000, 3000
            ip = struct.pack('>BBHHHBBHII', 0x45, 0, 46, 0, 0, 64, 17, 0, 10 << 24 | src, 20 << 24 | dst)
            total = sum(struct.unpack('>10H', ip))
            total = (total & 0xffff) + (total >> 16)
            ip = ip[:10] + struct.pack('>H', ~((total & 0xffff) + (total >> 16)) & 0xffff) + ip[12:]
            frame = bytes.fromhex('020000000001' '020000000002' '0800') + ip
            frame += struct.pack('>HHHH', sport, dport, 26, 0) + bytes(18)
            f.write(struct.pack('<IIII', 0, 0, len(frame), len(frame)) + frame)


class Testpmd:
    def __init__(self, folder, pcap, rules):
        args = ['stdbuf', '-oL', 'dpdk-testpmd', '-l', f'{CTL_CPU},{PMD_CPU}', '--no-pci', '--in-memory', '--file-prefix', f'peer{os.getpid()}',
                '--vdev', f'net_pcap0,rx_pcap={pcap},infinite_rx=1', '--vdev', 'net_null1,no-rx=1', '--', '-i', '--forward-mode=io',
                '--total-num-mbufs=160000', '--port-topology=paired', '--no-lsc-interrupt']
        self.proc = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.say('start')

    def say(self, line):
        self.proc.stdin.write(line + '\n')
        self.proc.stdin.flush()

    def sent(self):
        self.say('show port stats 1')
        for line in self.proc.stdout:
            found = re.search(r'TX-packets: (\d+)', line)
            if found:
                return int(found.group(1))
        sys.exit('testpmd ended; is there memory in huge pages?')

    def stop(self):
        self.proc.kill()
        self.proc.wait()


class Vswitch:
    def __init__(self, folder, pcap, rules):
        self.socket = os.path.join(folder, 'socket')
        with open(os.path.join(folder, 'config'), 'w') as f:
            f.write(f'core add {PMD_CPU}\nswitch add br0 --type external\n'
                    f'port add br0 p0 --kind phys --driver dpdk --device net_pcap0,rx_pcap={pcap},infinite_rx=1\n'
                    'port add br0 p1 --kind phys --driver dpdk --device net_null1,no-rx=1\n')
        with open(os.path.join(folder, 'log'), 'w') as log:
            self.proc = subprocess.Popen([OPTIONS.vswitchd, '--socket', self.socket, '--store', ':memory:', '--initial', f.name,
                                          '--control-cpu', str(CTL_CPU), '--mbufs', '160000'], stdout=log, stderr=log)
        for _ in range(300):
            if os.path.exists(self.socket):
                break
            time.sleep(0.1)
        if rules is None:
            self.call('mac', 'add', 'br0', '02:00:00:00:00:01', '--port', 'p1')
        else:
            self.call('flow', 'replace', 'br0', '-', stdin=rules)

    def call(self, *words, stdin=None):
        return subprocess.run([OPTIONS.vswitchctl, '--socket', self.socket, '--json', *words], input=stdin, text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    def sent(self):
        return json.loads(self.call('port', 'stats', 'p1'))['ports'][0]['tx_packets']

    def stop(self):
        self.proc.terminate()
        self.proc.wait()


class Churn(threading.Thread):
    """Adds and deletes rules over OpenFlow, so many of each a second, in steps of ten milliseconds."""

    def __init__(self, path, per_second):
        super().__init__(daemon=True)
        self.n, self.stopped, self.done = per_second // 100, False, 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.sendall(struct.pack('>BBHI', 4, 0, 8, 1))
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        while True:
            data = self.sock.recv(65536)
            if not data:
                return
            if data[1] == 1:
                sys.exit(f'the switch answers with an error: {data.hex()}')

    @staticmethod
    def flow_mod(command, i):
        fields = [struct.pack('>HBBH', 0x8000, 5 << 1, 2, 0x0800), struct.pack('>HBBB', 0x8000, 10 << 1, 1, 17),
                  struct.pack('>HBBI', 0x8000, 12 << 1, 4, 30 << 24 | i), struct.pack('>HBBH', 0x8000, 16 << 1, 2, 7)]
        match = b''.join(fields)
        size = 4 + len(match)
        match = struct.pack('>HH', 1, size) + match + bytes(-size % 8)
        body = struct.pack('>QQBBHHHIIIH2x', 0, 0, 0, command, 0, 0, 77, 0xffffffff, 0xffffffff, 0xffffffff, 0) + match
        return struct.pack('>BBHI', 4, 14, 8 + len(body), 2) + body

    def run(self):
        mods = {c: [self.flow_mod(c, i) for i in range(20 * self.n)] for c in (0, 4)}
        step, next_at = 0, time.monotonic()
        while not self.stopped:
            at, old = step % 20 * self.n, (step + 10) % 20 * self.n
            batch = mods[0][at:at + self.n] + (mods[4][old:old + self.n] if step >= 10 else [])
            self.sock.sendall(b''.join(batch))
            self.done += len(batch)
            step, next_at = step + 1, next_at + 0.01
            time.sleep(max(0, next_at - time.monotonic()))


def rate(system, pcap, rules, churn=0):
    with tempfile.TemporaryDirectory() as folder:
        s = system(folder, pcap, rules)
        try:
            if churn:
                changes = Churn(os.path.join(folder, 'br0.mgmt'), churn)
                changes.start()
            time.sleep(2)
            before, start = s.sent(), time.monotonic()
            time.sleep(OPTIONS.seconds)
            pps = (s.sent() - before) / (time.monotonic() - start)
            if churn:
                changes.stopped = True
                print(f'{"":10} {changes.done / (time.monotonic() - start + 2):.0f} changes a second')
            return pps / 1e6
        finally:
            s.stop()


def main():
    heads = ('undisturbed', 'changing') if OPTIONS.churn else ('testpmd io', 'vswitch')
    print(f'{"":10} {heads[0]:>11} {heads[1]:>10}   Mpps, and the ratio')
    for name in OPTIONS.workloads or WORKLOADS:
        n_flows, rules = WORKLOADS[name]
        with tempfile.NamedTemporaryFile(suffix='.pcap') as f:
            write_pcap(f.name, n_flows)
            for _ in range(OPTIONS.rounds):
                peer = rate(Vswitch if OPTIONS.churn else Testpmd, f.name, rules)
                ours = rate(Vswitch, f.name, rules, OPTIONS.churn)
                print(f'{name:10} {peer:11.2f} {ours:10.2f}   {ours / peer:.2f}', flush=True)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('vswitchd')
parser.add_argument('vswitchctl')
parser.add_argument('-t', dest='seconds', type=float, default=2, help='a window, seconds')
parser.add_argument('-r', dest='rounds', type=int, default=2)
parser.add_argument('--churn', type=int, default=0, metavar='N', help='rules added, and deleted, a second')
parser.add_argument('workloads', nargs='*', metavar='WORKLOAD', help=', '.join(WORKLOADS))
OPTIONS = parser.parse_intermixed_args()
if any(w not in WORKLOADS for w in OPTIONS.workloads):
    parser.error('workloads are ' + ', '.join(WORKLOADS))
main()
