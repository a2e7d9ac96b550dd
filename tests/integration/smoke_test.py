# SPDX-License-Identifier: BSD-2-Clause
"""The switch stands: frames pass, each has a fate, and tenants never meet.

      a ----+                        a1 (blue) ---+             +--- b1 (red)
      b ----+ lan (internal)         a2 (blue) ---+ prv (private)+--- b2 (red)
     h0 ----+ (host port)            blue and red: the same MACs and addresses
"""
import os
import re
import subprocess

import vst

MAC1, MAC2 = '02:00:00:00:0a:01', '02:00:00:00:0a:02'


def ports(t, sw):
    sw.ctl('switch add lan --type internal')
    a, b = sw.tap('lan', 'a', '10.0.0.1/24'), sw.tap('lan', 'b', '10.0.0.2/24')
    sw.ctl('port add lan h0 --kind host --address 10.0.0.9/24')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    t.check(b.ping('10.0.0.1', count=20), '20 pings of 20 from b to a')
    t.check(sw.ns.reaches('10.0.0.1'), 'the host reaches a through its port')
    t.check(a.ping('10.0.0.9'), 'a reaches the host')
    t.check(a.ping('10.0.0.2', size=1472, whole=True), 'a whole packet of 1500 bytes passes')
    t.check(not a.ping('10.0.0.77', count=1), 'nobody answers for an address that is not there')
    rows = {p['name']: p for p in sw.ctl('port list lan')['ports']}
    t.check(set(rows) == {'a', 'b', 'h0'}, 'port list has the three ports', rows)
    t.check(all(p['link'] == 'up' and p['state'] == 'up' for p in rows.values()), 'all are up', rows)
    t.check(rows['a']['rx_packets'] > 20 and rows['a']['tx_packets'] > 20, 'frames of a are counted', rows['a'])
    t.check(rows['a']['mac'] in a.run('ip link show dev a').stdout, 'the shown MAC is that of the interface', rows['a'])
    macs = {m['mac']: m['port'] for m in sw.ctl('mac list --switch lan')['macs']}
    t.check(macs.get(rows['a']['mac']) == 'a' and macs.get(rows['b']['mac']) == 'b', 'addresses are learned', macs)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    sw.ctl('port set b --admin down')
    t.check(not a.ping('10.0.0.2', count=1), 'a port that is administratively down does not answer')
    sw.ctl('port set b --admin up')
    t.check(a.reaches('10.0.0.2'), 'and answers when it is up again')
    b.run('ip link set dev b down')
    t.check(vst.wait_for(lambda: sw.port('b')['link'] == 'down', 5) and 'down on the machine' in sw.port('b')['note'],
            'the list of ports says why a link is down', sw.port('b'))
    b.run('ip link set dev b up')
    t.check(sw.up('b') and not sw.port('b')['note'], 'and nothing when it is up', sw.port('b'))
    sw.ctl('port remove b')
    t.check('b:' not in b.run('ip -o link').stdout, 'the interface of a removed port is gone')
    t.check(not a.ping('10.0.0.2', count=1), 'a removed port does not answer')


def namespace_of_a_process(t, sw):
    """A container has no name for its namespace, but a process in it."""
    proc = t.popen(['unshare', '--net', 'sleep', '1000'])
    vst.wait_for(lambda: os.readlink(f'/proc/{proc.pid}/ns/net') != os.readlink('/proc/self/ns/net'), 5)
    sw.ctl(f'port add lan c --kind tap --pid {proc.pid} --ifname eth0 --address 10.0.0.3/24')
    inside = ['nsenter', '-t', str(proc.pid), '-n', 'ping', '-q', '-c', '1', '-W', '1', '10.0.0.1']
    t.check(vst.wait_for(lambda: subprocess.run(inside, capture_output=True).returncode == 0, 5),
            'a tap in the namespace of a process reaches a')
    proc.kill()
    proc.wait()
    t.check(vst.wait_for(lambda: sw.port('c')['link'] == 'down', 5), 'the process ends, and its namespace: the link is down',
            sw.port('c'))
    t.check('gone' in (why := sw.tool('port show c')[1]) or 'deleted' in why, 'and it is said why', why)
    sw.ctl('port remove c')


