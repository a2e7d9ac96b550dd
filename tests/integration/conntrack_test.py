# SPDX-License-Identifier: BSD-2-Clause
"""A stateful firewall between real stacks: 'in' may open connections, 'out' may only answer; then
address translation both ways.

     in 10.0.0.1 ──┐
                   lan (rules, two workers)
     out 10.0.0.2 ─┘
"""
import subprocess

import vst

FIREWALL = '''
table=0,priority=9,arp,actions=NORMAL
table=0,priority=9,icmp6,icmp_type=135,actions=NORMAL
table=0,priority=9,icmp6,icmp_type=136,actions=NORMAL
table=0,priority=5,ip,actions=ct(table=1,zone=7)
table=0,priority=5,ipv6,actions=ct(table=1,zone=7)
table=1,priority=9,ct_state=+trk+inv,actions=drop
table=1,priority=8,in_port=in,ct_state=+trk+new,actions=ct(commit,zone=7,exec(set_field:0x2a->ct_mark)),NORMAL
table=1,priority=7,ct_state=+trk+est,ct_zone=7,ct_mark=0x2a,actions=NORMAL
table=1,priority=7,ct_state=+trk+rel,ct_mark=0x2a,actions=NORMAL
'''


REFUSED = '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect(('10.0.0.2', 9)); s.send(b'x')
try: s.recv(10)
except ConnectionRefusedError: raise SystemExit(0)
raise SystemExit(1)
'''


def serve(ns, port, family='4'):
    """An echo server of one connection after another."""
    return ns.popen(['python3', '-c', f'''
import socket
s = socket.socket(socket.AF_INET{'6' if family == '6' else ''}, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', {port})); s.listen(); print('ready', flush=True)
while True:
    c = s.accept()[0]
    while True:
        d = c.recv(65536)
        if not d: break
        c.sendall(d)
    c.close()
'''], stdout=subprocess.PIPE, text=True)


def connects(ns, address, port, size=0):
    """The echo of 'size' bytes comes back."""
    return ns.run(['python3', '-c', f'''
import socket, threading
s = socket.create_connection(('{address}', {port}), timeout=2)
data = bytes(i & 255 for i in range({size}))
t = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))); t.start()
got = b''
while True:
    d = s.recv(65536)
    if not d: break
    got += d
raise SystemExit(got != data)
'''], ok=None).returncode == 0


def udp(ns, address, port, size=5):
    return ns.run(['python3', '-c', f'''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
s.sendto(bytes({size}), ('{address}', {port}))
raise SystemExit(s.recv(65536) != bytes({size}))
'''], ok=None).returncode == 0


def udp_echo(ns, port):
    return ns.popen(['python3', '-c', f'''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', {port})); print('ready', flush=True)
while True:
    d, a = s.recvfrom(65536); s.sendto(d, a)
'''], stdout=subprocess.PIPE, text=True)


def firewall(t, sw, a, b):
    sw.ctl('flow replace lan -', stdin=FIREWALL)
    for ns in (a, b):
        for server in (serve(ns, 80), serve(ns, 81, '6'), udp_echo(ns, 53)):
            server.stdout.readline()
    t.check(a.ping('10.0.0.2', count=3), 'who is inside pings')
    t.check(not b.ping('10.0.0.1', count=2), 'who is outside does not')
    t.check(connects(a, '10.0.0.2', 80, 100), 'a connection from inside')
    t.check(connects(a, '10.0.0.2', 80, 3000000), 'and megabytes both ways', sw.ctl('flow list lan'))
    t.check(all(connects(a, '10.0.0.2', 80, 1000) for _ in range(20)), 'twenty one after another')
    t.check(not connects(b, '10.0.0.1', 80), 'none from outside')
    t.check(udp(a, '10.0.0.2', 53), 'a datagram from inside is answered')
    t.check(not udp(b, '10.0.0.1', 53), 'one from outside is not')
    t.check(all(a.ping('10.0.0.2', size=size) for size in (1473, 4000, 60000)), 'pings in fragments from inside')
    t.check(not b.ping('10.0.0.1', count=1, size=4000), 'not from outside')
    t.check(all(udp(a, '10.0.0.2', 53, 9000) for _ in range(20)), 'datagrams in fragments from inside, and back',
            sw.ctl('conntrack stats'))
    t.check(not udp(b, '10.0.0.1', 53, 9000), 'not from outside')
    refused = a.run(['python3', '-c', REFUSED], ok=None)
    t.check(refused.returncode == 0, 'an error about a datagram finds its way back')
    t.check(connects(a, 'fd00::2', 81, 100000), 'IPv6 from inside')
    t.check(not connects(b, 'fd00::1', 81), 'not from outside')
    t.check(a.ping('fd00::2', size=4000) and not b.ping('fd00::1', count=1, size=4000), 'IPv6 in fragments')


def peer(ns, address, port, source=None):
    """What the other side says it sees of us: address and port."""
    got = ns.run(['python3', '-c', f'''
