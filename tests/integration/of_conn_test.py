# SPDX-License-Identifier: BSD-2-Clause
"""OpenFlow connections of the real daemon, over raw sockets: no controller library.

     a 10.0.0.1 ──┐
                  ├── lan ── lan.mgmt, ptcp, punix, tcp, tls: this file is the controller
     b 10.0.0.2 ──┘
"""
import os
import socket
import ssl
import stat
import struct
import subprocess
import time

import vst

HELLO, ERROR, ECHO, ECHO_REPLY, FEATURES, FEATURES_REPLY, SET_CONFIG = 0, 1, 2, 3, 5, 6, 9
FLOW_MOD, BARRIER, BARRIER_REPLY, ROLE, ROLE_REPLY = 14, 20, 21, 24, 25
EQUAL, MASTER, SLAVE = 1, 2, 3
BITMAP = struct.pack('!HHI', 1, 8, 1 << 4)


def message(kind, body=b'', xid=0, version=4):
    return struct.pack('!BBHI', version, kind, 8 + len(body), xid) + body


class Controller:
    """The other end of a connection."""

    def __init__(self, sock, hello=True):
        self.sock, self.data, self.xid = sock, b'', 100
        sock.settimeout(5)
        if hello:
            self.send(message(HELLO, BITMAP))
            assert self.get()[0] == HELLO

    def send(self, data):
        self.sock.sendall(data)

    def get(self, timeout=5):
        """(type, xid, body) of the next message; None when none comes, or the switch closed."""
        self.sock.settimeout(timeout)
        try:
            while len(self.data) < 8 or len(self.data) < struct.unpack_from('!H', self.data, 2)[0]:
                more = self.sock.recv(65536)
                if not more:
                    return None
                self.data += more
        except (socket.timeout, ConnectionError, ssl.SSLError):
            return None
        _, kind, size, xid = struct.unpack_from('!BBHI', self.data)
        body, self.data = self.data[8:size], self.data[size:]
        if kind == ECHO:
            self.send(message(ECHO_REPLY, body, xid))
            return self.get(timeout)
        return kind, xid, body

    def ask(self, kind, body=b''):
        """The answer to a message, or its error."""
        self.xid += 1
        self.send(message(kind, body, self.xid))
        while True:
            got = self.get()
            if got is None or got[1] == self.xid:
                return got

    def role(self, role, generation=0):
        got = self.ask(ROLE, struct.pack('!I4xQ', role, generation))
        if got is None or got[0] != ROLE_REPLY:
            return got and struct.unpack_from('!HH', got[2])
        return struct.unpack_from('!I', got[2])[0]

    def closed(self, timeout=20):
        """Does the switch end it?"""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.sock.settimeout(0.5)
            try:
                if not self.sock.recv(65536):
                    return True
            except socket.timeout:
                continue
            except OSError:
                return True
        return False

    def flow(self, actions, priority=0, command=0):
        """A rule for all packets of table 0, and a barrier; the error, if there is one."""
        apply = struct.pack('!HH4x', 4, 8 + len(actions)) + actions
        self.send(message(FLOW_MOD, struct.pack('!QQBBHHHIIIH2x', 0, 0, 0, command, 0, 0, priority, 0xffffffff,
                                                0xffffffff, 0xffffffff, 0) + struct.pack('!HH4x', 1, 4) + apply, 7))
        self.send(message(BARRIER, b'', 8))
        first = self.get()
        return None if first and first[0] == BARRIER_REPLY else first

    def close(self):
        self.sock.close()


NORMAL = struct.pack('!HHIH6x', 0, 16, 0xfffffffa, 0xffff)


def unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return sock


def tcp(sw, port, family=socket.AF_INET, host='127.0.0.1'):
    sock = sw.ns.socket(family, socket.SOCK_STREAM)
    sock.connect((host, port))
    return sock


