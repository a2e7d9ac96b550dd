# SPDX-License-Identifier: BSD-2-Clause
"""Teams of uplinks: fail-over, sharing, and LACP with partners that lie.

    v1 ─┐                       ┌ e0 ═══ veth ═══ w0 ┐ first a Linux bridge that knows of no team,
        ├── switch ext ── up0 ──┤                    ├ with 10.0.0.100; then an LACP partner made of
    v2 ─┘              (team)   └ e1 ═══ veth ═══ w1 ┘ two raw sockets
"""
import select
import socket
import struct
import time

import vst

SLOW = '01:80:c2:00:00:02'
ACTIVITY, TIMEOUT, AGGREGATION, SYNC, COLLECTING, DISTRIBUTING = 1, 2, 4, 8, 16, 32
ALL = ACTIVITY | TIMEOUT | AGGREGATION | SYNC | COLLECTING | DISTRIBUTING


class Partner:
    """Says on each of its interfaces what it is told to say, whatever it hears."""

    def __init__(self, ns, names):
        self.links = {}
        for i, name in enumerate(names):
            sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(vst.ETH_P_ALL))
            sock.bind((name, vst.ETH_P_ALL))
            sock.setsockopt(vst.SOL_PACKET, vst.PACKET_IGNORE_OUTGOING, 1)
            self.links[name] = {'sock': sock, 'port': i + 1, 'system': '02:aa:00:00:00:01', 'key': 7, 'state': ALL,
                                'heard': bytes(18), 'speaks': True, 'echo': False, 'raw': None, 'data': [], 'markers': [], 'sent': 0.0}

    def pdu(self, link):
        system = vst.mac(link['system'])
        body = struct.pack('!BB BBH6sHHHB3x', 1, 1, 1, 20, 0x8000, system, link['key'], 0x8000, link['port'], link['state'])
        body += struct.pack('!BB', 2, 20) + link['heard']
        body += struct.pack('!BBH12x', 3, 16, 0) + bytes(52)
        return vst.frame(SLOW, link['system'], body, ethertype=0x8809)

    def _hear(self, link):
        data = link['sock'].recv(2048)
        if data[:6] != vst.mac(SLOW):
            link['data'].append(data)
            return
        if data[14] == 2:
            link['markers'].append(data)
            return
        link['heard'] = data[18:36]     # what it says of itself is what we say of our partner
        if link['echo']:
            link['sock'].send(data)

    def _speak(self, link, now):
        if now - link['sent'] < 0.5 or not link['speaks']:
            return
        link['sent'] = now
        link['sock'].send(link['raw'] if link['raw'] is not None else self.pdu(link))

    def run(self, until, timeout=30):
        """Talks until the condition holds; returns whether it did."""
        end, look = time.monotonic() + timeout, 0.0
        while time.monotonic() < end:
            ready = select.select([l['sock'] for l in self.links.values()], [], [], 0.05)[0]
            for link in self.links.values():
                if link['sock'] in ready:
                    self._hear(link)
                self._speak(link, time.monotonic())
            if time.monotonic() - look > 0.2:
                look = time.monotonic()
                if until():
                    return True
        return False


def members(sw):
    return {m['port']: m for m in sw.ctl('team show up0')['members']}


def active(sw):
    return sorted(name for name, m in members(sw).items() if m['state'] == 'active')


def make(t, sw):
    wire = t.ns('wire')
    wire.run('ip link add br0 type bridge stp_state 0 mcast_snooping 0')
    wire.run('ip addr add 10.0.0.100/24 dev br0')
    wire.run('ip link set br0 up')
    sw.ctl('switch add ext --type external')
    sw.ctl('port add ext up0 --kind team')
    for i in (0, 1):
        sw.ns.run(f'ip link add e{i} type veth peer name w{i} netns {wire.name}')
        wire.run(f'ip link set w{i} master br0 up')
        sw.ctl(f'port add ext e{i} --kind phys --driver af_packet --team up0')
    return wire


