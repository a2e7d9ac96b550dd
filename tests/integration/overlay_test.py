# SPDX-License-Identifier: BSD-2-Clause
"""Overlays against the kernel's own: VXLAN devices of Linux are the far ends.

      ┌ a (10.9.0.1) ┐                                         far end's namespace
      │  overlay lan ├─ vx0 ─► VTEP 192.0.2.1 ─ ext ─ u0 ══ 192.0.2.2 ─ vxlan ─ 10.9.0.2
      └──────────────┘                           └─── u1 ══ 192.0.2.3 ─ vxlan ─ 10.9.0.3

Then two of our own switches back to back, with each kind of tunnel and over IPv6; tenants told
apart by VNI; and tunnel ports whose key and remote are rules' business.
"""
import socket
import threading

import vst


def far_end(sw, name, address, overlay, vni=100, peer='192.0.2.1', mtu=1450):
    """A Linux stack on the underlay with a VXLAN device."""
    ns = sw.tap('ext', name, f'{address}/24')
    add_vxlan(ns, 'vx', vni, address, overlay, peer, mtu)
    return ns


def add_vxlan(ns, dev, vni, address, overlay, peer, mtu=1450):
    ns.run(f'ip link add {dev} type vxlan id {vni} local {address} remote {peer} dstport 4789')
    ns.run(f'ip link set {dev} mtu {mtu} up')
    ns.run(f'ip addr add {overlay}/24 dev {dev}')


def transfer(frm, to, address, size=3 << 20):
    """Bytes that arrive of a TCP transfer."""
    server = to.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind((address, 5001))
    server.listen()
    server.settimeout(20)
    client = frm.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(20)
    got = [0]

    def receive():
        try:
            conn = server.accept()[0]
            conn.settimeout(20)
            while data := conn.recv(65536):
                got[0] += len(data)
        except OSError:
            pass
    thread = threading.Thread(target=receive)
    thread.start()
    try:
        client.connect((address, 5001))
        client.sendall(bytes(size))
    except OSError:
        pass
    client.close()
    thread.join()
    server.close()
    return got[0]


def switch(t, name='sw'):
    sw = t.daemon(name)
    sw.ctl('switch add ext --type external')
    sw.ctl('switch add lan --type private')
    return sw


def fixed(t):
    sw = switch(t)
    far = far_end(sw, 'u0', '192.0.2.2', '10.9.0.2', mtu=1500)
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote 192.0.2.2 --key 100')
    a = sw.tap('lan', 'a', '10.9.0.1/24')
    t.check(far.reaches('192.0.2.1'), 'the VTEP answers ARP and echo')
    t.check(a.reaches('10.9.0.2'), 'a reaches the far end through VXLAN')
    t.check(far.ping('10.9.0.1'), 'the far end reaches a')
    t.check(a.ping('10.9.0.2', count=5, size=1300), 'with longer packets')
    t.check(not a.ping('10.9.0.2', size=1472, whole=True, count=3), 'what is too long does not pass whole')
    t.check('mtu 1450' in a.run('ip route get 10.9.0.2').stdout, 'a was told how long packets may be',
            a.run('ip route get 10.9.0.2').stdout)
    t.check(sw.drops('vx0', 'tunnel-too-long') >= 1, 'which is counted')
    a.run('ip route flush cache')
    a.run('sh -c "echo 1 > /proc/sys/net/ipv4/ip_no_pmtu_disc"')
    t.check(a.run('ping -c 3 -i 0.05 -W 1 -M dont -s 1400 10.9.0.2', ok=None).returncode == 0,
            'what may be fragmented is')
    a.run('sh -c "echo 0 > /proc/sys/net/ipv4/ip_no_pmtu_disc"')
    got = transfer(a, far, '10.9.0.2')
    t.check(got == 3 << 20, 'a TCP transfer with segments that are too long at first arrives whole', got)
    far.run('ip link set vx mtu 1450')
    got = transfer(far, a, '10.9.0.1')
    t.check(got == 3 << 20, 'so does one the other way', got)
    sw.ctl('port set vx0 --key 101')
    a.ping('10.9.0.2')
    far.ping('10.9.0.1')
    t.check(sw.drops('vtep0', 'tunnel-unknown') >= 1, 'another key is another network')
    t.check(sw.balanced(), 'the ledger balances')
    t.check('192.0.2.2' in str(sw.ctl('vtep list')), 'vtep list knows the neighbour', sw.ctl('vtep list'))
    sw.stop()


