# SPDX-License-Identifier: BSD-2-Clause
"""What comes with ill will, or by ill luck: each is a counted drop or an error that says what to do, and the
rest goes on as if nothing were.

    a, b ---- lan ---- v (a vhost guest that sends what no card may, lies in its rings, dies)
    clients by thousands ---[control.sock]--- the daemon ---[config.db]--- a file system that is full

Run through a whole daemon; each layer has its unit tests (server_hostile, store_damage, vring, parse, fuzz).
"""
import json
import os
import random
import re
import resource
import socket
import struct
import subprocess
import time

import vhost_guest
import vst

BCAST = 'ff:ff:ff:ff:ff:ff'
ME = '02:00:00:00:00:0e'
N_CLIENTS = 3000


def drops(sw, port):
    return {r['reason']: r['packets'] for r in sw.ctl('drop list')['drops'] if r['port'] == port and r['side'] == 'ingress'}


def received(sw, port):
    return next(p for p in sw.ctl('port stats')['ports'] if p['name'] == port)['rx_packets']


def bad_frames(t, sw, guest, seen):
    """Each as it is, and which drop it must be; None: it passes, for a switch does not judge what is inside."""
    head = vst.mac(BCAST) + vst.mac(ME)
    tag = struct.pack('!HH', 0x8100, 10)
    ip = struct.pack('!BBHHHBBHII', 0x45, 0, 60, 0, 0, 64, 6, 0, 0x0a000001, 0x0a000002)
    cases = {
        'nothing at all': (b'', 'rx-malformed'),
        'one byte': (b'\xff', 'runt'),
        'a byte less than a header': (head + b'\x08', 'runt'),
        'a header and no more': (head + b'\x88\xb5', None),
        'a VLAN tag cut off': (head + tag[:3], True),
        'a VLAN tag and no type': (head + tag, True),
        'two tags, the second cut off': (head + struct.pack('!HH', 0x88a8, 10) + tag[:2], True),
        'a group address as its source': (vst.mac(BCAST) + b'\x01' + vst.mac(ME)[1:] + b'\x88\xb5' + bytes(46), True),
        'an IPv4 header cut off': (head + b'\x08\x00' + ip[:7], None),
        'IPv4 that says 5 words too many': (head + b'\x08\x00' + b'\x4f' + ip[1:], None),
        'IPv4 longer than its frame': (head + b'\x08\x00' + ip[:2] + b'\xff\xff' + ip[4:], None),
        'IPv6 of another version': (head + b'\x86\xdd' + bytes(40), None),
        'IPv6 with half a header': (head + b'\x86\xdd\x60' + bytes(19), None),
        'TCP with half a header': (head + b'\x08\x00' + ip + bytes(7), None),
    }
    wrong = {}
    for what, (frame, want) in cases.items():
        before, n = drops(sw, 'v'), received(sw, 'v')
        seen.drain()
        guest.send(frame)
        vst.wait_for(lambda: received(sw, 'v') == n + 1, 3)
        died = {k: v - before.get(k, 0) for k, v in drops(sw, 'v').items() if v != before.get(k, 0)}
        passed = bool(seen.frames(0.1)) if want is None else False
        good = (not died and passed) if want is None else sum(died.values()) == 1 and (want is True or want in died)
        if not good or not sw.balanced():
            wrong[what] = (want, died, passed)
    t.check(not wrong, f'{len(cases)} malformed frames: each is one counted drop, or passes as it is', wrong)


def giants(t, sw, a, seen):
    """What a stack may send and a port of MTU 1500 may not: dropped at the way out, with its reason."""
    a.run('ip link set dev a mtu 9000')
    wire = a.sniff('a')
    seen.drain()
    for _ in range(10):
        wire.send(vst.frame(BCAST, ME, b'giant').ljust(8000, b'g'))
    t.check(not [f for f in seen.frames(0.4) if b'giant' in f], 'a frame above the MTU reaches nobody')
    rows = [r for r in sw.ctl('drop list')['drops'] if r['packets'] >= 10 and r['port'] in ('a', 'b')]
    t.check(rows, 'and is counted', sw.ctl('drop list'))
    wire.close()
    a.run('ip link set dev a mtu 1500')