def active_backup(t, sw, wire, v1):
    t.check(vst.wait_for(lambda: len(active(sw)) == 1, 10), 'one member carries the frames', members(sw))
    t.check(sw.up('up0'), 'the team has a link', sw.port('up0'))
    t.check(v1.reaches('10.0.0.100'), 'a machine reaches the wire')
    got = v1.run('ping -q -c 20 -i 0.02 10.0.0.100', ok=None).stdout
    t.check('duplicates' not in got, 'what the wire floods comes once', got)
    first = active(sw)[0]
    other = 'e1' if first == 'e0' else 'e0'
    seen = len(sw.events('team'))
    stream = v1.popen('ping -q -i 0.01 -c 150 -W 1 10.0.0.100')
    wire.run(f'ip link set w{first[1]} down')
    t.check(vst.wait_for(lambda: active(sw) == [other], 10), 'without its link the other carries them', members(sw))
    stream.communicate(timeout=120)
    t.check(v1.reaches('10.0.0.100'), 'the machine still reaches the wire')
    events = [e for e in sw.events('team')[seen:] if other in e['text']]
    t.check(events, 'an event says by whom the team sends', sw.events('team'))
    t.check(members(sw)[first]['state'] == 'down' and members(sw)[first]['note'] == 'no link', 'the member says why not',
            members(sw))
    wire.run(f'ip link set w{first[1]} up')
    t.check(vst.wait_for(lambda: members(sw)[first]['link'] == 'up', 10), 'its link comes back', members(sw))
    t.check(active(sw) == [other], 'without a primary nobody moves back', members(sw))
    sw.ctl(f'team set up0 --team-primary {first}')
    t.check(vst.wait_for(lambda: active(sw) == [first], 15), 'the primary takes over again', members(sw))
    t.check(v1.reaches('10.0.0.100'), 'and reaches the wire')
    sw.ctl('team set up0 --default team-primary')


def by_address(t, sw, wire, v1):
    sw.ctl('team set up0 --team-mode address')
    t.check(vst.wait_for(lambda: len(active(sw)) == 2, 10), 'by address both carry frames', members(sw))
    t.check(v1.reaches('10.0.0.100'), 'a machine reaches the wire')
    got = v1.run('ping -q -c 20 -i 0.02 10.0.0.100', ok=None).stdout
    t.check('duplicates' not in got, 'what the wire floods comes once', got)
    sw.ctl('qos set up0 --to-max 1G')
    t.check(v1.reaches('10.0.0.100'), 'also through a shaper of the team')
    sw.ctl('qos clear up0')
    t.check(sw.port('e0')['note'].startswith('in team up0'), 'the list of ports says who is a member', sw.port('e0'))
    before = members(sw)
    sniff = v1.sniff('v1')
    for i in range(128):
        sniff.send(vst.frame('ff:ff:ff:ff:ff:ff', f'02:00:00:00:05:{i:02x}', b'who is there'))
        time.sleep(0.001)
    t.check(vst.wait_for(lambda: all(members(sw)[e]['tx_packets'] >= before[e]['tx_packets'] + 20 for e in before), 10),
            'stations are spread over the members', members(sw))
    t.check(vst.wait_for(lambda: sw.drops('e0', 'team-reflected') + sw.drops('e1', 'team-reflected') +
                         sw.drops('e0', 'team-copy') + sw.drops('e1', 'team-copy') > 0, 10),
            'what the bridge sends back is dropped', sw.ctl('drop list'))
    macs = [m for m in sw.ctl('mac list')['macs'] if m['mac'].startswith('02:00:00:00:05:')]
    t.check(macs and all(m['port'] == 'v1' for m in macs), 'and no station seems to be on the wire', macs)
    sniff.close()


def comes_and_goes(t, sw, v1):
    stream = v1.popen('ping -q -i 0.01 -c 200 -W 1 10.0.0.100')
    for _ in range(3):
        sw.ctl('team leave e1')
        t.check(active(sw) == ['e0'] and 'e1' not in members(sw), 'a member leaves under traffic', members(sw))
        sw.ctl('team join up0 e1')
        sw.ctl('port set e1 --admin up')
        t.check(vst.wait_for(lambda: len(active(sw)) == 2, 10), 'and joins again', members(sw))
    stream.communicate(timeout=120)
    t.check(v1.reaches('10.0.0.100'), 'the machine still reaches the wire')
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def refusals(t, sw):
    rc, _, said = sw.tool('port add ext e9 --kind phys --team nosuch')
    t.check(rc != 0 and 'no team nosuch' in said, 'a team that is not there is refused', said)
    rc, _, said = sw.tool('team join v1 e0')
    t.check(rc != 0 and 'not-a-team' in said, 'a tap is no team', said)
    rc, _, said = sw.tool('port remove up0')
    t.check(rc != 0 and 'no team up0' in said, 'a team that has members stays', said)
    rc, _, said = sw.tool('port set up0 --mtu 9000')
    t.check(rc != 0 and 'bad-mtu' in said, 'it carries no more than its members', said)
    rc, _, said = sw.tool('team set up0 --team-primary v1')
    t.check(rc != 0 and 'bad-primary' in said, 'its primary is a member', said)


