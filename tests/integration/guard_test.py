# SPDX-License-Identifier: BSD-2-Clause
"""Guards of ports against real attackers: dnsmasq and radvd behind a machine's port, and raw sockets.

    srv  (10.0.0.1, dnsmasq; trusted) ---+
    web  (10.0.0.5, fd00::5; fixed)   ---+ lan (private)
    c    (udhcpc; learned)            ---+
    evil (10.0.0.9; as a VM)          ---+
"""
import json
import os
import re
import socket
import struct
import time

import vst

SRV, WEB, EVIL = '10.0.0.1', '10.0.0.5', '10.0.0.9'
BROADCAST = 'ff:ff:ff:ff:ff:ff'
SCRIPT = '''#!/bin/sh
case $1 in
bound|renew) ip addr flush dev c; ip addr add "$ip/24" dev c; ip link set c up; echo "$ip $serverid" > LEASE;;
esac
'''


def refused(t, sw, words, slug, sentence, rc=None):
    """The error has its three lines."""
    code, _, err = sw.tool(words)
    lines = err.strip().splitlines()
    t.check(code not in (0, 6) and f'error[{slug}]' in err and (rc is None or code == rc) and len(lines) >= 3
            and lines[1].startswith('  why: ') and lines[2].startswith('  fix: '), sentence, (code, err))


def violations(sw, port, guard):
    return sum(r['violations'] for r in sw.ctl(f'guard stats {port}')['violations'] if r['guard'] == guard)


def told(sw, kind, *words):
    """An event of this type that says all of these."""
    return vst.wait_for(lambda: [e for e in sw.events(kind) if all(w in e['text'] for w in words)], 3)


def mac_of(ns, ifname):
    return ns.run(f'cat /sys/class/net/{ifname}/address').stdout.strip()


def ipv4(src, dst, proto=17, payload=b''):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    total = sum(struct.unpack('!10H', head))
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack('!H', ~(total + (total >> 16)) & 0xffff) + head[12:] + payload


def udp(src, dst, payload=b'x' * 18, sport=4711, dport=4712):
    return ipv4(src, dst, 17, struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload)


def ipv6(src, dst, payload=b'x' * 18):
    body = struct.pack('!HHHH', 4711, 4712, 8 + len(payload), 1) + payload
    return struct.pack('!IHBB', 6 << 28, len(body), 17, 64) + socket.inet_pton(socket.AF_INET6, src) + \
        socket.inet_pton(socket.AF_INET6, dst) + body


def arp(op, sha, spa, tha, tpa):
    return struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, op, vst.mac(sha), socket.inet_aton(spa), vst.mac(tha), socket.inet_aton(tpa))


def ipv6_on(ns, ifname):
    ns.run(['sh', '-c', f'echo 0 > /proc/sys/net/ipv6/conf/{ifname}/disable_ipv6; echo 0 > /proc/sys/net/ipv6/conf/{ifname}/dad_transmits'])


# Bad input

