# SPDX-License-Identifier: BSD-2-Clause
"""Loops that storm, and the loop guard that ends them.

    a ── switch lan ── g1 ─┐ guest: a Linux bridge       ext ── p1 ═══ veth ═══ w1 ─┐ the same
          │        └── g2 ─┘ without spanning tree         └── p2 ═══ veth ═══ w2 ─┘ by cables
          └── c
"""
import time

import vst

SOON = 3  # seconds in which docs/architecture.md says a storm ends


def group_rate(sw, names):
    def n():
        return sum(sw.ctl(f'port show {name}')['rx_packets'] for name in names)
    before, start = n(), time.monotonic()
    time.sleep(0.5)
    return (n() - before) / (time.monotonic() - start)


def bridge(ns, *ports):
    ns.run('ip link add loop0 type bridge stp_state 0 mcast_snooping 0')
    ns.run('ip link set loop0 up')
    for port in ports:
        ns.run(f'ip link set {port} master loop0 up')


def storm_ends(t, sw, sender, names, held, stays):
    """A broadcast into the loop that was just made."""
    start = time.monotonic()
    seen = len(sw.events('loop'))
    sniff = sender.sniff(sender.ifname)
    for i in range(20):
        sniff.send(vst.frame('ff:ff:ff:ff:ff:ff', f'02:00:00:00:01:{i:02x}', b'round and round'))
    t.check(vst.wait_for(lambda: sw.events('loop')[seen:], 15, 0.1), 'the guard says that there is a loop')
    took = time.monotonic() - start
    t.check(took < SOON, f'within {SOON} seconds', took)
    event = (sw.events('loop')[seen:] or [{}])[0]
    t.check(event.get('port') == held and names[0] in event.get('text', '') and names[1] in event.get('text', ''),
            f'it holds {held}, and says what came back', event)
    t.check((sw.port(held) or {}).get('state') == 'held' and 'loop' in sw.port(held)['note'], 'as the list of ports does',
            sw.port(held))
    t.check(sw.port(stays)['state'] == 'up', f'{stays} goes on', sw.port(stays))
    t.check(vst.wait_for(lambda: group_rate(sw, names) < 50, 5), 'the storm has ended', group_rate(sw, names))
    t.check(sum(sw.drops(name, 'loop-probe') for name in names) > 0, 'probes that came in are counted',
            sw.ctl('drop list'))
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    sniff.close()


def guest_loop(t, sw, a, c):
    g = sw.tap('lan', 'g1')
    sw.ctl(f'port add lan g2 --kind tap --netns {g.name}')
    bridge(g, 'g1', 'g2')
    storm_ends(t, sw, a, ['g1', 'g2'], 'g2', 'g1')
    t.check(a.reaches('10.0.0.2'), 'the others reach each other')
    n = len(sw.events('loop'))
    time.sleep(13)
    t.check(sw.port('g2')['state'] == 'held' and len(sw.events('loop')) == n and group_rate(sw, ['g1', 'g2']) < 50,
            'it is held as long as the loop is there, and there is no second storm', sw.port('g2'))
    g.run('ip link set g2 nomaster')
    start = time.monotonic()
    t.check(vst.wait_for(lambda: sw.port('g2')['state'] == 'up', 10, 0.2), 'without the loop it forwards again',
            sw.port('g2'))
    t.check(time.monotonic() - start < 8 and [e for e in sw.events('loop-end') if e['port'] == 'g2'],
            'a few seconds later, and an event says so', time.monotonic() - start)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    sw.ctl('port remove g1')
    sw.ctl('port remove g2')


def guard_off(t, sw, a):
    g = sw.tap('lan', 'h1')
    sw.ctl(f'port add lan h2 --kind tap --netns {g.name}')
    bridge(g, 'h1', 'h2')
    storm_ends(t, sw, a, ['h1', 'h2'], 'h2', 'h1')
    g.run('ip link set loop0 down')
    sw.ctl('switch set lan --loop-guard off')
    t.check(vst.wait_for(lambda: sw.port('h2')['state'] == 'up', 4, 0.2), 'switched off, the guard lets go at once',
            sw.port('h2'))
    sw.ctl('switch set lan --default loop-guard')
    sw.ctl('port remove h1')
    sw.ctl('port remove h2')


def joined_is_no_loop(t, sw, a):
    """A guest that bridges two switches, or two VLANs, is what it was made for."""
    sw.ctl('switch add other --type private')
    g = sw.tap('lan', 'j1')
    sw.ctl(f'port add other j2 --kind tap --netns {g.name}')
    x = sw.tap('other', 'x', '10.0.0.9/24')
    bridge(g, 'j1', 'j2')
    n = len(sw.events('loop'))
    sniff = a.sniff('a')
    end = time.monotonic() + 4
    while time.monotonic() < end:
        for i in range(100):
            sniff.send(vst.frame('ff:ff:ff:ff:ff:ff', '02:00:00:00:02:01', b'many'))
        time.sleep(0.1)
    t.check(len(sw.events('loop')) == n and sw.port('j1')['state'] == 'up' and sw.port('a')['state'] == 'up',
            'many broadcasts through a guest that joins two switches are no loop', sw.events('loop')[n:])
    t.check(a.reaches('10.0.0.9'), 'they reach the other switch')
    for port in ('j1', 'j2', 'x'):
        sw.ctl(f'port remove {port}')


def cable_loop(t, sw):
    sw.ctl('switch add ext --type external')
    far = t.ns('far')
    for i in (1, 2):
        sw.ns.run(f'ip link add p{i} type veth peer name w{i} netns {far.name}')
        sw.ctl(f'port add ext p{i} --kind phys --driver af_packet')
    v = sw.tap('ext', 'v')
    v.ifname = 'v'
    bridge(far, 'w1', 'w2')
    vst.wait_for(lambda: sw.port('p2')['link'] == 'up', 5)
    storm_ends(t, sw, v, ['p1', 'p2'], 'p2', 'p1')


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a, c = sw.tap('lan', 'a', '10.0.0.1/24'), sw.tap('lan', 'c', '10.0.0.2/24')
    a.ifname = 'a'
    joined_is_no_loop(t, sw, a)
    guest_loop(t, sw, a, c)
    guard_off(t, sw, a)
    cable_loop(t, sw)


vst.main(test)
