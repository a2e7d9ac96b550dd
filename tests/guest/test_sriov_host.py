#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""VFs of a real driver: made, shown, outlived by the configuration and not by anything else.

    L1 (this) ── igb, 7 VFs, an IOMMU
"""
import glob
import os

import guest
import vst

PF = '0000:01:00.0'
DEVICE = '/sys/bus/pci/devices/' + PF
S = 60  # The processor is an emulated one.


def read(path):
    with open(path) as f:
        return f.read().strip()


def numvfs():
    return int(read(DEVICE + '/sriov_numvfs'))


def refused(t, sw, words, slug, sentence):
    code, _, err = sw.tool(words)
    t.check(code not in (0, 6) and f'error[{slug}]' in err, sentence, (code, err))


def pf_row(sw):
    return [p for p in sw.ctl('sriov list')['pfs'] if p['address'] == PF][0]


def shown(t, sw, card):
    row = pf_row(sw)
    t.check((row['pf'], row['driver'], row['max'], row['state'], row['vfs']) == (card, 'igb', 7, 'off', 0),
            'the card is found', row)
    refused(t, sw, f'sriov vfs {card} 8', 'limit', 'more VFs than the card has are refused')
    refused(t, sw, 'sriov vfs lo 1', 'no-sriov', 'an interface without VFs is')
    refused(t, sw, f'sriov show {card}x', 'not-found', 'a name that is none is')


def made(t, sw, card):
    sw.ctl(f'sriov vfs {card} 3')
    t.check(numvfs() == 3 and read(DEVICE + '/sriov_drivers_autoprobe') == '0', 'three VFs are made')
    row = pf_row(sw)
    t.check((row['state'], row['vfs'], row['configured']) == ('ready', 3, 3), 'and shown', row)
    vfs = sw.ctl(f'sriov show {card}')['functions']
    t.check([v['state'] for v in vfs] == ['free'] * 3 and [v['driver'] for v in vfs] == [''] * 3,
            'they are free, and without a driver', vfs)
    t.check(len({v['group'] for v in vfs} - {None}) == 3, 'each is in an IOMMU group of its own', vfs)
    t.check(all(v['spoof_check'] is True and v['vlan'] is None for v in vfs), "the driver says what it enforces", vfs)
    t.check(f'sriov vfs {card} 3' in sw.ctl('config show')['text'], 'the number is configuration')


def changed_behind_its_back(t, sw, card):
    with open(DEVICE + '/sriov_numvfs', 'w') as f:
        f.write('0')
    t.check(vst.wait_for(lambda: sw.events('sriov-waits'), S), 'somebody else takes them away: an event says so')
    t.check(vst.wait_for(lambda: numvfs() == 3 and pf_row(sw)['state'] == 'ready', S), 'and they are made again')


def outlived(t, sw, card):
    sw.kill()
    t.check(numvfs() == 3, 'killed, it leaves the VFs')
    sw.start()
    t.check(pf_row(sw)['state'] == 'ready' and numvfs() == 3, 'the next one takes them up', pf_row(sw))
    t.check(sw.stop() == 0 and numvfs() == 0 and read(DEVICE + '/sriov_drivers_autoprobe') == '1',
            'a stop undoes what nobody uses')
    t.check(not glob.glob(os.path.join(sw.dir, 'sriov-journal*')), 'and leaves no journal')
    sw.start()
    t.check(numvfs() == 3, 'a start makes them again')
    sw.ctl(f'sriov remove {card}')
    t.check(numvfs() == 0 and read(DEVICE + '/sriov_drivers_autoprobe') == '1', 'removed, all is as it was')


def others(t, sw, card):
    with open(DEVICE + '/sriov_numvfs', 'w') as f:
        f.write('2')
    refused(t, sw, f'sriov vfs {card} 4', 'vfs-exist', 'VFs that somebody else made are not taken away')
    sw.ctl(f'sriov vfs {card} 2')
    t.check(pf_row(sw)['state'] == 'ready', 'but taken as they are', pf_row(sw))
    sw.ctl(f'sriov remove {card}')
    t.check(numvfs() == 2, 'and stay when the switch lets go')


def test(t):
    card = os.listdir(DEVICE + '/net')[0]
    sw = t.daemon('pfs', ns=guest.Here(t))
    shown(t, sw, card)
    made(t, sw, card)
    changed_behind_its_back(t, sw, card)
    outlived(t, sw, card)
    others(t, sw, card)


vst.main(test)
