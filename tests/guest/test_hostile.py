#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Guests that mean harm, and files that are no kernels.

    test_hostile.py VSWITCHD VSWITCHCTL HOSTILE-GUEST

    h  hostile-guest: lies in hypercalls, MSRs, messages, GPADLs, rings; writes to its own interrupt pages  ══╗
    a  a kernel that minds its own business                                                                  ══╩═ lan, internal ── host port

Whatever h does, at worst its own machine stops; a and the switch notice nothing.
"""
import os
import sys
import time

import guest
import vst

ROUNDS = 1500


class Hostile(guest.Vm):
    def __init__(self, t, sw, name, seed, face, processors, words='clock'):
        super().__init__(sw, name, create=False)
        disk = t.file(f'{name}.img')
        with open(disk, 'wb') as f:
            f.truncate(1 << 20)
        sw.ctl(['vm', 'create', name, '--kernel', os.path.abspath(sys.argv[3]), '--cmdline', f'seed={seed} rounds={ROUNDS} cpus={processors} {words}',
                '--memory', '64M', '--processors', str(processors), '--face', face, '--restart', 'never', '--nic', 'lan', '--disk', disk])


def attack(t, sw, a, seed, face, processors):
    name = f'h{seed}{face}'
    title = f'seed {seed}, face {face}, {processors} processors'
    began = time.monotonic()
    h = Hostile(t, sw, name, seed, face, processors)
    worker = sw.proc.pid
    h.start(wait=False)
    h.attach()
    vst.wait_for(lambda: h.listen(0.5) and False or h.state() in ('stopped', 'crashed'), 150, 0.5)
    while h.listen(0.2):
        pass
    state = h.state()
    print(f'{title}: {state} after {time.monotonic() - began:.0f} s: {h.text().strip().splitlines()[-1:]} {h.show()["note"]}', flush=True)
    t.check(state in ('stopped', 'crashed'), f'{title}: it comes to its end', (h.show(), h.tail()))
    t.check('survived' in h.text(), f'{title}: and its host survived all of it', (h.show(), h.tail(), h.log_text()[-2000:]))
    t.check('reference time agrees' in h.text(), f'{title}: the page and the counter tell the same time', h.text())
    t.check(sw.proc.poll() is None and sw.proc.pid == worker, f'{title}: the switch lives')
    t.check(a.ping('10.0.0.1', count=2), f'{title}: the other guest goes on')
    h.close()
    if state not in ('stopped', 'crashed'):
        sw.ctl(f'vm stop {name} --off')
    sw.ctl(f'vm delete {name}')


def last_words(t, sw, face):
    """It starts anew by Hyper-V's reset register, and then says that it crashed, with a text."""
    h = Hostile(t, sw, f'w{face}', 9, face, 1, words='reset crash')
    h.start(wait=False)
    h.attach()
    vst.wait_for(lambda: h.listen(0.5) and False or h.state() in ('stopped', 'crashed'), 90, 0.5)
    while h.listen(0.2):
        pass
    shown = h.show()
    t.check(h.text().count('hostile: seed 9') == 2, f'face {face}: a guest that resets itself starts again', (shown, h.tail()))
    t.check('hostile: this is the ?[1mend' in shown['note'], f'face {face}: what it says of its crash is kept, and harmless to print', shown)
    h.close()
    sw.ctl(f'vm delete w{face}')


def refused(t, sw, what, kernel, words, options=''):
    code, _, err = sw.tool(f'vm create bad --kernel {kernel} --restart never {options}')
    made = code == 0
    if made:
        code, _, err = sw.tool('vm start bad')
    t.check(code != 0 and 'error[' in err and any(w in err for w in words), f'{what}: refused, and why', (code, err))
    if made:
        t.check(sw.ctl('vm show bad')['state'] != 'running', f'{what}: nothing runs')
        sw.ctl('vm delete bad')


def no_kernels(t, sw):
    kernel = guest.kernel_path('kernel-cloud')
    with open(kernel, 'rb') as f:
        whole = f.read()
    with open(guest.kernel_path('kernel-cloud', 'bzImage'), 'rb') as f:
        packed = f.read()

    def file(name, data):
        path = t.file(name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    refused(t, sw, 'an empty file', file('empty', b''), ['empty'])
    refused(t, sw, 'a text', file('text', b'no kernel at all\n' * 100), ['kernel'])
    refused(t, sw, 'half a vmlinux', file('half', whole[:len(whole) // 2]), ['truncated', 'ends', 'short', 'beyond', 'cut'])
    refused(t, sw, 'half a bzImage', file('bzhalf', packed[:len(packed) // 2]), ['truncated', 'ends', 'short', 'beyond', 'cut'])
    refused(t, sw, 'a header alone', file('header', packed[:1024]), ['truncated', 'ends', 'short', 'beyond', 'cut', 'kernel'])
    refused(t, sw, 'a kernel larger than memory', kernel, ['memory', 'fit'], '--memory 32M')
    refused(t, sw, 'an initrd larger than memory', kernel, ['memory', 'fit'], f'--memory 64M --initrd {file("big", bytes(80 << 20))}')


def test(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type internal')
    sw.ctl('port add lan host --kind host --address 10.0.0.1/24')
    a = guest.Vm(sw, 'a', nics=['lan'])
    a.start()
    a.address('10.0.0.2/24')
    t.check(a.reaches('10.0.0.1'), 'a reaches the host')
    no_kernels(t, sw)
    for seed, face, processors in ((1, 'kvm', 1), (2, 'user', 1), (3, 'kvm', 2), (4, 'user', 2)):
        attack(t, sw, a, seed, face, processors)
    for face in ('kvm', 'user'):
        last_words(t, sw, face)
    t.check(a.complaints() == '', "a's kernel complains of nothing", a.complaints())
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())


vst.main(test)