def rows(sw, target=None):
    return [r for r in sw.ctl('controller list')['controllers'] if target is None or r['target'] == target]


def state(sw, target):
    return [r['state'] for r in rows(sw, target)]


def responsive(sw):
    start = time.monotonic()
    sw.ctl('switch list')
    return time.monotonic() - start < 5


def management(t, sw):
    path = os.path.join(sw.dir, 'lan.mgmt')
    mode = os.stat(path)
    t.check(stat.S_ISSOCK(mode.st_mode) and mode.st_mode & 0o007 == 0, 'a management socket is there, not for others')
    c = Controller(unix(path))
    got = c.ask(FEATURES)
    dpid = sw.ctl('switch show lan')['datapath_id']
    t.check(got[0] == FEATURES_REPLY and got[2][:8].hex() == dpid, 'it answers with the datapath id', (got, dpid))
    t.check(c.ask(ECHO, b'any bytes')[2] == b'any bytes', 'and to an echo')
    c.close()


def listeners(t, sw):
    sw.ctl('controller add lan ptcp:6653')
    sw.ctl('controller add lan ptcp:6654:::1')
    sw.ctl(f'controller add lan punix:{sw.dir}/of.sock')
    for what, c in (('IPv4', Controller(tcp(sw, 6653))), ('IPv6', Controller(tcp(sw, 6654, socket.AF_INET6, '::1'))),
                    ('a unix socket', Controller(unix(f'{sw.dir}/of.sock')))):
        t.check(c.ask(FEATURES)[0] == FEATURES_REPLY, f'a controller comes over {what}')
        c.close()
    for command, word in ((f'controller add lan ptcp:6655:0.0.0.0', 'insecure'), ('controller add lan ptcp:6653:127.0.0.1', 'port'),
                          ('controller add lan tcp:localhost', 'address'), ('controller add lan ptls:6656', '--ca'),
                          ('controller add lan udp:1.2.3.4', 'tcp'), ('controller add nosuch ptcp:6657', 'nosuch')):
        before = sw.ctl('config show')
        code, out, err = sw.tool(command)
        t.check(code != 0 and word in err and sw.ctl('config show') == before, f'refused: {command}', out + err)
    busy = sw.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    busy.bind(('127.0.0.1', 6658))
    busy.listen(1)
    code, out, err = sw.tool('controller add lan ptcp:6658')
    t.check(code != 0 and 'ss -ltnp' in err and not rows(sw, 'ptcp:6658'), 'a port that another has is refused', out + err)
    busy.close()
    text = sw.tool('config show')[1]
    t.check('controller add lan ptcp:6653\n' in text, 'config show has them', text)
    t.check(sw.tool('config load -', stdin=text)[0] == 0 and Controller(tcp(sw, 6653)), 'and its text loads')


def hellos(t, sw):
    for name, data, good in (('version 1.0 only', message(HELLO, version=1, xid=9), False),
                             ('1.4 and a bitmap without 1.3', message(HELLO, struct.pack('!HHI', 1, 8, 1 << 5), 9, 5), False),
                             ('no hello at all', message(FEATURES, xid=9), False),
                             ('1.4 and no bitmap', message(HELLO, xid=9, version=5), True),
                             ('an old header and a bitmap', message(HELLO, BITMAP, 9, 1), True)):
        c = Controller(tcp(sw, 6653), hello=False)
        c.get()
        c.send(data)
        if good:
            t.check(c.ask(FEATURES) is not None, f'hello: {name} is 1.3')
        else:
            got = c.get()
            t.check(got and got[0] == ERROR and got[2][:4] == bytes(4) and len(got[2]) > 10 and c.closed(),
                    f'hello: {name} is refused with words', got)
        c.close()


