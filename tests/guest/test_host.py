#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The test host itself: its KVM emulates Hyper-V, and a guest of QEMU's runs in it and answers.

    L1 (this) ── QEMU, KVM ── guest: cloud kernel, agent

If this fails, what the other guest tests say is worth nothing.
"""
import fcntl
import os
import time

import guest
import vst

KVM_CHECK_EXTENSION = 0xae03
CAPS = {'IRQCHIP': 0, 'IRQFD': 32, 'IOEVENTFD': 36, 'HYPERV': 44, 'HYPERV_SYNIC2': 148, 'HYPERV_EVENTFD': 154,
        'HYPERV_CPUID': 167, 'X86_USER_SPACE_MSR': 188}


def capabilities(t):
    kvm = os.open('/dev/kvm', os.O_RDWR)
    have = {name: fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, number) for name, number in CAPS.items()}
    os.close(kvm)
    print('KVM:', ' '.join(f'{k}={v}' for k, v in have.items()), flush=True)
    for name in ('IRQCHIP', 'IRQFD', 'IOEVENTFD', 'X86_USER_SPACE_MSR'):
        t.check(have[name] > 0, f'KVM has {name}')
    return have


def test(t):
    print('kernel', os.uname().release, 'qemu', guest.qemu_program()[0], flush=True)
    capabilities(t)
    g = guest.Qemu(t, 'plain', initrd=guest.initrd(t.dir, 'kernel-cloud'))
    g.wait_ready()
    print(f'guest: {g.kernel}, agent at {g.uptime} s of its time, {time.monotonic() - g.started:.1f} s of ours', flush=True)
    t.check(g.out('echo $((6 * 7))') == '42', 'the guest does what it is told')
    t.check(g.run('exit 3', ok=None).status == 3, 'and says how it ended')
    t.check(g.out('modinfo hv_netvsc | grep -c filename') == '1', 'modules are where modprobe looks')
    t.check(g.run('for p in iperf3 tcpdump ethtool; do $p --version >/dev/null || exit 1; done; ip -V; ping -V').ok, 'its tools run')
    t.check(g.complaints() == '', 'its kernel complains of nothing', g.complaints())


vst.main(test)
