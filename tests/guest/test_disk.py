#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Disks of a distribution's kernel: file systems, discards, flushes that outlive a kill, a DVD, channels, hot add and removal,
another size, images of every format, and an image that is cut short under it.

    guest, 2 processors ── hv_storvsc ── units 0 raw, 1 qcow2, 2 VHDX, 3 VHD, 4 an ISO
"""
import json
import os
import shutil
import signal
import socket

import guest
import vst

MB = 1 << 20
TOOLS = ('mkfs.ext4', 'e2fsck', 'lsblk', 'fstrim', 'blkdiscard')
MARK = b'this stands in block 20'


def image_files():
    found = []
    for tool in TOOLS:
        path = shutil.which(tool, path='/usr/sbin:/sbin:/usr/bin:/bin')
        found.append(f'{path}:/usr/bin/{tool}')
    return found


def make_images(t, sw):
    images = {}
    for name, size in (('root.img', 64), ('q.qcow2', 64), ('x.vhdx', 64), ('v.vhd', 64), ('hot.img', 32)):
        images[name] = t.file(name)
        if os.path.exists(images[name]):
            os.unlink(images[name])
        sw.ctl(f'disk create {images[name]} {size}M')
    images['cd.iso'] = t.file('cd.iso')
    with open(images['cd.iso'], 'wb') as f:
        f.truncate(8 * MB)
        f.seek(20 * 2048)
        f.write(MARK)
    return images


def worker_call(vm, method, **params):
    """Asks the worker itself, for what the daemon does not ask of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(os.path.join(os.path.dirname(vm.show()['console']), 'control.sock'))
        s.send(json.dumps(dict(params, id=1, method=method)).encode())
        while True:
            answer = json.loads(s.recv(65536))
            if answer.get('id') == 1:
                return answer


def names(vm, n):
    """Names of the first n units, by number: the kernel gives names to whoever is ready first."""
    return [vm.out(f'ls /sys/class/scsi_device/0:0:0:{lun}/device/block') for lun in range(n)]


def looks(t, vm):
    log = vm.out('dmesg')
    t.check('scsi host0: storvsc_host_t' in log, 'storvsc finds its controller', log[-3000:])
    for n, kind in ((0, 'Direct-Access     Msft     Virtual Disk'), (4, 'CD-ROM            Msft     Virtual DVD-ROM')):
        t.check(f'scsi 0:0:0:{n}: {kind}' in log, f'unit {n} is a {kind.split()[0]}', log[-3000:])
    there = vst.wait_for(lambda: vm.run('test -e /dev/sdd && test -e /dev/sr0', ok=None).ok, 30, 0.5)
    t.check(there, 'all have names', (vm.out('ls /sys/block'), vm.out('dmesg | grep -iE "scsi|sd |sr "')))
    channels = vm.out('for d in /sys/bus/vmbus/devices/*; do [ "$(basename $(readlink $d/driver))" = hv_storvsc ] && ls $d/channels | wc -l; done; true')
    t.check(channels == '2', 'two processors have two channels', channels)
    device = names(vm, 1)[0]
    t.check(vm.out(f'lsblk -Dnb -o NAME,DISC-GRAN,DISC-MAX /dev/{device}').split()[1] == '4096', 'it takes discards',
            vm.out('lsblk -D'))
    t.check(vm.out(f'cat /sys/block/{device}/queue/write_cache') == 'write back', 'the guest knows of the write cache')
    t.check(vm.out(f'cat /sys/block/{device}/queue/rotational') == '0', 'and that it does not turn')
    wwid = vm.out(f'cat /sys/block/{device}/device/wwid')
    t.check(wwid.startswith('naa.6'), 'it has a name that lasts', wwid)


def file_system(t, vm, device, path, title):
    """A file system made, filled, trimmed, checked; the sum of what was written."""
    vm.run(f'mkfs.ext4 -q -F /dev/{device} && mkdir -p /m && mount /dev/{device} /m', timeout=120)
    vm.run('dd if=/dev/urandom of=/m/a bs=1M count=12 2>/dev/null && cp /m/a /m/b && sync && rm /m/b && sync', timeout=120)
    before = os.stat(path).st_blocks
    t.check(vm.run('fstrim /m && sync', ok=None, timeout=120).ok, f'{title}: it can be trimmed')
    if path.endswith('.img'):
        t.check(os.stat(path).st_blocks < before, f'{title}: and the host gets the room back', (before, os.stat(path).st_blocks))
    want = vm.out('md5sum </m/a')
    vm.run('umount /m && echo 3 >/proc/sys/vm/drop_caches')
    checked = vm.run(f'e2fsck -fn /dev/{device}', ok=None, timeout=120)
    t.check(checked.ok, f'{title}: the file system is sound', checked.out)
    vm.run(f'mount /dev/{device} /m')
    t.check(vm.out('md5sum </m/a') == want, f'{title}: what was written is read')
    vm.run('umount /m')
    return want