def hostile(t, sw, a):
    """Each a connection of its own; the tool and the packets go on."""
    c = Controller(tcp(sw, 6653))
    c.send(struct.pack('!BBHI', 4, 10, 3, 1))
    t.check(c.closed(5), 'a message shorter than its header ends the connection')
    c = Controller(tcp(sw, 6653))
    c.send(os.urandom(200000) if c else b'')
    t.check(responsive(sw), 'random bytes hurt nobody')
    c.close()
    c = Controller(tcp(sw, 6653))
    c.send(message(FLOW_MOD, b'', 5, version=1))
    got = c.get()
    t.check(got and got[0] == ERROR and got[2][:4] == struct.pack('!HH', 1, 0), 'another version is BAD_VERSION', got)
    c.send(message(77, b'', 5))
    got = c.get()
    t.check(got and got[0] == ERROR and got[2][:4] == struct.pack('!HH', 1, 1), 'an unknown type is BAD_TYPE', got)
    c.close()
    # Who sends without pause and never reads.
    floods = [tcp(sw, 6653) for _ in range(3)]
    for s in floods:
        s.setblocking(False)
        s.send(message(HELLO, BITMAP))
    end, sent, block, answers = time.monotonic() + 3, 0, message(ECHO, bytes(500)) * 100, []
    while time.monotonic() < end:
        for s in floods:
            try:
                sent += s.send(block)
            except BlockingIOError:
                pass
        if not answers or time.monotonic() - answers[-1][0] > 0.5:
            answers.append((time.monotonic(), responsive(sw)))
    t.check(all(ok for _, ok in answers), 'the tool is answered while three controllers flood and do not read')
    t.check(sent < 64 << 20, 'who does not read is not listened to', sent)
    t.check(a.ping('10.0.0.2', count=1) and sw.balanced(), 'packets go on')
    t.check(vst.wait_for(lambda: state(sw, 'ptcp:6653') == ['listening'], 40, 0.5), 'and in the end they are cut off', rows(sw))
    for s in floods:
        s.close()
    many = [tcp(sw, 6653) for _ in range(60)]
    time.sleep(0.5)
    t.check(len(state(sw, 'ptcp:6653')) <= 33, 'a listener takes so many and no more', len(rows(sw)))
    for s in many:
        s.close()
    vst.wait_for(lambda: state(sw, 'ptcp:6653') == ['listening'], 5)


def roles(t, sw):
    x, y = Controller(tcp(sw, 6653)), Controller(tcp(sw, 6653))
    t.check(x.role(0) == EQUAL, 'a controller begins as equal')
    t.check(x.role(MASTER, 5) == MASTER and y.role(MASTER, 6) == MASTER and x.role(0) == SLAVE, 'a new master makes the old one a slave')
    t.check(x.role(MASTER, 4) == (11, 0), 'an older generation is STALE')
    got = x.flow(NORMAL, 77)
    t.check(got and got[0] == ERROR and got[2][:4] == struct.pack('!HH', 1, 10), 'a slave may not write', got)
    t.check(y.flow(NORMAL, 77) is None, 'the master may')
    t.check(sorted(r['role'] for r in rows(sw, 'ptcp:6653') if r['role']) == ['master', 'slave'], 'controller list says so')
    y.close()
    t.check(x.role(MASTER, 7) == MASTER, 'when the master is gone the slave takes over')
    x.flow(b'', 77, 4)
    x.close()


def connects(t, sw):
    server = sw.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('127.0.0.1', 7001))
    sw.ctl('controller add lan tcp:127.0.0.1:7001 --probe 1s')
    t.check(vst.wait_for(lambda: 'refused' in rows(sw, 'tcp:127.0.0.1:7001')[0]['error'], 5), 'who does not listen yet is waited for')
    server.listen(5)
    server.settimeout(15)
    c = Controller(server.accept()[0])
    t.check(c.ask(FEATURES)[0] == FEATURES_REPLY and state(sw, 'tcp:127.0.0.1:7001') == ['connected'], 'the switch connects')
    c.close()
    c = Controller(server.accept()[0])
    t.check(c.ask(FEATURES)[0] == FEATURES_REPLY, 'and again when the connection is lost')
    start = time.monotonic()
    while c.sock.recv(65536):
        pass
    t.check(1.5 < time.monotonic() - start < 12, 'one that never answers its probes is given up', time.monotonic() - start)
    t.check('echo' in rows(sw, 'tcp:127.0.0.1:7001')[0]['error'], 'and that is said')
    sw.ctl('controller remove lan tcp:127.0.0.1:7001')
    server.close()