import socket
s = socket.socket()
s.settimeout(2)
s.bind(('', {source or 0}))
s.connect(('{address}', {port}))
print(s.recv(100).decode())
'''], ok=None)
    return got.stdout.strip() if got.returncode == 0 else None


def who_server(ns, port):
    return ns.popen(['python3', '-c', f'''
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', {port})); s.listen(); print('ready', flush=True)
while True:
    c, a = s.accept(); c.sendall(f"{{a[0]}}:{{a[1]}}".encode()); c.close()
'''], stdout=subprocess.PIPE, text=True)


def translation(t, sw, a, b):
    """10.0.0.1 goes out as 10.0.0.100 to 103, ports 5000 to 5009; 10.0.0.200:8080 is the server's port 82."""
    for n in (100, 101, 200):
        for ns in (a, b):
            other = (b if ns is a else a).run(['sh', '-c', 'cat /sys/class/net/*/address']).stdout.split()
            mac = [m for m in other if m != '00:00:00:00:00:00'][0]
            ns.run(f'ip neigh replace 10.0.0.{n} lladdr {mac} dev {"in" if ns is a else "out"}')
    who_server(b, 82).stdout.readline()
    sw.ctl('flow replace lan -', stdin='''
table=0,priority=9,arp,actions=NORMAL
table=0,priority=5,in_port=in,ip,actions=ct(table=1,zone=9,nat)
table=0,priority=5,in_port=out,ip,actions=ct(table=2,zone=9,nat)
table=1,priority=9,ct_state=+trk+new,ip,nw_dst=10.0.0.200,actions=ct(commit,zone=9,nat(dst=10.0.0.2:82)),NORMAL
table=1,priority=8,ct_state=+trk+new,ip,actions=ct(commit,zone=9,nat(src=10.0.0.100-10.0.0.101:5000-5009,random)),NORMAL
table=1,priority=7,ct_state=+trk+est,actions=NORMAL
table=1,priority=7,ct_state=+trk+rel,actions=NORMAL
table=2,priority=7,ct_state=+trk+est,actions=NORMAL
table=2,priority=7,ct_state=+trk+rel,actions=NORMAL
''')
    seen = {peer(a, '10.0.0.2', 82) for _ in range(12)}
    t.check(len(seen) > 1 and all(s and s.split(':')[0] in ('10.0.0.100', '10.0.0.101') and
                                  5000 <= int(s.split(':')[1]) <= 5009 for s in seen),
            'connections go out from the addresses and ports of the range, not all from one', seen)
    t.check((peer(a, '10.0.0.200', 8080) or '').startswith('10.0.0.1:'), 'and in to the server behind the address')
    t.check(connects(a, '10.0.0.2', 80, 1000000), 'a megabyte through the translation')
    t.check(a.ping('10.0.0.2', count=5), 'pings are translated by their identifier')
    t.check(a.ping('10.0.0.2', count=5, size=5000), 'in fragments as well')
    t.check(all(udp(a, '10.0.0.2', 53, 9000) for _ in range(9)), 'datagrams in fragments through the translation',
            sw.ctl('conntrack stats'))
    refused = a.run(['python3', '-c', REFUSED], ok=None)
    t.check(refused.returncode == 0, 'an error about a translated datagram arrives as about the original', refused.stdout)
    t.check(not b.ping('10.0.0.1', count=1), 'what was not opened is not let in')
    found = sw.ctl('conntrack list --zone 9 --proto 1')['connections']
    t.check(found and all(c['switch'] == 'lan' and c['orig'].startswith('10.0.0.1:') and '>10.0.0.10' in c['reply']
                          for c in found), 'connections are listed with both sides', found)
    t.check(sw.ctl('conntrack list --address 10.0.0.77')['total'] == 0, 'and filtered')
    code, out, err = sw.tool('conntrack list --address 10.0.0')
    t.check(code != 0 and '10.0.0' in err, 'an address that is none is an error', out + err)
    before = sw.ctl('conntrack stats')['entries']
    n = sw.ctl('conntrack flush --zone 9')['flushed']
    after = sw.ctl('conntrack stats')
    t.check(n > 0 and after['entries'] == before - n and sw.ctl('conntrack list --zone 9')['total'] == 0,
            'flushed, and counted', (before, n, after))


def settings(t, sw, a, b):
    """Times, limits and zones: in force at once, in the configuration, and gone with it."""
    shown = sw.ctl('conntrack show')
    t.check(shown['tcp_established'] == 86400000 and shown['udp_first'] == 60000 and not shown['tcp_strict'] and
            shown['fragments'] == 2048, 'the defaults are shown', shown)
    sw.ctl('conntrack set --udp-first 5s --tcp-established 2h --tcp-strict on --fragment-timeout 2s')
    sw.ctl('zone add lan 7 --limit 3')
    config = sw.tool('config show')[1]
    t.check('conntrack set' in config and '--udp-first 5s' in config and 'zone add lan 7 --limit 3' in config,
            'config show has them', config)
    sw.ctl('flow replace lan -', stdin=FIREWALL)
    sw.ctl('conntrack flush')
    sent = a.run(['python3', '-c', '''
