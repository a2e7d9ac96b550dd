#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# AF_XDP ports between two Linux stacks.
#
#	netns vsxdp-a              netns vsxdp-s                  netns vsxdp-b
#	10.77.0.1 ─ veth ── a0 ─ [ portloop: two ports ] ─ b0 ── veth ─ 10.77.0.2
#
# TCP must arrive byte for byte with no bad checksum counted, whether the stacks leave checksums to the device or not; a
# frame of the longest MTU must arrive; and an interface must be as it was when the port is closed, also when the process
# is killed.
#
# Usage: xdp_ports.py PORTLOOP.  Exit status 77: not root, or no veth or AF_XDP here.

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

PORTLOOP = sys.argv[1]
A, B, S = (f'vsxdp{os.getpid()}-{x}' for x in 'abs')
N_BYTES = 8 * 1000 * 1000

RECEIVE = '''
import hashlib, socket, sys, threading
s = socket.create_server(("10.77.0.2", 7000), backlog=64)
print("listening", flush=True)
def take(c):
    h = hashlib.sha256()
    while data := c.recv(1 << 20):
        h.update(data)
    c.sendall(h.digest())
    c.close()
threads = []
for _ in range(int(sys.argv[1])):
    threads.append(threading.Thread(target=take, args=(s.accept()[0],)))
    threads[-1].start()
for t in threads:
    t.join()
'''
SEND = '''
import hashlib, random, socket, sys, threading
bad = []
def send(i):
    data = random.Random(i).randbytes(int(sys.argv[2]))
    c = socket.create_connection(("10.77.0.2", 7000), timeout=20)
    c.sendall(data)
    c.shutdown(socket.SHUT_WR)
    if c.recv(100, socket.MSG_WAITALL) != hashlib.sha256(data).digest():
        bad.append(i)
threads = [threading.Thread(target=send, args=(i,)) for i in range(int(sys.argv[1]))]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(bad))
'''


def run(*args, check=True):
    p = subprocess.run(args, capture_output=True, text=True)
    if check and p.returncode != 0:
        raise AssertionError(f'{" ".join(args)}: {p.stderr}')
    return p.stdout


def ip(*args, **kwargs):
    return run('ip', *args, **kwargs)


def inside(netns, *args, **kwargs):
    return run('ip', 'netns', 'exec', netns, *args, **kwargs)


def teardown():
    for netns in (A, B, S):
        ip('netns', 'del', netns, check=False)


def setup(queues=1):
    teardown()
    for netns in (A, B, S):
        ip('netns', 'add', netns)
    n = str(queues)
    for netns, near, address in ((A, 'a0', '10.77.0.1/24'), (B, 'b0', '10.77.0.2/24')):
        ip('-n', S, 'link', 'add', near, 'numtxqueues', n, 'numrxqueues', n, 'type', 'veth', 'peer', 'name', 'eth0',
           'numtxqueues', n, 'numrxqueues', n, 'netns', netns)
        if queues > 1:
            for where, name in ((S, near), (netns, 'eth0')):
                inside(where, 'ethtool', '-L', name, 'rx', n, 'tx', n)
        ip('-n', netns, 'link', 'set', 'eth0', 'up')
        ip('-n', netns, 'addr', 'add', address, 'dev', 'eth0')


def link(netns, name):
    return json.loads(ip('-n', netns, '-j', '-d', 'link', 'show', name))[0]