def guest_again(sw, path, old=None):
    """A port takes one guest at a time: the next may be sent away until the one that died is cleared away."""
    if old is not None:
        old.die()
    got = []

    def joined():
        try:
            got.append(vhost_guest.Guest(path, 2))
            return True
        except OSError:
            return False
    if not vst.wait_for(joined, 10) or not sw.up('v', 10):
        raise vst.Failed(f'no guest can join the vhost port: {sw.port("v")}')
    return got[0]


def others_go_on(t, sw, a, what):
    before = sw.ctl('drop list')['drops']
    said = a.run('ping -q -i 0.05 -c 5 -W 3 10.0.0.2', ok=None).stdout
    t.check(sw.proc.poll() is None and ' 5 received' in said, f'{what}: the others go on',
            (said, before, sw.ctl('drop list')['drops'], sw.ctl('mac list')['macs']))


def lying_guest(t, sw, a, path, guest):
    rng = random.Random(5)
    for round_no in range(40):
        for _ in range(rng.randrange(1, 5)):
            guest.send(vst.frame(BCAST, ME, b'truth'))
            guest.lie(rng)
        time.sleep(0.01)
        if round_no % 5 == 4 or sw.port('v')['link'] != 'up':
            guest = guest_again(sw, path, guest)
    others_go_on(t, sw, a, '40 rounds of lies')
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    guest = guest_again(sw, path, guest)
    guest.mem[guest.available(vhost_guest.TX) + 2:guest.available(vhost_guest.TX) + 4] = b'\xff\x7f'
    guest.notify(vhost_guest.TX)
    t.check(vst.wait_for(lambda: sw.port('v')['link'] != 'up', 5), 'a guest that lies is let go', sw.port('v'))
    said = [e['text'] for e in sw.events('link') if e['port'] == 'v']
    t.check(any('available index' in x for x in said[-3:] + said[:3]), 'and an event says which lie it was', said)
    return guest_again(sw, path, guest)


UNOFFERED = range(28, 33)  # Postcopy and inflight buffers: librte_vhost serves them all the same.


def babble(sw, path, guest, request, payload, fds):
    """The request some times over; then a new guest, as the switch may have hung up."""
    try:
        for _ in range(5):
            guest.say(request, payload, fds)
        guest.sock.settimeout(0.02)
        guest.sock.recv(65536)
    except OSError:
        pass
    return guest_again(sw, path, guest)


def babbling_guest(t, sw, a, path, guest):
    """Requests of every number, with payloads and descriptors that they should not have: nothing is kept."""
    guest = guest_again(sw, path, guest)
    before = vst.descriptors(sw)
    for request in range(64):
        for payload in (b'', bytes(8), bytes(40)):
            if request not in UNOFFERED:
                guest = babble(sw, path, guest, request, payload, [guest.memfd] if payload else [])
        guest = babble(sw, path, guest, request, b'', [])
    clean = vst.wait_for(lambda: not vst.descriptors(sw) - before, 5)
    t.check(clean, 'after requests of every number no descriptor is left open', vst.descriptors(sw) - before)
    others_go_on(t, sw, a, 'nonsense on the socket')
    turned_away = False
    for i in range(40):
        try:
            guest = babble(sw, path, guest, UNOFFERED[i % 5], bytes(8), [guest.memfd])
        except vst.Failed:
            turned_away = True
            break
    t.check(turned_away, 'who keeps on asking for what is not offered is turned away')
    kept = vst.descriptors(sw) - before
    t.check(sum(kept.values()) <= 16, 'before it holds many descriptors', kept)
    t.check('not offered' in str(sw.port('v')), 'the port says why', sw.port('v'))
    sw.ctl('port remove v')
    sw.ctl(f'port add lan v --kind vhost --mode server --socket {path}')
    return guest_again(sw, path)


