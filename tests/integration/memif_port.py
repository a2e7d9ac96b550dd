#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# A memif port and a peer that comes and goes.
#
#	netns vsmemif-a             portloop                 dpdk-testpmd --forward-mode=icmpecho
#	10.77.0.1 ─ veth ─ a0 ─ [ xdp port │ memif port ] ═ shared memory ═ net_memif ─ answers any ARP and ping
#
# Either end may be the server.  The peer is killed, under traffic, and another one takes its place.
#
# Usage: memif_port.py PORTLOOP.  Exit status 77: not root, or no dpdk-testpmd here.

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PORTLOOP = sys.argv[1]
A = 'vsmemif-a'
NEAR = 'vsmemif-a0'


def run(*args, check=True):
    p = subprocess.run(args, capture_output=True, text=True)
    if check and p.returncode != 0:
        raise AssertionError(f'{" ".join(args)}: {p.stdout}{p.stderr}')
    return p.stdout


def teardown():
    run('ip', 'link', 'del', NEAR, check=False)
    run('ip', 'netns', 'del', A, check=False)


def setup(mtu=1500):
    teardown()
    run('ip', 'netns', 'add', A)
    run('ip', 'link', 'add', NEAR, 'mtu', str(mtu), 'type', 'veth', 'peer', 'name', 'eth0', 'mtu', str(mtu), 'netns', A)
    run('ip', '-n', A, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', A, 'addr', 'add', '10.77.0.1/24', 'dev', 'eth0')


class Loop:
    def __init__(self, role, path, near='xdp', mtu=1500):
        self.file = tempfile.NamedTemporaryFile('w')
        memif = {'server': 'memif-server:', 'client': 'memif:'}[role] + path + ',id=3'
        self.name = path
        self.p = subprocess.Popen([PORTLOOP, '-m', str(mtu), f'{near}:{NEAR}', memif], stdout=self.file, stderr=subprocess.STDOUT)
        self.wait_for('ready', '', 1)

    def output(self):
        with open(self.file.name) as f:
            return f.read()

    def wait_for(self, start, words, times):
        for _ in range(500):
            if sum(line.startswith(start) and words in line for line in self.output().splitlines()) >= times:
                return
            time.sleep(0.02)
        raise AssertionError(f'"{start}... {words}" not {times} times in: {self.output()}')

    def links(self, state, times):
        self.wait_for(self.name, 'link ' + state, times)

    def end(self):
        self.p.terminate()
        self.p.wait(timeout=20)
        assert self.p.returncode == 0, self.output()
        return [json.loads(line) for line in self.output().splitlines() if line.startswith('{')]


class Peer:
    def __init__(self, role, path, number):
        self.log = tempfile.NamedTemporaryFile('w')
        self.p = subprocess.Popen(
            ['dpdk-testpmd', '--no-huge', '-m', '128', '--no-pci', '--no-telemetry', '--no-shconf', '-l', '0-1',
             '--file-prefix', f'vsmemif{number}', '--vdev',
             f'net_memif0,role={role},id=3,socket={path},socket-abstract=no', '--', '-i', '--forward-mode=icmpecho',
             '--auto-start', '--total-num-mbufs=4096'],
            stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT)

    def kill(self):
        self.p.kill()
        self.p.wait()


def ping(*options, expect=True):
    wait = '5' if expect else '1'  # An answer may be late where testpmd and we share a core.
    out = subprocess.run(['ip', 'netns', 'exec', A, 'ping', '-q', '-i', '0.05', '-W', wait, *options, '10.77.0.2'],
                         capture_output=True, text=True).stdout
    assert (', 0% packet loss' in out) == expect, out


def wait_for_answer():
    """The link is up before testpmd forwards."""
    for _ in range(10):
        if subprocess.run(['ip', 'netns', 'exec', A, 'ping', '-q', '-c', '1', '-W', '1', '10.77.0.2'],
                          stdout=subprocess.DEVNULL).returncode == 0:
            return
    raise AssertionError('the peer never answers')


def peers_come_and_go(folder, ours, theirs):
    path = f'{folder}/{ours}.sock'
    loop = Loop(ours, path)
    try:
        for i in range(1, 4):
            peer = Peer(theirs, path, i)
            try:
                loop.links('up', i)
                wait_for_answer()
                ping('-c', '10')
                flood = subprocess.Popen(['ip', 'netns', 'exec', A, 'ping', '-q', '-f', '-w', '5', '10.77.0.2'],
                                         stdout=subprocess.DEVNULL)
                time.sleep(0.5)
            finally:
                peer.kill()
            loop.links('down: the peer left', i)
            flood.terminate()
            flood.wait()
            ping('-c', '2', expect=False)
            if theirs == 'server':
                os.unlink(path)
        for port in loop.end():
            assert port['unaccounted'] == 0, port
            assert port['rx'] > 30, port
    finally:
        loop.p.kill()


def long_frames(folder, ours, theirs):
    """DPDK's buffers are 2 KB: frames come and go in several of them.  AF_XDP has none as long."""
    path = f'{folder}/long-{ours}.sock'
    loop = Loop(ours, path, 'packet', 9000)
    peer = Peer(theirs, path, 9)
    try:
        loop.links('up', 1)
        wait_for_answer()
        ping('-c', '20', '-s', '8972', '-M', 'do')
        for port in loop.end():
            assert port['unaccounted'] == 0, port
    finally:
        peer.kill()
        loop.p.kill()


def main():
    if os.geteuid() != 0 or shutil.which('dpdk-testpmd') is None:
        print('skipped: needs root and dpdk-testpmd')
        return 77
    setup()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for ours, theirs in (('server', 'client'), ('client', 'server')):
                print('we are the', ours, flush=True)
                peers_come_and_go(folder, ours, theirs)
            setup(9000)
            for ours, theirs in (('server', 'client'), ('client', 'server')):
                print('we are the', ours, 'at MTU 9000', flush=True)
                long_frames(folder, ours, theirs)
    finally:
        teardown()
    return 0


sys.exit(main())