def aux_id(c):
    got = c.ask(FEATURES)
    return got[2][13]


def auxiliary(t, sw, a):
    """Three connections of one controller: the main one, and two that packets go by."""
    code, out, err = sw.tool('controller add lan ptcp:6659 --aux 1')
    t.check(code != 0 and 'listens' in err, 'a listener has no auxiliary connections', err)
    server = sw.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('127.0.0.1', 7003))
    server.listen(9)
    server.settimeout(15)
    sw.ctl('controller add lan tcp:127.0.0.1:7003 --aux 2')
    t.check('controller add lan tcp:127.0.0.1:7003 --aux 2\n' in sw.tool('config show')[1], 'they are configuration')
    main = server.accept()[0]
    server.settimeout(1)
    try:
        server.accept()
        t.check(False, 'before hello on the main connection there is no other')
    except socket.timeout:
        t.check(True, 'before hello on the main connection there is no other')
    server.settimeout(15)
    main = Controller(main)
    aux = [Controller(server.accept()[0]) for _ in range(2)]
    ids = [aux_id(c) for c in aux]
    t.check(aux_id(main) == 0 and sorted(ids) == [1, 2], 'each tells its auxiliary id', ids)
    t.check(len({c.ask(FEATURES)[2][:8] for c in [main] + aux}) == 1, 'and the same datapath id')
    t.check(sorted((r['aux'] or 0, r['state']) for r in rows(sw, 'tcp:127.0.0.1:7003')) ==
            [(0, 'connected'), (1, 'connected'), (2, 'connected')], 'controller list has them', rows(sw))
    t.check(aux[0].role(MASTER, 50) == MASTER and main.role(0) == MASTER, 'a role holds for all of them')
    t.check(aux[0].flow(struct.pack('!HHIH6x', 0, 16, 0xfffffffd, 0xffff), 40000) is None, 'rules may come by any')
    a.run(['python3', '-c', 'import socket\nfor i in range(40):\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
           ' s.bind(("10.0.0.1",2000+i))\n s.sendto(b"x",("10.0.0.2",9))\n s.sendto(b"x",("10.0.0.2",9))'], ok=None)
    flows = [set(), set()]
    for i, c in enumerate(aux):
        while (got := c.get(0.5)) is not None:
            if got[0] == 10 and b'\x08\x00\x45' in got[2]:
                at = got[2].index(b'\x08\x00\x45') + 2
                flows[i].add(got[2][at + 20:at + 22])
    t.check(main.get(0.2) is None and flows[0] and flows[1] and not flows[0] & flows[1],
            'packets go by them, those of one flow by one', flows)
    aux[ids.index(1)].close()
    again = Controller(server.accept()[0])
    t.check(aux_id(again) == 1, 'one that is lost comes again')
    main.close()
    t.check(again.closed(5) and aux[ids.index(2)].closed(5), 'they go with the main one')
    main = Controller(server.accept()[0])
    t.check(sorted(aux_id(Controller(server.accept()[0])) for _ in range(2)) == [1, 2], 'and come with it')
    main.flow(b'', 40000, 4)
    sw.ctl('controller remove lan tcp:127.0.0.1:7003')
    t.check(main.closed(5), 'and leave with it')
    server.close()