def many(t):
    """Head-end replication, and stations learned behind remotes."""
    sw = switch(t, 'many')
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    b = far_end(sw, 'u0', '192.0.2.2', '10.9.0.2')
    c = far_end(sw, 'u1', '192.0.2.3', '10.9.0.3')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote 192.0.2.2,192.0.2.3 --key 100')
    a = sw.tap('lan', 'a', '10.9.0.1/24')
    t.check(a.reaches('10.9.0.2') and a.reaches('10.9.0.3'), 'a reaches both far ends')
    before = sw.port('u1')['tx_packets']
    t.check(a.ping('10.9.0.2', count=20), 'and goes on with one')
    after = sw.port('u1')['tx_packets']
    t.check(after - before < 10, 'which the other hears nothing of', f'{before} {after}')
    t.check(sw.balanced(), 'the ledger balances')
    sw.stop()


def tenants(t):
    """One tunnel port for all tenants: each has its id as VNI."""
    sw = switch(t, 'tenants')
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    sw.ctl('tenant add red --id 100')
    sw.ctl('tenant add blue --id 200')
    far = far_end(sw, 'u0', '192.0.2.2', '10.9.0.2', vni=100)
    blue_far = far_end(sw, 'u1', '192.0.2.3', '10.9.0.2', vni=200)
    red = sw.tap('lan', 'red1', '10.9.0.1/24', '--tenant red')
    blue = sw.tap('lan', 'blue1', '10.9.0.1/24', '--tenant blue')
    none = sw.tap('lan', 'none1', '10.9.0.9/24')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote 192.0.2.2,192.0.2.3 --key tenant')
    t.check(red.reaches('10.9.0.2'), 'red reaches its far end')
    t.check(blue.reaches('10.9.0.2'), 'blue, with the same addresses, reaches its own')
    macs = [ns.run('cat /sys/class/net/vx/address').stdout.strip() for ns in (far, blue_far)]
    t.check(macs[0] in red.run('ip neigh').stdout and macs[1] in blue.run('ip neigh').stdout,
            'each knows its own station')
    t.check(not none.ping('10.9.0.2'), 'who has no tenant reaches nobody')
    t.check(sw.ctl('switch verify')['ok'], 'switch verify proves it')
    t.check(sw.balanced(), 'the ledger balances')
    sw.stop()


def rules(t):
    """Key and remote by rule, and what came by a tunnel matched."""
    sw = switch(t, 'rules')
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    b = far_end(sw, 'u0', '192.0.2.2', '10.9.0.2', vni=7)
    c = far_end(sw, 'u1', '192.0.2.3', '10.9.0.3', vni=8)
    a = sw.tap('lan', 'a', '10.9.0.1/24')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote flow --key flow')
    sw.ctl(['flow', 'replace', 'lan', '-'], stdin='\n'.join((
        'table=0,in_port=a,actions=set_field:7->tun_id,set_field:192.0.2.2->tun_dst,output:vx0,'
        'set_field:8->tun_id,set_field:192.0.2.3->tun_dst,output:vx0',
        'table=0,priority=10,in_port=a,ip,nw_dst=10.9.0.2,actions=set_field:7->tun_id,'
        'set_field:192.0.2.2->tun_dst,output:vx0',
        'table=0,priority=10,in_port=a,ip,nw_dst=10.9.0.3,actions=set_field:8->tun_id,'
        'set_field:192.0.2.3->tun_dst,output:vx0',
        'table=0,in_port=vx0,tun_id=7,tun_src=192.0.2.2,actions=output:a',
        'table=0,in_port=vx0,tun_id=8,tun_src=192.0.2.3,actions=output:a')) + '\n')
    t.check(a.reaches('10.9.0.2'), 'a rule sends to the first far end')
    t.check(a.reaches('10.9.0.3'), 'another to the second, with another key')
    t.check(a.ping('10.9.0.2', count=10) and a.ping('10.9.0.3', count=10), 'again and again')
    frame = 'ip,dl_src=02:00:00:00:00:77,dl_dst=02:00:00:00:00:01,nw_dst=10.9.0.1'
    for tun, goes in (('tun_id=7,tun_src=192.0.2.2,', True), ('tun_id=8,tun_src=192.0.2.2,', False), ('', False)):
        fate = sw.ctl(['why', 'vx0', tun + frame])
        t.check((fate['fate'] == 'sent to a') == goes, f'why vx0 {tun or "nothing around it"}', fate)
    add_vxlan(b, 'vx9', 9, '192.0.2.2', '10.8.0.2', '192.0.2.1')
    b.ping('10.8.0.1')
    t.check(sw.drops('vx0', 'no-action') >= 1, 'a key that no rule names goes nowhere')
    t.check(sw.balanced(), 'the ledger balances')
    sw.stop()


