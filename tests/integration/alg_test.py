# SPDX-License-Identifier: BSD-2-Clause
"""Connections that others announce (ct(alg=ftp), ct(alg=tftp)): 'in' may open control connections to
'out', and nobody opens anything else but what these announce.

     in 10.0.0.1 ──┐
                   lan (rules)
     out 10.0.0.2 ─┘  an FTP server (pyftpdlib), one of TFTP
"""
import os
import subprocess

import vst

RULES = '''
table=0,priority=9,arp,actions=NORMAL
table=0,priority=9,icmp6,icmp_type=135,actions=NORMAL
table=0,priority=9,icmp6,icmp_type=136,actions=NORMAL
table=0,priority=5,ip,actions=ct(table=1,zone=7)
table=0,priority=5,ipv6,actions=ct(table=1,zone=7)
table=1,priority=9,ct_state=+trk+inv,actions=drop
table=1,priority=8,in_port=in,ct_state=+trk+new-rel,tcp,tp_dst=21,actions=ct(commit,zone=7ALGFTP,exec(set_field:0x2a->ct_mark)),NORMAL
table=1,priority=8,in_port=in,ct_state=+trk+new-rel,tcp6,tp_dst=21,actions=ct(commit,zone=7ALGFTP,exec(set_field:0x2a->ct_mark)),NORMAL
table=1,priority=8,in_port=in,ct_state=+trk+new-rel,udp,tp_dst=69,actions=ct(commit,zone=7ALGTFTP,exec(set_field:0x2a->ct_mark)),NORMAL
table=1,priority=7,ct_state=+trk+new+rel,ct_mark=0x2a,actions=ct(commit,zone=7),NORMAL
table=1,priority=7,ct_state=+trk+est,ct_mark=0x2a,actions=NORMAL
table=1,priority=7,ct_state=+trk+rel-new-est,ct_mark=0x2a,actions=NORMAL
'''

# 10.0.0.1 goes out as 10.0.0.100; 10.0.0.200 is the server.
TRANSLATED = '''
table=0,priority=9,arp,actions=NORMAL
table=0,priority=5,ip,actions=ct(table=1,zone=9,nat)
table=1,priority=9,ct_state=+trk+inv,actions=drop
table=1,priority=8,in_port=in,ct_state=+trk+new-rel,tcp,nw_dst=10.0.0.200,tp_dst=21,actions=ct(commit,zone=9,alg=ftp,nat(dst=10.0.0.2)),NORMAL
table=1,priority=7,in_port=in,ct_state=+trk+new-rel,tcp,tp_dst=21,actions=ct(commit,zone=9,alg=ftp,nat(src=10.0.0.100)),NORMAL
table=1,priority=7,in_port=in,ct_state=+trk+new-rel,udp,tp_dst=69,actions=ct(commit,zone=9,alg=tftp,nat(src=10.0.0.100)),NORMAL
table=1,priority=7,ct_state=+trk+new+rel,actions=ct(commit,zone=9,nat),NORMAL
table=1,priority=7,ct_state=+trk+est,actions=NORMAL
'''


def rules(text, listens=True):
    return text.replace('ALGFTP', ',alg=ftp' if listens else '').replace('ALGTFTP', ',alg=tftp' if listens else '')


def fetch(t, ns, url, options=''):
    """True when curl gets all of the file."""
    got = os.path.join(t.dir, 'got')
    if os.path.exists(got):
        os.unlink(got)
    code = ns.run(f'curl -s -m 6 --connect-timeout 3 -o {got} {options} {url}', ok=None, timeout=30).returncode
    if code != 0 or not os.path.exists(got):
        return False
    with open(got, 'rb') as f, open(os.path.join(t.dir, 'files', 'file'), 'rb') as g:
        return f.read() == g.read()


TFTP_SERVER = '''
import os, socket, sys
well_known = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
well_known.bind(('10.0.0.2', 69))
while True:
    asked, who = well_known.recvfrom(600)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a port of its own for each transfer
    s.settimeout(2)
    s.connect(who)
    with open(os.path.join(sys.argv[1], asked[2:].split(b'\\0')[0].decode().lstrip('/')), 'rb') as f:
        data = f.read()
    try:
        for at in range(0, len(data) + 1, 512):
            n = (at // 512 + 1).to_bytes(2, 'big')
            s.send(b'\\0\\3' + n + data[at:at + 512])
            while s.recv(600)[:4] != b'\\0\\4' + n:
                pass
    except OSError:
        pass
'''


def servers(t, ns):
    files = os.path.join(t.dir, 'files')
    os.mkdir(files)
    with open(os.path.join(files, 'file'), 'wb') as f:
        f.write(os.urandom(300000))
    for address in ('10.0.0.2', 'fd00::2'):
        ns.popen(['/usr/bin/python3', '-m', 'pyftpdlib', '-i', address, '-p', '21', '-d', files], stderr=subprocess.DEVNULL)
    ns.popen(['python3', '-c', TFTP_SERVER, files])