def bad_input(t, sw):
    before = sw.ctl('config show')['text']
    for words, slug, rc in (
            ('guard set nowhere --mac on', 'not-found', 3), ('guard show nowhere', 'not-found', 3), ('guard bind nowhere 10.0.0.1', 'not-found', 3),
            ('guard forget nowhere', 'not-found', 3), ('guard reset nowhere', 'not-found', 3), ('guard bindings nowhere', 'not-found', 3),
            ('guard stats nowhere', 'not-found', 3), ('guard reset web', 'not-held', None),
            ('guard set web --ip fixed', 'no-address', None), ('guard set web --ip fixed --address 10.0.0.5/24', 'bad-address', None),
            ('guard set web --address fd00::5/64', 'bad-address', None), ('guard set web --address 224.0.0.1', 'bad-address', None),
            ('guard set web --address 127.0.0.1', 'bad-address', None), ('guard set web --address ::', 'bad-address', None),
            ('guard set web --address 10.0.0.5,10.0.0.5', 'bad-address', None), ('guard set web --allow-mac 01:00:00:00:00:01', 'bad-mac', None),
            ('guard set web --allow-mac 00:00:00:00:00:00', 'bad-mac', None), ('guard unbind web 10.0.0.5', 'not-found', 3),
            ('guard forget web 10.0.0.5', 'not-found', 3), ('nic set web --guard-mac on', 'not-a-nic', None)):
        refused(t, sw, words, slug, f'refused with reason and remedy: {words}', rc)
    for option, value in (('--profile', 'strict'), ('--mode', 'maybe'), ('--mac', 'yes'), ('--allow-mac', '02:00'), ('--ip', 'dhcp'),
                          ('--address', '10.0.0'), ('--address', '10.0.0.1/33'), ('--address', 'fd00::/129'), ('--address', ''), ('--dhcp-server', 'on'),
                          ('--router', 'drop'), ('--arp', 'strict'), ('--arp-rate', '-1'), ('--arp-rate', '1.5'), ('--broadcast-rate', '18446744073709551616'),
                          ('--multicast-rate', '100000001'), ('--unknown-rate', 'x'), ('--bpdu', 'forward'), ('--proxy', 'maybe'), ('--trusted', '2'),
                          ('--protected', ''), ('--default', 'everything'), ('--nonsense', '1')):
        refused(t, sw, ['guard', 'set', 'web', option, value], 'usage', f'no value of {option}: {value!r}', 2)
    refused(t, sw, 'guard set', 'usage', 'a port is needed', 2)
    t.check(sw.ctl('config show')['text'] == before, 'nothing of that changed the configuration')
    code, out, _ = sw.tool('guard set web --mac on --check')
    t.check(code == 8 and sw.ctl('config show')['text'] == before, '--check says what would be, and changes nothing', out)


def configuration(t, sw, web):
    sw.ctl('guard set web --profile vm --ip fixed --address 10.0.0.5,fd00::5')
    sw.ctl('guard set evil --profile vm')
    sw.ctl('guard set srv --trusted on')
    rows = {r['port']: r for r in sw.ctl('guard list')['guards']}
    t.check(rows['web']['profile'] == 'vm' and rows['web']['ip'] == 'fixed' and rows['srv']['is'] == ['trusted'] and rows['c']['profile'] == 'open',
            'the list says which guards each port has', rows)
    said = {o['option']: o for o in sw.ctl('guard show web')['options']}
    t.check(said['ip']['from'] == 'set' and said['mac']['from'] == 'profile' and said['loop']['from'] == 'switch', 'and show where each comes from', said)
    profiles = {r['option']: r for r in sw.ctl('guard profiles')['profiles']}
    t.check(profiles['mac']['vm'] == 'on' and profiles['mac']['open'] == 'off' and profiles['trusted']['uplink'] == 'on', 'profiles are printed')
    text = sw.ctl('config show')['text']
    t.check('guard set web --profile vm --ip fixed --address 10.0.0.5,fd00::5' in text, 'config show has what was said', text)
    code, out, err = sw.tool(['config', 'load', '-', '--check'], stdin=text)
    t.check(code == 0 and 'nothing would change' in out, 'and loads as it is', (code, out, err))
    revision = sw.ctl('config history --limit 1')['history'][0]['revision']
    sw.ctl('guard set web --mac off --arp-rate 7 --default ip,address')
    sw.ctl('guard remove srv')
    sw.ctl(f'config rollback {revision}')
    t.check(sw.ctl('config show')['text'] == text, 'a rollback brings back what was said', sw.ctl('config show')['text'])
    t.check('vm, mac on, ip fixed' in sw.ctl('port show web')['guards'], 'port show has a line of it', sw.ctl('port show web').get('guards'))
    steps = [s['step'] for s in sw.ctl('switch show lan --pipeline')['pipeline'] if s['direction'] == 'ingress']
    t.check(steps.index('admin') < steps.index('guards') < steps.index('filters') < steps.index('vlan'), 'the pipeline shows where they stand', steps)


# A VM's NIC without anything said