def back_to_back(t, kind, v6=False):
    """Two switches of ours on one underlay."""
    left, right = switch(t, f'l{kind}{v6}'), switch(t, f'r{kind}{v6}')
    left.ns.run(f'ip link add w0 type veth peer name w1 netns {right.ns.name}')
    left.ns.run('ip link set w0 up')
    right.ns.run('ip link set w1 up')
    for sw, dev, here, there in ((left, 'w0', 1, 2), (right, 'w1', 2, 1)):
        net, prefix = ('2001:db8::', 64) if v6 else ('192.0.2.', 24)
        sw.ctl(f'port add ext {dev} --kind phys --driver af_packet')
        sw.ctl(f'port add ext vtep0 --kind vtep --address {net}{here}/{prefix} --mac 02:00:00:00:00:0{here}')
        sw.ctl(f'port add lan tun0 --kind {kind} --vtep vtep0 --remote {net}{there} --key 5000')
    a, b = left.tap('lan', 'a', '10.9.0.1/24'), right.tap('lan', 'b', '10.9.0.2/24')
    over = 'IPv6' if v6 else 'IPv4'
    t.check(a.reaches('10.9.0.2', timeout=10), f'{kind} over {over}: a reaches b')
    got = transfer(a, b, '10.9.0.2', 1 << 20)
    t.check(got == 1 << 20, f'{kind} over {over}: a TCP transfer arrives', got)
    for sw, ns in ((left, a), (right, b)):
        sw.ctl('port set tun0 --too-long fragment')
        ns.run('ip route flush cache')
    t.check(a.ping('10.9.0.2', count=5, size=1472, whole=True), f'{kind} over {over}: whole packets in fragments outside',
            (left.port('vtep0'), right.port('vtep0')))
    got = transfer(a, b, '10.9.0.2', 1 << 20)
    t.check(got == 1 << 20, f'{kind} over {over}: a TCP transfer in fragments outside', got)
    t.check(left.balanced() and right.balanced(), 'both ledgers balance')
    left.stop()
    right.stop()


def refusals(t):
    """What cannot be is refused with a reason, and changes nothing."""
    sw = switch(t, 'no')
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote 192.0.2.2 --key 100')
    for command, word in (
            ('port add lan vtep1 --kind vtep --address 192.0.2.3/24', 'external'),
            ('port add ext vtep1 --kind vtep', 'address'),
            ('port add ext vtep1 --kind vtep --address 224.0.0.1/24', 'station'),
            ('port add lan vx1 --kind vxlan --vtep nobody --remote 192.0.2.3 --key 1', 'nobody'),
            ('port add lan vx1 --kind vxlan --vtep vtep0 --remote 192.0.2.3', 'key'),
            ('port add lan vx1 --kind vxlan --vtep vtep0 --remote 192.0.2.3 --key 16777216', 'key'),
            ('port add lan vx1 --kind vxlan --vtep vtep0 --remote 192.0.2.2 --key 100', 'vx0'),
            ('port add lan vx1 --kind vxlan --vtep vtep0 --remote 192.0.2.1 --key 1', 'itself'),
            ('port add lan vx1 --kind vxlan --vtep vtep0 --remote 2001:db8::1 --key 1', 'version'),
            ('port add lan gv1 --kind geneve --vtep vtep0 --remote 192.0.2.2 --key 1 --udp-port 4789', 'vx0'),
            ('port remove vtep0', 'vtep0')):
        code, out, err = sw.tool(command)
        t.check(code != 0 and word in err, f'refused: {command}', err)
    t.check(sorted(p['name'] for p in sw.ctl('port list')['ports']) == ['vtep0', 'vx0'], 'nothing has changed')
    shown = sw.tool('config show')[1]
    t.check('--remote 192.0.2.2' in shown and '--key 100' in shown, 'config show recreates it', shown)
    sw.stop()


def test(t):
    refusals(t)
    fixed(t)
    many(t)
    tenants(t)
    rules(t)
    for kind in ('vxlan', 'geneve', 'nvgre'):
        back_to_back(t, kind)
    back_to_back(t, 'vxlan', v6=True)


vst.main(test)
