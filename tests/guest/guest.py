# SPDX-License-Identifier: BSD-2-Clause
"""A guest that does what a test says: the other end of the agent in its initial file system.

    g = Guest('web1', connect=lambda: stream_socket)
    g.wait_ready(90)
    g.run('ip -br link').out

The stream is the guest's serial port, whoever emulates it.  A command is a line; its output and exit
status come between marks, so whatever the kernel prints in between does no harm.
"""
import base64
import itertools
import os
import re
import select
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))

import vst  # noqa: E402

BOOT_S = 180  # Two test hosts share two cores with whatever else: ten times what it takes.
KERNELS = ('kernel-cloud', 'kernel-new')
LOAD = 'hv_vmbus,hv_netvsc,hv_utils,hv_storvsc,hv_balloon,af_packet,sd_mod,sr_mod'


def cache():
    """The folder of kernels; setup has filled it, or there is no test host."""
    script = f'. {HERE}/cache.sh && echo "$cache"'
    return subprocess.run(['bash', '-c', script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def kernel_path(kernel, image='vmlinux'):
    return os.path.join(cache(), kernel, image)


def kernels():
    """Those that this suite has: there may be no newer one."""
    return [k for k in KERNELS if os.path.isdir(os.path.join(cache(), k))]


def initrd(folder, kernel, files=()):
    """An initial file system for a kernel, with more files ('from:to') if wanted."""
    out = os.path.join(folder, f'{kernel}-{abs(hash(tuple(files))):x}.cpio')
    subprocess.run([os.path.join(HERE, 'image'), kernel, out] + list(files), check=True)
    return out


def modprobe(*modules):
    for module in modules:
        subprocess.run(['modprobe', module], check=True)


# In the guest: what it made of the platform, in words that a test can look for.  One command, because each costs a round trip.
SURVEY = r'''
echo "== log"
dmesg | grep -iE 'hyper-?v|hypervisor|vmbus|hv_|storvsc|scsi|balloon|tsc:|clocksource' | sed 's/^\[[^]]*\] *//'
echo "== facts"
echo "cpus $(grep -c ^processor /proc/cpuinfo)"
echo "clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "hyp $(awk '$1 == "HYP:" { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) printf "%s ", $i }' /proc/interrupts)"
for ptp in /sys/class/ptp/*; do [ ! -e "$ptp" ] || echo "ptp $(cat $ptp/clock_name)"; done
echo "== devices"
for d in /sys/bus/vmbus/devices/*; do
	[ -e "$d" ] || continue
	driver=$(readlink $d/driver) || driver=-
	echo "${d##*/} ${driver##*/} $(cat $d/class_id) $(cat $d/state) $(cat $d/channel_vp_mapping | tr '\n' ' ')"
done
echo "== missing"
for d in /sys/bus/vmbus/devices/*; do
	[ "$(cat $d/state)" = 3 ] || continue
	for f in class_id device_id id modalias vendor device channel_vp_mapping in_intr_mask in_read_index in_write_index \
			in_read_bytes_avail in_write_bytes_avail out_intr_mask out_read_index out_write_index; do
		cat $d/$f >/dev/null 2>&1 || echo "$d/$f"
	done
	for c in $d/channels/*; do
		for f in cpu interrupts events in_mask out_mask read_avail write_avail subchannel_id; do
			cat $c/$f >/dev/null 2>&1 || echo "$c/$f"
		done
	done
done
'''


class Survey:
    """What SURVEY said."""

    def __init__(self, text):
        self.text, self.parts, part = text, {}, ''
        for line in text.splitlines():
            if line.startswith('== '):
                part = line[3:]
            else:
                self.parts.setdefault(part, []).append(line)
        self.log = '\n'.join(self.parts.get('log', []))
        self.devices = [line.split(None, 4) for line in self.parts.get('devices', [])]
        self.missing = self.parts.get('missing', [])

    def fact(self, name):
        return next((x.split(None, 1)[1].strip() for x in self.parts.get('facts', []) if x.startswith(name + ' ')), '')

    def drivers(self):
        return sorted(d[1] for d in self.devices)

    def of(self, driver):
        return [d for d in self.devices if d[1] == driver]


class GuestFault(vst.Failed):
    """The guest does not answer as it should: what it said last is in the text."""


class Result:
    def __init__(self, command, status, out):
        self.command, self.status, self.out = command, status, out
        self.ok = status == 0

    def __repr__(self):
        return f'{self.command!r}: exit {self.status}\n{self.out}'


class Guest:
    """Speaks with one guest's agent over its console."""

    ids = itertools.count(1)

    def __init__(self, name, connect):
        self.name, self.connect = name, connect
        self.sock, self.heard, self.seen = None, b'', 0
        self.kernel, self.uptime = None, None

    def attach(self, timeout=20):
        """Connects to the console, which may not be there yet."""
        end = time.monotonic() + timeout
        while True:
            try:
                self.sock = self.connect()
                self.heard, self.seen = b'', 0
                return self
            except OSError:
                if time.monotonic() > end:
                    raise GuestFault(f'{self.name}: no console')
                time.sleep(0.1)

    def text(self):
        return self.heard.decode(errors='replace')

    def tail(self, n=2500):
        return self.text()[-n:]

    def listen(self, timeout):
        """Takes what the guest says; False when nothing came, or when nothing will come again."""
        if not select.select([self.sock], [], [], max(timeout, 0))[0]:
            return False
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b''
        if not data:
            time.sleep(min(0.1, max(timeout, 0)))
            return False
        self.heard += data.replace(b'\r', b'')
        return True

    def expect(self, pattern, timeout):
        """Waits for a line; returns the match and goes on behind it."""
        end = time.monotonic() + timeout
        regex = re.compile(pattern.encode(), re.S | re.M)
        while True:
            match = regex.search(self.heard, self.seen)
            if match:
                self.seen = match.end()
                return match
            if time.monotonic() > end:
                raise GuestFault(f'{self.name}: not within {timeout} s: {pattern}; its console ends:\n{self.tail()}')
            self.listen(end - time.monotonic())

    def wait_ready(self, timeout=BOOT_S):
        """Until the agent runs; the kernel's release and its uptime then are what it said."""
        if self.sock is None:
            self.attach()
        match = self.expect(r'^@@ready (\S+) (\S+)\n', timeout)
        self.kernel, self.uptime = match.group(1).decode(), float(match.group(2))
        return self

    def send(self, command):
        """Starts a command; returns its id, to be handed to finish()."""
        number = str(next(Guest.ids))
        line = f'{number} {base64.b64encode(command.encode()).decode()}\n'.encode()
        self.sock.sendall(line)
        return number, command

    def finish(self, sent, timeout=60):
        number, command = sent
        match = self.expect(rf'^@@begin {number}\n(.*?)\n@@end {number} (\d+)\n', timeout)
        return Result(command, int(match.group(2)), match.group(1).decode(errors='replace'))

    def run(self, command, timeout=60, ok=True):
        """A command of the shell; raises when it fails, unless 'ok' is None."""
        result = self.finish(self.send(command), timeout)
        if ok and not result.ok:
            raise GuestFault(f'{self.name}: {result}')
        return result

    def out(self, command, **kwargs):
        return self.run(command, **kwargs).out.strip()

    def ping(self, address, count=2, size=56, options='', wait=2):
        """True when all pings were answered."""
        got = self.run(f'ping -q -i 0.2 -c {count} -W {wait} -s {size} {options} {address}', ok=None, timeout=60)
        return got.ok and f' {count} received' in got.out

    def reaches(self, address, timeout=15, **kwargs):
        return vst.wait_for(lambda: self.ping(address, count=1, **kwargs), timeout)

    def survey(self):
        return Survey(self.out(SURVEY))

    def complaints(self):
        """What the kernel said that no kernel should: warnings, lock-ups, oopses, and errors of our drivers."""
        got = self.out("dmesg | grep -iE 'WARNING:|BUG:|Oops:|soft lockup|hung task|rcu.*(stall|detected)|Call Trace|"
                       "(hv_|hyperv|storvsc|netvsc|vmbus).*(error|fail|unable|timed? ?out)' | head -n 20", ok=None)
        return got

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class Qemu(Guest):
    """A guest of QEMU on KVM: what ours are compared with, and what shows that the test host itself works."""

    def __init__(self, test, name, kernel='kernel-cloud', cpus=1, memory=256, cmdline='', machine='q35', initrd=None, more=()):
        self.path = test.file(f'{name}.serial')
        argv = [qemu_program()[0]] + qemu_program()[1:] + [
            '-M', machine, '-accel', 'kvm', '-cpu', 'host', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-smp', str(cpus), '-m', str(memory), '-kernel', kernel_path(kernel), '-initrd', initrd,
            '-append', f'console=ttyS0 quiet panic=-1 {cmdline}',
            '-chardev', f'socket,id=s,path={self.path},server=on,wait=off', '-serial', 'chardev:s'] + list(more)
        self.started = time.monotonic()
        self.proc = test.popen(argv)
        super().__init__(name, self._connect)
        self.attach()  # At once: what it says with nobody there is lost.

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        return sock


def qemu_program():
    script = f'. {HERE}/cache.sh && qemu_find && printf "%s\\n" "${{qemu[@]}}"'
    return subprocess.run(['bash', '-c', script], check=True, stdout=subprocess.PIPE, text=True).stdout.split('\n')[:-1]


# Ours

class Vm(Guest):
    """A VM of the hypervisor under test, made and driven by vswitchctl."""

    def __init__(self, sw, name, kernel='kernel-cloud', image='vmlinux', memory='192M', processors=1, face='auto', nics=(),
                 disks=(), cmdline='', load=LOAD, files=(), options='', create=True):
        self.sw, self.kernel_name = sw, kernel
        super().__init__(name, self._connect)
        if not create:
            return
        argv = ['vm', 'create', name, '--kernel', kernel_path(kernel, image), '--initrd', initrd(sw.test.dir, kernel, files),
                '--cmdline', f'console=ttyS0 quiet panic=-1 vst.load={load} {cmdline}'.strip(), '--memory', memory,
                '--processors', str(processors), '--face', face]
        for nic in nics:
            argv += ['--nic', nic]
        for disk in disks:
            argv += ['--disk', disk]
        sw.ctl(argv + options.split())

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.show()['console'])
        return sock

    def unit(self, lun, timeout=30):
        """The name that the guest's kernel gave a disk of the controller: it gives them to whoever is ready first."""
        ask = f'ls /sys/class/scsi_device/0:0:0:{lun}/device/block'
        name = vst.wait_for(lambda: self.out(ask, ok=None), timeout, 0.3)
        if not name or not vst.wait_for(lambda: self.run(f'test -b /dev/{name}', ok=None).ok, timeout, 0.3):
            raise GuestFault(f'{self.name}: unit {lun} has no name: {self.out("ls /sys/class/scsi_device; dmesg | tail")}')
        return name

    def show(self):
        return self.sw.ctl(f'vm show {self.name}')

    def state(self):
        return self.show()['state']

    def is_state(self, state, timeout=30):
        return vst.wait_for(lambda: self.state() == state, timeout, 0.2)

    def start(self, wait=True):
        """Starts it; 'boot_s' is from the command to the agent."""
        began = time.monotonic()
        self.sw.ctl(f'vm start {self.name}', timeout=BOOT_S)
        if wait:
            self.wait_ready()
            self.boot_s = time.monotonic() - began
            print(f'{self.name}: boots in {self.boot_s:.1f} s, {self.uptime} s of its own', flush=True)
        return self

    def ready_again(self, timeout=BOOT_S):
        """After it was started, or started itself, once more."""
        self.close()
        end = time.monotonic() + timeout
        while True:
            try:
                self.attach(timeout=max(end - time.monotonic(), 0.1))
                return self.wait_ready(max(end - time.monotonic(), 0.1))
            except GuestFault:
                if time.monotonic() > end:
                    raise
            self.close()

    def address(self, address, nic='eth0', mtu=None, options=''):
        """Gives a NIC an address and brings it up."""
        self.run((f'ip link set {nic} mtu {mtu}; ' if mtu else '') + f'ip link set {nic} up && ip addr add {address} dev {nic} {options}')
        return self

    def log_text(self):
        with open(self.show()['log'], errors='replace') as f:
            return f.read()


class Here:
    """The machine's own network namespace: that is where its cards are."""

    def __init__(self, test):
        self.popen = test.popen


def daemon(test, name='sw', **kwargs):
    """A vswitchd on an emulated processor, which may be shared with whatever else."""
    vst.Daemon.READY_S = 120
    return test.daemon(name, **kwargs)


def iperf(client, server, seconds=3, options=''):
    """Megabits a second that arrived; 0 when it did not run."""
    got = client.run(f'iperf3 -c {server} -t {seconds} -i 0 -f k {options}', timeout=seconds + 60, ok=None)
    lines = [x for x in got.out.splitlines() if 'receiver' in x]
    match = re.search(r'([\d.]+) Kbits/sec', lines[-1]) if lines else None
    if match is None:
        print(f'iperf3: {got}', flush=True)
    return float(match.group(1)) / 1000 if match else 0.0
