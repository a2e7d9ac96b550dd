#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Our parser against Wireshark's: both read a capture of random frames, and must tell the same of every outer header.
#
#   parse_dump --make ─► random.pcap ─┬─► parse_dump ─► fields ─┐
#                                     └─► tshark ──────► fields ─┴─► equal?
#
# Usage: parse_vs_tshark.py PARSE_DUMP [FRAMES [SEED]].  Exit status 77: no tshark here.

import shutil
import subprocess
import sys
import tempfile

FIELDS = [
    'frame.protocols', 'eth.type', 'vlan.id', 'vlan.priority', 'vlan.etype', 'ieee8021ad.id', 'ieee8021ad.priority',
    'llc.type', 'arp.opcode', 'arp.src.proto_ipv4', 'arp.dst.proto_ipv4', 'ip.version', 'ip.src', 'ip.dst',
    'ip.proto', 'ip.dsfield', 'ip.ttl', 'ip.len', 'ip.hdr_len', 'ip.flags.mf', 'ip.frag_offset', 'ipv6.version',
    'ipv6.src', 'ipv6.dst', 'ipv6.tclass', 'ipv6.hlim', 'ipv6.plen', 'ipv6.fraghdr.offset', 'ipv6.fraghdr.more',
    'tcp.srcport', 'tcp.dstport', 'tcp.hdr_len', 'tcp.flags', 'udp.srcport', 'udp.dstport', 'sctp.srcport',
    'sctp.dstport', 'icmp.type', 'icmpv6.type', 'igmp.type', 'vxlan.vni', 'geneve.vni', 'gre.key',
]
PROTO = {'tcp': 6, 'udp': 17, 'sctp': 132, 'icmp': 1, 'icmpv6': 58, 'igmp': 2, 'gre': 47}
TUNNEL = {'vxlan': ('1', 'vxlan.vni'), 'geneve': ('2', 'geneve.vni'), 'gre': ('3', 'gre.key')}


def number(text):
    """The first of a field's occurrences as a decimal, '' for none."""
    first = text.split(',')[0]
    return '' if first == '' else str({'True': 1, 'False': 0}.get(first) if first in ('True', 'False')
                                      else int(first, 0))


def outer_protocols(text):
    """Those before a second Ethernet header."""
    names = text.split(':')
    return names[:names.index('eth', 1)] if 'eth' in names[1:] else names


def expect_tags(t, outer, want):
    ids = []
    if 'ieee8021ad' in outer:
        ids.append((number(t['ieee8021ad.id']), number(t['ieee8021ad.priority'])))
    if 'vlan' in outer:
        ids.append((number(t['vlan.id']), number(t['vlan.priority'])))
    want['vlan'], want['pcp'] = ids[0] if ids else ('', '')
    want['vlan2'] = ids[1][0] if len(ids) > 1 else ''
    if 'llc' in outer:
        want['eth_type'] = number(t['llc.type'])
    elif 'vlan' in outer:
        want['eth_type'] = number(t['vlan.etype'])
    elif 'ieee8021ad' not in outer:
        want['eth_type'] = number(t['eth.type'])


def expect_nothing(outer):
    """An 802.3 length behind an 802.1ad tag: tshark looks no further."""
    return 'ieee8021ad' in outer and not {'vlan', 'llc', 'ip', 'ipv6', 'arp'} & set(outer)


def expect_ipv4(t, want):
    offset, more = int(number(t['ip.frag_offset'])), int(number(t['ip.flags.mf']))
    want.update(ip_version='4', ip_src=t['ip.src'].split(',')[0], ip_dst=t['ip.dst'].split(',')[0],
                ip_proto=number(t['ip.proto']), tos=number(t['ip.dsfield']), ttl=number(t['ip.ttl']),
                ip_size=number(t['ip.len']), l3_size=number(t['ip.hdr_len']),
                frag='2' if offset else '1' if more else '0')


def expect_ipv6(t, outer, want):
    frag = '0'
    if 'ipv6.fraghdr' in outer:
        frag = '2' if int(number(t['ipv6.fraghdr.offset'])) else '1' if int(number(t['ipv6.fraghdr.more'])) else '0'
    want.update(ip_version='6', ip_src=t['ipv6.src'].split(',')[0], ip_dst=t['ipv6.dst'].split(',')[0],
                tos=number(t['ipv6.tclass']), ttl=number(t['ipv6.hlim']),
                ip_size=str(int(number(t['ipv6.plen'])) + 40), frag=frag)
    for name, proto in PROTO.items():
        if name in outer:
            want['ip_proto'] = str(proto)


