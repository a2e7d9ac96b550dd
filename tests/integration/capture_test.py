# SPDX-License-Identifier: BSD-2-Clause
"""Captures: what tshark reads from them, while they grow and after.

    a ---+ lan (private)        frames of a go to b; some die on the way
    b ---+                      vswitchctl capture start ... -w FILE | -
"""
import os
import signal
import subprocess
import time

import vst

BCAST = 'ff:ff:ff:ff:ff:ff'
PING_FILTER = 'icmp'


def tshark(path, *args):
    got = subprocess.run(['tshark', '-n', '-r', path, *args], capture_output=True, text=True, timeout=60)
    return got.stdout.splitlines(), got.stderr


def growing(t, sw, a):
    path = t.file('grow.pcapng')
    sw.ctl(f'capture start a b --filter {PING_FILTER} -w {path}')
    t.check(a.ping('10.0.0.2', count=10), 'pings pass while a capture runs')
    lines = vst.wait_for(lambda: len(x := tshark(path)[0]) >= 40 and x, 5) or tshark(path)[0]
    t.check(len(lines) == 40, 'a growing file: each of 20 frames, in and out', len(lines))
    t.check(not any('malformed' in x.lower() for x in lines), 'tshark finds nothing malformed')
    row = sw.ctl('capture list')['captures'][0]
    t.check(row['packets'] == 40 and row['filter'] == PING_FILTER and row['lost'] == 0, 'the list counts them', row)
    code, _, err = sw.tool(f'capture start a -w {path}')
    t.check(code != 0 and 'error[' in err, 'a file that is there is not overwritten unasked', err)
    got = sw.ctl('capture stop')
    t.check(len(got['captures']) == 1 and sw.ctl('capture list')['captures'] == [], 'stop ends it', got)
    names = set(tshark(path, '-T', 'fields', '-e', 'frame.interface_name')[0])
    t.check({x.split()[0].split(':')[0] for x in names} >= {'a', 'b'}, 'the interfaces are the ports', names)
    n = len(tshark(path)[0])
    a.ping('10.0.0.2')
    time.sleep(0.3)
    t.check(len(tshark(path)[0]) == n, 'a stopped capture does not grow')


def filtered(t, sw, sniff):
    path = t.file('filter.pcapng')
    sw.ctl(['capture', 'start', 'a', '--stage', 'ingress', '--filter', 'ether proto 0x88b6', '-w', path])
    for i in range(30):
        sniff['a'].send(vst.frame(BCAST, '02:00:00:00:00:01', b'%d' % i, ethertype=0x88b5 + i % 2))
    vst.wait_for(lambda: len(tshark(path)[0]) >= 15, 5)
    sw.ctl('capture stop all')
    types = tshark(path, '-T', 'fields', '-e', 'eth.type')[0]
    t.check(types == ['0x88b6'] * 15, 'the filter keeps what it says and nothing else', types)
    code, _, err = sw.tool(['capture', 'start', 'a', '--filter', 'no such words', '-w', t.file('x.pcapng')])
    t.check(code in (2, 5) and 'error[' in err, 'a filter that is none is refused', err)
    t.check(not os.path.exists(t.file('x.pcapng')) or os.path.getsize(t.file('x.pcapng')) == 0,
            'and leaves no capture behind')


def dropped(t, sw, sniff):
    path = t.file('drop.pcapng')
    sw.ctl(f'vlan set a --access 10')
    sw.ctl(f'capture start a --stage drop -w {path}')
    for _ in range(5):
        sniff['a'].send(vst.frame(BCAST, '02:00:00:00:00:01', b'dies', tags=[(0x8100, 99)]))
    vst.wait_for(lambda: len(tshark(path)[0]) >= 5, 5)
    sw.ctl('capture stop all')
    comments = tshark(path, '-T', 'fields', '-e', 'frame.comment')[0]
    reasons = {r['reason'] for r in sw.ctl('drop list a')['drops']}
    t.check(len(comments) == 5 and all(any(r in c for r in reasons) for c in comments),
            'a dropped frame carries its reason as a comment', (comments, reasons))
    sw.ctl('vlan set a --none')


