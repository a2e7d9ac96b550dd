# SPDX-License-Identifier: BSD-2-Clause
"""Limits on what ports and tenants may take, and addresses that come, move, age and stay.

    a, b, c --- lan (private, no tenant)        r1, r2 --- prv (private, tenant red with limits)
"""
import vst

BCAST = 'ff:ff:ff:ff:ff:ff'


def address(i):
    return '02:aa:00:00:%02x:%02x' % (i >> 8, i & 255)


def macs(sw, **want):
    return [m for m in sw.ctl('mac list --limit 0')['macs'] if all(m[k] == v for k, v in want.items())]


def learned(sw, port, n, timeout=3):
    """How many addresses are learned at a port, once it is 'n' of them or the time is over."""
    vst.wait_for(lambda: len(macs(sw, port=port, type='learned')) == n, timeout)
    return len(macs(sw, port=port, type='learned'))


def mac_limits(t, sw, sniff):
    sw.ctl('port set a --mac-limit 5')
    for i in range(50):
        sniff['a'].send(vst.frame(BCAST, address(i), b'x'))
    n = len(sniff['b'].frames())
    t.check(learned(sw, 'a', 5) == 5, 'a port learns as many addresses as it may', len(macs(sw, port='a')))
    t.check(n >= 50, 'frames of those not learned pass all the same', n)
    t.check(vst.wait_for(lambda: [e for e in sw.events('mac-limit') if e['port'] == 'a'], 3), 'an event tells of it')
    sw.ctl('port set a --default mac-limit')
    for i in range(50):
        sniff['a'].send(vst.frame(BCAST, address(i), b'x'))
    t.check(learned(sw, 'a', 50) >= 50, 'without the limit it learns them all', len(macs(sw, port='a')))
    sw.ctl('switch set lan --mac-limit 8')
    sw.ctl('mac flush --switch lan')
    for i in range(30):
        sniff['a'].send(vst.frame(BCAST, address(i), b'x'))
    sniff['b'].frames()
    t.check(len(macs(sw, switch='lan')) == 8, 'a switch learns as many as it may', len(macs(sw, switch='lan')))
    sw.ctl('switch set lan --default mac-limit')
    for i in range(200, 230):
        sniff['r1'].send(vst.frame(BCAST, address(i), b'x'))
    sniff['r2'].frames()
    n = len(macs(sw, tenant='red'))
    t.check(n == 10, 'a tenant learns as many as it may', n)


def flood_rate(t, sw, sniff):
    data = vst.frame(BCAST, address(200), b'flood').ljust(1000, b'\0')
    sniff['r2'].frames(0.2)
    for _ in range(3000):
        sniff['r1'].send(data)  # 24 Mbit within the second, of 1 Mbit/s
    n = sum(b'flood' in f for f in sniff['r2'].frames())
    t.check(0 < n < 2000, 'a flood above --flood-rate is cut', n)
    t.check(sum(r['packets'] for r in sw.ctl('drop list')['drops'] if 'flood' in r['reason']) > 0,
            'what is cut has its drop reason', sw.ctl('drop list'))
    sw.ctl('tenant set red --default flood-rate')
    for _ in range(300):
        sniff['r1'].send(data)
    n = sum(b'flood' in f for f in sniff['r2'].frames())
    t.check(n == 300, 'without a rate all of it passes', n)