def lacp(t, sw, wire, v1):
    for i in (0, 1):
        wire.run(f'ip link set w{i} nomaster')
    sw.ctl('team set up0 --team-mode lacp')
    t.check(vst.wait_for(lambda: not active(sw) and members(sw)['e0']['note'] == 'no LACP partner answers', 15),
            'without a partner nobody sends', members(sw))
    p = Partner(wire, ['w0', 'w1'])
    t.check(p.run(lambda: active(sw) == ['e0', 'e1']), 'with a partner both do', members(sw))
    t.check('02:aa:00:00:00:01 key 7' == members(sw)['e0']['partner'], 'who it is is shown', members(sw))
    for link in p.links.values():
        link['data'].clear()
    sniff = v1.sniff('v1')
    for i in range(128):
        udp = struct.pack('!BBHHHBBH4s4sHHHH', 0x45, 0, 28, i, 0, 9, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 100]),
                          1000 + i, 9, 8, 0)
        sniff.send(vst.frame('02:aa:00:00:00:09', '02:00:00:00:06:01', udp, ethertype=0x0800))
    t.check(p.run(lambda: sum(len(l['data']) for l in p.links.values()) >= 128, 15) and
            all(len(l['data']) > 20 for l in p.links.values()), 'flows are spread over both',
            [len(l['data']) for l in p.links.values()])
    sniff.close()
    return p


def liars(t, sw, p):
    w1 = p.links['w1']
    w1['system'] = '02:bb:00:00:00:02'
    t.check(p.run(lambda: len(active(sw)) == 1), 'links to two partners are not used together', members(sw))
    w1['system'] = '02:aa:00:00:00:01'
    t.check(p.run(lambda: active(sw) == ['e0', 'e1']), 'to one they are', members(sw))
    w1['state'] = ALL & ~SYNC
    t.check(p.run(lambda: active(sw) == ['e0'] and members(sw)['e1']['note'] == 'its partner is not in sync with it'),
            'a partner that is not in sync gets nothing', members(sw))
    w1['state'] = ALL
    t.check(p.run(lambda: active(sw) == ['e0', 'e1']), 'until it is', members(sw))
    w1['raw'] = vst.frame(SLOW, w1['system'], b'\x01\x01\x01\xff' + bytes(106), ethertype=0x8809)
    t.check(p.run(lambda: members(sw)['e1']['lacp_bad'] > 0 and active(sw) == ['e0']),
            'who speaks nonsense is counted, and soon not heard any more', members(sw))
    w1['raw'], w1['speaks'], w1['echo'] = None, False, True
    t.check(p.run(lambda: members(sw)['e1']['note'] == 'hears this switch itself: a loop'), 'an echo is no partner',
            members(sw))
    w1['speaks'], w1['echo'] = True, False
    t.check(p.run(lambda: active(sw) == ['e0', 'e1']), 'and then it is all right again', members(sw))
    marker(t, sw, p, w1)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def marker(t, sw, p, link):
    """As a partner sends that moves flows to another link."""
    asks = struct.pack('!BBBBH6sI2x', 2, 1, 1, 16, link['port'], vst.mac(link['system']), 0xdeadbeef)
    link['sock'].send(vst.frame(SLOW, link['system'], asks + bytes(92), ethertype=0x8809))
    t.check(p.run(lambda: link['markers'], 10), 'a marker is answered')
    got = link['markers'][0] if link['markers'] else b''
    t.check(len(got) == 124 and got[14:32] == asks[:2] + b'\x02' + asks[3:], 'with what it said', got.hex())
    link['sock'].send(got)
    t.check(not p.run(lambda: len(link['markers']) > 1, 1) and members(sw)['e1']['lacp_markers'] == 1, 'an answer is not',
            (link['markers'], members(sw)))


def restart(t, sw, p):
    before = sw.ctl('config show')
    sw.stop()
    sw.start()
    t.check(sw.ctl('config show') == before, 'the configuration is the same after a restart')
    t.check(p.run(lambda: active(sw) == ['e0', 'e1']), 'and the team finds its partner again', members(sw))


def test(t):
    sw = t.daemon()
    wire = make(t, sw)
    v1 = sw.tap('ext', 'v1', '10.0.0.1/24')
    active_backup(t, sw, wire, v1)
    by_address(t, sw, wire, v1)
    comes_and_goes(t, sw, v1)
    refusals(t, sw)
    p = lacp(t, sw, wire, v1)
    liars(t, sw, p)
    restart(t, sw, p)


vst.main(test)