def large(t, vm, device):
    vm.run(f'dd if=/dev/urandom of=/tmp/r bs=1M count=8 2>/dev/null && dd if=/tmp/r of=/dev/{device} bs=1M seek=40 oflag=direct')
    same = vm.run(f'dd if=/dev/{device} bs=1M skip=40 count=8 iflag=direct 2>/dev/null | cmp - /tmp/r', ok=None)
    t.check(same.ok, 'requests of a megabyte go and come', same.out)


def hot(t, sw, vm, images):
    sw.ctl(f'disk add disks/extra {images["hot.img"]} --lun 9')
    there = vst.wait_for(lambda: vm.run('test -e /sys/class/scsi_device/0:0:0:9', ok=None).ok, 30, 0.5)
    t.check(there, 'a disk that is added is seen', vm.out('dmesg | tail -n 30'))
    name = vm.out('ls /sys/class/scsi_device/0:0:0:9/device/block')
    t.check(vm.run(f'dd if=/tmp/r of=/dev/{name} bs=1M count=4 oflag=direct', ok=None).ok, 'and takes writes')
    os.truncate(images['hot.img'], 48 * MB)
    answer = worker_call(vm, 'disk-resize', name='extra')
    t.check(answer.get('result', {}).get('size') == 48 * MB, 'the worker sees another size', answer)
    sectors = str(48 * MB // 512)
    t.check(vst.wait_for(lambda: vm.out(f'cat /sys/block/{name}/size') == sectors, 20, 0.5), 'and the guest does',
            (vm.out(f'cat /sys/block/{name}/size'), vm.out('dmesg | tail -n 20')))
    sw.ctl('disk remove disks/extra')
    gone = vst.wait_for(lambda: vm.run('test ! -e /sys/class/scsi_device/0:0:0:9', ok=None).ok, 30, 0.5)
    t.check(gone, 'a disk that is removed goes', vm.out('dmesg | tail -n 30'))


def killed(t, sw, vm, images):
    """What was synced is there after the worker was killed; of every format."""
    sums = {}
    for lun, device in enumerate(names(vm, 4)):
        vm.run(f'mkdir -p /{device}; mount /dev/{device} /{device} && dd if=/dev/urandom of=/{device}/k bs=64k count=40 2>/dev/null && sync')
        sums[lun] = vm.out(f'md5sum </{device}/k')
    pid = vm.show()['pid']
    os.kill(pid, signal.SIGKILL)
    t.check(vst.wait_for(lambda: vm.state() == 'running' and vm.show()['pid'] != pid, 30, 0.2), 'the worker dies and comes again', vm.show())
    vm.ready_again()
    vst.wait_for(lambda: vm.run('test -e /dev/sdd', ok=None).ok, 30, 0.5)
    for lun, device in enumerate(names(vm, 4)):
        mounted = vm.run(f'mkdir -p /m && mount /dev/{device} /m', ok=None)
        t.check(mounted.ok and vm.out('md5sum </m/k') == sums[lun], f'unit {lun}: what was synced outlives kill -9', mounted.out)
        vm.run('umount /m')


def cut(t, vm, images):
    os.truncate(images['root.img'], 20 * MB)
    device = names(vm, 1)[0]
    got = vm.run(f'dd if=/dev/{device} of=/dev/null bs=4k skip=10000 count=1 iflag=direct', ok=None, timeout=60)
    t.check(not got.ok and 'No data available' in got.out, 'what is not there any more cannot be read', got.out)
    t.check('Unrecovered read error' in vm.out('dmesg | tail -n 40'), 'and the guest knows why', vm.out('dmesg | tail -n 20'))
    t.check(vm.run(f'dd if=/dev/{device} of=/dev/null bs=4k count=10 iflag=direct', ok=None).ok, 'the rest can')


def test(t):
    sw = guest.daemon(t)
    images = make_images(t, sw)
    order = ('root.img', 'q.qcow2', 'x.vhdx', 'v.vhd', 'cd.iso')
    vm = guest.Vm(sw, 'disks', processors=2, disks=[images[n] for n in order], files=image_files())
    vm.start()
    looks(t, vm)
    t.check(vm.out('dd if=/dev/sr0 bs=2048 skip=20 count=1 2>/dev/null | head -c 23') == MARK.decode(), 'the DVD is read')
    t.check(not vm.run('dd if=/dev/zero of=/dev/sr0 bs=2048 count=1', ok=None).ok, 'and not written')
    devices = names(vm, 4)
    for device, name in zip(devices, order):
        file_system(t, vm, device, images[name], name)
    large(t, vm, devices[0])
    hot(t, sw, vm, images)
    print(json.dumps(worker_call(vm, 'stats')['result']['disks']), flush=True)
    scsi = worker_call(vm, 'stats')['result']['scsi']
    t.check(not any(scsi['faults'].values()) and scsi['channels'] == 2, 'the controller counts no fault', scsi)
    wrong = vm.complaints()
    t.check(wrong == '', 'the kernel complains of nothing', wrong)
    killed(t, sw, vm, images)
    cut(t, vm, images)
    vm.send('poweroff -f')
    t.check(vm.is_state('stopped'), 'it powers off', vm.show())


vst.main(test)
