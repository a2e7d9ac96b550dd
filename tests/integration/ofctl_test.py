# SPDX-License-Identifier: BSD-2-Clause
"""ovs-ofctl -O OpenFlow13, as administrators know it, against the real daemon over its management socket.

     a ──┐
     b ──┼── lan ── lan.mgmt ── ovs-ofctl
     c ──┘
"""
import os
import re
import shutil
import subprocess
import time

import vst


class Ofctl:
    def __init__(self, t, sw, folder):
        self.t, self.folder = t, folder
        self.target = f'unix:{os.path.join(sw.dir, "lan.mgmt")}'

    def run(self, *args, stdin=None):
        got = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow13', '--timeout=20', args[0], self.target, *args[1:]],
                             input=stdin, text=True, capture_output=True, timeout=60)
        return got.returncode, got.stdout, got.stderr

    def option(self, option, *args, stdin=None):
        got = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow13', '--timeout=20', option, args[0], self.target, *args[1:]],
                             input=stdin, text=True, capture_output=True, timeout=60)
        return got.returncode, got.stdout, got.stderr

    def ok(self, *args, has=(), stdin=None):
        code, out, err = self.run(*args, stdin=stdin)
        missing = [h for h in ([has] if isinstance(has, str) else has) if h not in out]
        self.t.check(code == 0 and not missing, 'ovs-ofctl ' + ' '.join(args), f'{code} {missing}\n{out}{err}')
        return out

    def refused(self, word, *args):
        code, out, err = self.run(*args)
        self.t.check(word in out + err, f'ovs-ofctl {" ".join(args)}: {word}', f'{code}\n{out}{err}')

    def flows(self):
        return [line for line in self.ok('dump-flows').splitlines() if 'actions=' in line]

    def tables(self):
        return sorted(re.search(r'table=\d+', f).group() + f.split('actions=')[1] for f in self.flows())

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='ascii') as f:
            f.write(text)
        return path


def reads(o):
    o.ok('show', has=['n_tables:254', '1(a)', '2(b)', '3(c)', 'FLOW_STATS'])
    o.ok('dump-desc', has='DP Description: lan')
    o.ok('dump-tables')
    o.ok('dump-table-features', has='table 0')
    o.ok('dump-ports', has='rx pkts=')
    o.ok('dump-ports-desc', has='2(b)')
    o.ok('queue-stats')
    o.ok('dump-aggregate', has='flow_count=')
    o.ok('get-frags', has='normal')
    o.ok('probe')


def flows(o):
    o.ok('del-flows')
    o.t.check(o.flows() == [], 'del-flows leaves none')
    o.ok('add-flow', 'table=3,priority=7,cookie=0x1234,idle_timeout=60,send_flow_rem,tcp,nw_dst=10.0.0.0/8,tp_dst=80,'
                     'actions=set_field:00:00:00:00:00:05->eth_dst,output:2')
    got = o.flows()
    o.t.check(len(got) == 1 and all(w in got[0] for w in ('cookie=0x1234', 'table=3', 'priority=7', 'idle_timeout=60', 'send_flow_rem',
                                                          'nw_dst=10.0.0.0/8', 'tp_dst=80', 'set_field:00:00:00:00:00:05->eth_dst')),
              'a flow is read back as it was set', got)
    o.ok('mod-flows', 'table=3,tcp,actions=output:3')
    o.t.check('actions=output:3' in o.flows()[0].replace('"c"', '3').replace('output:c', 'output:3'), 'mod-flows', o.flows())
    o.refused('OFPFMFC_OVERLAP', 'add-flow', 'table=3,priority=7,check_overlap,tcp,actions=drop')
    code, out, err = o.option('--strict', 'del-flows', 'table=3,priority=8,tcp,nw_dst=10.0.0.0/8,tp_dst=80')
    o.t.check(code == 0 and len(o.flows()) == 1, '--strict del-flows minds the priority', out + err)
    o.ok('del-flows', 'table=3,tcp')
    o.t.check(o.flows() == [], 'del-flows with a match')
    path = o.file('a.flows', ''.join(f'table=1,udp,tp_dst={i},actions=output:1\n' for i in range(1, 2001)))
    o.ok('add-flows', path)
    o.t.check(len(o.flows()) == 2000, 'two thousand flows are read back')
    code, out, err = o.run('diff-flows', path)
    o.t.check(code == 0 and out == '', 'diff-flows finds no difference', out + err)
    path = o.file('b.flows', 'table=1,udp,tp_dst=5,actions=output:1\ntable=2,actions=drop\n')
    code, out, err = o.run('diff-flows', path)
    o.t.check(code == 2 and out.count('\n') == 2000, 'and finds what differs', out[-300:] + err)
    o.ok('replace-flows', path)
    o.t.check(len(o.flows()) == 2, 'replace-flows', o.flows())