def addresses(t, sw, sniff):
    sw.ctl('mac flush')
    t.check(not macs(sw, type='learned'), 'flush forgets what was learned')
    sniff['a'].send(vst.frame(BCAST, address(1), b'x'))
    t.check(learned(sw, 'a', 1) == 1, 'an address is learned')
    before = len(sw.events('mac-moved'))
    sniff['b'].send(vst.frame(BCAST, address(1), b'x'))
    t.check(vst.wait_for(lambda: macs(sw, mac=address(1), port='b'), 3), 'it moves to the port that sends from it')
    moved = vst.wait_for(lambda: sw.events('mac-moved')[before:], 3)
    t.check(moved and address(1) in moved[0]['text'] and 'a' in moved[0]['text'], 'an event tells of the move', moved)

    sw.ctl(f'mac add lan {address(2)} --port c')
    for s in sniff.values():
        s.frames(0.1)
    sniff['a'].send(vst.frame(BCAST, address(2), b'x'))
    sniff['b'].send(vst.frame(address(2), address(9), b'to-static'))
    t.check(sniff['c'].find(b'to-static') is not None, 'a frame to a static address reaches its port')
    t.check(sniff['a'].find(b'to-static', 0.3) is None, 'and only that')
    t.check(macs(sw, mac=address(2), port='c', type='static'), 'no frame moves a static address', macs(sw))
    sw.ctl('mac flush')
    t.check(macs(sw, mac=address(2), type='static'), 'flush leaves it')
    sw.ctl(f'mac remove lan {address(2)}')
    t.check(not macs(sw, mac=address(2)), 'remove does not')

    sw.ctl('switch set lan --mac-age 1s')
    sniff['a'].send(vst.frame(BCAST, address(3), b'x'))
    t.check(vst.wait_for(lambda: macs(sw, mac=address(3)), 1), 'with an age of 1 s an address is learned')
    t.check(vst.wait_for(lambda: not macs(sw, mac=address(3)), 10), 'and forgotten when it falls silent', macs(sw))

    sw.ctl('port set c --flood off')
    for s in sniff.values():
        s.frames(0.1)
    sniff['a'].send(vst.frame(address(77), address(3), b'unknown'))
    t.check(sniff['b'].find(b'unknown') is not None and sniff['c'].find(b'unknown', 0.3) is None,
            '--flood off: unknown addresses are not flooded there')
    sniff['a'].send(vst.frame('01:80:c2:00:00:00', address(3), b'bpdu'))
    t.check(sniff['b'].find(b'bpdu', 0.3) is None, 'bridge protocol frames are dropped')
    sw.ctl('port set a --bpdu on')
    sw.ctl('port set b --bpdu on')
    sniff['a'].send(vst.frame('01:80:c2:00:00:00', address(3), b'bpdu'))
    t.check(sniff['b'].find(b'bpdu', 1) is not None, 'and pass between ports with --bpdu on')


def refusals(t, sw):
    def refused(command, what, codes=(5, 4)):
        before = sw.ctl('config show')['text']
        code, _, err = sw.tool(command)
        t.check(code in codes and 'error[' in err and 'why:' in err and sw.ctl('config show')['text'] == before,
                what, (code, err))

    sw.ctl('switch add int --type internal')
    sw.ns.run('ip link add v0 type veth peer name v1')
    refused('port add lan h --kind host', 'a private switch takes no host port')
    refused('port add lan v0 --kind phys', 'nor a wire')
    refused('port add int v0 --kind phys', 'an internal switch takes no wire')
    refused('switch remove lan', 'a switch with ports is not removed')
    refused('tenant remove red', 'a tenant with ports is not removed')
    sw.ns.run('ip addr add 10.9.9.9/24 dev v0')
    sw.ctl('switch add ext --type external')
    refused('port add ext v0 --kind phys', 'an interface with an address is not taken unasked')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('switch add prv --type private')
    sw.ctl('tenant add red --id 7 --mac-limit 10 --flood-rate 1M')
    sniff = {n: sw.tap('lan', n).sniff(n) for n in ('a', 'b', 'c')}
    sniff.update({n: sw.tap('prv', n, options='--tenant red').sniff(n) for n in ('r1', 'r2')})
    mac_limits(t, sw, sniff)
    flood_rate(t, sw, sniff)
    addresses(t, sw, sniff)
    refusals(t, sw)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    sw.ctl('mac add lan 02:00:00:00:00:01 --port a')
    sw.ctl('switch remove prv --with-ports')
    sw.ctl('switch remove lan --with-ports')
    t.check(sw.ctl('port list')['ports'] == [], 'a switch goes with its ports and static addresses')


vst.main(test)