def nics(t, sw):
    kernel = t.file('kernel', 'not one')
    code, _, err = sw.tool(['vm', 'create', 'v', '--kernel', kernel, '--nic', 'lan', '--nic', 'lan,guard-mac=off,guard-ip=learned'])
    if code != 0:
        t.note('no VMs here: ' + err)
        return
    sw.ctl('nic add v/back --switch lan --guard-protected on --guard-allow-mac 02:00:00:00:00:0a')
    rows = {r['port']: r for r in sw.ctl('guard list')['guards']}
    t.check((rows['v/nic0']['profile'], rows['v/nic0']['mac'], rows['v/nic0']['dhcp_server']) == ('vm', 'on', 'deny'), 'NICs of VMs are guarded', rows['v/nic0'])
    t.check((rows['v/nic1']['mac'], rows['v/nic1']['ip']) == ('off', 'learned'), "words of 'vm create --nic'", rows['v/nic1'])
    t.check(rows['v/back']['is'] == ['protected'], "and of 'nic add'", rows['v/back'])
    sw.ctl('nic set v/nic0 --guard-mode watch --guard-arp-rate 50')
    t.check('guard set v/nic0 --mode watch --arp-rate 50' in sw.ctl('config show')['text'], "and of 'nic set'", sw.ctl('config show')['text'])
    sw.ctl('nic set v/nic0 --default guard-mode,guard-arp-rate')
    t.check('guard set v/nic0' not in sw.ctl('config show')['text'], 'which go back to the defaults')
    sw.ctl('vm delete v')
    t.check('v/' not in sw.ctl('config show')['text'], 'guards go with their ports', sw.ctl('config show')['text'])


# Addresses

def spoof_mac(t, sw, web, evil):
    own, seen = mac_of(evil, 'evil'), web.sniff('web')
    out = evil.sniff('evil')
    for i in range(200):
        out.send(vst.frame(BROADCAST, '02:00:00:00:66:66', b'spoofed-mac'))
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-mac') >= 200, 3), 'frames from a MAC of another are violations', sw.ctl('guard stats evil'))
    t.check(seen.find(b'spoofed-mac', 0.3) is None, 'that nobody sees')
    t.check(sw.drops('evil', 'guard-mac') >= 200, 'dropped under their reason')
    t.check(told(sw, 'guard-mac', 'port evil', '02:00:00:00:66:66', own), 'an event names the offender and the owner', sw.events('guard-mac'))
    sw.ctl('guard set evil --allow-mac 02:00:00:00:66:66')
    out.send(vst.frame(BROADCAST, '02:00:00:00:66:66', b'allowed-mac'))
    t.check(seen.find(b'allowed-mac') is not None, 'one that is allowed passes')
    sw.ctl('guard set evil --default allow-mac --mac watch')
    n, dropped = violations(sw, 'evil', 'guard-mac'), sw.drops('evil', 'guard-mac')
    out.send(vst.frame(BROADCAST, '02:00:00:00:66:66', b'watched-mac'))
    t.check(seen.find(b'watched-mac') is not None, '--mac watch lets it pass')
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-mac') > n, 3) and sw.drops('evil', 'guard-mac') == dropped, 'counts it, and drops none')
    sw.ctl('guard set evil --default mac')
    out.close()
    seen.close()


def spoof_ip(t, sw, web, evil):
    t.check(web.reaches(SRV), 'with its own address the machine is heard')
    web.run('ip addr add 10.0.0.66/24 dev web')
    t.check(web.run(f'ping -c 2 -W 1 -I 10.0.0.66 {SRV}', ok=False).returncode != 0, 'with another it is not')
    t.check(violations(sw, 'web', 'guard-ip') + violations(sw, 'web', 'guard-arp') >= 1, 'which is a violation', sw.ctl('guard stats web'))
    web.run('ip addr del 10.0.0.66/24 dev web')
    seen, out, own = evil.sniff('evil'), web.sniff('web'), mac_of(web, 'web')
    n = violations(sw, 'web', 'guard-ip')
    time.sleep(1.1)  # Two notices a second of a port and kind.
    out.send(vst.frame(BROADCAST, own, udp('10.0.0.77', '10.0.0.255', b'spoofed-v4'), ethertype=0x800))
    out.send(vst.frame(BROADCAST, own, ipv6('fd00::66', 'ff02::1', b'spoofed-v6'), ethertype=0x86dd))
    t.check(vst.wait_for(lambda: violations(sw, 'web', 'guard-ip') == n + 2, 3), 'forged IPv4 and IPv6 sources are', (n, sw.ctl('guard stats web')))
    t.check(told(sw, 'guard-ip', 'port web', '10.0.0.77') and told(sw, 'guard-ip', 'port web', 'fd00::66'), 'events name them', sw.events('guard-ip'))
    out.send(vst.frame(BROADCAST, own, udp(WEB, '10.0.0.255', b'own-v4'), ethertype=0x800))
    out.send(vst.frame(BROADCAST, own, ipv6('fd00::5', 'ff02::1', b'own-v6'), ethertype=0x86dd))
    got = b''.join(seen.frames())
    t.check(b'own-v4' in got and b'own-v6' in got and b'spoofed' not in got, 'its own pass, forged ones do not')
    sw.ctl('guard bind web 10.0.0.64/28')
    out.send(vst.frame(BROADCAST, own, udp('10.0.0.77', '10.0.0.255', b'bound-v4'), ethertype=0x800))
    t.check(seen.find(b'bound-v4') is not None, 'a prefix that is bound passes')
    sw.ctl('guard unbind web 10.0.0.64/28')
    out.send(vst.frame(BROADCAST, own, udp('10.0.0.77', '10.0.0.255', b'unbound-v4'), ethertype=0x800))
    t.check(seen.find(b'unbound-v4', 0.4) is None, 'and not when it was taken back')
    out.close()
    seen.close()