def dying_guest(t, sw, a, path, guest):
    for i in range(10):
        for _ in range(60):
            guest.send(vst.frame(BCAST, ME, b'last words'), notify=False)
        guest.notify(vhost_guest.TX)
        guest = guest_again(sw, path, guest)  # It dies with its rings full, and frames of b on their way to it.
    others_go_on(t, sw, a, '10 guests died amid their rings')
    guest.die()
    t.check(vst.wait_for(lambda: sw.port('v')['link'] != 'up', 5), 'without a guest the port is down', sw.port('v'))
    sw.ctl('port remove v')
    led = vst.wait_for(lambda: (x := sw.ledger())['in_flight'] == 0 and x, 3) or sw.ledger()
    t.check(led['in'] == led['out'] + led['drops'], 'nothing is lost from the books', led)


def thousands_of_clients(t, sw, a):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, N_CLIENTS + 500), max(hard, N_CLIENTS + 500)))
    clients, failed, alive = [], [], []
    flood = a.popen('ping -q -i 0.002 -w 120 10.0.0.2', stdout=subprocess.PIPE, text=True)
    start = sw.ctl('stats')['socket']
    for i in range(N_CLIENTS):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(sw.socket)  # Blocking: with a full queue it waits for its turn.
            clients.append(s)
        except OSError as e:
            failed.append(repr(e))
    t.check(not failed, f'{N_CLIENTS} clients connect', failed[:3])
    told, silent = 0, 0
    for s in clients:
        s.settimeout(0.0)
        try:
            line = s.recv(4096)
            told += b'too-many-clients' in line
            alive += [s] if b'too-many' not in line else []
        except BlockingIOError:
            silent += 1
    t.check(told + silent == N_CLIENTS and 200 < silent <= 256, 'as many as there are places wait to be heard, the others are '
            'told why not', (told, silent))
    alive = [s for s in clients[:100]]
    for s in alive:
        s.settimeout(10)
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"switch.list"}\n')
    answers = [s.recv(65536) for s in alive]
    t.check(all(b'"result"' in x for x in answers), 'and those inside are answered')
    code, _, err = sw.tool('switch list')
    t.check(code != 0 and 'too-many-clients' in err and 'fix:' in err, 'the tool says what is the matter', (code, err))
    for s in clients:
        s.close()
    t.check(vst.wait_for(sw.answers, 20), 'when they are gone the tool is heard again')
    now = sw.ctl('stats')['socket']
    t.check(now['accepted'] - start['accepted'] >= N_CLIENTS and now['clients'] <= 2, 'each was counted, none is left', now)
    flood.send_signal(2)
    said = flood.communicate(timeout=20)[0]
    sent, came = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', said).groups())
    # The last may be on its way when ping is told to end.
    t.check(sent > 5 and came >= sent - 1, 'frames were forwarded all the while', said)


def big_messages(t, sw):
    def say(data):
        got = b''
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(30)
            s.connect(sw.socket)
            try:
                for at in range(0, len(data), 1 << 20):
                    s.sendall(data[at:at + (1 << 20)])
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It has hung up, and said why.
            try:
                while chunk := s.recv(65536):
                    got += chunk
            except OSError:
                pass
        return got
    answer = say(b'{"jsonrpc":"2.0","id":1,"method":"' + b'x' * (10 << 20))
    t.check(b'message-too-big' in answer, '10 MB without an end are refused, and it says why', answer[:300])
    answer = say(b'{"jsonrpc":"2.0","id":1,"me')
    t.check(b'"error"' in answer, 'half a message is said to be half', answer[:300])
    t.check(sw.answers(), 'and others are heard')