import socket
for p in range(20):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.2', 1000 + p))
'''], ok=None)
    found = sw.ctl('conntrack list --zone 7')
    zones = sw.ctl('zone list')['zones']
    t.check(sent.returncode == 0 and found['total'] <= 3 and
            [z for z in zones if z['zone'] == 7 and z['limit'] == 3 and z['connections'] <= 3 and z['switch'] == 'lan'],
            'a zone has no more than its limit', (found, zones))
    t.check(all(c['expires'] <= 5 for c in found['connections']), 'and they live as long as was said', found)
    sw.ctl('zone set lan 7 --limit 1000')
    t.check(udp(a, '10.0.0.2', 53), 'a higher limit lets more in')
    sw.ctl('conntrack flush')
    sw.ctl('zone remove lan 7')
    sw.ctl('conntrack set --default udp-first,tcp-established,tcp-strict,fragment-timeout')
    config = sw.tool('config show')[1]
    t.check('conntrack' not in config and 'zone' not in config, 'gone from the configuration', config)
    t.check(sw.ctl('conntrack show') == shown, 'and the defaults are back', sw.ctl('conntrack show'))
    for words, said in (('conntrack set --udp-first 0s', 'udp-first'), ('zone add nowhere 5 --limit 1', 'nowhere'),
                        ('zone add lan 70000 --limit 1', '65535'), ('zone add lan 5 nobody --limit 1', 'nobody'),
                        ('conntrack set --fragments 1', 'fragments')):
        code, out, err = sw.tool(words)
        t.check(code != 0 and said in out + err, f'{words}: refused', out + err)


def test(t):
    sw = t.daemon()
    if t.control_cpu != t.worker_cpu:
        sw.ctl(f'core add {t.control_cpu}')
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'in', '10.0.0.1/24')
    b = sw.tap('lan', 'out', '10.0.0.2/24')
    for i, ns in ((1, a), (2, b)):
        ns.run(['sh', '-c', 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 > $f; done'])
        ns.run(f'ip addr add fd00::{i}/64 dev {"in" if i == 1 else "out"} nodad')
    sw.up('in'), sw.up('out')
    t.check(a.reaches('10.0.0.2') and b.reaches('10.0.0.1'), 'without rules the switch learns')
    firewall(t, sw, a, b)
    translation(t, sw, a, b)
    settings(t, sw, a, b)
    t.check(vst.wait_for(sw.balanced), 'the ledger balances', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon ends in good order')


vst.main(test, ['ping'])
