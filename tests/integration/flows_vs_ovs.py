#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The flow syntax against Open vSwitch's: what 'ovs-ofctl -O OpenFlow13' sends for a line, byte for byte, is what we make
# of it; what we print means the same to it; and it can print what we send.
#
#	flows_vs_ovs.py OF_TEXT_DUMP OF_SEED
#
#	ovs-ofctl add-flows unix:SOCKET FILE ──► a switch of fifty lines that answers barriers and remembers
#
# Needs no root and no daemon.  Exit status 77: ovs-ofctl is not installed.

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HELLO, ERROR, ECHO, ECHO_REPLY, FEATURES, FEATURES_REPLY = 0, 1, 2, 3, 5, 6
FLOW_MOD, GROUP_MOD, MULTIPART, MULTIPART_REPLY, BARRIER, BARRIER_REPLY, METER_MOD = 14, 15, 18, 19, 20, 21, 29
GROUP_DESC, METER_CONFIG, TABLE_FEATURES = 7, 10, 12

# Each goes out in the same bytes, but for the order of fields in the match.
FLOWS = '''
actions=drop
priority=1,actions=output:1
table=3,priority=65535,cookie=0x123456789abcdef,idle_timeout=5,hard_timeout=10,actions=normal
send_flow_rem,check_overlap,reset_counts,no_packet_counts,no_byte_counts,in_port=1,actions=2,3
in_port=LOCAL,actions=in_port
dl_src=00:11:22:33:44:55,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=flood
dl_type=0x1234,actions=all
ip,actions=controller
ip,nw_src=10.0.0.0/8,nw_dst=192.168.1.1,actions=controller:128
ip,nw_src=10.0.0.0/255.0.255.0,actions=local
tcp,tp_src=80,tp_dst=0x10/0xfff0,actions=1
tp_src=80,tcp,actions=1
udp,udp_dst=53,actions=1
sctp,sctp_src=1,tp_dst=2,actions=1
icmp,icmp_type=8,icmp_code=0,actions=1
tcp6,ipv6_src=2001:db8::/32,ipv6_dst=::1,tcp_dst=443,actions=1
udp6,tp_src=1,actions=1
icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:01:02:03:04:05,actions=1
icmp6,icmpv6_type=136,nd_tll=00:01:02:03:04:05,actions=1
ipv6,ipv6_label=0x12345,nw_ecn=2,actions=1
ip,nw_tos=32,actions=1
ip,ip_dscp=8,nw_proto=47,actions=1
arp,arp_op=1,arp_spa=1.2.3.4,arp_tpa=5.6.7.0/24,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:02,actions=1
arp,nw_src=1.2.3.4,nw_proto=2,actions=1
rarp,actions=1
mpls,mpls_label=5,mpls_tc=3,mpls_bos=1,actions=1
mplsm,actions=1
dl_vlan=5,actions=1
dl_vlan=5,dl_vlan_pcp=3,actions=1
dl_vlan_pcp=3,actions=1
dl_vlan=0xffff,actions=1
vlan_tci=0,actions=1
vlan_tci=0x1005/0x1fff,actions=1
vlan_tci=0x7005,actions=1
vlan_vid=0x1000/0x1000,actions=1
metadata=0x5/0xff,tun_id=0x7,actions=1
tun_src=1.2.3.4,tun_dst=5.6.7.8,actions=1
tun_ipv6_src=fe80::1,tun_flags=+oam,actions=1
reg0=5,reg15=0x10/0xf0,actions=1
pkt_mark=0x5,actions=1
ct_state=+trk+est-new,ct_zone=5,ct_mark=0x1/0xff,ct_label=0x1234,actions=1
ct_state=0x21/0x21,ip,ct_nw_src=1.2.3.4,ct_nw_proto=6,ct_tp_src=5,actions=1
tcp,tcp_flags=+syn-ack,actions=1
tcp,tcp_flags=0x12,actions=1
ip,nw_frag=later,nw_ttl=64,actions=1
actions=set_field:00:11:22:33:44:55->eth_src,1
ip,actions=set_field:1.2.3.4->ip_dst,mod_nw_src:5.6.7.8,mod_nw_tos:32,mod_nw_ecn:1,1
tcp,actions=set_field:80->tcp_src,mod_tp_dst:81,1
udp6,actions=set_field:2001::1->ipv6_src,mod_tp_src:5,1
actions=set_field:0x5->reg3,set_field:0x123->tun_id,1
dl_vlan=5,actions=set_field:4102->vlan_vid,set_field:3->vlan_pcp,strip_vlan,1
actions=push_vlan:0x88a8,set_field:4102->vlan_vid,1
actions=mod_vlan_vid:7,1
dl_vlan=5,actions=mod_vlan_vid:7,mod_vlan_pcp:2,1
dl_vlan=5,actions=pop_vlan,1
ip,actions=push_mpls:0x8847,set_field:16->mpls_label,set_mpls_ttl:5,dec_mpls_ttl,1
mpls,actions=pop_mpls:0x0800,dec_ttl,1
ip,actions=dec_ttl,mod_nw_ttl:5,1
actions=group:5
actions=set_queue:3,1
actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],load:0x5->NXM_NX_REG0[0..15],load:1->OXM_OF_METADATA[63],1
actions=move:reg0[0..7]->reg1[8..15],output:NXM_NX_REG2[0..15]
actions=resubmit:2,resubmit(,3),resubmit(4,5),resubmit(in_port,6)
actions=controller(max_len=100,id=5,reason=no_match),controller(id=7)
actions=goto_table:5
actions=meter:3,1,clear_actions,write_actions(2),write_metadata:0x5/0xff,goto_table:7
actions=write_metadata:0x5,goto_table:7
actions=write_actions(set_field:1->tun_id,group:3)
ip,actions=ct(commit,zone=5),ct(table=3),ct(commit,force),ct_clear
tcp,actions=ct(commit,alg=ftp,zone=NXM_NX_REG0[0..15],exec(set_field:1->ct_mark,set_field:0x5->ct_label))
tcp,actions=ct(commit,nat(src=10.0.0.1-10.0.0.5:1000-2000,random),table=1)
tcp,actions=ct(commit,nat(dst=10.0.0.1:80,hash,persistent)),ct(nat)
tcp6,actions=ct(commit,nat(src=[fe80::1]-[fe80::5]:1000-2000)),ct(commit,nat(dst=fe80::1))
ip,actions=ct(commit,nat(src),exec(load:0x1->NXM_NX_CT_MARK[0..7]))
tun_gbp_id=5,tun_gbp_flags=0x8,actions=1
'''.strip().split('\n')
FILTERS = '''
table=5
tcp,tp_dst=80
cookie=5/0xff,table=1
cookie=7/-1
out_port=3,ip
out_group=5
'''.strip().split('\n')
GROUPS = '''
group_id=1,type=all,bucket=output:1,bucket=output:2
group_id=2,type=select,bucket=weight:5,actions=output:1,bucket=actions=set_field:1->reg0,output:2
group_id=3,type=indirect,bucket=actions=group:5
group_id=4,type=ff,bucket=watch_port:1,actions=output:1,bucket=watch_port:2,watch_group:7,output:2
group_id=5,type=all
'''.strip().split('\n')
METERS = '''
meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100
meter=2,pktps,bands=type=dscp_remark,rate=10,prec_level=2
meter=3,kbps,bands=type=drop,rate=10,type=dscp_remark,rate=5,prec_level=1
'''.strip().split('\n')
# The same meaning in other bytes: ovs-ofctl takes wide registers, and set-fields with a mask, apart.
OTHER_BYTES = '''
xreg1=0x1234567890,xxreg3=0x11112222333344445555666677778888,actions=1
actions=set_field:5/0xf->reg4,set_field:00:00:00:00:00:01/00:00:00:00:00:0f->eth_dst,1
ip,actions=ct(commit,nat(src),exec(set_field:1/1->ct_mark,set_field:1/1->ct_label))
'''.strip().split('\n')
# Only ours has them: nothing of Open vSwitch's to compare with.
OURS = '''
dl_type=0x88e7,pbb_isid=0x123/0xfff,actions=pop_pbb,1
ipv6,ipv6_exthdr=0x1/0x1,actions=1
actions=push_pbb:0x88e7,set_field:0x5->pbb_isid,1
mpls,actions=copy_ttl_out,1
actions=copy_ttl_in,1
ct_state=+trk,actions=resubmit(,1,ct)
'''.strip().split('\n')