def related(t, sw, a):
    sw.ctl('flow replace lan -', stdin=rules(RULES, False))
    t.check(not fetch(t, a, 'ftp://10.0.0.2/file'), 'a server that nobody listens to is not heard')
    sw.ctl('flow replace lan -', stdin=rules(RULES))
    sw.ctl('conntrack flush')
    ways = (('ftp://10.0.0.2/file', '', 'EPSV'), ('ftp://10.0.0.2/file', '--disable-epsv', 'PASV'),
            ('ftp://10.0.0.2/file', '-P - --disable-eprt', 'PORT'), ('ftp://10.0.0.2/file', '-P -', 'EPRT'),
            ('ftp://[fd00::2]/file', '', 'EPSV over IPv6'), ('ftp://[fd00::2]/file', '-P -', 'EPRT over IPv6'),
            ('tftp://10.0.0.2/file', '', 'TFTP'))
    for url, options, way in ways:
        t.check(fetch(t, a, url, options), f'a file by {way}', (sw.ctl('conntrack stats'), sw.ctl('conntrack list')))
    stats = sw.ctl('conntrack stats')
    t.check(stats['expected'] >= len(ways) and stats['expected-came'] >= len(ways) and stats['expected-refused'] == 0,
            'each was announced, and came', stats)
    found = sw.ctl('conntrack list --zone 7')['connections']
    t.check(found and all(c['mark'] == 0x2a for c in found), 'all have the mark of who announced them', found)


def hostile(t, sw, a, b):
    """A client that names others, and privileged ports."""
    sw.ctl('conntrack flush')
    before = sw.ctl('conntrack stats')['expected-refused']
    said = a.run(['python3', '-c', '''
import socket
s = socket.create_connection(('10.0.0.2', 21), timeout=3)
s.recv(1000)
for line in (b'PORT 10,0,0,3,8,0', b'PORT 10,0,0,1,0,22', b'EPRT |1|10.0.0.9|2000|', b'PORT ' + b'9' * 900):
    s.sendall(line + b'\\r\\n')
    s.recv(1000)
'''], ok=None)
    stats = sw.ctl('conntrack stats')
    t.check(said.returncode == 0 and stats['expected-refused'] == before + 3, 'others are not announced', stats)
    t.check(b.run('curl -s -m 2 http://10.0.0.1:22/', ok=None).returncode != 0, 'and let nobody in')


def translated(t, sw, a, b):
    mac = {ns: [m for m in ns.run(['sh', '-c', 'cat /sys/class/net/*/address']).stdout.split()
                if m != '00:00:00:00:00:00'][0] for ns in (a, b)}
    a.run(f'ip neigh replace 10.0.0.200 lladdr {mac[b]} dev in')
    b.run(f'ip neigh replace 10.0.0.100 lladdr {mac[a]} dev out')
    sw.ctl('conntrack flush')
    sw.ctl('flow replace lan -', stdin=TRANSLATED)
    for url, options, way in (('ftp://10.0.0.2/file', '', 'EPSV from behind a translation'),
                              ('ftp://10.0.0.2/file', '--disable-epsv --no-ftp-skip-pasv-ip', 'PASV from there'),
                              ('ftp://10.0.0.200/file', '', 'EPSV to a translated server'),
                              ('ftp://10.0.0.200/file', '-P -', 'EPRT to one'),
                              ('tftp://10.0.0.2/file', '', 'TFTP from behind a translation')):
        t.check(fetch(t, a, url, options), way, (sw.ctl('conntrack stats'), sw.ctl('conntrack list')))
    # 10.0.0.2 becomes 10.0.0.200 in what the server says, 10.0.0.1 becomes 10.0.0.100 in what the client does.
    for url, options, way in (('ftp://10.0.0.200/file', '--disable-epsv --no-ftp-skip-pasv-ip', 'PASV to a translated server'),
                              ('ftp://10.0.0.2/file', '-P - --disable-eprt', 'PORT from behind a translation'),
                              ('ftp://10.0.0.2/file', '-P -', 'EPRT from there')):
        t.check(fetch(t, a, url, options), way, (sw.ctl('conntrack stats'), sw.ctl('conntrack list')))
    # Many in one connection: every number of it moves each time.
    files = os.path.join(t.dir, 'got')
    for url, options, way in (('ftp://10.0.0.200/file', '--disable-epsv --no-ftp-skip-pasv-ip', 'ten times PASV'),
                              ('ftp://10.0.0.2/file', '-P - --disable-eprt', 'ten times PORT')):
        got = a.run(f'curl -s -m 20 {options} ' + ' '.join(f'-o {files}{i} {url}' for i in range(10)), ok=None, timeout=40)
        sizes = [os.path.getsize(f'{files}{i}') if os.path.exists(f'{files}{i}') else -1 for i in range(10)]
        t.check(got.returncode == 0 and sizes == 10 * [300000], f'{way} in one connection', (got.returncode, sizes))
        for i in range(10):
            if os.path.exists(f'{files}{i}'):
                os.unlink(f'{files}{i}')


def test(t):
    if subprocess.run(['/usr/bin/python3', '-c', 'import pyftpdlib'], capture_output=True).returncode != 0:
        raise vst.Skip('python3-pyftpdlib is not installed')
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'in', '10.0.0.1/24')
    b = sw.tap('lan', 'out', '10.0.0.2/24')
    for i, ns in ((1, a), (2, b)):
        ns.run(['sh', '-c', 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 > $f; done'])
        ns.run(f'ip addr add fd00::{i}/64 dev {"in" if i == 1 else "out"} nodad')
    sw.up('in'), sw.up('out')
    servers(t, b)
    t.check(vst.wait_for(lambda: fetch(t, a, 'ftp://10.0.0.2/file'), 10) and fetch(t, a, 'tftp://10.0.0.2/file'),
            'without rules all is let through')
    related(t, sw, a)
    hostile(t, sw, a, b)
    translated(t, sw, a, b)
    t.check(vst.wait_for(sw.balanced), 'the ledger balances', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon ends in good order')


vst.main(test, ['curl'])
