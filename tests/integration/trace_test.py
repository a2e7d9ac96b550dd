# SPDX-License-Identifier: BSD-2-Clause
"""'trace' and 'why': what becomes of a frame, said without sending it.

     a 10.0.0.1 ──┐                 ┌── x 10.0.0.1  (tenant red)
     b 10.0.0.2 ──┤ lan (rules) ... ├── y 10.0.0.2  (tenant blue)
     c 10.0.0.3 ──┘                 └── switch 'ten'
"""
import os
import struct

import vst


def refused(t, sw, words, what, said):
    code, out, err = sw.tool(words)
    t.check(code != 0 and what in err and 'fix:' in err, said, f'exit {code}\n{out}{err}')


def why(sw, *words):
    return sw.ctl(['why', *words])


def write_pcap(path, frames, linktype=1):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, linktype))
        for data in frames:
            f.write(struct.pack('<IIII', 0, 0, len(data), len(data)) + data)


def rules(t, sw):
    sw.ctl('flow replace lan -', stdin='''
priority=100,tcp,tp_dst=80,actions=goto_table:1
priority=90,udp,actions=drop
priority=80,icmp,actions=dec_ttl,a
priority=70,arp,actions=NORMAL
priority=60,tcp,actions=nosuch
'''.replace('priority=60,tcp,actions=nosuch\n', '') + '''
table=1,priority=5,nw_dst=10.0.0.2,ip,actions=mod_vlan_vid:5,b
table=1,priority=4,ip,nw_dst=10.0.0.9,actions=c
''')
    seen = why(sw, 'a', 'tcp,nw_dst=10.0.0.9,tp_dst=80')
    t.check(seen['fate'] == 'sent to c' and 'table 1, priority=4' in seen['because'], 'a rule sends', seen)
    seen = why(sw, 'a', 'tcp,nw_dst=10.0.0.7,tp_dst=80')
    t.check('dropped: no-action' in seen['fate'] and seen['because'] == 'no rule of table 1 fits', 'no rule fits', seen)
    seen = why(sw, 'a', 'udp')
    t.check('dropped' in seen['fate'] and 'priority=90 udp' in seen['because'], 'a rule drops', seen)
    seen = why(sw, 'a', 'tcp,nw_dst=10.0.0.2,tp_dst=80')
    t.check('egress-vlan' in seen['fate'] and 'on its way to b' in seen['fate'], 'the port has the last word', seen)
    seen = why(sw, 'a', 'icmp,nw_ttl=1')
    t.check('dropped: ttl' in seen['fate'], 'a TTL ends', seen)
    seen = why(sw, 'b', 'dl_vlan=7')
    t.check('vlan-not-member' in seen['fate'] and seen['because'] == 'b did not let it in', 'the edge refuses', seen)
    seen = why(sw, 'a', 'arp')
    t.check('NORMAL: ' in seen['because'] and 'flooded' in seen['because'], 'NORMAL says what it did', seen)
    code, out, err = sw.tool(['trace', 'a', 'tcp,nw_dst=10.0.0.9,tp_dst=80'])
    for word in ('edge ', 'key ', 'cache ', 'table 0 ', 'table 1 ', 'program ', 'out ', 'fate ', 'cost ', 'cycles]'):
        t.check(word in out, f'the long form has "{word.strip()}"', out + err)
    print(out)


def nothing_changes(t, sw, a):
    before = sw.ctl('flow list lan'), sw.ctl('stats'), sw.ctl('mac list'), sw.ctl('drop list')
    for flow in ('tcp,nw_dst=10.0.0.9,tp_dst=80', 'arp', 'udp', 'icmp', 'dl_src=02:00:00:00:99:99'):
        sw.ctl(['trace', 'a', flow])
    after = sw.ctl('flow list lan'), sw.ctl('stats'), sw.ctl('mac list'), sw.ctl('drop list')

    def counted(got):
        return ([(r['match'], r['packets'], r['bytes'], r.get('idle')) for r in got[0]['flows'] if r['packets'] == 0],
                [m for m in got[2]['macs'] if m['mac'].startswith('02:00:00:00')], '02:00:00:00:99:99' in str(got[2]))
    t.check(counted(before) == counted(after) and not counted(after)[2],
            'a trace counts nothing and learns nothing', (before, after))


def files(t, sw, folder):
    path = os.path.join(folder, 'two.pcap')
    write_pcap(path, [vst.frame('02:00:00:00:00:02', '02:00:00:00:00:01', tags=[(0x8100, 7)]),
                      vst.frame('ff:ff:ff:ff:ff:ff', '02:00:00:00:00:01', ethertype=0x0806)])
    t.check('vlan-not-member' in why(sw, 'a', f'pcap:{path}#1')['fate'], 'frame 1 of a file')
    t.check('NORMAL' in why(sw, 'a', f'pcap:{path}#2')['because'], 'frame 2 of a file')
    refused(t, sw, ['why', 'a', f'pcap:{path}#3'], '2 frames', 'there is no third')
    refused(t, sw, ['why', 'a', f'pcap:{path}#0'], 'from 1', 'nor a frame 0')
    refused(t, sw, ['why', 'a', 'pcap:/nonexistent#1'], 'o such file', 'nor such a file')
    write_pcap(path, [b'\x45' + bytes(40)], linktype=101)
    refused(t, sw, ['why', 'a', f'pcap:{path}#1'], 'Ethernet', 'what is no Ethernet is none')
    data = vst.frame('02:00:00:00:00:02', '02:00:00:00:00:01', tags=[(0x8100, 7)]).hex()
    t.check('vlan-not-member' in why(sw, 'a', data)['fate'], 'digits are a frame')
    code, out, err = sw.tool(['why', 'a', '--frame', '-'], stdin=data)
    t.check(code == 0 and 'vlan-not-member' in out, 'and on standard input', out + err)