def bundles(o):
    path = o.file('c.flows', 'add table=5,cookie=5,actions=output:1\ndelete table=1\nadd table=6,actions=drop\n')
    code, out, err = o.option('--bundle', 'add-flows', path)
    o.t.check(code == 0 and len(o.flows()) == 3, '--bundle add-flows', f'{out}{err}{o.flows()}')
    before = o.tables()
    path = o.file('d.flows', 'add table=9,actions=output:1\ndelete\nadd table=7,priority=5,ip,actions=drop\n'
                             'add table=7,priority=5,check_overlap,actions=output:2\n')
    code, out, err = o.option('--bundle', 'add-flows', path)
    o.t.check(code != 0 and 'OFPFMFC_OVERLAP' in out + err, '--bundle that fails says which', out + err)
    o.t.check(o.tables() == before, 'and leaves everything as it was', o.flows())
    code, out, err = o.option('--bundle', 'replace-flows', o.file('e.flows', 'actions=normal\n'))
    o.t.check(code == 0 and len(o.flows()) == 1, '--bundle replace-flows', f'{out}{err}{o.flows()}')


def groups_and_meters(o):
    o.ok('add-group', 'group_id=1,type=select,bucket=weight:10,actions=output:1,bucket=weight:5,actions=output:2')
    o.ok('dump-groups', has=['group_id=1', 'type=select', 'weight:10'])
    o.ok('mod-group', 'group_id=1,type=all,bucket=actions=output:1')
    o.ok('dump-groups', has='type=all')
    o.ok('dump-group-stats', has='group_id=1')
    o.ok('dump-group-features', has='select')
    o.refused('OFPGMFC_GROUP_EXISTS', 'add-group', 'group_id=1,type=all')
    o.ok('add-flow', 'table=8,actions=group:1')
    o.ok('del-groups', 'group_id=1')
    o.t.check(not [f for f in o.flows() if 'group' in f], 'a group takes its flows along', o.flows())
    o.ok('add-meter', 'meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100')
    o.ok('dump-meters', has=['meter=1', 'rate=1000'])
    o.ok('mod-meter', 'meter=1,pktps,bands=type=drop,rate=7')
    o.ok('meter-stats', has='meter:1')
    o.ok('meter-features', has='max_meter')
    o.ok('del-meters')
    o.refused('OFPMMFC_UNKNOWN_METER', 'mod-meter', 'meter=1,pktps,bands=type=drop,rate=7')


def ports(o, sw, a):
    o.ok('mod-port', 'b', 'no-forward')
    o.ok('show', has='NO_FWD')
    o.t.check(not a.ping('10.0.0.2'), 'no-forward holds frames back')
    o.ok('mod-port', 'b', 'forward')
    o.t.check(a.ping('10.0.0.2'), 'forward lets them go')
    o.ok('mod-port', 'b', 'down')
    o.ok('dump-ports-desc', has='PORT_DOWN')
    o.ok('mod-port', 'b', 'up')
    o.ok('set-frags', 'drop')
    o.ok('get-frags', has='drop')
    o.ok('set-frags', 'normal')
    code, out, err = o.run('set-frags', 'reassemble')
    o.t.check(code != 0, 'set-frags reassemble is refused', out + err)


def numbers(t, o, sw, a):
    """A port's number is the configuration's to give; rules name the number, whoever has it."""
    rows = {p['name']: p['of_port'] for p in sw.ctl('port list lan')['ports']}
    t.check(rows == {'a': 1, 'b': 2, 'c': 3}, 'ports have the lowest numbers', rows)
    code, out, err = sw.tool('port set a --of-port 2')
    t.check(code == 4 and "is port b's" in err and 'vswitchctl port set b --of-port' in err,
            'a number that another port has is refused', f'{code} {err}')
    o.ok('del-flows')
    o.ok('add-flow', 'in_port=1,actions=output:2')
    o.ok('add-flow', 'in_port=2,actions=output:1')
    t.check(a.ping('10.0.0.2'), 'rules by number')
    proc = subprocess.Popen(['ovs-ofctl', '-O', 'OpenFlow13', 'monitor', o.target, '128'], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, env=dict(os.environ, OVS_RUNDIR=sw.dir))
    time.sleep(1)
    sw.ctl('port set b --of-port 65279')
    t.check(not a.ping('10.0.0.2', count=1), 'do not follow the port')
    o.ok('show', has='65279(b)')
    o.ok('mod-flows', 'in_port=1,actions=output:65279')
    o.ok('add-flow', 'in_port=65279,actions=output:1')
    t.check(a.ping('10.0.0.2'), 'its new number leads to it')
    got = sw.ctl('flow list lan')['flows']
    t.check(any('in_port=b' in f['match'] for f in got) and any('in_port=2' in f['match'] for f in got),
            'flow list names the port that has the number', got)
    time.sleep(0.5)
    proc.terminate()
    heard = proc.communicate()[0]
    t.check(re.search(r'PORT_STATUS.*DEL.* 2\(b\)', heard) and re.search(r'PORT_STATUS.*ADD.* 65279\(b\)', heard),
            'monitor is told that a port went and one came', heard)
    t.check(sw.ctl('port show b')['of_port'] == 65279, 'port show has it')
    sw.ctl('port set b --default of-port')
    sw.ctl('port remove a')
    rows = {p['name']: p['of_port'] for p in sw.ctl('port list lan')['ports']}
    t.check(rows == {'b': 65279, 'c': 3}, 'numbers stay while the daemon runs', rows)
    sw.stop()
    sw.start()
    rows = {p['name']: p['of_port'] for p in sw.ctl('port list lan')['ports']}
    t.check(rows == {'b': 1, 'c': 2}, 'and start anew with it', rows)
    sw.ctl('port set c --of-port 7')
    sw.stop()
    sw.start()
    rows = {p['name']: p['of_port'] for p in sw.ctl('port list lan')['ports']}
    t.check(rows == {'b': 1, 'c': 7}, 'what was asked for is kept', rows)


