#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A guest that means harm (hostile/) harms nobody but itself.

    bad  ══╗
    good ══╬═ lan, private
           ╝

It does to hypercalls, MSRs, SynIC's pages, ports, VMBus and each device's channel what no kernel would, with Hyper-V played by KVM
and by the worker, on one processor and on two; then it switches its machine off, which it can only if that still runs. A neighbour
on the same switch notices nothing; the log is not flooded.
"""
import os
import re
import sys

import guest
import vst

RUNS = [('kvm', 1, 'seed=11 rounds=700'), ('user', 1, 'seed=12 rounds=700'), ('kvm', 2, 'seed=13 rounds=500'), ('user', 2, 'seed=14 rounds=500'),
        ('kvm', 1, 'seed=15 rounds=50 crash'), ('user', 1, 'seed=16 rounds=50 crash')]
LOG_LINES = 400  # A run makes some thousands of faults.


def hostile_guest():
    return os.path.join(os.path.dirname(os.path.realpath(sys.argv[2])), '..', 'tests', 'guest', 'hostile', 'hostile-guest')


class Bad(guest.Vm):
    """The hostile guest: it says on its console how far it is, and ends."""

    def __init__(self, sw, name, face, processors, cmdline, disk):
        super().__init__(sw, name, create=False)
        sw.ctl(['vm', 'create', name, '--kernel', os.path.realpath(hostile_guest()), '--cmdline', cmdline, '--memory', '64M', '--processors',
                str(processors), '--face', face, '--nic', 'lan', '--disk', disk, '--restart', 'never'])


def attack(t, sw, run, good):
    face, processors, cmdline = run
    title = f'{face}, {processors} processors, {cmdline}'
    image = t.file('bad.img')
    with open(image, 'wb') as f:
        f.truncate(8 << 20)
    bad = Bad(sw, 'bad', face, processors, cmdline, image)
    sw.ctl('vm start bad')
    ended = vst.wait_for(lambda: bad.state() not in ('running', 'starting'), 120, 0.5)
    shown, log = bad.show(), bad.log_text()
    t.check(ended, f'{title}: it ends', f'{shown}\n{log[-3000:]}')
    if 'crash' in cmdline:
        t.check(shown['state'] == 'crashed' and 'dead0000' in str(shown) + log, f'{title}: as a crash that it told of', shown)
    else:
        t.check(shown['state'] == 'stopped' and 'power' in str(shown), f'{title}: because it switched itself off', f'{shown}\n{log[-3000:]}')
    t.check(not re.search(r'Sanitizer|assert|sandbox:|Segmentation', log), f'{title}: the worker did nothing that it must not', log[-3000:])
    t.check(len(log.splitlines()) < LOG_LINES, f'{title}: its log is no flood', len(log.splitlines()))
    t.check(good.state() == 'running' and 'ok' in good.out('echo ok'), f'{title}: its neighbour lives')
    sw.ctl('vm delete bad')


def test(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    good = guest.Vm(sw, 'good', nics=['lan']).start()
    good.address('10.0.0.1/24')
    for run in RUNS:
        attack(t, sw, run, good)
    other = guest.Vm(sw, 'other', nics=['lan']).start()
    other.address('10.0.0.2/24')
    t.check(good.reaches('10.0.0.2'), 'and the switch goes on for honest guests')
    t.check(good.complaints() == '', "the neighbour's kernel complains of nothing", good.complaints())
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())


vst.main(test)
