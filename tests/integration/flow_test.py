# SPDX-License-Identifier: BSD-2-Clause
"""Rules by hand: 'vswitchctl flow' and the daemon, between real stacks.

     a 10.0.0.1 ──┐                 ┌── x 10.0.0.1  (tenant red)
     b 10.0.0.2 ──┤ lan (rules) ... ├── y 10.0.0.2  (tenant blue)
     c 10.0.0.3 ──┘                 └── switch 'ten'
"""
import subprocess
import threading
import time

import vst


def rows(sw, switch='lan', *words):
    return sw.ctl(['flow', 'list', switch, *words])['flows']


def texts(sw, switch='lan'):
    return sorted((r['table'], r['priority'], r['match'], r['actions']) for r in rows(sw, switch))


def refused(t, sw, command, words, what, stdin=None):
    """The command changes nothing and says why."""
    before = texts(sw)
    code, out, err = sw.tool(command, stdin)
    t.check(code != 0 and all(w in err for w in words) and texts(sw) == before, what, f'exit {code}\n{out}{err}')


def syntax(t, sw):
    refused(t, sw, ['flow', 'add', 'lan', 'tcp,tp_dst=http,actions=drop'], ['column 12'], 'an error names its column')
    refused(t, sw, ['flow', 'add', 'lan', 'in_port=nosuch,actions=drop'], ['column', 'nosuch'],
            'a port that is not there is an error')
    refused(t, sw, ['flow', 'add', 'lan', 'in_port=a'], ['actions'], 'a flow without actions is none')
    refused(t, sw, ['flow', 'add', 'lan', 'table=254,actions=drop'], [], 'there is no table 254')
    refused(t, sw, ['flow', 'add', 'lan', 'tp_dst=80,actions=drop'], ['column'], 'a field without its header is refused')
    refused(t, sw, ['flow', 'add', 'lan', 'actions=set_field:10.0.0.1->nw_dst'], [], 'and so is an action')
    code, out, err = sw.tool(['flow', 'add', 'nosuch', 'actions=drop'])
    t.check(code != 0 and 'nosuch' in err, 'a switch that is not there is named', out + err)


def files(t, sw, a):
    good = '# three\ntable=0,priority=40000,in_port=b,actions=drop\n\npriority=6,arp,actions=normal\nip,actions=NORMAL\n'
    start = texts(sw)
    refused(t, sw, 'flow load lan -', [':3:13:'], 'a bad line of a file: its line and column, and nothing is changed',
            'priority=5,in_port=b,actions=drop\n# ok\npriority=77,tpc,actions=drop\n')
    refused(t, sw, 'flow replace lan -', ['line 2'], 'a flow that is refused: its line; replace keeps what was',
            'priority=5,in_port=b,actions=drop\nactions=group:77\n')
    t.check(a.ping('10.0.0.2'), 'and packets go as before')
    t.check(sw.ctl('flow load lan -', stdin=good)['flows'] == 3 and len(rows(sw)) == len(start) + 3,
            'a good file is added', texts(sw))
    t.check(sw.ctl('flow replace lan -', stdin=good)['flows'] == 3 and len(rows(sw)) == 3,
            'and replaces what was there', texts(sw))
    t.check(not a.ping('10.0.0.2', count=1) and a.ping('10.0.0.3'), "b's answers are dropped, c's are not")
    sw.ctl('flow replace lan -', stdin='actions=NORMAL\n')
    t.check(a.reaches('10.0.0.2'), 'NORMAL alone is a learning switch')


def counters(t, sw, a):
    sw.ctl('flow replace lan -', stdin='priority=9,icmp,nw_src=10.0.0.1,actions=NORMAL\npriority=1,actions=NORMAL\n')
    a.ping('10.0.0.2', count=1)
    first = rows(sw, 'lan', 'icmp')[0]
    a.ping('10.0.0.2', count=10)
    row = rows(sw, 'lan', 'icmp')[0]
    t.check(row['packets'] - first['packets'] == 10 and row['bytes'] - first['bytes'] == 980,
            'ten pings are ten packets of 98 bytes', (first, row))
    sw.ctl(['flow', 'mod', 'lan', 'icmp,actions=drop'])
    t.check(rows(sw, 'lan', 'icmp')[0]['packets'] == row['packets'], 'a flow that is modified counts on')
    t.check(not a.ping('10.0.0.2', count=1), 'and does what it says now')
    t.check(rows(sw, 'lan', 'icmp')[0]['packets'] == row['packets'] + 1, 'the dropped one is counted',
            rows(sw, 'lan', 'icmp'))
    sw.ctl(['flow', 'del', 'lan', '--strict', 'priority=8,icmp,nw_src=10.0.0.1'])
    t.check(len(rows(sw)) == 2, 'a strict delete of another priority deletes nothing')
    sw.ctl(['flow', 'del', 'lan', 'icmp'])
    t.check(len(rows(sw)) == 1 and a.ping('10.0.0.2'), 'without it they go again')


