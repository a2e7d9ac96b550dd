#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a host does for its guests besides frames: disks, integration services, memory, the console, and the end.

    s  2 processors: two disks, a DVD, a NIC on lan; hv_kvp_daemon and hv_vss_daemon run in it
    m  memory that changes
"""
import os
import re
import subprocess
import time

import guest
import vst

MB = 1 << 20


def disk_file(t, name, size=64 * MB, text=None):
    path = t.file(name)
    with open(path, 'wb') as f:
        if text:
            f.write(text)
        f.truncate(size)
    return path


def disks(t, sw, s, image):
    one, two = s.unit(0), s.unit(1)
    t.check(s.out(f'cat /sys/block/{one}/size') == str(64 * MB // 512), 'a disk has its size')
    can = int(s.out('cat /sys/class/scsi_host/host0/can_queue'))
    t.check(can >= 64, 'and a deep queue', can)
    s.run(f'dd if=/dev/urandom of=/tmp/x bs=64k count=32 2>/dev/null; dd if=/tmp/x of=/dev/{one} bs=64k seek=3 conv=fsync 2>/dev/null')
    t.check(s.out(f'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/{one} bs=64k skip=3 count=32 2>/dev/null | cmp - /tmp/x && echo same') == 'same',
            'what is written is read')
    here = subprocess.run(f'dd if={image} bs=64k skip=3 count=32 2>/dev/null | md5sum', shell=True, stdout=subprocess.PIPE, text=True).stdout
    t.check(here.split()[0] == s.out('md5sum </tmp/x').split()[0], 'and is in the file')
    before = os.stat(image).st_blocks
    s.run(f'blkdiscard /dev/{one}', ok=None)
    t.check(os.stat(image).st_blocks < before, 'discard gives the room back', (before, os.stat(image).st_blocks))
    t.check(s.out('dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | head -c 4') == 'DVD:', 'a DVD is read')
    t.check(not s.run('dd if=/dev/zero of=/dev/sr0 bs=2048 count=1 conv=fsync', ok=None).ok, 'and not written')
    t.check(not s.run(f'dd if=/dev/zero of=/dev/{two} bs=4096 count=1 conv=fsync', ok=None).ok, 'nor is a disk that is read-only')
    sw.ctl(f'disk add s/late {disk_file(t, "late.img", 32 * MB)}')
    t.check(vst.wait_for(lambda: s.out('cat /sys/block/sdc/size', ok=None) == str(32 * MB // 512), 15), 'a disk is added while it runs',
            s.out('ls /sys/block; dmesg | tail -5'))
    sw.ctl('disk remove s/late')
    t.check(vst.wait_for(lambda: not s.run('test -e /sys/block/sdc', ok=None).ok, 15), 'and removed')


def services(t, sw, s):
    s.run('mkdir -p /var/lib/hyperv; hv_kvp_daemon; hv_vss_daemon; sleep 1', ok=None)
    t.check(vst.wait_for(lambda: s.show().get('heartbeat') in (True, 'ok', 'yes'), 20), 'the heartbeat is heard', s.show().get('heartbeat'))
    got = vst.wait_for(lambda: s.show() if '10.0.0.1' in str(s.show().get('ips')) else None, 90, 1)
    t.check(got, "the guest's address is shown", s.show())
    t.check('Linux' in str(s.show().get('os')) or s.kernel[:3] in str(s.show().get('os')), 'and its system', s.show().get('os'))
    t.check('10.0.0.1' in str(sw.ctl('nic show s/nic0')), 'also beside the NIC', sw.ctl('nic show s/nic0').get('ips'))
    t.check(s.out('cat /sys/class/ptp/ptp*/clock_name') == 'hyperv', 'the time is there to be asked for')
    s.run('date -s "2001-02-03 04:05:06"')
    sw.ctl('vm pause s')
    t.check(s.state() == 'paused', 'paused is paused')
    sw.ctl('vm resume s')
    right = vst.wait_for(lambda: abs(int(s.out('date +%s')) - time.time()) < 15, 40, 1)
    t.check(right, 'resumed, it goes on, and a clock that stands wrong is set right', s.out('date'))


def balloon(t, sw):
    m = guest.Vm(sw, 'm', memory='512M', options='--memory-min 192M --memory-max 512M')
    m.start()
    full = int(m.out("awk '/^MemFree/ { print $2 }' /proc/meminfo"))
    t.check(full > 250000, 'a guest starts with its memory', full)
    taken = vst.wait_for(lambda: int(m.out("awk '/^MemFree/ { print $2 }' /proc/meminfo")) < full - 100000, 120, 2)
    t.check(taken, 'what it does not need the balloon takes', (m.show(), m.out('free -m; dmesg | grep -i balloon')))
    resident = m.sw.ctl('vm stats m')['vms'][0]
    print(f'balloon: {resident}', flush=True)
    m.run('mount -t tmpfs -o size=400M big /mnt; dd if=/dev/zero of=/mnt/x bs=1M count=120 2>/dev/null', ok=None, timeout=120)
    back = vst.wait_for(lambda: int(m.out("awk '/^MemFree/ { print $2 }' /proc/meminfo")) > 50000, 60, 2)
    t.check(back, 'and it gets it back when it does', m.out('free -m'))
    t.check(m.complaints() == '', "m's kernel complains of nothing", m.complaints())
    sw.ctl('vm stop m --off')


def console(t, sw, s):
    tool = subprocess.run([t.vswitchctl, '--socket', sw.socket, 'vm', 'console', 's'], input=b'', stdout=subprocess.PIPE, timeout=30)
    t.check(b'@@ready' in tool.stdout, 'the console shows what was said before', tool.stdout[-200:])


def ends(t, sw, s):
    sw.ctl('vm stop s', timeout=90)
    text = s.text()
    s.listen(0.5)
    t.check(s.is_state('stopped'), 'a guest that is asked to shut down does', (s.show(), text[-500:]))


def crash(t, sw):
    c = guest.Vm(sw, 'c', options='--on-crash stop --restart never')
    c.start()
    c.send('echo 1 >/proc/sys/kernel/sysrq; echo "words of the test" >/dev/kmsg; echo c >/proc/sysrq-trigger')
    t.check(vst.wait_for(lambda: c.state() in ('crashed', 'stopped'), 30), 'a guest panics: it stops', c.show())
    shown = str(c.show())
    t.check('sysrq' in shown or 'panic' in shown, 'what it said at last is shown', shown)
    events = str(sw.ctl('events --limit 200'))
    t.check(re.search(r'crash|panic', events), 'and is an event', events[-800:])


def test(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    image = disk_file(t, 'one.img')
    # ACPI's power button is what shutdown ends with; busybox's init is not there to hear, so the agent's poweroff stands in.
    s = guest.Vm(sw, 's', processors=2, nics=['lan'],
                 disks=[image, disk_file(t, 'two.img') + ',readonly', disk_file(t, 'cd.iso', MB, b'DVD: here')])
    s.start()
    s.address('10.0.0.1/24')
    disks(t, sw, s, image)
    services(t, sw, s)
    console(t, sw, s)
    t.check(s.complaints() == '', "s's kernel complains of nothing", s.complaints())
    ends(t, sw, s)
    crash(t, sw)
    balloon(t, sw)


vst.main(test)
