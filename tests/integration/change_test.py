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


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a = sw.tap('lan', 'a', '10.0.0.1/24')
    live_changes(t, sw, a)
    devices_change_hands(t, sw, a)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test)
