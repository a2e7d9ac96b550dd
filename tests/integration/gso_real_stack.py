#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Our segmentation and checksums between two Linux stacks.
#
#	netns vsgso..-a                                                 netns vsgso..-b
#	10.77.0.1 ─ tap with TSO, USO ─► gso_wire (dp_gso, csum) ─► plain tap ─ 10.77.0.2
#	fd77::1   ◄──────────────────────────────────────────────────────────── fd77::2
#
# TCP over IPv4 and IPv6 carries 20 MB, UDP with UDP_SEGMENT 2000 datagrams; the far stack must get every byte and count
# no bad checksum.
#
# Usage: gso_real_stack.py GSO_WIRE.  Exit status 77: not root, or no tap here.

import hashlib
import json
import os
import signal
import subprocess
import sys

A, B = f'vsgso{os.getpid()}-a', f'vsgso{os.getpid()}-b'
ADDRESSES = {4: ('10.77.0.1', '10.77.0.2', 24), 6: ('fd77::1', 'fd77::2', 64)}
N_BYTES = 20 * 1000 * 1000

RECEIVE = '''
import hashlib, socket, sys
s = socket.create_server((sys.argv[1], 7000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("listening", flush=True)
c, _ = s.accept()
h, n = hashlib.sha256(), 0
while data := c.recv(1 << 20):
    h.update(data)
    n += len(data)
print(n, h.hexdigest())
'''
SEND = '''
import random, socket, sys
data = random.Random(int(sys.argv[2])).randbytes(int(sys.argv[3]))
c = socket.create_connection((sys.argv[1], 7000), timeout=20)
c.sendall(data)
c.shutdown(socket.SHUT_WR)
c.recv(1)
'''
# Each datagram says its number and is filled with it.
UDP_RECEIVE = '''
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
s.bind((sys.argv[1], 7001))
s.settimeout(3)
print("listening", flush=True)
seen, bad = set(), 0
try:
    while len(seen) < int(sys.argv[2]):
        data = s.recv(65536)
        number = int.from_bytes(data[:4], "big")
        bad += data[4:] != bytes([number % 251]) * (len(data) - 4) or len(data) != 1200
        seen.add(number)
except TimeoutError:
    pass
print(len(seen), bad)
'''
UDP_SEND = '''
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1200)
for i in range(0, int(sys.argv[2]), 20):
    s.sendto(b"".join(n.to_bytes(4, "big") + bytes([n % 251]) * 1196 for n in range(i, i + 20)), (sys.argv[1], 7001))
    time.sleep(0.002)
'''


def run(*command, check=True):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def python(netns, code, *args):
    return subprocess.Popen(['ip', 'netns', 'exec', netns, sys.executable, '-c', code, *args], stdout=subprocess.PIPE,
                            text=True)


def exchange(receive, send, receive_args, send_args):
    """Runs the receiver in B and the sender in A; returns what the receiver says."""
    receiver = python(B, receive, *receive_args)
    assert receiver.stdout.readline() == 'listening\n'
    sender = python(A, send, *send_args)
    said = receiver.communicate(timeout=60)[0]
    assert sender.wait(timeout=20) == 0 and receiver.returncode == 0
    return said.split()


def tcp(version):
    import random
    want = hashlib.sha256(random.Random(version).randbytes(N_BYTES)).hexdigest()
    n, digest = exchange(RECEIVE, SEND, [ADDRESSES[version][1]], [ADDRESSES[version][1], str(version), str(N_BYTES)])
    print(f'tcp over IPv{version}: {n} bytes, {"the same" if digest == want else "CHANGED"}')
    return int(n) == N_BYTES and digest == want


def udp(version):
    n, bad = exchange(UDP_RECEIVE, UDP_SEND, [ADDRESSES[version][1], '2000'], [ADDRESSES[version][1], '2000'])
    print(f'udp over IPv{version}: {n} of 2000 datagrams, {bad} wrong')
    return n == '2000' and bad == '0'


def checksum_errors():
    """What the far stack counted as bad."""
    bad = {}
    for path in ('snmp', 'netstat'):
        lines = run('ip', 'netns', 'exec', B, 'cat', f'/proc/net/{path}').splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            bad |= {names.split(':')[0] + n: int(v) for n, v in zip(names.split()[1:], values.split()[1:])}
    for line in run('ip', 'netns', 'exec', B, 'cat', '/proc/net/snmp6').splitlines():
        bad[line.split()[0]] = int(line.split()[1])
    return {k: v for k, v in bad.items() if v and ('Csum' in k or 'HdrErrors' in k or k == 'TcpInErrs')}


def set_up():
    for i, netns in enumerate((A, B)):
        for version in (4, 6):
            address = f'{ADDRESSES[version][i]}/{ADDRESSES[version][2]}'
            run('ip', '-n', netns, 'addr', 'add', address, 'dev', 'wire', *(['nodad'] if version == 6 else []))
        run('ip', '-n', netns, 'link', 'set', 'wire', 'up')


def main(wire_program):
    if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
        print('skipped: needs root and /dev/net/tun')
        return 77
    for netns in (A, B):
        run('ip', 'netns', 'del', netns, check=False)
        run('ip', 'netns', 'add', netns)
    wire = None
    try:
        wire = subprocess.Popen([wire_program, A, B], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert wire.stdout.readline() == 'ready\n'
        set_up()
        wire.stdin.write('go\n')
        wire.stdin.flush()
        ok = [tcp(4), tcp(6), udp(4), udp(6)]
        bad = checksum_errors()
        wire.send_signal(signal.SIGTERM)
        counts = json.loads(wire.communicate(timeout=10)[0])
        print(f'wire: {counts}; errors counted by the far stack: {bad or "none"}')
        # TCP always sends super-frames here; UDP does where the kernel's tap knows USO (6.2).
        return 0 if all(ok) and not bad and wire.returncode == 0 and counts['supers'] > 100 else 1
    finally:
        if wire is not None and wire.poll() is None:
            wire.kill()
        for netns in (A, B):
            run('ip', 'netns', 'del', netns, check=False)


sys.exit(main(sys.argv[1]))