def mistakes(t, sw):
    refused(t, sw, ['why', 'nosuch', 'arp'], 'nosuch', 'a port that is not there')
    refused(t, sw, ['why', 'a', 'tpc'], 'column 1', 'an error names its column')
    refused(t, sw, ['why', 'a', 'metadata=5'], 'metadata', 'no frame has metadata')
    refused(t, sw, ['why', 'a', 'in_port=b'], 'in_port', 'another port')
    refused(t, sw, ['why', 'a', '--frame', '/dev/null'], 'empty', 'an empty file is no frame')
    refused(t, sw, ['why'], 'PORT', 'no port')


def finding(t, sw, a):
    """list --sort, --table, --raw; unused; shadowed."""
    rules = '''
cookie=0x1,priority=100,idle_timeout=600,send_flow_rem,ip,nw_dst=10.0.0.0/8,actions=NORMAL
cookie=0x2,priority=90,tcp,nw_dst=10.1.0.0/16,tp_dst=22,actions=drop
priority=80,arp,actions=NORMAL
priority=70,in_port=b,vlan_tci=0x1000/0x1000,actions=pop_vlan,a
table=3,priority=5,udp,actions=goto_table:4
table=4,actions=drop
'''
    sw.ctl('flow replace lan -', stdin=rules)
    raw = sw.ctl('flow list lan --raw')['text']
    sw.ctl('flow replace lan -', stdin=raw)
    t.check(sw.ctl('flow list lan --raw')['text'] == raw and raw.count('\n') == 6 and 'idle_timeout=600' in raw,
            'what --raw prints is what replace reads', raw)
    code, out, err = sw.tool(['flow', 'list', 'lan', '--raw'])
    t.check(code == 0 and out == raw, '--raw is text', out + err)
    got = [r['priority'] for r in sw.ctl('flow list lan')['flows']]
    t.check(got == [100, 90, 80, 70, 5, 32768], 'by table, and as they are looked at', got)
    t.check(len(sw.ctl('flow list lan --table 3')['flows']) == 1, 'one table')
    t.check(a.ping('10.0.0.2', count=3), 'NORMAL goes')
    got = sw.ctl('flow list lan --sort packets')['flows']
    t.check(got[0]['packets'] >= got[1]['packets'] >= got[-1]['packets'] and got[0]['packets'] > 0, 'by packets', got)
    t.check(sw.ctl('flow unused lan')['flows'] == [], 'nothing is there for a day')
    got = sorted(r['priority'] for r in sw.ctl('flow unused lan --since 1ms')['flows'])
    t.check(90 in got and 70 in got and 100 not in sw.ctl('flow unused lan --since 1m')['flows'], 'unused', got)
    answer = sw.ctl('flow shadowed lan')
    got = [(r['table'], r['priority'], r['why']) for r in answer['flows']]
    t.check(answer['all'] and [g[:2] for g in got] == [(0, 90), (3, 5), (4, 32768)] and 'priority=100' in got[0][2]
            and 'goto' in got[1][2], 'shadowed', got)
    refused(t, sw, ['flow', 'list', 'lan', '--table', '254'], '253', 'no table 254')
    refused(t, sw, ['flow', 'list', 'lan', 'tcp,tp_dst=http'], 'column', 'a filter that is none')
    t.check('duration' in sw.tool(['flow', 'unused', 'lan', '--since', 'never'])[2], 'a time that is none')


def tenants(t, sw):
    seen = why(sw, 'x', 'dl_dst=' + sw.ctl('port show y')['mac'])
    t.check('y' not in seen['fate'].split('sent to')[-1] or 'tenant' in seen['fate'] or 'no-receiver' in seen['fate'],
            'tenants do not meet, in a trace either', seen)
    sw.ctl('flow replace ten -', stdin='actions=y\n')
    seen = why(sw, 'x', 'arp')
    t.check('tenant' in seen['fate'] and 'y' in seen['fate'], 'nor by a rule', seen)


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('switch add ten --type private')
    sw.ctl('tenant add red --id 1')
    sw.ctl('tenant add blue --id 2')
    a, b, c = (sw.tap('lan', name, f'10.0.0.{i}/24') for i, name in enumerate('abc', 1))
    sw.tap('ten', 'x', '10.0.0.1/24', '--tenant red')
    sw.tap('ten', 'y', '10.0.0.2/24', '--tenant blue')
    t.check(a.ping('10.0.0.2'), 'a learning switch')
    seen = why(sw, 'a', 'dl_dst=02:77:00:00:00:01')
    t.check('b' in seen['fate'] and 'flooded' in seen['because'], 'a switch without rules', seen)
    rules(t, sw)
    nothing_changes(t, sw, a)
    files(t, sw, t.dir)
    mistakes(t, sw)
    finding(t, sw, a)
    tenants(t, sw)


vst.main(test)