class Loop:
    """portloop between a0 and b0."""

    def __init__(self, *options, a='xdp:a0@' + S, b='xdp:b0@' + S):
        self.file = tempfile.NamedTemporaryFile('w')
        self.p = subprocess.Popen([PORTLOOP, *options, a, b], stdout=self.file, stderr=subprocess.STDOUT)
        self.wait_for('a0: link up')
        self.wait_for('b0: link up')

    def output(self):
        with open(self.file.name) as f:
            return f.read()

    def wait_for(self, words):
        for _ in range(250):
            if words in self.output():
                return
            time.sleep(0.02)
        self.p.kill()
        raise AssertionError(f'no "{words}" in: {self.output()}')

    def end(self, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        self.p.wait(timeout=20)
        out = self.output()
        if sig == signal.SIGTERM:
            assert self.p.returncode == 0, out
        return [json.loads(line) for line in out.splitlines() if line.startswith('{')]


def bad_checksums(netns):
    text = inside(netns, 'nstat', '-asz')
    return sum(int(line.split()[1]) for line in text.splitlines() if 'CsumErrors' in line)


def tcp(n):
    before = bad_checksums(A) + bad_checksums(B)
    server = subprocess.Popen(['ip', 'netns', 'exec', B, sys.executable, '-c', RECEIVE, str(n)],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == 'listening\n'
    try:
        assert inside(A, sys.executable, '-c', SEND, str(n), str(N_BYTES // n)) == '0\n'
        server.wait(timeout=20)
    finally:
        server.kill()
    assert bad_checksums(A) + bad_checksums(B) == before


def ping(size, count='3'):
    out = inside(A, 'ping', '-q', '-M', 'do', '-i', '0.1', '-W', '1', '-c', count, '-s', str(size), '10.77.0.2')
    assert ', 0% packet loss' in out, out


def has_program(name):
    return 'xdp' in link(S, name)


def test_stacks_with_checksum_offload_understand_each_other():
    loop = Loop()
    assert has_program('a0') and has_program('b0')
    ping(56)
    tcp(1)
    for port in loop.end():
        show = port['show']
        assert port['unaccounted'] == 0 and not port['drops'], port
        assert show['tx_invalid'] == 0 and show['rx_dropped'] == 0, port


def test_stacks_without_checksum_offload_too():
    for netns in (A, B):
        inside(netns, 'ethtool', '-K', 'eth0', 'tx', 'off')
    loop = Loop()
    tcp(1)
    loop.end()
    for netns in (A, B):
        inside(netns, 'ethtool', '-K', 'eth0', 'tx', 'on')


def test_packet_socket_at_the_other_end():
    loop = Loop(b='packet:b0@' + S)
    tcp(2)
    loop.end()


def test_longest_mtu_passes_and_a_longer_one_is_refused():
    for netns in (A, B):
        ip('-n', netns, 'link', 'set', 'eth0', 'mtu', '3498')
    loop = Loop('-m', '3498')
    ping(3498 - 28)
    tcp(1)
    loop.end()
    p = subprocess.run([PORTLOOP, '-m', '3499', f'xdp:a0@{S}', f'xdp:b0@{S}'], capture_output=True, text=True)
    assert p.returncode == 2 and 'at most 3498' in p.stderr, p.stderr
    ip('-n', A, 'link', 'set', 'eth0', 'mtu', '9000')
    p = subprocess.run([PORTLOOP, f'xdp:a0@{S}', f'xdp:b0@{S}'], capture_output=True, text=True)
    assert p.returncode == 2 and 'too large for XDP' in p.stderr, p.stderr
    for netns in (A, B):
        ip('-n', netns, 'link', 'set', 'eth0', 'mtu', '1500')


def test_interface_is_given_back_as_it_was():
    before = link(S, 'a0')
    assert 'UP' not in before['flags']
    loop = Loop('-m', '1400')
    during = link(S, 'a0')
    assert during['mtu'] == 1400 and during['promiscuity'] == 1 and 'UP' in during['flags']
    loop.end()
    after = link(S, 'a0')
    for key in ('mtu', 'flags', 'promiscuity', 'address'):
        assert after[key] == before[key], key
    assert 'xdp' not in after


def test_killed_process_leaves_no_program_and_the_interface_can_be_taken_again():
    loop = Loop()
    loop.end(signal.SIGKILL)
    for _ in range(50):
        if not has_program('a0'):
            break
        time.sleep(0.02)
    assert not has_program('a0') and link(S, 'a0')['promiscuity'] == 0
    for _ in range(5):
        loop = Loop()
        ping(56, '1')
        loop.end()


def test_interface_in_use_is_refused():
    loop = Loop()
    p = subprocess.run([PORTLOOP, f'xdp:a0@{S}', 'mem:m'], capture_output=True, text=True)
    assert p.returncode == 2 and 'another XDP program' in p.stderr, p.stderr
    ping(56)
    loop.end()


def test_every_queue_of_the_interface_is_served():
    setup(queues=2)
    loop = Loop()
    tcp(8)
    ports = loop.end()
    assert [p['show']['queues'] for p in ports] == [2, 2]


def test_interface_that_vanishes_under_load_is_a_link_down():
    loop = Loop()
    flood = subprocess.Popen(['ip', 'netns', 'exec', A, 'ping', '-q', '-f', '-w', '3', '10.77.0.2'],
                             stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    ip('-n', S, 'link', 'del', 'a0')
    loop.wait_for('a0: link down: interface a0 was deleted or moved away')
    loop.end()
    flood.kill()
    flood.wait()
    assert not has_program('b0')


def main():
    if os.geteuid() != 0:
        print('skipped: needs root')
        return 77
    try:
        socket.socket(44, socket.SOCK_RAW).close()
        setup()
    except (OSError, AssertionError) as why:
        print('skipped:', why)
        teardown()
        return 77
    try:
        for name, test in list(globals().items()):
            if name.startswith('test_'):
                print(name, flush=True)
                test()
    finally:
        teardown()
    return 0


sys.exit(main())