def to_stdout(t, sw, a):
    tool = sw.tool_popen('capture start a --filter icmp -w - --count 6', stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    reader = t.popen(['tshark', '-n', '-l', '-r', '-'], stdin=tool.stdout, stdout=subprocess.PIPE,
                     stderr=subprocess.DEVNULL, text=True)
    tool.stdout.close()
    vst.wait_for(lambda: sw.ctl('capture list')['captures'], 5)
    a.ping('10.0.0.2', count=10)
    try:
        out, _ = reader.communicate(timeout=15)
        code = tool.wait(10)
    except subprocess.TimeoutExpired:
        out, code = '', 'hangs'
    t.check(len(out.splitlines()) == 6 and code == 0, '-w - --count 6: six frames on standard output, then the end',
            (code, out))
    tool = sw.tool_popen('capture start a -w -', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    vst.wait_for(lambda: sw.ctl('capture list')['captures'], 5)
    tool.send_signal(signal.SIGKILL)
    tool.wait()
    t.check(vst.wait_for(lambda: not sw.ctl('capture list')['captures'], 5), 'it ends with the tool, even by kill -9')


def ring(t, sw, sniff):
    path = t.file('ring.pcapng')
    sw.ctl(f'capture start a --stage ingress -w {path} --ring 3x1M')
    data = vst.frame(BCAST, '02:00:00:00:00:01', bytes(1400))
    for _ in range(10):
        for _ in range(600):
            sniff['a'].send(data)
        time.sleep(0.1)
    vst.wait_for(lambda: len([x for x in os.listdir(t.dir) if x.startswith('ring_')]) >= 3, 3)
    sw.ctl('capture stop all')
    files = sorted(x for x in os.listdir(t.dir) if x.startswith('ring'))
    sizes = [os.path.getsize(t.file(x)) for x in files]
    t.check(len(files) == 3 and files[-1] > 'ring_00003', '--ring keeps the last 3 files', files)
    t.check(all(s <= 1100000 for s in sizes), 'each within its size', sizes)
    bad = [x for x in files if tshark(t.file(x))[1].count('appears') or not tshark(t.file(x), '-c', '5')[0]]
    t.check(not bad, 'each can be read by itself', bad)


def scoped(t, sw, sniff):
    """Of a tenant, of a switch: what is of others is not in the file; and only the start of each frame."""
    sw.ctl('tenant add blue --id 5')
    sw.ctl('switch add other --type private')
    blue = [sw.tap('lan', f'b{i}', options='--tenant blue').sniff(f'b{i}') for i in (1, 2)]
    far = [sw.tap('other', f'o{i}').sniff(f'o{i}') for i in (1, 2)]
    paths = {scope: t.file(f'{scope}.pcapng') for scope in ('tenant', 'switch')}
    sw.ctl(f"capture start --tenant blue --snaplen 64 -w {paths['tenant']}")
    sw.ctl(f"capture start --switch other -w {paths['switch']}")
    for _ in range(10):
        for sender, word in ((sniff['a'], b'of-nobody'), (blue[0], b'of-blue'), (far[0], b'of-other')):
            sender.send(vst.frame(BCAST, '02:00:00:00:00:01', word.ljust(200)))

    def lines(scope, *fields):
        return [x for x in tshark(paths[scope], '-T', 'fields', *sum((['-e', f] for f in fields), []))[0]]

    for scope in paths:
        vst.wait_for(lambda s=scope: len(lines(s, 'frame.len')) >= 20, 5)
    sw.ctl('capture stop all')
    for scope, word, names in (('tenant', b'of-blue', {'b1', 'b2'}), ('switch', b'of-other', {'o1', 'o2'})):
        rows = [x.split('\t') for x in lines(scope, 'frame.interface_name', 'frame.packet_flags_direction', 'data.data')]
        own = [r for r in rows if word.hex() in r[2]]
        t.check(len(own) == 20 and {r[0].split()[0].split(':')[0] for r in rows} == names,
                f'--{scope}: the frames of its ports, and of no others', rows)
        t.check({(r[0].split()[0].split(':')[0], r[1]) for r in own} ==
                {(n, f'0x0000000{d}') for n, d in zip(sorted(names), (1, 2))}, f'--{scope}: with their directions', own)
    sizes = {x for x in lines('tenant', 'frame.len', 'frame.cap_len')}
    t.check('214\t64' in sizes, '--snaplen 64: 64 bytes of each, and how long it was', sizes)
    sw.ctl('switch remove other --with-ports')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    ns = {n: sw.tap('lan', n, f'10.0.0.{i}/24') for i, n in enumerate(('a', 'b'), 1)}
    sniff = {n: ns[n].sniff(n) for n in ns}
    t.check(ns['a'].reaches('10.0.0.2'), 'a reaches b')
    growing(t, sw, ns['a'])
    filtered(t, sw, sniff)
    dropped(t, sw, sniff)
    to_stdout(t, sw, ns['a'])
    ring(t, sw, sniff)
    scoped(t, sw, sniff)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test, programs=['tshark'])
