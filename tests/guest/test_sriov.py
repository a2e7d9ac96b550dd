#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A guest is given a real VF, talks over it, and loses it.

    test_sriov.py VSWITCHD VSWITCHCTL        in 'host --igb'

    guest: the distribution's full kernel, hv_pci, igbvf ── VF 0 ══ igb ──wire── virtio, 10.7.0.1 (L1)

What the switch would do is done here: the VF gets its address from its PF, is bound to vfio-pci, and goes to the worker by its control
socket. The guest's frames go by the card's own DMA out of the guest's memory.
"""
import fcntl
import glob
import os
import struct
import subprocess

import guest
import test_vpci
import vst

PF = '/sys/bus/pci/devices/0000:01:00.0'
MAC = '02:00:00:00:01:10'
SERIAL = 1
VFIO_SET_IOMMU, VFIO_GROUP_SET_CONTAINER, VFIO_GROUP_GET_DEVICE_FD = 0x3b66, 0x3b68, 0x3b6a
VFIO_TYPE1V2_IOMMU = 3


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


def interface(mac):
    """The one of L1 that has this address."""
    for path in glob.glob('/sys/class/net/*/address'):
        with open(path) as f:
            if f.read().strip() == mac:
                return path.split('/')[-2]
    raise vst.Failed(f'no card with {mac}: not started with --igb?')


def run(command):
    subprocess.run(command.split(), check=True)


def vf_make():
    """VF 0, bound to vfio-pci; its PCI address."""
    card = interface('02:00:00:00:01:00')
    run(f'ip link set {card} up')
    write(f'{PF}/sriov_drivers_autoprobe', '0')
    write(f'{PF}/sriov_numvfs', '1')
    run(f'ip link set {card} vf 0 mac {MAC}')
    vf = os.path.basename(os.path.realpath(f'{PF}/virtfn0'))
    write(f'/sys/bus/pci/devices/{vf}/driver_override', 'vfio-pci')
    write('/sys/bus/pci/drivers_probe', vf)
    return vf


def vf_open(vf):
    """Its descriptors: container, group, device."""
    group = os.open('/dev/vfio/' + os.path.basename(os.path.realpath(f'/sys/bus/pci/devices/{vf}/iommu_group')), os.O_RDWR)
    container = os.open('/dev/vfio/vfio', os.O_RDWR)
    fcntl.ioctl(group, VFIO_GROUP_SET_CONTAINER, struct.pack('i', container))
    fcntl.ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1V2_IOMMU)
    # Into a bytearray, for else Python returns that and not the descriptor.
    return [container, group, fcntl.ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bytearray(vf.encode() + b'\0'), True)]


def attach(t, control, vf, title):
    fds = vf_open(vf)
    got = control.call('vf-attach', fds, name='lan0', address=vf, serial=SERIAL)
    for fd in fds:
        os.close(fd)
    t.check('result' in got, f'{title}: the worker takes the VF', got)


def nic_of(t, g, title):
    """The guest's interface, once its driver has it."""
    ok = vst.wait_for(lambda: test_vpci.network(g) and 'No such' not in test_vpci.network(g), 90, 0.5)
    t.check(ok, f'{title}: hv_pci shows it, and igbvf binds', g.out('dmesg | tail -n 30'))
    return test_vpci.network(g)


def talks(t, g, title):
    nic = nic_of(t, g, title)
    t.check(g.out(f'cat /sys/class/net/{nic}/address') == MAC, f'{title}: with the address that its PF gave it', g.out('ip -br link'))
    g.address('10.7.0.2/24', nic)
    t.check(g.reaches('10.7.0.1', timeout=90, wait=5), f'{title}: its frames reach the wire, and answers come back',
            g.out(f'ip -s link show {nic}; dmesg | tail; cat /proc/interrupts'))
    t.check(g.ping('10.7.0.1', count=20, size=1400, wait=5), f'{title}: large ones too')
    counts = test_vpci.interrupts(g)
    t.check(sum(sum(row) for row in counts.values()) > 0, f'{title}: by interrupts of its own', counts)


def wanted(t, control, g, vf):
    """The host unbinds it, which waits for the guest's letting go."""
    control.events.clear()
    unbind = t.popen(['sh', '-c', f'echo {vf} > /sys/bus/pci/drivers/vfio-pci/unbind'])
    event = control.event({'event': 'vf', 'state': 'ejecting'})
    t.check(event['why'] == 'wanted', 'unplugged: the worker hears that the host wants it back', event)
    t.check(unbind.wait(90) == 0 and not os.path.exists(f'/sys/bus/pci/devices/{vf}/driver'), 'unplugged: and the host has it')
    t.check(test_vpci.gone(g), 'unplugged: the guest has it no more', g.out('ls /sys/bus/pci/devices'))


def test(t):
    vf = vf_make()
    run(f'ip link set {interface("02:00:00:00:01:ff")} up')
    run(f'ip addr add 10.7.0.1/24 dev {interface("02:00:00:00:01:ff")}')
    sw = guest.daemon(t)
    g = guest.Vm(sw, 'a', kernel='kernel-host', memory='256M', load=test_vpci.LOAD)
    g.start()
    control = test_vpci.Control(os.path.join(os.path.dirname(g.show()['console']), 'control.sock'))
    attach(t, control, vf, 'first')
    talks(t, g, 'first')
    got = control.call('vf-detach', name='lan0')
    t.check(got.get('result', {}).get('ejected') is True, 'first: the guest lets go when it is asked to', got)
    attach(t, control, vf, 'again')
    talks(t, g, 'again')
    wanted(t, control, g, vf)
    t.check(not test_vpci.complaints(g), 'its kernel complains of nothing', test_vpci.complaints(g))
    sw.ctl('vm stop a --off')


if __name__ == '__main__':
    vst.main(test)
