#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The tap and packet drivers between real Linux stacks, without the switch (tests/support/portloop.c).
#
#	netns vskp-a                netns vskp-h ("the host")                      netns vskp-b
#	10.66.0.1  eth0 ═tap═ portloop ─ packet sockets ─ v0 ═══════veth═══════ eth0  10.66.0.2
#	fd66::1                                           10.66.0.3 when told            fd66::2
#
# Usage: kernel_ports.py PORTLOOP [CASE...].  Exit status 77: not root, or no tap here.

import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

A, B, H = (f'vskp{os.getpid()}-{x}' for x in 'abh')
ADDRESSES = {4: ('10.66.0.1/24', '10.66.0.2/24'), 6: ('fd66::1/64', 'fd66::2/64')}
PORTLOOP = None

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
c = socket.create_connection((sys.argv[1], 7000), timeout=20)
c.sendall(random.Random(int(sys.argv[2])).randbytes(int(sys.argv[3])))
c.shutdown(socket.SHUT_WR)
c.recv(1)
'''
# Prints frames of EtherType 0x88b5 (for experiments) or TCP port 9, with the tag that the kernel took off put back.
SNIFF = '''
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 8, 1)
s.setsockopt(263, 23, 1)
s.bind(("eth0", 3))
s.settimeout(float(sys.argv[2]))
print("listening", flush=True)
n = 0
while n < int(sys.argv[1]):
    try:
        data, anc, flags, _ = s.recvmsg(70000, 256)
    except TimeoutError:
        break
    status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", anc[0][2])
    if status & 0x10:
        data = data[:12] + struct.pack("!HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
    if b"\\x88\\xb5" in data[12:26] or b"marked" in data:
        print(data.hex(), flush=True)
        n += 1
'''
# Sends frames of a packet socket, with a virtio_net_hdr each.
INJECT = '''
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(263, 15, 1)
s.bind(("eth0", 0))
for frame in sys.argv[1:]:
    s.send(bytes.fromhex(frame))
'''


def run(*command, check=True):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def ip(netns, *args, check=True):
    return run('ip', '-n', netns, *args, check=check)


def python(netns, code, *args):
    return subprocess.Popen(['ip', 'netns', 'exec', netns, sys.executable, '-c', code, *map(str, args)],
                            stdout=subprocess.PIPE, text=True)


def until(what, seconds=5):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, 'it did not come'
        time.sleep(0.02)


class Loop:
    """portloop, run in the host's namespace."""
    all = []

    def __init__(self, *args, fails=False):
        command = ['ip', 'netns', 'exec', H, PORTLOOP, *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        Loop.all.append(self.process)
        if fails:
            self.errors = self.process.communicate(timeout=20)[1]
            assert self.process.returncode == 2, self.errors
        elif self.process.stdout.readline() != 'ready\n':
            raise AssertionError(self.process.stderr.read())

    def cpu(self):
        with open(f'/proc/{self.process.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def idles(self):
        """Share of a core over a second."""
        before = self.cpu()
        time.sleep(1)
        return self.cpu() - before < 0.3

    def stop(self):
        """All frames and buffers accounted for: else portloop says 1.  Returns links told, and each port's report."""
        self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, out + errors
        lines = out.splitlines()
        return [line for line in lines if line[0] != '{'], [json.loads(line) for line in lines if line[0] == '{']


@contextlib.contextmanager
def topology(mtu=1500):
    for netns in (A, B, H):
        run('ip', 'netns', 'del', netns, check=False)
        run('ip', 'netns', 'add', netns)
        ip(netns, 'link', 'set', 'lo', 'up')
    try:
        ip(H, 'link', 'add', 'v0', 'mtu', str(mtu), 'type', 'veth', 'peer', 'name', 'eth0', 'mtu', str(mtu), 'netns', B)
        ip(B, 'link', 'set', 'eth0', 'up')
        yield
    finally:
        while Loop.all:
            process = Loop.all.pop()
            process.kill()
            process.wait()
        for netns in (A, B, H):
            run('ip', 'netns', 'del', netns, check=False)


def too_late(*_):
    raise AssertionError('it takes too long')


def addresses(netns, which):
    for version in (4, 6):
        ip(netns, 'addr', 'add', ADDRESSES[version][which], 'dev', 'eth0', *(['nodad'] if version == 6 else []))


def host(version, which):
    return ADDRESSES[version][which].split('/')[0]


def tcp(version, to, size):
    want = hashlib.sha256(random.Random(size).randbytes(size)).hexdigest()
    receiver = python((A, B)[to], RECEIVE, host(version, to))
    assert receiver.stdout.readline() == 'listening\n'
    sender = python((A, B)[1 - to], SEND, host(version, to), size, size)
    said = receiver.communicate(timeout=60)[0].split()
    assert sender.wait(timeout=20) == 0
    assert said == [str(size), want], f'IPv{version} to {to}: {said[0]} of {size} bytes'


def ping(netns, address, *args):
    return subprocess.run(['ip', 'netns', 'exec', netns, 'ping', '-c', '2', '-i', '0.1', '-W', '1', *args, address],
                          stdout=subprocess.DEVNULL).returncode == 0


def checksum_errors(netns):
    bad = {}
    for path in ('snmp', 'netstat'):
        lines = run('ip', 'netns', 'exec', netns, 'cat', f'/proc/net/{path}').splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            bad |= {names.split(':')[0] + n: int(v) for n, v in zip(names.split()[1:], values.split()[1:])}
    for line in run('ip', 'netns', 'exec', netns, 'cat', '/proc/net/snmp6').splitlines():
        bad[line.split()[0]] = int(line.split()[1])
    return {k: v for k, v in bad.items() if v and ('Csum' in k or 'HdrErrors' in k or k == 'TcpInErrs')}


def exchange(mtu, args, first='tap:eth0@' + A):
    with topology(mtu):
        loop = Loop('-m', str(mtu), *args, first, 'packet:v0')
        addresses(A, 0)
        addresses(B, 1)
        for version in (4, 6):
            for size in (0, mtu - 48, 3 * mtu):
                assert ping(A, host(version, 1), '-s', str(size)), f'ping -s {size} over IPv{version}'
            for to in (0, 1):
                tcp(version, to, 8_000_000)
        for netns in (A, B):
            assert checksum_errors(netns) == {}, checksum_errors(netns)
        supers = [port['supers'] for port in loop.stop()[1]]
        assert supers[1] > 0 and (supers[0] > 0) == ('-O' not in args), supers
        assert 'eth0' not in ip(A, 'link'), 'the tap outlives its port'


def stacks_exchange_pings_and_streams():
    for mtu in (1500, 9000):
        exchange(mtu, [])


def stacks_exchange_them_without_offloads():
    for mtu in (1500, 9000):
        exchange(mtu, ['-O'])


def stacks_exchange_them_over_several_queues():
    exchange(1500, ['-q', '4'])


def small_and_large_mtu_change_while_frames_flow():
    with topology(1500):
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        addresses(A, 0)
        addresses(B, 1)
        for mtu in (9000, 1280, 4000):
            ip(A, 'link', 'set', 'eth0', 'mtu', str(mtu))
            ip(H, 'link', 'set', 'v0', 'mtu', str(mtu))
            ip(B, 'link', 'set', 'eth0', 'mtu', str(mtu))
            assert ping(A, host(4, 1), '-s', str(mtu - 28), '-M', 'do')
            tcp(4, 1, 3_000_000)
        loop.stop()


def frame(tags, payload):
    data = bytes.fromhex('020000000002020000000001')
    for tpid, tci in tags:
        data += tpid.to_bytes(2, 'big') + tci.to_bytes(2, 'big')
    return data + payload


def ones_sum(data):
    total = sum(int.from_bytes(data[i:i + 2].ljust(2, b'\0'), 'big') for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def tcp_segment(complete):
    """IPv4 with a TCP segment whose checksum is the pseudo-header's sum, or complete."""
    text = b'marked' * 20
    pseudo = socket.inet_aton('10.66.0.2') + socket.inet_aton('10.66.0.1') + bytes([0, 6]) + (20 + len(text)).to_bytes(2, 'big')
    head = bytes.fromhex('0001000900000001000000005010ffff')
    check = ones_sum(pseudo)
    if complete:
        check = 0xffff ^ ones_sum(pseudo + head + bytes(4) + text)
    segment = head + check.to_bytes(2, 'big') + bytes(2) + text
    header = bytearray(bytes.fromhex('4500') + (20 + len(segment)).to_bytes(2, 'big') + bytes.fromhex('00014000400600000a4200020a420001'))
    header[10:12] = (0xffff ^ ones_sum(bytes(header))).to_bytes(2, 'big')
    return bytes(header) + segment


STACKS = [[], [(0x8100, 77)], [(0x8100, 0xe00a)], [(0x88a8, 5), (0x8100, 6)], [(0x8100, 1), (0x8100, 2), (0x8100, 3)]]


def pass_frames(source, to, headers, frames):
    sniffer = python(to, SNIFF, len(frames), 3)
    assert sniffer.stdout.readline() == 'listening\n'
    assert python(source, INJECT, *[(h + f).hex() for h, f in zip(headers, frames)]).wait(timeout=10) == 0
    return [bytes.fromhex(line) for line in sniffer.communicate(timeout=10)[0].split()]


def tagged_frames_pass_with_their_tags_in_both_directions():
    with topology():
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        frames = [frame(tags, bytes.fromhex('88b5') + bytes([i]) * (46 + i)) for i, tags in enumerate(STACKS)]
        for source, to in ((A, B), (B, A)):
            got = pass_frames(source, to, [bytes(10)] * len(frames), frames)
            assert got == frames, f'from {source}: {[g.hex() for g in got]}'
        loop.stop()


def unfinished_checksum_behind_a_tag_is_finished():
    with topology():
        loop = Loop('-O', 'tap:eth0@' + A, 'packet:v0')
        frames = [frame(tags, bytes.fromhex('0800') + tcp_segment(False)) for tags in STACKS[:4]]
        want = [frame(tags, bytes.fromhex('0800') + tcp_segment(True)) for tags in STACKS[:4]]
        headers = [bytes([1, 0, 0, 0, 0, 0]) + (34 + 4 * len(tags)).to_bytes(2, 'little') + bytes([16, 0]) for tags in STACKS[:4]]
        got = pass_frames(B, A, headers, frames)
        assert got == want, [g.hex() for g in got]
        loop.stop()


def host_stack_is_kept_from_a_taken_interface_and_gets_it_back():
    with topology():
        ip(H, 'addr', 'add', '10.66.0.3/24', 'dev', 'v0')
        addresses(B, 1)
        loop = Loop('-m', '1400', 'tap:eth0@' + A, 'packet:v0')
        assert 'mtu 1400' in ip(H, 'link', 'show', 'v0')
        assert not ping(B, '10.66.0.3'), 'the host answered on an interface that is taken'
        loop.stop()
        assert 'mtu 1500' in ip(H, 'link', 'show', 'v0') and ',UP' not in ip(H, 'link', 'show', 'v0')
        ip(H, 'link', 'set', 'v0', 'up')
        assert ping(B, '10.66.0.3')


def killed_switch_leaves_the_interface_to_the_host():
    with topology():
        ip(H, 'addr', 'add', '10.66.0.3/24', 'dev', 'v0')
        addresses(B, 1)
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        loop.process.kill()
        loop.process.wait()
        until(lambda: 'eth0' not in ip(A, 'link'))
        if tuple(map(int, os.uname().release.split('.')[:2])) >= (6, 6):
            assert ping(B, '10.66.0.3')


@contextlib.contextmanager
def load():
    """Streams in both directions that nobody waits for."""
    flows = []
    for netns, to in ((A, host(4, 1)), (B, host(4, 0))):
        code = f'import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nwhile True:\n try: s.sendto(bytes(1400), ("{to}", 9))\n except OSError: pass'
        flows.append(python(netns, code))
    time.sleep(0.5)
    try:
        yield flows
    finally:
        for flow in flows:
            flow.kill()
            flow.wait()


def link_told(loop, text):
    """Waits for a line of portloop; those before it stay for others."""
    while not (found := [line for line in loop.lines if text in line]):
        line = loop.process.stdout.readline()
        assert line, f'no line says: {text}'
        loop.lines.append(line)
    loop.lines.remove(found[0])


def links_up(loop):
    """A veth has its carrier up to a second after it is up."""
    link_told(loop, 'eth0: link up')
    link_told(loop, 'v0: link up')


def interface_that_is_deleted_under_load_is_a_link_down():
    with topology():
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        addresses(A, 0)
        addresses(B, 1)
        links_up(loop)
        with load():
            ip(H, 'link', 'del', 'v0')
            link_told(loop, 'v0: link down')  # It may have been seen going down first.
            ip(A, 'link', 'del', 'eth0')
            link_told(loop, 'eth0: link down')
        assert loop.idles(), 'it is busy with interfaces that are gone'
        reports = loop.stop()[1]
        assert all(r['show']['gone'] for r in reports) and reports[1]['drops'].get('tx-down', 0) > 0, reports


def namespace_that_is_deleted_under_load_takes_its_tap_along():
    with topology():
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        addresses(A, 0)
        addresses(B, 1)
        links_up(loop)
        with load() as flows:
            run('ip', 'netns', 'del', A)
            flows[0].kill()
            link_told(loop, 'eth0: link down')
            run('ip', 'netns', 'del', B)
            flows[1].kill()
            link_told(loop, 'v0: link down')
        assert loop.idles(), 'it is busy with interfaces that are gone'
        loop.stop()


def link_follows_the_other_side():
    with topology():
        loop = Loop('tap:eth0@' + A, 'packet:v0')
        links_up(loop)
        for netns, port in ((A, 'eth0'), (B, 'v0')):
            ip(netns, 'link', 'set', 'eth0', 'down')
            link_told(loop, port + ': link down')
            ip(netns, 'link', 'set', 'eth0', 'up')
            link_told(loop, port + ': link up')
        ip(H, 'link', 'set', 'v0', 'down')
        link_told(loop, 'v0: link down: interface v0 is down')
        ip(H, 'link', 'set', 'v0', 'up')
        link_told(loop, 'v0: link up')
        addresses(A, 0)
        addresses(B, 1)
        assert ping(A, host(4, 1)), 'frames do not flow after the link came back'
        assert loop.idles()
        loop.stop()


def what_cannot_be_taken_is_refused_and_leaves_nothing():
    with topology():
        ip(A, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1')
        for args, text in ((['tap:eth0@' + A, 'packet:v0'], "the name is taken"), (['tap:v0', 'packet:v0'], "the name is taken"),
                           (['packet:none', 'packet:v0'], "no interface 'none'"), (['packet:lo', 'packet:v0'], 'not Ethernet'),
                           (['-m', '65530', 'tap:t0', 'packet:v0'], 'MTU'), (['-m', '100', 'tap:t0', 'packet:none'], 'no interface')):
            errors = Loop(*args, fails=True).errors
            assert text in errors, errors
        assert 'vswtap' not in ip(H, 'link') and 't0' not in ip(H, 'link')
        assert 'state DOWN' in ip(H, 'link', 'show', 'v0'), 'it was brought up and left so'


CASES = [
    stacks_exchange_pings_and_streams,
    stacks_exchange_them_without_offloads,
    stacks_exchange_them_over_several_queues,
    small_and_large_mtu_change_while_frames_flow,
    tagged_frames_pass_with_their_tags_in_both_directions,
    unfinished_checksum_behind_a_tag_is_finished,
    host_stack_is_kept_from_a_taken_interface_and_gets_it_back,
    killed_switch_leaves_the_interface_to_the_host,
    interface_that_is_deleted_under_load_is_a_link_down,
    namespace_that_is_deleted_under_load_takes_its_tap_along,
    link_follows_the_other_side,
    what_cannot_be_taken_is_refused_and_leaves_nothing,
]


def main():
    global PORTLOOP
    PORTLOOP = sys.argv[1]
    if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
        print('skipped: needs root and /dev/net/tun')
        return 77
    signal.signal(signal.SIGALRM, too_late)
    failed = 0
    for case in CASES:
        if sys.argv[2:] and case.__name__ not in sys.argv[2:]:
            continue
        signal.alarm(120)
        try:
            case()
            print('ok    ', case.__name__, flush=True)
        except (AssertionError, subprocess.SubprocessError) as error:
            failed += 1
            print('FAILED', case.__name__, error, getattr(error, 'output', '') or '', flush=True)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
