#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Distribution kernels boot to user space on our hypervisor and find the devices that they have drivers for.

    test_boot.py VSWITCHD VSWITCHCTL KERNEL [PROCESSORS/FACE]...

    L1 ── vswitchd, vmworker ── guest: KERNEL; 1, 2 and 4 processors; Hyper-V played by KVM, and by the worker
                                 NIC, disk, DVD; integration services; dynamic memory

What must be seen is what the reference's test plans name: lines of the kernel's log, files of sysfs.
"""
import os
import re
import sys
import time

import guest
import vst

GRID = [(1, 'kvm', 'vmlinux'), (2, 'kvm', 'vmlinux'), (4, 'kvm', 'vmlinux'), (1, 'user', 'bzImage'), (2, 'user', 'vmlinux'),
        (4, 'user', 'vmlinux')]
# What the log must have, and what it shows.
LINES = [
    (r'Hypervisor detected: Microsoft Hyper-V', 'the hypervisor is detected'),
    (r'Hyper-V: privilege flags low 0x[0-9a-f]+, high 0x[0-9a-f]+', 'its features are read'),
    (r'Hyper-V: Host Build', 'and its version'),
    (r'Hyper-V: LAPIC Timer Frequency: 0x[0-9a-f]+', 'the frequency registers are read'),
    (r'hv_vmbus: Vmbus version:5\.[0-9]', 'VMBus is of version 5'),
    (r'scsi host0: storvsc_host_t', 'storvsc finds its controller'),
    (r'Direct-Access +Msft +Virtual Disk', 'and a disk'),
    (r'hv_utils: Heartbeat IC version 3\.0', 'heartbeat is agreed on'),
    (r'hv_utils: Shutdown IC version 3\.[0-2]', 'shutdown is agreed on'),
    (r'hv_utils: TimeSync IC version 4\.0', 'time synchronization is agreed on'),
    (r'hv_balloon: Using Dynamic Memory protocol version 2\.0', 'dynamic memory is agreed on'),
]
DRIVERS = ('hv_netvsc', 'hv_storvsc', 'hv_utils', 'hv_balloon')


def check_survey(t, g, processors, title):
    # Work for the bus from each processor: a driver that has nothing to do hears nothing.
    g.run(f'for c in $(seq 0 {processors - 1}); do taskset $((1 << c)) dd if=/dev/sda of=/dev/null bs=4k skip=$((c * 1000)) count=1 '
          '2>/dev/null || exit 1; done')
    s = g.survey()
    missing = [what for pattern, what in LINES if not re.search(pattern, s.log)]
    t.check(not missing, f'{title}: the log has every line of the test plans', f'not: {missing}\n{s.text}')
    t.check(s.fact('cpus') == str(processors), f'{title}: {processors} processors run', s.fact('cpus'))
    t.check(s.fact('clock').startswith('hyperv_clocksource'), f'{title}: the clock is the reference page', s.fact('clock'))
    hits = s.fact('hyp').split()
    t.check(len(hits) == processors and all(int(n) > 0 for n in hits), f'{title}: every processor hears the bus', hits)
    for driver in DRIVERS:
        t.check(s.of(driver), f'{title}: {driver} is bound', s.text)
    opened = [d for d in s.devices if d[1] in DRIVERS and d[3] != '3']
    t.check(not opened, f'{title}: and its channels are open', opened)
    t.check(not s.missing, f'{title}: no file of sysfs is missing', s.missing)
    t.check('ptp hyperv' in s.text, f'{title}: the host is a clock of the guest', s.fact('ptp'))
    return s


def check_quiet(t, g, title):
    wrong = g.complaints()
    t.check(wrong == '', f'{title}: the kernel complains of nothing', wrong)


def one(t, sw, kernel, processors, face, image):
    title = f'{kernel} {image}, {processors} processors, face {face}'
    name = f'v{processors}{face}'
    disk, cd = t.file(f'{name}.img'), t.file('cd.iso', 'X' * 65536)
    with open(disk, 'wb') as f:
        f.truncate(64 << 20)
    vm = guest.Vm(sw, name, kernel, image, processors=processors, face=face, nics=['lan,queues=4'], disks=[disk, cd])
    vm.start()
    shown = vm.show()
    print(f'{title}: agent after {vm.boot_s:.1f} s, at {vm.uptime} s of its own time; {vm.kernel}', flush=True)
    t.check(shown['face'] == face, f'{title}: that is the face', shown['face'])
    check_survey(t, vm, processors, title)
    # Where the processor gives no random numbers they come of timers that fire in numbers.
    t.check(vm.out('head -c 1 /dev/random | wc -c', timeout=40) == '1', f'{title}: no interrupt stays without an end')
    check_quiet(t, vm, title)
    vm.send('poweroff -f')
    off = vm.is_state('stopped', 60)
    while vm.listen(0.1):
        pass
    t.check(off, f'{title}: it powers off', (vm.show(), vm.tail(), vm.sw.tool(f'vm stats {name}')[1], vm.log_text()[-2000:]))
    vm.close()
    if not off:
        sw.ctl(f'vm stop {name} --off')
    sw.ctl(f'vm delete {name}')


def test(t):
    kernel = sys.argv[3]
    if kernel not in guest.kernels():
        raise vst.Skip(f'this suite has no {kernel}')
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    print(os.uname().release, guest.kernels(), flush=True)
    for processors, face, image in GRID:
        if sys.argv[4:] and f'{processors}/{face}' not in sys.argv[4:]:
            continue
        began = time.monotonic()
        try:
            one(t, sw, kernel, processors, face, image)
        except guest.GuestFault as e:
            t.check(False, f'{kernel}, {processors} processors, face {face}: it boots', f'{e}\n{time.monotonic() - began:.0f} s')


vst.main(test)
