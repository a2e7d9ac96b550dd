#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Two namespaces behind synthetic NICs, and a guest that lies on one of them.
#
#	netns vstap-a              ethloop                    netns vstap-b
#	10.78.0.1 ─ eth0 ─ vmbus-tap ═ [ vmbus port │ vmbus port ] ═ vmbus-tap ─ eth0 ─ 10.78.0.2
#
# Pings up to the MTU, whole TCP streams, the switch killed and started again; then one tap makes room for attacks.
#
# Usage: vmbus_tap.py ETHLOOP VMBUS-TAP VMBUS-HOSTILE.  Exit status 77: not root, or no tap devices here.

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time

ETHLOOP, TAP, HOSTILE = sys.argv[1:4]
SIDES = {'a': '10.78.0.1', 'b': '10.78.0.2'}
MTU = 9000
ATTACKS = ['message-order', 'gpadl-outside', 'ring-write-index', 'ring-descriptor', 'rndis-data', 'completion-twice', 'revoke']
STREAM = f'''
import socket, sys
if sys.argv[1] == 'serve':
    s = socket.create_server(('0.0.0.0', 5001))
    print('up', flush=True)
    c, _ = s.accept()
    while data := c.recv(1 << 20):
        sys.stdout.buffer.write(data)
else:
    c = socket.create_connection(('{SIDES["b"]}', 5001))
    c.sendall(sys.stdin.buffer.read())
'''


def run(*args, check=True, **kw):
    p = subprocess.run(args, capture_output=True, text=True, **kw)
    if check and p.returncode != 0:
        raise AssertionError(f'{" ".join(args)}: {p.stdout}{p.stderr}')
    return p.stdout


def teardown():
    for side in SIDES:
        run('ip', 'netns', 'del', f'vstap-{side}', check=False)


class Rig:
    def __init__(self, folder):
        self.folder, self.loop, self.taps = folder, None, {}

    def path(self, side):
        return os.path.join(self.folder, f'{side}.sock')

    def start_loop(self):
        self.loop = subprocess.Popen(
            [ETHLOOP, '--no-huge', '--no-pci', '-m', '256', '--file-prefix', 'vstap', '-l', '0', '--', '-m', str(MTU)] +
            [f'vmbus:{self.path(side)}' for side in SIDES],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_tap(self, side):
        netns = f'vstap-{side}'
        self.taps[side] = subprocess.Popen([TAP, '--netns', netns, '--name', 'eth0', self.path(side)])
        for _ in range(200):
            if 'state UP' in run('ip', '-n', netns, 'link', 'show', 'eth0', check=False):
                break
            time.sleep(0.1)
        run('ip', '-n', netns, 'addr', 'add', f'{SIDES[side]}/24', 'dev', 'eth0')

    def stop(self):
        for p in [*self.taps.values(), self.loop]:
            if p and p.poll() is None:
                p.terminate()
                p.wait(20)


def ping(size, tries=1):
    for _ in range(tries):
        if ', 0% packet loss' in run('ip', 'netns', 'exec', 'vstap-a', 'ping', '-c', '3', '-i', '0.2', '-W', '5', '-M', 'do', '-s',
                                     str(size), SIDES['b'], check=False):
            return
        time.sleep(0.5)
    raise AssertionError(f'no answer to pings of {size} bytes')


def stream():
    data = hashlib.shake_128(b'stream').digest(8 << 20)
    server = subprocess.Popen(['ip', 'netns', 'exec', 'vstap-b', 'python3', '-c', STREAM, 'serve'], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b'up\n'
    client = subprocess.Popen(['ip', 'netns', 'exec', 'vstap-a', 'python3', '-c', STREAM, 'send'], stdin=subprocess.PIPE)
    client.stdin.write(data)
    client.stdin.close()
    got = server.stdout.read()
    assert client.wait(60) == 0 and server.wait(60) == 0
    assert got == data, 'the stream that arrived is another one'


def check(rig):
    rig.start_loop()
    for side in SIDES:
        run('ip', 'netns', 'add', f'vstap-{side}')
        rig.start_tap(side)
    assert f'mtu {MTU}' in run('ip', '-n', 'vstap-a', 'link', 'show', 'eth0')
    ping(56, tries=10)
    ping(MTU - 28)
    stream()
    errors = run('ip', 'netns', 'exec', 'vstap-b', 'nstat', '-az', 'TcpInCsumErrors', check=False)
    assert not errors or errors.split()[-2] == '0', errors

    rig.loop.send_signal(signal.SIGKILL)
    rig.loop.wait(10)
    rig.start_loop()
    ping(56, tries=40)
    stream()

    rig.taps['b'].terminate()
    assert rig.taps['b'].wait(20) == 0
    for attack in ATTACKS:
        print(run(HOSTILE, '--ms', '100', '--attack', attack, rig.path('b'), timeout=120).strip())
    rig.start_tap('b')
    ping(56, tries=20)

    run('ip', 'netns', 'del', 'vstap-a')
    assert rig.taps['a'].wait(20) == 1  # Its namespace went.


def main():
    if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
        print('skipped: needs root and /dev/net/tun')
        return 77
    teardown()
    with tempfile.TemporaryDirectory(prefix='vstap') as folder:
        rig = Rig(folder)
        try:
            check(rig)
        finally:
            rig.stop()
            teardown()
    return 0


sys.exit(main())