# DHCP

def dnsmasq(t, ns, ifname, first, last):
    return ns.popen(['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--port=0',
                     f'--interface={ifname}', '--bind-interfaces', '--user=root', '--log-facility=-', '--no-ping',
                     f'--dhcp-range={first},{last},2m', f'--dhcp-leasefile={t.file("leases." + ifname)}', '--dhcp-authoritative',
                     f'--pid-file={t.file("pid." + ifname)}'])


def lease(t, c, tries=3):
    """The address that the client was given and by whom; none: []."""
    path, script = t.file('LEASE'), t.file('script', SCRIPT.replace('LEASE', t.file('LEASE')))
    os.chmod(script, 0o755)
    if os.path.exists(path):
        os.unlink(path)
    c.run(['udhcpc', '-i', 'c', '-n', '-q', '-f', '-t', str(tries), '-T', '1', '-s', script], ok=None, timeout=60)
    return open(path).read().split() if os.path.exists(path) else []


def learned(sw, port='c'):
    return {b['address']: b for b in sw.ctl(f'guard bindings {port}')['bindings'] if b['origin'] != 'configured'}


def dhcp(t, sw, srv, c, evil):
    sw.ctl('guard set c --profile vm --ip learned')
    c.run('ip addr add 10.0.0.88/24 dev c')
    t.check(not c.ping(SRV, count=1), 'who was leased nothing sends nothing')
    c.run('ip addr flush dev c')
    rogue = dnsmasq(t, evil, 'evil', '10.0.0.200', '10.0.0.209')
    t.check(vst.wait_for(lambda: lease(t, c, 2) == [] and violations(sw, 'evil', 'guard-dhcp') >= 1, 20),
            "a machine's DHCP server leases nothing", sw.ctl('guard stats evil'))
    t.check(told(sw, 'guard-dhcp', 'port evil', mac_of(evil, 'evil'), EVIL), 'and an event names it', sw.events('guard-dhcp'))
    dnsmasq(t, srv, 'srv', '10.0.0.50', '10.0.0.59')
    got = vst.wait_for(lambda: lease(t, c, 5), 30)
    t.check(len(got) == 2 and got[1] == SRV, 'the trusted one does', got)
    rogue.terminate()
    if not got:
        raise vst.Failed('no lease')
    b = learned(sw).get(got[0], {})
    t.check(b.get('origin') == 'dhcp4' and b.get('mac') == mac_of(c, 'c') and 0 < (b.get('expires') or 0) <= 120, 'the lease was learned', sw.ctl('guard bindings'))
    t.check(c.reaches(SRV), 'and the machine is heard with it')
    c.run('ip addr add 10.0.0.89/24 dev c')
    t.check(c.run(f'ping -c 2 -W 1 -I 10.0.0.89 {SRV}', ok=False).returncode != 0, 'with another than it was leased it is not')
    c.run('ip addr del 10.0.0.89/24 dev c')
    t.check(got[0] not in sw.ctl('config show')['text'], 'what was learned is no configuration')
    return got[0]