def tables(t, sw, a):
    sw.ctl('flow replace lan -', stdin='''
priority=9,in_port=a,icmp,actions=dec_ttl,write_metadata:0x7,goto_table:3
table=3,metadata=0x7,actions=write_actions(output:b)
priority=1,actions=NORMAL
''')
    t.check(a.ping('10.0.0.2'), 'through two tables by name of the port')
    ttl = a.run('ping -c1 -W1 -t 1 10.0.0.2', ok=None)
    t.check(ttl.returncode != 0, 'a TTL of one ends there')
    sw.ctl(['flow', 'add', 'lan', 'table=3,priority=40000,metadata=0x7,actions=drop'])
    t.check(not a.ping('10.0.0.2', count=1), 'a higher priority in the second table is followed at once')
    sw.ctl('flow del lan')
    t.check(rows(sw) == [] and not a.ping('10.0.0.2', count=1), 'no flows: everything is dropped')
    sw.ctl(['flow', 'add', 'lan', 'actions=NORMAL'])


def tenants(t, sw):
    sw.ctl('switch add ten --type private')
    sw.ctl('tenant add red --id 10')
    sw.ctl('tenant add blue --id 11')
    x = sw.tap('ten', 'x', '10.0.0.1/24', '--tenant red')
    y = sw.tap('ten', 'y', '10.0.0.2/24', '--tenant blue')
    sw.up('x'), sw.up('y')
    sniff = y.sniff('y')
    sw.ctl(['flow', 'add', 'ten', 'in_port=x,actions=output:y,FLOOD,ALL,NORMAL'])
    x.ping('10.0.0.2', count=3)
    t.check(not [f for f in sniff.frames() if f[6:12] == vst.mac(x.run('cat /sys/class/net/x/address').stdout.strip())],
            'no rule moves a frame to another tenant')
    t.check(rows(sw, 'ten', 'in_port=x')[0]['packets'] > 0, 'though the rule met frames')
    sw.ctl('tenant set red --flow-limit 1')
    sw.ctl('flow load ten -', stdin=''.join(f'priority=40000,udp,tp_dst={1000 + i},actions=drop\n' for i in range(50)))
    x.run(['python3', '-c', 'import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.setsockopt(socket.SOL_SOCKET,socket.SO_BROADCAST,1)\n'
           's.setsockopt(socket.SOL_SOCKET,socket.SO_BINDTODEVICE,b"x")\n'
           'for i in range(50): s.sendto(b"x",("255.255.255.255",1000+i))'])
    row = sw.ctl('tenant stats red')['tenants'][0]
    t.check(row['flows'] <= 2 and row['flows_refused'] > 0, 'a tenant has its share of the flow cache', row)
    sniff.close()


def changes_under_traffic(t, sw, a):
    """A thousand changes a second, in files of a hundred, beside pings that they must not touch."""
    ping = a.popen('ping -q -i 0.01 -c 400 -W 1 10.0.0.2', stdout=subprocess.PIPE, text=True)
    n, start, ends = 0, time.monotonic(), []
    threading.Thread(target=lambda: ends.append(ping.wait()), daemon=True).start()
    while not ends and time.monotonic() - start < 30:
        lines = [f'priority={100 + n % 7},tcp,nw_dst=10.{n % 250}.{i}.0/{24 + n % 3},tp_dst={i},actions=drop\n'
                 for i in range(50)]
        lines += ['delete ' + x.split(',', 1)[1].replace(',actions=drop', '') for x in lines]
        sw.ctl('flow load lan -', stdin=''.join(lines))
        n += 1
        time.sleep(max(0, start + n * 0.1 - time.monotonic()))
    rate = n * 100 / (time.monotonic() - start)
    out = ping.stdout.read()
    t.check('400 received' in out, f'no ping is lost under {rate:.0f} changes a second', out)
    t.check(rate > 500, 'and the changes are taken', rate)
    t.check(len(rows(sw)) == 1, 'what came and went left nothing', len(rows(sw)))


