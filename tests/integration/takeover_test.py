# SPDX-License-Identifier: BSD-2-Clause
"""A switch takes over the interface that one is logged in through, and gives it back.

    the host (the daemon's namespace)              far
      192.0.2.1/24, default via .2  on up0 ═══ veth ════ e0  192.0.2.2/24, 198.51.100.1
      then on the switch's host port h
"""
import re
import socket
import threading
import time

import vst

NEAR, FAR, BEYOND = '192.0.2.1', '192.0.2.2', '198.51.100.1'


class Session:
    """Somebody logged in from far: a connection on which each word must be echoed, and pings beside it."""

    def __init__(self, host, far):
        server = host.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.bind((NEAR, 0))
        server.listen()
        self.client = far.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(10)
        self.client.connect((NEAR, server.getsockname()[1]))
        self.conn, _ = server.accept()
        server.close()
        threading.Thread(target=self.echo, daemon=True).start()
        self.ping = far.popen(['ping', '-n', '-i', '0.05', '-W', '1', NEAR], stdout=-1, text=True)

    def echo(self):
        try:
            while word := self.conn.recv(100):
                self.conn.sendall(word)
        except OSError:
            pass

    def lives(self):
        try:
            self.client.sendall(b'still here?')
            return self.client.recv(100) == b'still here?'
        except OSError:
            return False

    def end(self):
        """How many pings went out, and how many found no answer."""
        self.ping.send_signal(2)
        said = self.ping.communicate(timeout=20)[0]
        self.client.close()
        sent, came = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', said).groups())
        return sent, sent - came


def place(sw):
    """The interface that has the host's address, and the one that the default route leaves by."""
    address = re.search(r'^(\w+)\S* .* 192\.0\.2\.1/24', sw.ns.run('ip -br -4 addr show').stdout, re.M)
    route = re.search(r'^default via 192\.0\.2\.2 dev (\w+)', sw.ns.run('ip route').stdout, re.M)
    return address and address.group(1), route and route.group(1)


def mac_of(sw, ifname):
    return sw.ns.run(f'cat /sys/class/net/{ifname}/address').stdout.strip()


def stage(t, sw, far, wanted, what):
    t.check(vst.wait_for(lambda: place(sw) == (wanted, wanted), 10), f'{what}: address and default route are on {wanted}',
            (place(sw), sw.ns.run('ip addr').stdout))
    t.check(far.reaches(NEAR), f'{what}: the host is reached')
    t.check(sw.ns.reaches(BEYOND), f'{what}: and reaches what lies beyond its router')


def not_confirmed(t, sw, far):
    code, _, err = sw.tool('port add ext up0 --kind phys')
    t.check(code == 4 and 'error[port-busy]' in err and '--take-address --confirm 60s' in err,
            'an interface with an address is not taken unasked', err)
    stage(t, sw, far, 'up0', 'before')
    session, own = Session(sw.ns, far), mac_of(sw, 'h')
    sw.ctl('port add ext up0 --kind phys --take-address --confirm 4s')
    t.check(mac_of(sw, 'h') == mac_of(sw, 'up0'), "taken: neighbours find the host at the MAC that they know")
    t.check(session.lives(), 'taken: the connection lives')
    t.check(place(sw) == ('h', 'h'), 'taken: address and default route are on h', place(sw))
    t.check(sw.ns.ping(BEYOND), 'taken: the host reaches what lies beyond its router')
    t.check(vst.wait_for(lambda: sw.port('up0') is None, 10), 'nobody confirms: it is undone')
    stage(t, sw, far, 'up0', 'undone')
    t.check(mac_of(sw, 'h') == own != mac_of(sw, 'up0'), "undone: the host port has its own MAC again", sw.port('h'))
    t.check(session.lives(), 'undone: the connection lives')
    sent, lost = session.end()
    t.check(sent > 60 and lost <= 5, f'{lost} of {sent} pings were lost over both changes')


def confirmed(t, sw, far):
    session = Session(sw.ns, far)
    sw.ctl('port add ext up0 --kind phys --take-address --confirm 2s')
    sw.ctl('config confirm')
    time.sleep(3)
    stage(t, sw, far, 'h', 'confirmed')
    t.check(session.lives(), 'confirmed: the connection lives')
    _, lost = session.end()
    t.check(lost <= 5, f'{lost} pings were lost')


def killed(t, sw, far):
    """What the kernel has of a killed daemon is gone: the host's address must come back with the next."""
    session = Session(sw.ns, far)
    sw.kill()
    sw.start()
    stage(t, sw, far, 'h', 'killed and started again')
    t.check(session.lives(), 'killed and started again: the connection lives')
    session.end()


def given_back(t, sw, far):
    session = Session(sw.ns, far)
    sw.ctl('port remove up0')
    stage(t, sw, far, 'up0', 'removed')
    t.check(session.lives(), 'removed: the connection lives')
    session.end()
    sw.ctl('port add ext up0 --kind phys --take-address')
    stage(t, sw, far, 'h', 'taken again')
    t.check(sw.stop() == 0, 'the daemon ends in good order')
    stage(t, sw, far, 'up0', 'the daemon has ended')


def test(t):
    sw, far = t.daemon(), t.ns('far')
    sw.ns.run(f'ip link add up0 type veth peer name e0 netns {far.name}')
    sw.ns.run(f'ip addr add {NEAR}/24 dev up0')
    sw.ns.run('ip link set up0 up')
    sw.ns.run(f'ip route add default via {FAR}')
    for command in (f'ip addr add {FAR}/24 dev e0', f'ip addr add {BEYOND}/32 dev lo', 'ip link set e0 up'):
        far.run(command)
    sw.ctl('switch add ext --type external')
    sw.ctl('port add ext h --kind host')
    not_confirmed(t, sw, far)
    confirmed(t, sw, far)
    killed(t, sw, far)
    given_back(t, sw, far)


vst.main(test)