def locked(t, sw, c, evil, address):
    """Nobody else takes the client's address while it has the lease."""
    sw.ctl('guard set evil --ip learned --dhcp-server allow --trusted off')
    out, own = evil.sniff('evil'), mac_of(evil, 'evil')
    n = violations(sw, 'evil', 'guard-ip')
    out.send(vst.frame(BROADCAST, own, udp(address, '10.0.0.255', b'stolen'), ethertype=0x800))
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-ip') > n, 3), "another cannot use the client's address", sw.ctl('guard stats evil'))
    out.close()
    sw.ctl('guard set evil --default ip,dhcp-server,trusted')


def restart(t, sw, c, address):
    path = os.path.join(sw.dir, 'guard-bindings.json')
    t.check(vst.wait_for(lambda: os.path.exists(path) and address in open(path).read(), 5), 'what was learned is kept in a file')
    t.check(os.stat(path).st_mode & 0o077 == 0, 'that is nobody else\'s')
    for how, end in (('kill -9', sw.kill), ('a restart', sw.stop)):
        end()
        sw.start()
        t.check(address in learned(sw), f'after {how} the address is still bound', sw.ctl('guard bindings'))
        t.check(sw.up('c') and sw.up('srv') and up_again(c, address) and c.reaches(SRV), 'and the client is heard without a new lease', sw.ctl('guard stats'))
    sw.stop()
    with open(path) as f:
        kept = f.read()
    with open(path, 'w') as f:
        f.write('{"version": 1, "bindings": [{"port": 7}, 9, {"port": "c", "ip": "x", "mac": "y", "vlan": 1e9, "how": "dhcp4", "until": -1}')
    sw.start()
    t.check(learned(sw) == {} and sw.events('guard-bindings'), 'a damaged file is said, and forgotten', sw.ctl('events'))
    sw.stop()
    with open(path, 'w') as f:
        f.write(kept)
    sw.start()
    t.check(address in learned(sw), 'a whole one is read', kept)
    sw.up('c')
    up_again(c, address)


def up_again(c, address):
    """A tap is a new interface after a restart, without the address that the client gave it."""
    c.run('ip link set c up')
    c.run(f'ip addr replace {address}/24 dev c')
    return True


def give_back(c, address):
    """What a client sends that ends its lease itself (RFC 2131, 4.4.6)."""
    s = c.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 68))
    body = struct.pack('!BBBBIHH4s12x16s192x', 1, 1, 6, 0, 7, 0, 0, socket.inet_aton(address), vst.mac(mac_of(c, 'c')).ljust(16, b'\0'))
    s.sendto(body + b'\x63\x82\x53\x63\x35\x01\x07\x36\x04' + socket.inet_aton(SRV) + b'\xff', (SRV, 67))
    s.close()


def release(t, sw, c, address):
    c.run(f'ip addr replace {address}/24 dev c')
    t.check(c.reaches(SRV), 'the client has its address')
    sw.ctl(f'guard forget c {address}')
    t.check(not c.ping(SRV, count=1) and learned(sw) == {}, 'one that was taken back by hand is no longer heard')
    got = vst.wait_for(lambda: lease(t, c, 5), 20)
    t.check(got and c.reaches(SRV), 'until DHCP gives it again', got)
    give_back(c, address)
    t.check(vst.wait_for(lambda: learned(sw) == {}, 5), 'a lease that is given back is gone', sw.ctl('guard bindings'))
    c.run('ip addr flush dev c')


# Routers, ARP

def routers(t, sw, web, evil):
    conf = t.file('radvd.conf', 'interface evil { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix fd66::/64 {}; };\n')
    for ns, name in ((web, 'web'), (evil, 'evil')):
        ipv6_on(ns, name)
    evil.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'], ok=None)
    n = violations(sw, 'evil', 'guard-router')
    proc = evil.popen(['radvd', '-n', '-C', conf, '-p', t.file('radvd.pid'), '-m', 'stderr'])
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-router') > n, 20), "radvd's advertisements are violations", sw.ctl('guard stats evil'))
    t.check('fd66:' not in web.run('ip -6 addr show dev web').stdout, 'nobody makes an address of them')
    t.check(told(sw, 'guard-router', 'port evil', mac_of(evil, 'evil')), 'and an event names the router', sw.events('guard-router'))
    seen = web.sniff('web')
    sw.ctl('guard set evil --router allow')

    def advertised():
        return any(f[12:14] == b'\x86\xdd' and len(f) > 54 and f[20] == 58 and f[54] == 134 for f in seen.frames(0.2))
    t.check(vst.wait_for(advertised, 15), 'where they are allowed they pass')
    sw.ctl('guard set evil --default router')
    proc.terminate()
    seen.close()
    for ns, name in ((web, 'web'), (evil, 'evil')):
        ns.run(['sh', '-c', f'echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6'])


