#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The measurements of guest.sh; runs in the test host.

    ours:  a, b  hv_netvsc  ══ lan      QEMU:  a, b  virtio-net ══ [vhost-user] ══ lan
"""
import os
import re
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'guest'))

import guest  # noqa: E402
import vst  # noqa: E402

N_BOOTS = int(os.environ.get('VST_BOOTS', 3))
SECONDS = 5
MEMORY = 256


def kvm_exits():
    """Exits of all guests so far, as KVM counts them."""
    with open('/sys/kernel/debug/kvm/exits') as f:
        return int(f.read())


def beyond(pid, memory_mb):
    """Megabytes of a process that are not its guest's memory (which is shared: a memfd)."""
    fields = dict(re.findall(r'^(\w+): +(\d+) kB', open(f'/proc/{pid}/smaps_rollup').read(), re.M))
    private = int(fields['Private_Clean']) + int(fields['Private_Dirty'])
    guest_kb = 0
    for part in open(f'/proc/{pid}/smaps').read().split('VmFlags'):
        size = re.search(r'^Size: +(\d+) kB', part, re.M)
        if size and int(size.group(1)) >= memory_mb * 512:
            guest_kb += sum(int(x) for x in re.findall(r'^Private_\w+: +(\d+) kB', part, re.M))
    return (private - guest_kb) / 1024


def qemu_boot(t, n, machine):
    more = ['-nic', 'none'] if machine.startswith('q35') else []
    g = guest.Qemu(t, f'boot-{machine[:4]}-{n}', memory=MEMORY, machine=machine, initrd=guest.initrd(t.dir, 'kernel-cloud'), more=more)
    g.wait_ready()
    seconds = time.monotonic() - g.started
    mb = beyond(g.proc.pid, MEMORY)
    g.close()
    g.proc.kill()
    g.proc.wait()
    return seconds, mb, g.uptime


def our_boot(t, sw, n):
    vm = guest.Vm(sw, f'boot{n}', memory=f'{MEMORY}M', load='')
    vm.start()
    mb = beyond(vm.show()['pid'], MEMORY)
    sw.ctl(f'vm stop boot{n} --off')
    return vm.boot_s, mb, vm.uptime


def boots(t, sw):
    kinds = [('vmworker', lambda n: our_boot(t, sw, n)), ('QEMU q35', lambda n: qemu_boot(t, n, 'q35')),
             ('QEMU microvm', lambda n: qemu_boot(t, n, 'microvm,rtc=on,pic=on,pit=on'))]
    got = {name: [] for name, _ in kinds}
    for n in range(N_BOOTS):
        for name, boot in kinds:
            try:
                got[name].append(boot(n))
            except vst.Failed as e:
                print(f'{name}: {e}', flush=True)
    print(f'\n{"boot to init":<14} {"s":>6} {"guest s":>8} {"own MB":>7}   (median of {N_BOOTS})')
    for name, rows in got.items():
        if rows:
            print(f'{name:<14} {statistics.median(r[0] for r in rows):6.1f} {statistics.median(r[2] for r in rows):8.1f} '
                  f'{statistics.median(r[1] for r in rows):7.1f}', flush=True)


def qemu_pair(t, sw):
    pair = []
    for n, name in enumerate(('qa', 'qb'), 1):
        path = t.file(f'{name}.sock')
        sw.ctl(f'port add lan {name} --kind vhost --socket {path} --mode server --queues 1')
        more = ['-object', f'memory-backend-memfd,id=m,size={MEMORY}M,share=on', '-numa', 'node,memdev=m',
                '-chardev', f'socket,id=n,path={path}', '-netdev', 'vhost-user,id=n0,chardev=n',
                '-device', f'virtio-net-pci,netdev=n0,romfile=,mac=02:00:00:00:00:1{n}']
        pair.append(guest.Qemu(t, name, memory=MEMORY, initrd=guest.initrd(t.dir, 'kernel-cloud'),
                               cmdline='vst.load=virtio_pci,virtio_net,af_packet', more=more))
    return pair


def our_pair(t, sw):
    pair = [guest.Vm(sw, name, memory=f'{MEMORY}M', nics=['lan,queues=1']) for name in ('va', 'vb')]
    for vm in pair:
        vm.start(wait=False)
    return pair


def packets(g):
    return sum(int(x) for x in g.out("awk '/eth0:/ { print $2, $3, $10, $11 }' /proc/net/dev").split()[1::2])


def traffic(name, pair, numbers):
    a, b = pair
    for n, g in enumerate(pair, 1):
        g.wait_ready()
        g.run(f'ip link set eth0 up && ip addr add 10.0.0.{n}/24 dev eth0')
    b.run('iperf3 -s -D')
    a.reaches('10.0.0.2')
    row = {}
    for title, options in (('TCP there', ''), ('TCP back', '-R')):
        packets_0, exits_0 = packets(a) + packets(b), kvm_exits()
        row[title] = guest.iperf(a, '10.0.0.2', SECONDS, options)
        n = packets(a) + packets(b) - packets_0
        row[f'exits/packet, {title}'] = (kvm_exits() - exits_0) / max(n, 1)
    text = a.out('ping -q -i 0.02 -c 200 10.0.0.2 | tail -n 1', timeout=60)
    match = re.search(r'= ([\d.]+)/([\d.]+)/', text)
    row['RTT min, ms'], row['RTT avg, ms'] = float(match.group(1)), float(match.group(2))
    row['idle exits/s'] = idle(2)
    numbers[name] = row


def idle(seconds):
    before = kvm_exits()
    time.sleep(seconds)
    return (kvm_exits() - before) / seconds


def signals(sw):
    for nic in ('va/nic0', 'vb/nic0'):
        shown = sw.ctl(f'nic show {nic}')
        counters, n = shown['nic']['counters'], shown['rx_packets'] + shown['tx_packets']
        print(f'{nic}: {n} frames, {counters["signals"] / max(n, 1):.3f} signals to and {counters["kicks"] / max(n, 1):.3f} from it '
              'for each')


def table(numbers):
    names = list(numbers)
    print(f'\n{"":<26}' + ''.join(f'{n:>20}' for n in names) + f'{"ratio":>8}')
    for key in numbers[names[0]]:
        values = [numbers[n][key] for n in names]
        ratio = f'{values[0] / values[1]:8.2f}' if len(values) > 1 and values[1] else ''
        print(f'{key:<26}' + ''.join(f'{v:20.2f}' for v in values) + ratio, flush=True)


def test(t):
    only = sys.argv[3:]
    sw = guest.daemon(t)
    sw.ctl('switch add lan --type private')
    numbers = {}
    if 'traffic' not in only:
        boots(t, sw)
    if 'qemu' not in only:
        pair = our_pair(t, sw)
        traffic('vmworker, netvsc', pair, numbers)
        signals(sw)
        for vm in pair:
            sw.ctl(f'vm stop {vm.name} --off')
    traffic('QEMU, vhost-user', qemu_pair(t, sw), numbers)
    table(numbers)
    t.check(True, 'measured')


vst.main(test)
