#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What dies, and what must not die with it.

    a  ══╗
    b  ══╬═ lan, private
    d  ══╝  with a disk

The switch is killed under iperf3 and starts again: TCP goes on. A worker is killed: switch and other VMs do not notice, and the
VM comes back by its policy. What a guest had synced is on the disk.
"""
import os
import signal
import time

import guest
import vst

SECONDS = 25  # of the iperf3 under which the switch dies


def build(t):
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    image = t.file('d.img')
    with open(image, 'wb') as f:
        f.truncate(64 << 20)
    a, b = guest.Vm(sw, 'a', nics=['lan']), guest.Vm(sw, 'b', nics=['lan'])
    d = guest.Vm(sw, 'd', nics=['lan'], disks=[image], options='--restart on-failure')
    for n, vm in enumerate((a, b, d), 1):
        vm.start()
        vm.address(f'10.0.0.{n}/24')
    return sw, a, b, d


def gap(text):
    """The longest time without an answer, from the lines of 'ping -D' (seconds since 1970 in front)."""
    stamps = [float(x.split(']')[0].lstrip('[')) for x in text.splitlines() if x.startswith('[') and 'time=' in x]
    return max((y - x for x, y in zip(stamps, stamps[1:])), default=None)


def switch_dies(t, sw, a, b):
    b.run('iperf3 -s -D')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    a.run(f'iperf3 -c 10.0.0.2 -t {SECONDS} -i 0 -f k >/tmp/iperf 2>&1 </dev/null & '
          'ping -D -i 0.1 10.0.0.2 >/tmp/pings 2>/dev/null </dev/null & sleep 4')
    before = {vm.name: vm.show()['pid'] for vm in (a, b)}
    sw.kill()
    began = time.monotonic()
    time.sleep(1)
    sw.start()
    print(f'the switch was away for {time.monotonic() - began:.1f} s', flush=True)
    t.check(vst.wait_for(lambda: all(vm.state() == 'running' for vm in (a, b)), 20), 'the new switch finds the VMs',
            sw.ctl('vm list'))
    t.check({vm.name: vm.show()['pid'] for vm in (a, b)} == before, 'they are the processes that they were')
    t.check(vst.wait_for(lambda: sw.ctl('nic show a/nic0')['guest'] == 'running', 20), 'and takes their channels up',
            sw.ctl('nic show a/nic0'))
    done = vst.wait_for(lambda: 'receiver' in a.out('cat /tmp/iperf', ok=None), SECONDS + 30, 1)
    said = a.out('cat /tmp/iperf')
    t.check(done and 'error' not in said, 'TCP goes on to its end', said)
    pings = a.out("killall -INT ping; sleep 1; grep -E 'time=' /tmp/pings | cut -c 1-40,60-", timeout=120)
    longest = gap(pings)
    print(f'gap: {longest} s', flush=True)
    t.check(longest is not None and longest < 15, 'the gap is that of the restart', longest)


def worker_dies(t, sw, a, b, d):
    d.run('mkdir -p /mnt && busybox mke2fs -q /dev/sda >/dev/null 2>&1; mount -t ext4 /dev/sda /mnt || mount -t ext2 /dev/sda /mnt')
    d.run('dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null && sync')
    digest = d.out('md5sum </mnt/data')
    shown = d.show()
    os.kill(shown['pid'], signal.SIGKILL)
    t.check(a.ping('10.0.0.2', count=5), 'a worker is killed: other VMs go on')
    t.check(vst.wait_for(lambda: d.show().get('pid') not in (None, shown['pid']), 60), 'it starts again by its policy', d.show())
    d.ready_again()
    t.check(d.show()['restarts'] >= 1, 'and that is counted', d.show())
    d.address('10.0.0.3/24')
    t.check(a.reaches('10.0.0.3'), 'it is back on the network')
    d.run('mount -t ext4 /dev/sda /mnt || mount -t ext2 /dev/sda /mnt')
    t.check(d.out('md5sum </mnt/data') == digest, 'what it had synced is on its disk')
    os.kill(b.show()['pid'], signal.SIGKILL)
    t.check(vst.wait_for(lambda: b.show().get('restarts', 0) >= 1, 60), 'on-failure is the default', b.show())
    b.ready_again()
    sw.ctl('vm set b --restart never')
    os.kill(b.show()['pid'], signal.SIGKILL)
    t.check(b.is_state('stopped') or b.state() == 'crashed', 'restart never: it stays down', b.show())
    time.sleep(2)
    t.check(b.state() != 'running', 'and down', b.show())


def test(t):
    sw, a, b, d = build(t)
    switch_dies(t, sw, a, b)
    worker_dies(t, sw, a, b, d)
    t.check(a.complaints() == '', "a's kernel complains of nothing", a.complaints())
    t.check(sw.balanced(), 'every frame is accounted for', sw.ledger())


vst.main(test)