def arp_poisoning(t, sw, web, evil):
    own, out, seen = mac_of(evil, 'evil'), evil.sniff('evil'), web.sniff('web')
    web_mac = mac_of(web, 'web')
    n = violations(sw, 'evil', 'guard-arp')
    # Sender inside is not the frame's.
    out.send(vst.frame(web_mac, own, arp(2, '02:00:00:00:66:66', SRV, web_mac, WEB), ethertype=0x806))
    # The address of a port that was given it.
    out.send(vst.frame(srv_mac(t), own, arp(2, own, WEB, srv_mac(t), SRV), ethertype=0x806))
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-arp') >= n + 2, 3), 'ARP for another is a violation', sw.ctl('guard stats evil'))
    t.check(not [f for f in seen.frames() if f[12:14] == b'\x08\x06' and vst.mac('02:00:00:00:66:66') in f], 'that poisons nobody')
    t.check(told(sw, 'guard-arp', 'port evil', own), 'and an event names who tried', sw.events('guard-arp'))
    t.check(evil.reaches(WEB), 'true ARP passes')
    n = violations(sw, 'evil', 'guard-arp-rate')
    sw.ctl('guard set evil --arp-rate 50')
    for i in range(500):
        out.send(vst.frame(BROADCAST, own, arp(1, own, EVIL, '00:00:00:00:00:00', f'10.0.1.{i % 250}'), ethertype=0x806))
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-arp-rate') > n + 300, 3), 'too much of it is dropped', sw.ctl('guard stats evil'))
    sw.ctl('guard set evil --default arp-rate')
    out.close()
    seen.close()


MACS = {}


def srv_mac(t):
    return MACS['srv']


def proxy(t, sw, srv, web, evil):
    evil.run('ip neigh flush dev evil')
    sw.ctl('guard set evil --proxy on')
    seen = srv.sniff('srv')
    web_seen = web.sniff('web')
    t.check(evil.reaches(WEB), 'who asks for a known address is answered')
    asked = [f for f in seen.frames() + web_seen.frames() if f[12:14] == b'\x08\x06' and f[6:12] == vst.mac(mac_of(evil, 'evil')) and f[20:22] == b'\0\1']
    t.check(not asked, 'by the switch: nobody else heard the question', asked)
    answered = [r['answered'] for r in sw.ctl('guard stats evil')['learned'] if r['port'] == 'evil']
    t.check(answered and answered[0] >= 1, 'which is counted', sw.ctl('guard stats evil'))
    sw.ctl('guard set evil --default proxy')
    seen.close()
    web_seen.close()


# Storms, BPDUs, protected ports

def storm(t, sw, srv, web, evil):
    own, out = mac_of(evil, 'evil'), evil.sniff('evil')
    sw.ctl('guard set evil --broadcast-rate 100 --multicast-rate 100 --unknown-rate 100')
    seen = web.sniff('web')
    for kind, dst, guard in (('broadcast', BROADCAST, 'guard-broadcast'), ('multicast', '01:00:5e:01:02:03', 'guard-multicast'),
                             ('unknown', '02:00:00:00:77:77', 'guard-unknown')):
        seen.drain()
        start = time.monotonic()
        for _ in range(5000):
            out.send(vst.frame(dst, own, b'storm-' + kind.encode()))
        took = time.monotonic() - start
        ok = vst.wait_for(lambda: violations(sw, 'evil', guard) >= 3000, 5)
        got = len([f for f in seen.frames() if b'storm-' + kind.encode() in f])
        t.check(ok and got <= 100 * (took + 2) + 50, f'a storm of {kind} is held to its rate', (got, took, sw.ctl('guard stats evil')))
    t.check(web.reaches(SRV), 'others go on meanwhile')
    sw.ctl('guard set evil --default broadcast-rate,multicast-rate,unknown-rate')
    out.close()
    seen.close()