def serve(listener, features, seen):
    """Connections one after another (the first asks for names), until the listener is shut."""
    try:
        while True:
            talk(listener.accept()[0], features, seen)
    except OSError:
        pass


def talk(conn, features, seen):
    """Says hello, answers barriers, keeps the messages that change something."""
    data = b''
    conn.sendall(struct.pack('!BBHI', 4, HELLO, 8, 1))
    while True:
        while len(data) >= 8 and len(data) >= struct.unpack_from('!H', data, 2)[0]:
            _, kind, size, xid = struct.unpack_from('!BBHI', data)
            msg, data = data[:size], data[size:]
            if kind in (FLOW_MOD, GROUP_MOD, METER_MOD):
                seen.append(msg[:4] + bytes(4) + msg[8:])
            elif kind == BARRIER:
                conn.sendall(struct.pack('!BBHI', 4, BARRIER_REPLY, 8, xid))
            elif kind == ECHO:
                conn.sendall(struct.pack('!BBHI', 4, ECHO_REPLY, size, xid) + msg[8:])
            elif kind == FEATURES:
                conn.sendall(struct.pack('!BBHIQIBBHII', 4, FEATURES_REPLY, 32, xid, 1, 0, 254, 0, 0, 0, 0))
            elif kind == MULTIPART:
                part, = struct.unpack_from('!H', msg, 8)
                body = features if part == TABLE_FEATURES else b''
                conn.sendall(struct.pack('!BBHIHHI', 4, MULTIPART_REPLY, 16 + len(body), xid, part, 0, 0) + body)
        more = conn.recv(65536)
        if not more:
            return
        data += more