def lldp(marker):
    return vst.frame('01:80:c2:00:00:0e', '02:00:00:00:00:77', marker, ethertype=0x88cc)


def packet_out(t, o, b, c):
    at_b, at_c = b.sniff('b'), c.sniff('c')
    o.ok('packet-out', 'in_port=controller,packet=' + lldp(b'out by b').hex() + ',actions=output:2')
    t.check(at_b.find(b'out by b'), 'packet-out leaves by its port, LLDP too')
    o.ok('del-flows')
    o.ok('add-flow', 'in_port=1,dl_type=0x88cc,actions=output:3')
    o.ok('packet-out', 'in_port=1,packet=' + lldp(b'by table').hex() + ',actions=table')
    t.check(at_c.find(b'by table'), 'packet-out goes through the tables')
    t.check(not at_b.find(b'by table', timeout=0.2), 'and only where they say')
    o.refused('OFPBRC_BAD_PORT', 'packet-out', 'in_port=77,packet=' + lldp(b'').hex() + ',actions=output:2')
    o.refused('OFPBAC_BAD_OUT_GROUP', 'packet-out', 'in_port=1,packet=' + lldp(b'').hex() + ',actions=group:9')


def monitor(t, o, sw, a):
    """What a monitor shows of an LLDP frame that a rule sends to controllers."""
    o.ok('add-flow', 'cookie=0x5,in_port=1,dl_type=0x88cc,actions=controller:30')
    out = sw.log + '.monitor'
    with open(out, 'w', encoding='ascii') as f:
        proc = subprocess.Popen(['ovs-ofctl', '-O', 'OpenFlow13', f'--unixctl={sw.dir}/monitor.ctl', 'monitor', o.target, '128'],
                                stdout=f, stderr=subprocess.STDOUT)

    def shown():
        with open(out, encoding='ascii') as f:
            return f.read()

    def hears():
        at_a.send(lldp(b'neighbour'))
        return 'PACKET_IN' in shown()

    at_a = a.sniff('a')
    t.check(vst.wait_for(hears, 10, 0.3), 'ovs-ofctl monitor shows a packet-in', shown())
    t.check(all(w in shown() for w in ('cookie=0x5', '(via action)', 'data_len=30', 'buffer=0x')), 'as the rule says', shown())
    t.check(proc.poll() is None, 'and goes on')
    proc.terminate()
    proc.wait(10)


def queues(t, o, sw, a):
    sw.ctl('queue add b 1 --max-rate 100M')
    sw.ctl('queue add b 2 --max-rate 8k --min-rate 1k')
    o.ok('show', has='QUEUE_STATS')
    out = o.ok('queue-get-config', 'b', has='queue')
    t.check(re.search(r'queue 1\D', out) and re.search(r'queue 2\D', out) and 'max_rate' in out, 'queue-get-config has both queues', out)
    o.ok('add-flow', 'priority=40000,in_port=a,icmp,actions=set_queue:2,output:b')
    a.run('ping -q -f -s 1400 -c 200 -W 1 10.0.0.2', ok=None)
    row = sw.ctl('queue stats b 2')['queues'][0]
    out = o.ok('queue-stats', 'b', '2')
    t.check(f'pkts={row["packets"]}' in out and f'errors={row["drops"]}' in out and row['drops'] > 50,
            'queue-stats and the tool agree', (out, row))
    o.refused('OFPQOFC_BAD_QUEUE', 'queue-stats', 'b', '7')
    sw.ctl('queue remove b 1')
    sw.ctl('queue remove b 2')
    o.ok('del-flows', 'icmp')
    o.ok('add-meter', 'meter=controller,pktps,bands=type=drop,rate=10')
    o.ok('dump-meters', has='controller')
    o.ok('del-meter', 'meter=controller')
    o.refused('OFPMMFC_INVALID_METER', 'add-meter', 'meter=slowpath,pktps,bands=type=drop,rate=10')


def test(t):
    if shutil.which('ovs-ofctl') is None:
        raise vst.Skip('needs ovs-ofctl (package openvswitch-common)')
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    b = sw.tap('lan', 'b', '10.0.0.2/24')
    c = sw.tap('lan', 'c', '10.0.0.3/24')
    o = Ofctl(t, sw, sw.dir)
    reads(o)
    flows(o)
    bundles(o)
    groups_and_meters(o)
    ports(o, sw, a)
    packet_out(t, o, b, c)
    monitor(t, o, sw, a)
    queues(t, o, sw, a)
    numbers(t, o, sw, a)


vst.main(test)
