# SPDX-License-Identifier: BSD-2-Clause
"""Groups and meters by hand: 'vswitchctl group', 'vswitchctl meter' and the daemon, between real stacks.

     a 10.0.0.1 ──┐               ┌── b 10.0.0.2
                  └ lan (rules) ──┴── c 10.0.0.3
"""
import time

import vst


def heard(t, sw, a, n=20):
    """How many of n pings a's frames reached b and c with; they need not answer."""
    before = {r['name']: r['tx_packets'] for r in ports(sw)}
    a.run(f'ping -q -c {n} -i 0.02 -W 0.2 10.0.0.2', ok=None)
    time.sleep(0.3)
    return {r['name']: r['tx_packets'] - before[r['name']] for r in ports(sw)}


def ports(sw):
    return sw.ctl('port list')['ports']


def groups(t, sw, a):
    sw.ctl(['group', 'add', 'lan', 'group_id=1,type=all,bucket=actions=output:b,bucket=actions=output:c'])
    sw.ctl('flow replace lan -', stdin='priority=9,in_port=a,icmp,actions=group:1\npriority=1,arp,actions=NORMAL\n')
    n = heard(t, sw, a)
    t.check(n['b'] >= 20 and n['c'] >= 20, 'all: a copy for each', n)
    row = sw.ctl('group list lan')['groups'][0]
    t.check(row['packets'] == 20 and row['used_by'] == 1, 'the group has counted them', row)
    t.check(row['group'] == 'group_id=1,type=all,bucket=actions=output:b,bucket=actions=output:c',
            'and is shown as it was written', row)
    buckets = sw.ctl('group stats lan')['buckets']
    t.check([b['packets'] for b in buckets] == [20, 20], 'so have its buckets', buckets)
    sw.ctl(['group', 'mod', 'lan', 'group_id=1,type=indirect,bucket=actions=output:c'])
    n = heard(t, sw, a)
    t.check(n['b'] < 10 <= n['c'], 'a modified group is followed at once', n)


def failover(t, sw, a, b):
    sw.ctl(['group', 'mod', 'lan', 'group_id=1,type=ff,bucket=watch_port:b,actions=output:b,'
            'bucket=watch_port:c,actions=output:c'])
    n = heard(t, sw, a)
    t.check(n['b'] >= 20 > n['c'], 'ff: the first that lives', n)
    sw.ctl('port set b --admin down')
    n = heard(t, sw, a)
    t.check(n['c'] >= 20 and n['b'] == 0, 'its port is taken down: the second', n)
    sw.ctl('port set b --admin up')
    time.sleep(0.5)
    n = heard(t, sw, a)
    t.check(n['b'] >= 20, 'and back', n)
    b.run('ip link set dev b down')
    time.sleep(0.3)
    n = heard(t, sw, a)
    t.check(n['c'] >= 20 and n['b'] == 0, "its link goes down at the other end: the second, within 0.3 s", n)
    b.run('ip link set dev b up')


def errors(t, sw):
    for words, what in ((['group', 'add', 'lan', 'group_id=1,type=all'], 'OFPGMFC_GROUP_EXISTS'),
                        (['group', 'mod', 'lan', 'group_id=9,type=all'], 'OFPGMFC_UNKNOWN_GROUP'),
                        (['group', 'add', 'lan', 'group_id=9,type=all,bucket=actions=group:9'], 'OFPGMFC_LOOP'),
                        (['group', 'add', 'lan', 'group_id=9,type=some'], 'column'),
                        (['meter', 'mod', 'lan', 'meter=9,kbps'], 'OFPMMFC_UNKNOWN_METER'),
                        (['flow', 'add', 'lan', 'actions=meter:9,normal'], 'OFPMMFC_INVALID_METER'),
                        (['flow', 'add', 'lan', 'actions=group:9'], 'OFPBAC_BAD_OUT_GROUP')):
        code, out, err = sw.tool(words)
        t.check(code != 0 and what in err, f'{" ".join(words)}: {what}', out + err)
    t.check(len(sw.ctl('group list lan')['groups']) == 1, 'and nothing was changed')


def meters(t, sw, a):
    sw.ctl(['meter', 'add', 'lan', 'meter=1,pktps,burst,bands=type=drop,rate=10,burst_size=5'])
    sw.ctl('flow replace lan -', stdin='priority=9,in_port=a,icmp,actions=meter:1,NORMAL\npriority=1,actions=NORMAL\n')
    out = a.run('ping -q -i 0.01 -c 300 -W 1 10.0.0.2', ok=None).stdout
    row = sw.ctl('meter list lan')['meters'][0]
    band = sw.ctl('meter stats lan')['bands'][0]
    passed = row['packets'] - band['packets']
    seconds = float(out.split('time ')[1].split('ms')[0]) / 1000
    t.check(row['packets'] == 300 and row['flows'] == 1, 'all that came was metered', (row, out))
    t.check(10 * seconds * 0.8 <= passed <= 10 * seconds * 1.1 + 10, f'10 a second and 5 at once: {passed} in {seconds} s')
    drops = sw.ctl('drop list')['drops']
    t.check(any(d['reason'] == 'meter' and d['packets'] == band['packets'] for d in drops),
            'the others have a fate', (band, drops))
    sw.ctl(['meter', 'mod', 'lan', 'meter=1,pktps,bands=type=drop,rate=100000'])
    t.check('300 received' in a.run('ping -q -i 0.005 -c 300 -W 1 10.0.0.2', ok=None).stdout, 'a higher rate: all pass')
    sw.ctl('meter del lan meter=1')
    t.check(len(sw.ctl('flow list lan')['flows']) == 1, 'a deleted meter takes its flow along')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    b = sw.tap('lan', 'b', '10.0.0.2/24')
    c = sw.tap('lan', 'c', '10.0.0.3/24')
    for name in 'abc':
        sw.up(name)
    t.check(a.reaches('10.0.0.2'), 'without rules the switch learns')
    a.run('ping -c1 -W1 10.0.0.2', ok=None)
    groups(t, sw, a)
    errors(t, sw)
    failover(t, sw, a, b)
    sw.ctl('group del lan')
    t.check(sw.ctl('group list lan')['groups'] == [], 'all groups deleted')
    sw.ctl('flow replace lan -', stdin='actions=NORMAL\n')
    t.check(a.reaches('10.0.0.2'), 'and it learns again')
    meters(t, sw, a)


vst.main(test, ['ping'])
