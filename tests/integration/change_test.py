# SPDX-License-Identifier: BSD-2-Clause
"""Changes of what stands: they reach the device, whole or not at all, and devices may change hands."""
import vst


def live_changes(t, sw, a):
    def link():
        return a.run('ip addr show a').stdout

    mac = sw.port('a')['mac']
    sw.ctl('port set a --address 10.0.0.9/24 --mac 02:00:00:00:00:77')
    t.check('10.0.0.9/24' in link() and '10.0.0.1/' not in link(), 'a new address takes the place of the old', link())
    sw.ctl('port set a --default address,mac')
    t.check('inet ' not in link(), 'the default is no address', link())
    t.check(sw.port('a')['mac'] == mac and mac in link(), 'the default MAC is the one that the device came with', link())
    for wrong in ('--mac 03:00:00:00:00:01', '--address 10.0.0.5/24,0.0.0.0/0'):
        code, out, err = sw.tool(f'port set a --mtu 1400 {wrong}')
        t.check(code != 0 and 'mtu 1500' in link() and 'inet ' not in link(), f'after a refused {wrong} the MTU is as before',
                out + err + link())


def devices_change_hands(t, sw, a):
    sw.ns.run('ip link add v0 type veth peer name w0')
    for name in ('v0', 'w0'):
        sw.ns.run(f'ip link set {name} up')
    sw.ctl('switch add ext --type external')
    sw.ctl('port add ext up --kind phys --device v0')
    driver, old = sw.port('up')['driver'], sw.tool('config show')[1]
    new = old.replace('port add ext up ', 'port add ext up2 ').replace('port add lan a ', 'port add lan a2 --ifname a ')

    code, out, err = sw.tool('config load -', new)
    t.check(code == 0 and sw.up('a2') and sw.up('up2'), 'ports of other names take over the interfaces', out + err)
    t.check((sw.port('up2') or {}).get('driver') == driver, f'the driver is {driver} as before', sw.port('up2'))
    sw.ctl('config load -', stdin=old)
    a.run('ip link add taken type veth peer name peer')
    code, out, err = sw.tool('config load -', new + f'port add lan b --kind tap --netns {a.name} --ifname taken\n')
    t.check(code == 4 and sw.tool('config show')[1] == old, 'a change that fails half-way is refused whole', out + err)
    t.check(sw.up('a') and sw.up('up') and sw.port('up')['driver'] == driver, 'and the old ports are back',
            sw.ctl('port list'))


def errors_name_the_line(t, sw):
    """What only the whole configuration shows is still said of the line that brought it."""
    old = sw.tool('config show')[1]
    start = old.rstrip('\n').count('\n') + 1
    for lines, bad, words in (
            (['# a comment', '', 'port add lan w1 --kind phys \\', '  --device v9', 'port add lan w2 --kind tap --netns x'],
             3, 'external'),
            (['port add nosuch w1 --kind mem', 'port add lan w2 --kind mem'], 1, 'nosuch'),
            (['mac add lan 02:00:00:00:00:01 --port a', 'port add lan w1 --kind mem',
              'mac add lan 02:00:00:00:00:01 --port w1'], 3, "port a's"),
            (['port add lan w1 --kind mem', 'port add lan w2 --kind mem', 'vlan set w1 --isolated 5,6',
              'vlan set w2 --isolated 7,6'], 4, 'secondary'),
            (['tenant add t1 --id 5', 'tenant add t2 --id 6', 'tenant add t3 --id 5'], 3, 'id 5'),
            (['port add lan w1 --kind tap --netns nosuch'], 1, 'namespace')):
        for verb in ('load', 'check'):
            code, out, err = sw.tool(f'config {verb} -', old + '\n'.join(lines) + '\n')
            t.check(code in (1, 3, 4, 5) and f': line {start + bad}: ' in err.splitlines()[0] and words in err,
                    f'config {verb} names line {bad} of what was added', f'{code} {start} {out}{err}')
        code, out, err = sw.tool('config load --merge -', '\n'.join(lines) + '\n')
        t.check(f': line {bad}: ' in err.splitlines()[0], 'and --merge the line of its file', f'{code} {out}{err}')
        t.check(sw.tool('config show')[1] == old, 'nothing is changed')


def addresses_have_one_place(t, sw, a):
    sw.ctl(f'port add lan s1 --kind tap --netns {a.name} --mac 02:00:00:00:00:55')
    sw.ctl('port set s1 --default mac')
    t.check(sw.port('s1')['mac'] != '02:00:00:00:00:55', 'a port opened with --mac goes back to its own', sw.port('s1'))
    sw.ctl('mac add lan 02:00:00:00:00:01 --port s1')
    code, out, err = sw.tool('mac add lan 02:00:00:00:00:01 --port a')
    rows = [m for m in sw.ctl('mac list')['macs'] if m['mac'] == '02:00:00:00:00:01']
    t.check(code == 4 and len(err.splitlines()) == 3 and [m['port'] for m in rows] == ['s1'],
            'an address that is static on another port stays there', f'{code} {err} {rows}')
    t.check(all('age' not in m for m in rows) and len(rows) == 1, 'a static address has no age', rows)
    old = sw.tool('config show')[1]
    sw.ctl('config load -', stdin=old.replace('02:00:00:00:00:01 --port s1', '02:00:00:00:00:01 --port a'))
    rows = [m for m in sw.ctl('mac list')['macs'] if m['mac'] == '02:00:00:00:00:01']
    t.check([m['port'] for m in rows] == ['a'], 'in one change it moves', rows)
    code, out, err = sw.tool('port set s1 --mac 01:00:5e:00:00:01')
    t.check(code == 5 and len(err.splitlines()) == 3 and 'group address' in err, 'a group address is refused', err)
    sw.ctl('port remove s1')
    sw.ctl('mac remove lan 02:00:00:00:00:01')


def address_stays_over_a_restart(t, sw, a):
    before = sw.port('a')['mac']
    sw.ctl('port add lan a3 --kind tap --netns ' + a.name)
    other = sw.port('a3')['mac']
    sw.ctl('port remove a3')
    sw.stop()
    sw.start()
    t.check(sw.port('a')['mac'] == before and before in a.run('ip link show a').stdout,
            'a tap has the same MAC after a restart', f"{before} {sw.port('a')}")
    t.check(other != before and int(before[:2], 16) & 3 == 2, 'its own, and locally administered', before)


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    live_changes(t, sw, a)
    addresses_have_one_place(t, sw, a)
    errors_name_the_line(t, sw)
    devices_change_hands(t, sw, a)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())
    address_stays_over_a_restart(t, sw, a)


vst.main(test)
