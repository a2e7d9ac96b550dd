# SPDX-License-Identifier: BSD-2-Clause
"""VLANs: who gets a frame, with which tags on, and who must not.

Every port is a tap in a namespace of its own; frames are sent and sniffed there, tags and all.

     a10, b10   access 10          t1, t2  trunk 10,20 native 20      q1, q2  tunnel 30
     a20        access 20          t3      trunk all                  plain   no VLAN

     iso1, iso2 isolated 100,101   com1, com2 community 100,102   prom promiscuous 100,101,102
     com3       community 100,103
"""
import vst

BCAST = 'ff:ff:ff:ff:ff:ff'
C, S = 0x8100, 0x88a8


class Bench:
    def __init__(self, t, sw):
        self.t, self.sw, self.sniff, self.n = t, sw, {}, 0

    def add(self, name, *vlan):
        ns = self.sw.tap('lan', name)
        if vlan:
            self.sw.ctl(['vlan', 'set', name, *vlan])
        self.sniff[name] = ns.sniff(name)

    def src(self, name):
        return '02:00:00:00:01:%02x' % list(self.sniff).index(name)

    def send(self, sender, tags=(), dst=BCAST, expect=None, what=''):
        """Sends one frame and compares who got it: 'expect' is {port: tags}, of all ports but the sender."""
        self.n += 1
        marker = b'frame-%06d' % self.n
        self.sniff[sender].send(vst.frame(dst, self.src(sender), marker, tags))
        got = {}
        for name in [*expect, *(x for x in self.sniff if x not in expect)]:
            data = self.sniff[name].find(marker, 2.0 if name in expect else 0.06)
            if data is not None:
                got[name] = vst.tags_of(data)
        self.t.check(got == {k: list(v) for k, v in expect.items()}, what, f'expected {expect}\n     got {got}')


def plain_modes(b):
    b.send('a10', expect={'b10': [], 't1': [(C, 10)], 't2': [(C, 10)], 't3': [(C, 10)]},
           what='access: untagged in its VLAN, tagged on trunks, nowhere else')
    b.send('a20', expect={'t1': [], 't2': [], 't3': [(C, 20)]}, what="a trunk's native VLAN leaves untagged")
    b.send('t1', expect={'a20': [], 't2': [], 't3': [(C, 20)]}, what='untagged into a trunk is of its native VLAN')
    b.send('t1', [(C, 10)], expect={'a10': [], 'b10': [], 't2': [(C, 10)], 't3': [(C, 10)]},
           what='a tag on a trunk is the VLAN')
    b.send('t1', [(C, 40)], expect={}, what='a VLAN that the trunk does not carry goes nowhere')
    b.send('t3', [(C, 40)], expect={}, what='nor does one leave through trunks without it')
    b.send('t3', expect={'plain': []}, what='untagged into a trunk without native VLAN is of no VLAN')
    b.send('plain', expect={'t3': []}, what='a port of no VLAN meets no VLAN')
    b.send('a10', [(C, 20)], expect={}, what='a tag on an access port goes nowhere: no hop into VLAN 20')
    b.send('a10', [(C, 10), (C, 20)], expect={}, what='nor do two tags')
    b.send('t1', [(C, 10), (C, 20)], expect={'a10': [(C, 20)], 'b10': [(C, 20)], 't2': [(C, 10), (C, 20)],
                                             't3': [(C, 10), (C, 20)]},
           what='QinQ: behind the outer tag the inner one passes untouched')
    b.send('b10', dst=b.src('a10'), expect={'a10': []}, what='a learned address is not flooded')
    b.send('a20', dst=b.src('a10'), expect={'t1': [], 't2': [], 't3': [(C, 20)]},
           what='an address of VLAN 10 is unknown in VLAN 20')


def tunnel(b):
    b.send('q1', expect={'q2': [], 't3': [(C, 30)]}, what='tunnel: untagged is payload of VLAN 30')
    b.send('q1', [(C, 10)], expect={'q2': [(C, 10)], 't3': [(C, 30), (C, 10)]},
           what='tunnel: a tagged frame wears a second tag, VLAN 10 does not see it')
    b.send('q1', [(S, 7), (C, 8)], expect={'q2': [(S, 7), (C, 8)], 't3': [(C, 30), (S, 7), (C, 8)]},
           what='tunnel: two tags come out as they went in')
    b.sw.ctl('port set q1 --tpid 0x88a8')
    b.sw.ctl('port set t3 --tpid 0x88a8')
    b.send('q2', [(C, 10)], expect={'q1': [(C, 10)], 't3': [(S, 30), (C, 10)]},
           what='with --tpid 0x88a8 the outer tag is a service tag')
    b.sw.ctl('port set t3 --tpid 0x8100')


def private(b):
    b.sw.ctl('vlan set t3 --trunk 10-40')
    b.send('iso1', expect={'prom': []}, what='isolated reaches promiscuous only, not the other isolated port')
    b.send('com1', expect={'com2': [], 'prom': []}, what='community reaches its community and promiscuous')
    b.send('com3', expect={}, what='a secondary that the promiscuous port does not serve does not reach it')
    b.send('prom', expect={'iso1': [], 'iso2': [], 'com1': [], 'com2': []},
           what='promiscuous reaches the secondaries it serves, and not the one that does not reach it')
    b.send('iso1', dst=b.src('iso2'), expect={'prom': []},
           what='isolated does not reach isolated by its address either')
    b.send('prom', dst=b.src('iso1'), expect={'iso1': []}, what='an address learned in a secondary is found')
    b.send('iso2', dst=b.src('prom'), expect={'prom': []}, what='and so is that of the promiscuous port')
    b.send('com1', dst=b.src('com2'), expect={'com2': [], 'prom': []},
           what='an address nobody has learned is flooded within the community')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    b = Bench(t, sw)
    b.add('a10', '--access', '10')
    b.add('b10', '--access', '10')
    b.add('a20', '--access', '20')
    b.add('t1', '--trunk', '10,20', '--native', '20')
    b.add('t2', '--trunk', '10,20', '--native', '20')
    b.add('t3', '--trunk', 'all')
    b.add('plain')
    plain_modes(b)
    b.add('q1', '--tunnel', '30')
    b.add('q2', '--tunnel', '30')
    tunnel(b)
    for name, vlan in (('iso1', 'isolated=100,101'), ('iso2', 'isolated=100,101'), ('com1', 'community=100,102'),
                       ('com2', 'community=100,102'), ('com3', 'community=100,103'),
                       ('prom', 'promiscuous=100,101,102')):
        b.add(name, '--' + vlan)
    private(b)
    rows = {v['port']: v for v in sw.ctl('vlan show')['vlans']}
    t.check(rows['t1']['mode'] == 'trunk' and rows['t1']['native'] == 20 and rows['t1']['allowed'] == '10,20',
            'vlan show says what was set', rows['t1'])
    sw.ctl('vlan set a10 --none')
    b.send('a10', expect={'plain': [], 't3': []}, what='--none takes the port back to no VLAN')
    reasons = {r['reason'] for r in sw.ctl('drop list')['drops']}
    t.check(any('vlan' in r for r in reasons), 'what went nowhere has a drop reason of its VLAN', reasons)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test)
