#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Streams between host and guest (AF_VSOCK), with the guest's own hv_sock.

    test_vsock.py VSWITCHD VSWITCHCTL VSOCK-PEER

    v  hv_sock; vsock_peer in it  ══ vsock.sock, vsock.sock_2000 ══ this test
"""
import os
import socket
import subprocess
import sys
import threading

import guest
import vst

PORT, OURS, NOBODYS = 1024, 2000, 4000
SIZE = 1 << 20


def connect(path, port):
    """A stream to a port of the guest, and what it was greeted with."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    sock.sendall(f'CONNECT {port}\n'.encode())
    greeting = b''
    while not greeting.endswith(b'\n'):
        got = sock.recv(1)
        if not got:
            break
        greeting += got
    return sock, greeting


def read_all(sock):
    text = b''
    while True:
        got = sock.recv(1 << 16)
        if not got:
            return text
        text += got


def exchange(sock, data):
    """Sends, ends its half, and returns what came back."""
    def send():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = read_all(sock)
    sender.join(10)
    sock.close()
    return got


def to_guest(t, v, path):
    v.run(f'vsock_peer listen {PORT} 3 >/tmp/peer 2>&1 &')
    t.check(vst.wait_for(lambda: 'listening' in v.out('cat /tmp/peer'), 20), 'the guest listens', v.out('cat /tmp/peer; dmesg | tail -5'))
    data = os.urandom(SIZE)
    sock, greeting = connect(path, PORT)
    t.check(greeting.startswith(b'OK '), 'the host is connected', greeting)
    t.check(exchange(sock, data) == data, 'a megabyte goes there and back, and each half ends by itself')
    t.check(vst.wait_for(lambda: f'echoed {SIZE}' in v.out('cat /tmp/peer'), 10), 'the guest had all of it', v.out('cat /tmp/peer'))

    sock, _ = connect(path, PORT)
    sock.settimeout(0.5)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += sock.send(data)
    except socket.timeout:
        pass
    t.check(sent < 64 << 20, 'who does not read holds the other up', sent)
    sock.settimeout(60)
    t.check(v.run('true').ok, 'and nobody else')
    sock.shutdown(socket.SHUT_WR)
    t.check(len(read_all(sock)) == sent, 'nothing of it is lost', sent)
    sock.close()

    tool = subprocess.run([t.vswitchctl, '--socket', v.sw.socket, 'vm', 'connect', 'v', str(PORT)], input=b'by the tool', stdout=subprocess.PIPE, timeout=60)
    t.check(tool.stdout == b'by the tool', 'vm connect is one more end', tool)
    sock, greeting = connect(path, NOBODYS)
    t.check(greeting == b'', 'where nobody listens the host is let go', greeting)
    sock.close()


def from_guest(t, v, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f'{path}_{OURS}')
    listener.listen(4)
    listener.settimeout(60)
    v.run(f'head -c {SIZE} /dev/urandom >/tmp/r')
    sent = v.send(f'vsock_peer connect 2 {OURS} </tmp/r >/tmp/back; cmp /tmp/r /tmp/back && echo same')
    sock, _ = listener.accept()
    sock.settimeout(60)
    text = read_all(sock)
    sock.sendall(text)
    sock.close()
    result = v.finish(sent)
    t.check(len(text) == SIZE and 'same' in result.out, 'a guest connects to a socket of the host, a megabyte goes there and back', (len(text), result))
    listener.close()
    refused = v.run(f'vsock_peer connect 2 {NOBODYS} </dev/null', ok=None)
    t.check(not refused.ok, 'and where nobody listens it is not connected', refused)


def test(t):
    sw = guest.daemon(t)
    peer = os.path.abspath(sys.argv[3])
    v = guest.Vm(sw, 'v', processors=2, load=guest.LOAD + ',hv_sock', files=[f'{peer}:usr/local/bin/vsock_peer'], options='--vsock')
    v.start()
    path = v.show()['vsock']
    to_guest(t, v, path)
    from_guest(t, v, path)
    to_guest(t, v, path)
    t.check(v.complaints() == '', "the guest's kernel complains of nothing", v.complaints())


vst.main(test)