def streams_survive(t, sw, web, evil):
    """Somebody floods all that he can; a stream of others loses nothing to that."""
    own = mac_of(evil, 'evil')
    script = ('import socket,sys\ns=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)\ns.bind(("evil",0))\n'
              'f=bytes.fromhex(sys.argv[1])\nwhile True: s.send(f)\n')
    proc = evil.popen(['python3', '-c', script, vst.frame(BROADCAST, own, b'flood' * 200).hex()])
    time.sleep(1)
    got = web.run(f'ping -q -i 0.02 -c 100 -W 2 {SRV}', ok=None, timeout=60).stdout
    proc.kill()
    lost = int(re.search(r'(\d+)% packet loss', got).group(1)) if 'packet loss' in got else 100
    t.check(lost <= 2, "others' packets come through a flood", got)
    t.check(violations(sw, 'evil', 'guard-broadcast') > 1000, 'that is held to its rate', sw.ctl('guard stats evil'))


def bpdu(t, sw, web, evil):
    own, out = mac_of(evil, 'evil'), evil.sniff('evil')
    frame = vst.mac('01:80:c2:00:00:00') + vst.mac(own) + struct.pack('!H', 38) + b'\x42\x42\x03' + b'\0' * 35 + b'\0' * 8
    out.send(frame)
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-bpdu') >= 1, 3), 'a bridge protocol frame is a violation', sw.ctl('guard stats evil'))
    t.check(sw.port('evil')['state'] == 'up', 'that is dropped only')
    sw.ctl('guard set evil --bpdu shutdown')
    out.send(frame)
    t.check(vst.wait_for(lambda: sw.port('evil')['state'] == 'held', 3), 'with shutdown the port is held', sw.port('evil'))
    t.check(told(sw, 'guard-shutdown', 'port evil', 'guard reset evil'), 'which an event says', sw.events('guard-shutdown'))
    t.check(not evil.ping(SRV, count=1), 'nothing passes')
    t.check('BPDU' in sw.port('evil')['note'], 'the port says why', sw.port('evil'))
    found = [c for c in sw.ctl('doctor', rc=sw.tool('--json doctor')[0])['checks'] if c['check'] == 'port evil']
    t.check(found and found[0]['state'] == 'fail', 'and doctor', found)
    sw.ctl('guard reset evil')
    t.check(sw.port('evil')['state'] == 'up' and evil.reaches(SRV), 'reset lets it go', sw.port('evil'))
    refused(t, sw, 'guard reset evil', 'not-held', 'once')
    out.send(frame)
    t.check(vst.wait_for(lambda: sw.port('evil')['state'] == 'held', 3), 'held again')
    sw.ctl('guard set evil --default bpdu')
    t.check(vst.wait_for(lambda: sw.port('evil')['state'] == 'up', 3), 'a guard that holds no port lets it go')
    out.close()


def protected(t, sw, web, evil):
    t.check(evil.reaches(WEB), 'two ports reach each other')
    sw.ctl('guard set evil --protected on')
    sw.ctl('guard set web --protected on')
    t.check(not evil.ping(WEB, count=2), 'two protected ones do not')
    t.check(evil.reaches(SRV) and web.reaches(SRV), 'each reaches one that is not')
    seen, own = web.sniff('web'), mac_of(evil, 'evil')
    out = evil.sniff('evil')
    out.send(vst.frame(BROADCAST, own, b'to-all'))
    out.send(vst.frame(mac_of(web, 'web'), own, b'to-web'))
    t.check(not [f for f in seen.frames() if b'to-all' in f or b'to-web' in f], 'neither by flooding nor by address')
    t.check(vst.wait_for(lambda: sw.drops('evil', 'guard-protected') >= 1, 3), 'dropped under a reason of its own')
    checks = {c['check']: c for c in sw.ctl('switch verify lan')['checks']}
    t.check(checks.get('no two protected ports meet', {}).get('ok'), 'switch verify proves it', checks)
    sw.ctl('flow add lan priority=9,actions=ALL')
    out.send(vst.frame(BROADCAST, own, b'by-rule'))
    t.check(not [f for f in seen.frames() if b'by-rule' in f], 'rules do not lead from one to the other')
    sw.ctl('flow del lan')
    sw.ctl('flow add lan priority=0,actions=NORMAL')
    for port in ('evil', 'web'):
        sw.ctl(f'guard set {port} --default protected')
    t.check(evil.reaches(WEB), 'and again when they are not')
    out.close()
    seen.close()