def metrics(t, sw):
    """What Prometheus would scrape is what the tool says."""
    sw.ns.run('ip link set lo up')
    closed = sw.ns.run(['curl', '-s', 'http://127.0.0.1:9464/metrics'], ok=None)
    t.check(closed.returncode != 0, 'metrics: nobody listens unless asked to')
    sw.ctl('config set --metrics 127.0.0.1:9464')
    text = sw.ns.run(['curl', '-sS', 'http://127.0.0.1:9464/metrics']).stdout
    rows = {p['name']: p['rx_packets'] for p in sw.ctl('port list')['ports']}
    got = {name: int(n) for name, n in
           re.findall(r'^vswitch_port_rx_packets_total\{[^}]*port="(\w+)"[^}]*\} (\d+)$', text, re.M)}
    t.check(set(got) == set(rows) and all(0 < got[name] <= rows[name] for name in got), 'metrics: frames of each port',
            (got, rows))
    t.check(text.endswith('# EOF\n'), 'metrics: all of the text', text[-80:])
    sw.ctl('config set --metrics off')
    closed = sw.ns.run(['curl', '-s', 'http://127.0.0.1:9464/metrics'], ok=None)
    t.check(closed.returncode != 0, 'metrics: and nobody listens any more')


def tenants(t, sw):
    sw.ctl('switch add prv --type private')
    ns = {}
    for tenant, ident in (('blue', 100), ('red', 200)):
        sw.ctl(f'tenant add {tenant} --id {ident}')
        for n, mac in ((1, MAC1), (2, MAC2)):
            name = f'{tenant[0]}{n}'
            ns[name] = sw.tap('prv', name, f'10.1.0.{n}/24', f'--tenant {tenant} --mac {mac}')
    sniff = {name: ns[name].sniff(name) for name in ns}
    t.check(ns['b1'].reaches('10.1.0.2'), 'blue reaches blue')
    got = sniff['b2'].frames()
    t.check(any(f[12:14] == b'\x08\x00' for f in got), 'the sniffer sees the pings of its own tenant', len(got))
    leaked = sniff['r1'].frames() + sniff['r2'].frames()
    t.check(not leaked, 'and red sees nothing of blue', [f.hex() for f in leaked])
    t.check(ns['r1'].reaches('10.1.0.2'), 'red reaches red, by the same addresses')
    for s in sniff.values():
        s.frames(0.3)
    # Broadcast, unknown and known unicast, multicast; 50 of each.
    marker = b'only-for-blue'
    for dst in ('ff:ff:ff:ff:ff:ff', '02:99:99:99:99:99', MAC2, '01:00:5e:01:02:03'):
        for _ in range(50):
            sniff['b1'].send(vst.frame(dst, MAC1, marker))
    n_own = sum(marker in f for f in sniff['b2'].frames())
    leaked = [f for name in ('r1', 'r2') for f in sniff[name].frames() if marker in f]
    t.check(n_own >= 200, 'blue gets all its 200 frames', n_own)
    t.check(not leaked, 'red gets none of them', len(leaked))
    macs = {(m['tenant'], m['mac']): m['port'] for m in sw.ctl('mac list --switch prv')['macs']}
    t.check(macs.get(('blue', MAC1)) == 'b1' and macs.get(('red', MAC1)) == 'r1',
            'one address stands in two tenants, at two ports', macs)
    got = sw.ctl('switch verify')
    t.check(got['ok'] and got['checks'], 'switch verify proves isolation', got)
    stats = {r['name']: r for r in sw.ctl('tenant stats')['tenants']}
    t.check(stats['blue']['rx_packets'] >= 200 and stats['red']['rx_packets'] < 200,
            'frames are counted for their own tenant', stats)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def test(t):
    sw = t.daemon()
    ports(t, sw)
    namespace_of_a_process(t, sw)
    tenants(t, sw)
    metrics(t, sw)
    t.check(sw.stop() == 0, 'the daemon ends in good order')


vst.main(test, ['curl'])