def full_disk(t):
    """A daemon whose store is on a file system of its own, which fills up."""
    folder = os.path.join(t.dir, 'small')
    os.makedirs(folder)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', folder], check=True)
    try:
        sw = t.daemon('full', start=False)
        sw.store = os.path.join(folder, 'config.db')
        sw.start()
        sw.ctl('switch add before --type private')
        text = sw.ctl('config show')['text']
        with open(os.path.join(folder, 'filler'), 'wb', 0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        big = ''.join(f'tenant add t{i} --id {i + 1}\n' for i in range(400))
        code, _, err = sw.tool('config load - --merge', big)
        t.check(code == 1 and 'error[disk-full]' in err and 'why:' in err and 'fix:' in err,
                'a change that finds no room is refused with what, why and fix', (code, err))
        t.check(sw.ctl('config show')['text'] == text and sw.ctl('tenant list')['tenants'] == [], 'and leaves nothing behind')
        sw.kill()
        sw.start()
        t.check(sw.ctl('config show')['text'] == text, 'a daemon killed on a full disk comes back as it was')
        os.unlink(os.path.join(folder, 'filler'))
        code, _, err = sw.tool('config load - --merge', big)
        t.check(code == 0 and len(sw.ctl('tenant list')['tenants']) == 400, 'with room again the change is made', (code, err))
        sw.stop()
        damaged_store(t, sw)
    finally:
        for d in t.daemons:
            if d.name == 'full' and d.proc is not None and d.proc.poll() is None:
                d.kill()
        subprocess.run(['umount', '-l', folder], check=True)


def damaged_store(t, sw):
    """The file's middle is overwritten, as a bad disk does: the last good copy is taken, and it is said."""
    want = len([x for x in os.listdir(os.path.dirname(sw.store)) if x.endswith('.good')])
    t.check(want == 1, 'there is a good copy beside the store', os.listdir(os.path.dirname(sw.store)))
    size = os.path.getsize(sw.store)
    with open(sw.store, 'r+b') as f:
        f.seek(size // 2)
        f.write(os.urandom(8192))
    sw.start()
    said = [e['text'] for e in sw.ctl('events --limit 100')['events'] if e['type'] == 'store']
    t.check(said and 'good' in said[0], 'a damaged store is said, and what was taken instead', said)
    t.check(len(sw.ctl('tenant list')['tenants']) == 400, 'and nothing is lost')
    kept = [x for x in os.listdir(os.path.dirname(sw.store)) if '.damaged-' in x]
    t.check(kept, 'the damaged file is kept', os.listdir(os.path.dirname(sw.store)))
    sw.stop()


def two_daemons_on_one_store(t, sw):
    other = t.daemon('thief', ns=sw.ns, start=False)
    other.store = sw.store
    with open(other.log, 'ab') as log:
        proc = sw.ns.popen(other.argv(), stdout=log, stderr=log)
    code = proc.wait(30)
    said = other.log_text()
    t.check(code == 1 and 'error[' in said and sw.store in said, 'a second daemon on the store is refused, with the reason', said)
    sw.ctl('switch add later --type private')
    t.check('later' in sw.ctl('config show')['text'], 'and the first still keeps what it is told')
    t.check(json.loads(sw.tool('--json config check -', sw.ctl('config show')['text'])[1])['changes'] == [], 'whole')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a, b = sw.tap('lan', 'a', '10.0.0.1/24'), sw.tap('lan', 'b', '10.0.0.2/24')
    path = os.path.join(t.dir, 'v.sock')
    sw.ctl(f'port add lan v --kind vhost --mode server --socket {path}')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    seen = b.sniff('b')
    guest = guest_again(sw, path)
    bad_frames(t, sw, guest, seen)
    giants(t, sw, a, seen)
    guest = lying_guest(t, sw, a, path, guest)
    guest = babbling_guest(t, sw, a, path, guest)
    dying_guest(t, sw, a, path, guest)
    thousands_of_clients(t, sw, a)
    big_messages(t, sw)
    two_daemons_on_one_store(t, sw)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon lived through it and ends in good order')
    full_disk(t)


vst.main(test)