def watch(t, sw, web, evil):
    own, out, seen = mac_of(evil, 'evil'), evil.sniff('evil'), web.sniff('web')
    sw.ctl('guard set evil --mode watch')
    n, dropped = violations(sw, 'evil', 'guard-mac'), sw.drops('evil', 'guard-mac')
    out.send(vst.frame(BROADCAST, '02:00:00:00:66:67', b'watched-all'))
    t.check(seen.find(b'watched-all') is not None, 'a guard that watches lets all pass')
    t.check(vst.wait_for(lambda: violations(sw, 'evil', 'guard-mac') > n, 3) and sw.drops('evil', 'guard-mac') == dropped, 'and counts it')
    sw.ctl('guard set evil --default mode')
    out.close()
    seen.close()


def hostile(t, sw, evil):
    """Violations as fast as they can be made are counted, and are no flood of events."""
    events, lines = len(sw.ctl('events --limit 4000')['events']), len(sw.log_text().splitlines())
    n = violations(sw, 'evil', 'guard-mac')
    script = ('import socket,sys,time,struct\ns=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)\ns.bind(("evil",0))\n'
              'f=bytes.fromhex(sys.argv[1])\nend=time.time()+6\ni=0\n'
              'while time.time()<end:\n i+=1\n s.send(f[:8]+struct.pack("!I",i)+f[12:])\n')
    evil.run(['python3', '-c', script, vst.frame(BROADCAST, '02:00:00:00:00:00', b'hostile').hex()])
    got = violations(sw, 'evil', 'guard-mac') - n
    new = len(sw.ctl('events --limit 4000')['events']) - events
    t.check(got > 5000, 'all violations are counted', got)
    t.check(new <= 12, 'of which a few are told', (got, new, sw.ctl('events --limit 30')))
    t.check(len(sw.log_text().splitlines()) - lines <= 12, 'also to the log', sw.log_text()[-3000:])
    t.check(any('more left out' in e['text'] for e in sw.events('guard-mac')), 'with the number of those left out', sw.events('guard-mac'))
    found = [c for c in sw.ctl('doctor', rc=sw.tool('--json doctor')[0])['checks'] if c['check'] == 'guards of evil']
    t.check(found and found[0]['state'] == 'warn', 'and doctor names the port', found)


def metrics(t, sw):
    sw.ctl('config set --metrics 127.0.0.1:9464')
    got = sw.ns.run(['python3', '-c', 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9464/metrics").read().decode())']).stdout
    t.check('vswitch_guard_violations_total{switch="lan",port="evil",guard="guard-mac"}' in got, 'metrics have violations by port and guard',
            [x for x in got.splitlines() if 'guard' in x][:20])
    t.check('vswitch_guard_learned_total{switch="lan",port="c"}' in got, 'and what was learned')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    srv = sw.tap('lan', 'srv', f'{SRV}/24')
    web = sw.tap('lan', 'web', f'{WEB}/24')
    c = sw.tap('lan', 'c')
    evil = sw.tap('lan', 'evil', f'{EVIL}/24')
    MACS['srv'] = mac_of(srv, 'srv')
    bad_input(t, sw)
    configuration(t, sw, web)
    nics(t, sw)
    spoof_mac(t, sw, web, evil)
    spoof_ip(t, sw, web, evil)
    arp_poisoning(t, sw, web, evil)
    proxy(t, sw, srv, web, evil)
    address = dhcp(t, sw, srv, c, evil)
    locked(t, sw, c, evil, address)
    routers(t, sw, web, evil)
    storm(t, sw, srv, web, evil)
    streams_survive(t, sw, web, evil)
    bpdu(t, sw, web, evil)
    protected(t, sw, web, evil)
    watch(t, sw, web, evil)
    hostile(t, sw, evil)
    metrics(t, sw)
    t.check(vst.wait_for(sw.balanced, 3), 'the ledger balances', sw.ledger())
    restart(t, sw, c, address)
    release(t, sw, c, address)
    sw.ctl('port remove evil')
    t.check('evil' not in sw.ctl('config show')['text'], "a port's guards go with it")
    t.check(vst.wait_for(sw.balanced, 3), 'the ledger balances at the end', sw.ledger())


vst.main(test, ['dnsmasq', 'udhcpc', 'radvd'])