def advice(t, sw, a):
    """'doctor' says whose rules a restart loses."""
    def hints():
        return [c for c in sw.ctl('doctor')['checks'] if c['check'] == 'rules of lan']
    sw.ctl('flow replace lan -', stdin='priority=0,actions=NORMAL\n')
    t.check(hints() == [], 'the rule that a switch begins with is no loss', hints())
    sw.ctl(['flow', 'add', 'lan', 'priority=3,in_port=a,actions=NORMAL'])
    got = hints()
    t.check(len(got) == 1 and got[0]['state'] == 'warn' and '2 rules' in got[0]['found'] and 'flow list lan --raw' in got[0]['fix'],
            'doctor says how to keep rules', got)
    sw.ctl('flow replace lan -', stdin='priority=0,actions=NORMAL\n')


def queues(t, sw, a):
    code, out, err = sw.tool('queue add b 1 --max-rate 1k --min-rate 2k')
    t.check(code != 0 and '--min-rate' in err, 'a queue that would have more than it may is refused', err)
    code, out, err = sw.tool('queue add nosuch 1')
    t.check(code != 0 and 'nosuch' in err, 'so is one of no port', err)
    sw.ctl('queue add b 1 --max-rate 1M')
    sw.ctl('queue add b 2 --max-rate 8k --min-rate 4k')
    sw.ctl('queue set b 1 --max-rate 2M')
    text = sw.tool('config show')[1]
    t.check('queue add b 1 --max-rate 2M\n' in text and 'queue add b 2 --max-rate 8k --min-rate 4k\n' in text,
            'queues are in the configuration', text)
    t.check(sw.tool('config diff -', stdin=text)[1].strip() == '' and sw.tool('config check -', stdin=text)[0] == 0,
            'which loads as it is shown')
    sw.ctl('flow replace lan -', stdin='priority=40000,in_port=a,icmp,actions=set_queue:2,output:b\nactions=NORMAL\n')
    a.run('ping -q -f -s 1400 -c 200 -W 1 10.0.0.2', ok=None)
    row = sw.ctl('queue stats b 2')['queues'][0]
    t.check(row['drops'] > 100 and row['packets'] >= 1 and row['bytes'] == row['packets'] * 1442,
            'what is over the rate waits, and what waits too long is dropped', row)
    t.check(sw.ctl('drop list b')['drops'][0]['reason'] in ('shaper-full', 'shaper-delay'), 'by reasons of its own',
            sw.ctl('drop list b'))
    why = sw.tool('why a icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2')[1]
    t.check('sent to b by its queue 2' in why, 'why names the queue', why)
    t.check([r['id'] for r in sw.ctl('queue list b')['queues']] == [1, 2], 'the list has both')
    sw.ctl('queue remove b 2')
    t.check(a.ping('10.0.0.2', count=3), 'without the queue nothing limits them')
    sw.ctl('queue remove b 1')
    sw.ctl('flow replace lan -', stdin='actions=NORMAL\n')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    t.check(sw.port('a')['state'] == 'up', 'a new port is up at once', sw.port('a'))
    for i, name in enumerate('bc'):
        sw.tap('lan', name, f'10.0.0.{i + 2}/24')
    for name in 'abc':
        sw.up(name)
    t.check(a.reaches('10.0.0.2') and a.reaches('10.0.0.3'), 'without rules the switch learns')
    sw.ctl(['flow', 'add', 'lan', 'priority=3,in_port=a,actions=NORMAL'])
    t.check(len(rows(sw)) == 2 and a.ping('10.0.0.2'), 'the first rule comes beside NORMAL', texts(sw))
    syntax(t, sw)
    files(t, sw, a)
    counters(t, sw, a)
    tables(t, sw, a)
    queues(t, sw, a)
    changes_under_traffic(t, sw, a)
    advice(t, sw, a)
    tenants(t, sw)
    t.check(vst.wait_for(sw.balanced), 'the ledger balances', sw.ledger())
    t.check(sw.stop() == 0, 'the daemon ends in good order')


vst.main(test, ['ping'])