def ovs(dump, command, lines):
    """The messages that ovs-ofctl sends for lines; its words if it refuses one."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 's')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        seen = []
        features = ours(dump, 'tables', [])[0][0]
        thread = threading.Thread(target=serve, args=(listener, features, seen), daemon=True)
        thread.start()
        # Meters come one to a command, all else as a file.
        source = lines[0] if command == 'add-meter' else '-'
        run = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow13', command, 'unix:' + path, source], input='\n'.join(lines) + '\n',
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        return seen if run.returncode == 0 else run.stdout.strip()


def ours(dump, what, lines):
    """[(message, text)] or [(None, error)]."""
    out = subprocess.run([dump, what], input='\n'.join(lines) + '\n', stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    found = [line.split(' ', 1) for line in out.stdout.rstrip('\n').split('\n')]
    return [(None, text) if first == '!' else (bytes.fromhex(first), text) for first, text in found]


def sorted_match(messages):
    """Flow messages with the fields of their matches in order; anything else as it is."""
    if isinstance(messages, str):
        return messages
    done = []
    for message in messages:
        if message[1] == FLOW_MOD:
            size, = struct.unpack_from('!H', message, 50)
            left, fields = message[52:48 + size], []
            while left:
                fields.append(left[:4 + left[3]])
                left = left[4 + left[3]:]
            message = message[:52] + b''.join(sorted(fields)) + message[48 + size:]
        done.append(message)
    return done


def compare(dump, what, command, lines):
    n = 0
    for line, (message, text) in zip(lines, ours(dump, what, lines)):
        if message is None:
            print(f'{line}\n  we refuse: {text}')
            n += 1
            continue
        theirs = ovs(dump, command, [line])
        again = ovs(dump, command, [text])
        if sorted_match(theirs) != sorted_match([message]):
            print(f'{line}\n  ours   {message.hex()}\n  theirs {theirs if isinstance(theirs, str) else [m.hex() for m in theirs]}')
            n += 1
        elif sorted_match(again) != sorted_match(theirs):
            print(f'{line}\n  printed as {text}\n  ours   {message.hex()}\n  theirs {again if isinstance(again, str) else [m.hex() for m in again]}')
            n += 1
    return n


def round_trip(dump, what, lines):
    """What we print, we read, as the same message."""
    n = 0
    first = ours(dump, what, lines)
    second = ours(dump, what, [text for _, text in first])
    for line, a, b in zip(lines, first, second):
        if a[0] is None or a[0] != b[0]:
            print(f'{line}\n  first  {a}\n  second {b}')
            n += 1
    return n


def printable(dump, what, lines):
    """ovs-ofctl decodes what we send."""
    n = 0
    for line, (message, _) in zip(lines, ours(dump, what, lines)):
        if message is None:
            continue
        run = subprocess.run(['ovs-ofctl', 'ofp-print', message.hex()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=60)
        if run.returncode != 0 or '***' in run.stdout or 'error' in run.stdout.lower():
            print(f'{line}\n  ofp-print: {run.stdout.strip()}')
            n += 1
    return n


def as_statistics(message):
    """What a switch answers, once it has the flow of an OFPT_FLOW_MOD, the group or the meter."""
    if message[1] in (GROUP_MOD, METER_MOD):
        entry = struct.pack('!H', len(message) - 8) + message[10:]
        part = GROUP_DESC if message[1] == GROUP_MOD else METER_CONFIG
        return struct.pack('!BBHIHHI', 4, MULTIPART_REPLY, 16 + len(entry), 1, part, 0, 0) + entry
    cookie, = struct.unpack_from('!Q', message, 8)
    table, = struct.unpack_from('!B', message, 24)
    idle, hard, priority = struct.unpack_from('!HHH', message, 26)
    flags, = struct.unpack_from('!H', message, 44)
    body = message[48:]
    entry = struct.pack('!HBxIIHHHH4xQQQ', 48 + len(body), table, 5, 0, priority, idle, hard, flags, cookie, 7, 8) + body
    return struct.pack('!BBHIHHI', 4, MULTIPART_REPLY, 16 + len(entry), 1, 1, 0, 0) + entry


def read_back(dump, what, lines):
    """What 'ovs-ofctl dump-flows' prints of our flows, we read as those flows."""
    n = 0
    for line, (message, _) in zip(lines, ours(dump, what, lines)):
        run = subprocess.run(['ovs-ofctl', 'ofp-print', as_statistics(message).hex()], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, timeout=60)
        printed = ' '.join(run.stdout.strip().split('\n')[1:]).strip()
        again, text = ours(dump, what, [printed])[0]
        if again is None or sorted_match([again]) != sorted_match([message]):
            print(f'{line}\n  dumped as {printed}\n  ours  {message.hex()}\n  again {again.hex() if again else text}')
            n += 1
    return n


def seeds_printable(seed):
    """ovs-ofctl decodes the other messages that we write, as tests/fuzz/of_seed makes them."""
    names = ['async', 'bundle-control', 'config', 'features', 'group', 'hello', 'meter', 'nicira', 'port-desc', 'port-mod',
             'port-stats', 'port-status', 'queue-config', 'request-group', 'request-port-desc', 'role', 'table-features',
             'table-mod']
    n = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([seed, folder], check=True, timeout=60)
        for name in names:
            with open(os.path.join(folder, name + '-1'), 'rb') as file:
                message = file.read()
            run = subprocess.run(['ovs-ofctl', 'ofp-print', message.hex()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, timeout=60)
            if run.returncode != 0 or '***' in run.stdout or 'WARN' in run.stdout:
                print(f'{name}: ofp-print: {run.stdout.strip()}')
                n += 1
    return n


def main():
    if shutil.which('ovs-ofctl') is None:
        print('skipped: ovs-ofctl is not installed')
        return 77
    dump = sys.argv[1]
    n = 0
    for what, command, lines in (('add', 'add-flows', FLOWS), ('delete', 'del-flows', FILTERS), ('group', 'add-groups', GROUPS),
                                 ('meter', 'add-meter', METERS)):
        n += compare(dump, what, command, lines)
        n += round_trip(dump, what, lines)
        n += printable(dump, what, lines)
    for what, lines in ('add', FLOWS), ('group', GROUPS), ('meter', METERS):
        n += read_back(dump, what, lines)
    n += round_trip(dump, 'add', OURS + OTHER_BYTES)
    n += printable(dump, 'add', OTHER_BYTES)
    n += seeds_printable(sys.argv[2])
    print(f'{n} differences')
    return 1 if n else 0


if __name__ == '__main__':
    sys.exit(main())