def tls(t, sw):
    def run(*argv):
        subprocess.run(['openssl', *argv], cwd=sw.dir, check=True, capture_output=True)
    for name in ('ca', 'other'):
        run('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', f'/CN={name}', '-keyout', f'{name}-key.pem', '-out', f'{name}.pem')
    for name, ca in (('sw', 'ca'), ('c', 'ca'), ('stranger', 'other')):
        run('req', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN={name}', '-keyout', f'{name}-key.pem', '-out', f'{name}.csr')
        run('x509', '-req', '-in', f'{name}.csr', '-CA', f'{ca}.pem', '-CAkey', f'{ca}-key.pem', '-CAcreateserial', '-days', '2', '-out', f'{name}.pem')
    files = f'--ca {sw.dir}/ca.pem --cert {sw.dir}/sw.pem --key {sw.dir}/sw-key.pem'

    def context(name, server=False):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_REQUIRED
        ctx.load_verify_locations(f'{sw.dir}/ca.pem')
        if name:
            ctx.load_cert_chain(f'{sw.dir}/{name}.pem', f'{sw.dir}/{name}-key.pem')
        return ctx

    code, out, err = sw.tool(f'controller add lan ptls:6660 {files}x')
    t.check(code != 0 and 'sw-key.pemx' in err, 'a key that is not there is refused by name', out + err)
    sw.ctl(f'controller add lan ptls:6660 {files}')
    c = Controller(context('c').wrap_socket(tcp(sw, 6660)))
    t.check(c.ask(FEATURES)[0] == FEATURES_REPLY, 'a controller comes over TLS')
    t.check(c.ask(ECHO, bytes(60000))[2] == bytes(60000), 'with long messages')
    c.close()
    for name, what in (('stranger', 'of another CA'), (None, 'that is not shown')):
        try:
            s = context(name).wrap_socket(tcp(sw, 6660))
            s.settimeout(5)
            s.sendall(message(HELLO, BITMAP))
            got = b''
            while b := s.recv(100):
                got += b
        except (OSError, ssl.SSLError):
            got = b''
        t.check(got == b'', f'a certificate {what} is refused')
    t.check('TLS' in rows(sw, 'ptls:6660')[-1]['error'], 'and why is said', rows(sw, 'ptls:6660'))
    s = tcp(sw, 6660)
    s.sendall(message(HELLO, BITMAP))
    t.check(Controller(s, hello=False).get() is None, 'so is one that does not speak TLS')
    server = sw.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(('127.0.0.1', 7002))
    server.listen(5)
    server.settimeout(15)
    sw.ctl(f'controller add lan tls:127.0.0.1:7002 {files}')
    c = Controller(context('c', server=True).wrap_socket(server.accept()[0], server_side=True))
    t.check(c.ask(FEATURES)[0] == FEATURES_REPLY, 'the switch connects over TLS')
    sw.ctl('controller remove lan tls:127.0.0.1:7002')
    t.check(c.closed(5), 'a controller that is removed is parted with')
    sw.ctl('controller remove lan ptls:6660')

    def accept():
        return Controller(context('c', server=True).wrap_socket(server.accept()[0], server_side=True))

    sw.ctl(f'controller add lan tls:127.0.0.1:7002 {files} --aux 2')
    main = accept()
    aux = [accept() for _ in range(2)]
    t.check(aux_id(main) == 0 and sorted(aux_id(c) for c in aux) == [1, 2], 'auxiliary connections over TLS')
    t.check(aux[0].ask(ECHO, bytes(60000))[2] == bytes(60000) and aux[1].role(MASTER, 90) == MASTER and
            main.role(0) == MASTER, 'answer, and are the same controller')
    t.check(aux[0].flow(NORMAL, 40001) is None, 'take rules')
    t.check(sorted((r['aux'] or 0, r['state']) for r in rows(sw, 'tls:127.0.0.1:7002')) ==
            [(n, 'connected') for n in range(3)], 'are listed', rows(sw))
    lost = aux_id(aux[0])
    aux[0].close()
    s = server.accept()[0]
    try:
        context('stranger', server=True).wrap_socket(s, server_side=True)
        s = b'let in'
    except (OSError, ssl.SSLError):
        s = b''
    again = accept()
    t.check(s == b'' and aux_id(again) == lost, 'come again when they are lost, and not to a stranger', s)
    main.flow(b'', 40001, 4)
    main.close()
    t.check(again.closed(5) and aux[1].closed(5), 'and go with the main one')
    sw.ctl('controller remove lan tls:127.0.0.1:7002')
    server.close()


def fail_modes(t, sw, a):
    """Standalone, then secure, with one controller that comes and goes while packets flow."""
    for r in rows(sw):
        if not r['target'].endswith('.mgmt'):
            sw.tool(['controller', 'remove', 'lan', r['target']])
    t.check(a.reaches('10.0.0.2'), 'without controllers the switch learns')
    sw.ctl('controller add lan ptcp:6670 --probe 1s')
    t.check(a.reaches('10.0.0.2'), 'standalone: it learns until a controller comes')
    c = Controller(tcp(sw, 6670))
    t.check(vst.wait_for(lambda: not a.ping('10.0.0.2', count=1), 5), 'which finds the tables empty')
    c.flow(NORMAL, 5)
    t.check(a.ping('10.0.0.2'), 'and fills them')
    c.flow(b'', 5, 4)
    t.check(not a.ping('10.0.0.2', count=1), 'or empties them')
    c.close()
    t.check(a.reaches('10.0.0.2', timeout=30), 'lost, the switch learns by itself again')
    sw.ctl('switch set lan --fail-mode secure')
    t.check(vst.wait_for(lambda: not a.ping('10.0.0.2', count=1), 5), 'secure: what it learned by is gone')
    c = Controller(tcp(sw, 6670))
    c.flow(NORMAL, 5)
    c.close()
    time.sleep(5)
    t.check(a.ping('10.0.0.2'), 'secure: the rules of a lost controller stay')
    sw.ctl('controller remove lan ptcp:6670')
    t.check(a.ping('10.0.0.2') and not state(sw, 'ptcp:6670'), 'without the controller they stay too')


def restart(t, sw):
    sw.ctl('switch add sec --type private --fail-mode secure --datapath-id 00000000000000ab')
    sw.ctl('controller add sec ptcp:6680')
    sw.stop()
    sw.start()
    flows = sw.ctl('flow list sec')['flows']
    t.check(flows == [] and state(sw, 'ptcp:6680') == ['listening'], 'after a restart it listens, and a secure switch is empty', flows)
    c = Controller(tcp(sw, 6680))
    t.check(c.ask(FEATURES)[2][:8].hex() == '00000000000000ab', 'with the datapath id that was given')
    sw.kill()
    sw.start()
    t.check(Controller(unix(os.path.join(sw.dir, 'sec.mgmt'))).ask(FEATURES) is not None, 'what a killed daemon left is replaced')
    sw.ctl('switch remove sec')
    t.check(not os.path.exists(os.path.join(sw.dir, 'sec.mgmt')) and not state(sw, 'ptcp:6680'), 'its sockets go with the switch')


def test(t):
    sw = t.daemon()
    sw.ns.run('sh -c "echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"')
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    sw.tap('lan', 'b', '10.0.0.2/24')
    sw.up('a'), sw.up('b')
    management(t, sw)
    listeners(t, sw)
    hellos(t, sw)
    sw.ctl(['flow', 'add', 'lan', 'priority=1,actions=NORMAL'])
    hostile(t, sw, a)
    roles(t, sw)
    connects(t, sw)
    auxiliary(t, sw, a)
    tls(t, sw)
    sw.ctl(['flow', 'del', 'lan', '--strict', 'priority=1'])
    fail_modes(t, sw, a)
    restart(t, sw)
    t.check(sw.proc.poll() is None and sw.stop() == 0, 'the daemon lives, and stops in good order')


vst.main(test)
