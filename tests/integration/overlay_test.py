# SPDX-License-Identifier: BSD-2-Clause
"""Overlays against the kernel's own: a VXLAN device of Linux is the far end.

      ┌ a (10.9.0.1) ┐                                         far end's namespace
      │  overlay lan ├─ vx0 ─► VTEP 192.0.2.1 ─ ext ─ u0 ══ 192.0.2.2 ─ vxlan ─ 10.9.0.2
      └──────────────┘
"""
import vst


def far_end(sw, vni=100, mtu=None):
    ns = sw.tap('ext', 'u0', '192.0.2.2/24', mtu=mtu)
    ns.run(f'ip link add vx type vxlan id {vni} local 192.0.2.2 remote 192.0.2.1 dstport 4789')
    ns.run('ip addr add 10.9.0.2/24 dev vx')
    ns.run('ip link set vx up')
    return ns


def test(t):
    sw = t.daemon()
    sw.ctl('switch add ext --type external')
    sw.ctl('switch add lan --type private')
    far = far_end(sw)
    sw.ctl('port add ext vtep0 --kind vtep --address 192.0.2.1/24')
    sw.ctl('port add lan vx0 --kind vxlan --vtep vtep0 --remote 192.0.2.2 --key 100')
    a = sw.tap('lan', 'a', '10.9.0.1/24')
    t.check(far.reaches('192.0.2.1'), 'the VTEP answers ARP and echo')
    t.check(a.reaches('10.9.0.2'), 'a reaches the far end through VXLAN')
    t.check(far.ping('10.9.0.1'), 'the far end reaches a')
    t.check(a.ping('10.9.0.2', count=5, size=1300), 'with longer packets')
    t.check(sw.balanced(), 'the ledger balances')


vst.main(test, programs=['ip'])