def expect(t):
    """What our parser should say of the frame that tshark describes as 't'."""
    outer = outer_protocols(t['frame.protocols'])
    want = {'bad': '0', 'arp_op': '', 'ip_version': '', 'ip_src': '', 'ip_dst': '', 'sport': '', 'dport': '',
            'tcp_size': '', 'tcp_flags': '', 'icmp_type': '', 'tunnel': '', 'tunnel_id': ''}
    expect_tags(t, outer, want)
    if 'arp' in outer:
        want.update(arp_op=number(t['arp.opcode']), ip_src=t['arp.src.proto_ipv4'], ip_dst=t['arp.dst.proto_ipv4'])
    if 'ip' in outer:
        expect_ipv4(t, want)
    elif 'ipv6' in outer:
        expect_ipv6(t, outer, want)
    if want.get('frag') == '2':
        return want  # No transport header, though tshark tries to read one from an empty fragment.
    for name in ('tcp', 'udp', 'sctp'):
        if name in outer:
            want.update(sport=number(t[name + '.srcport']), dport=number(t[name + '.dstport']))
    if 'tcp' in outer:
        want.update(tcp_size=number(t['tcp.hdr_len']), tcp_flags=str(int(number(t['tcp.flags'])) & 0xff))
    for name in ('icmp', 'icmpv6', 'igmp'):
        if name in outer:
            want['icmp_type'] = number(t[name + '.type'])
    for name, (kind, field) in TUNNEL.items():
        if name in outer:
            value = int(number(t[field]))
            want.update(tunnel=kind, tunnel_id=str(value >> 8 if name == 'gre' else value))
    return want


def rows(command):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return out.splitlines()


def tshark(path):
    command = ['tshark', '-n', '-r', path, '-T', 'fields', '-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE']
    for field in FIELDS:
        command += ['-e', field]
    return [dict(zip(FIELDS, line.split('\t'))) for line in rows(command)]


def ours(parse_dump, path):
    lines = rows([parse_dump, path])
    names = lines[0].split('\t')
    return [dict(zip(names, line.split('\t'))) for line in lines[1:]]


def main():
    parse_dump = sys.argv[1]
    frames = sys.argv[2] if len(sys.argv) > 2 else '5000'
    seed = sys.argv[3] if len(sys.argv) > 3 else '1'
    if shutil.which('tshark') is None:
        print('skipped: tshark is not installed')
        return 77
    with tempfile.NamedTemporaryFile(suffix='.pcap') as capture:
        subprocess.run([parse_dump, '--make', frames, seed, capture.name], check=True)
        theirs, mine = tshark(capture.name), ours(parse_dump, capture.name)
    if len(theirs) != int(frames) or len(mine) != int(frames):
        print(f'{frames} frames were written, tshark saw {len(theirs)}, we {len(mine)}')
        return 1
    seen, compared, wrong, unseen = {}, 0, 0, 0
    for i, (t, m) in enumerate(zip(theirs, mine)):
        want = expect(t)
        if expect_nothing(outer_protocols(t['frame.protocols'])):
            unseen += 1
            continue
        compared += len(want)
        for name in outer_protocols(t['frame.protocols']):
            seen[name] = seen.get(name, 0) + 1
        differs = {k: (m[k], v) for k, v in want.items() if m[k] != v}
        if differs:
            wrong += 1
            print(f'frame {i + 1} ({t["frame.protocols"]}): ours, tshark: {differs}')
    print(f'{frames} frames, {compared} fields compared, {wrong} frames differ, {unseen} tshark cannot read; '
          + ', '.join(f'{name} {n}' for name, n in sorted(seen.items())))
    missing = {'arp', 'ip', 'ipv6', 'vlan', 'ieee8021ad', 'ipv6.fraghdr', *PROTO, *TUNNEL} - set(seen)
    if missing:
        print(f'the capture lacks {missing}')
    return 1 if wrong or missing or unseen > len(mine) / 20 else 0


sys.exit(main())
