# SPDX-License-Identifier: BSD-2-Clause
"""The floor under the integration tests: a private vswitchd, the real vswitchctl, network namespaces.

A test is a function that gets a Test and says what holds with t.check().  Each daemon runs in a
network namespace and a folder of its own, so that nothing of the host is touched and tests do not
meet.  Whatever was made is removed at the end, however it comes (also by SIGTERM); what children
said is shown when a check failed.

    import vst

    def test(t):
        sw = t.daemon()
        sw.ctl('switch add lan --type private')
        a = sw.tap('lan', 'a', '10.0.0.1/24')      # port + namespace with the interface 'a' in it
        t.check(a.ping('10.0.0.2'), 'a reaches b')

    vst.main(test)

Arguments of a test file: the paths of vswitchd and vswitchctl (meson gives them).  Exit codes: 0 all
held, 1 not, 77 skipped for the reason printed.
"""
import collections
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SYS_PIDFD_GETFD = 438
ETH_P_ALL = 3
VLAN_VALID, VLAN_TPID_VALID = 1 << 4, 1 << 6


class Skip(Exception):
    pass


class Failed(Exception):
    """A step that the rest of the test stands on did not work."""


def wait_for(what, timeout=5.0, every=0.05):
    """Asks until 'what()' is true or the time is over; returns the last answer."""
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got or time.monotonic() > end:
            return got
        time.sleep(every)


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


# What a process holds

def socket_kind(pid, fd):
    """What a socket of another process is: its family, and the path of a unix socket."""
    pidfd = os.pidfd_open(pid)
    copy = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)
    os.close(pidfd)
    if copy < 0:
        return 'socket'
    with socket.socket(fileno=copy) as s:
        name = s.getsockname() if s.family == socket.AF_UNIX else ''
        return f'{getattr(s.family, "name", s.family)} {name}'


def descriptors(sw):
    """How many descriptors the daemon has open, by what they are.  DPDK's heap may have grown: a pool of large
    buffers stays once it was needed."""
    found, folder = collections.Counter(), f'/proc/{sw.proc.pid}/fd'
    for fd in os.listdir(folder):
        try:
            name = os.readlink(f'{folder}/{fd}')
        except FileNotFoundError:
            continue
        if name.startswith('socket:'):
            name = socket_kind(sw.proc.pid, int(fd))
        if not name.endswith('control.sock'):  # Whoever asks now.
            found[re.sub(r'\d+', 'N', name)] += 'memfd:seg_' not in name
    return found


# Frames

def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def frame(dst, src, payload=b'', tags=(), ethertype=0x88b5):
    """An Ethernet frame; 'tags' are (tpid, vlan), outermost first.  0x88b5: for experiments."""
    data = mac(dst) + mac(src)
    for tpid, vlan in tags:
        data += struct.pack('!HH', tpid, vlan)
    return (data + struct.pack('!H', ethertype) + payload).ljust(60, b'\0')


def tags_of(data):
    """The VLAN tags of a frame, outermost first, as (tpid, vlan)."""
    tags, at = [], 12
    while len(data) >= at + 4:
        tpid, tci = struct.unpack_from('!HH', data, at)
        if tpid not in (0x8100, 0x88a8):
            break
        tags.append((tpid, tci & 0xfff))
        at += 4
    return tags


class Sniffer:
    """All frames that an interface receives, with the tag that the kernel takes off put back."""

    def __init__(self, ns, ifname):
        self.sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind((ifname, ETH_P_ALL))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def _one(self, timeout):
        self.sock.settimeout(max(timeout, 0.001))
        data, aux, _, _ = self.sock.recvmsg(70000, 256)
        for level, kind, value in aux:
            if level == SOL_PACKET and kind == PACKET_AUXDATA and len(value) >= 20:
                status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', value[:20])
                if status & VLAN_VALID:
                    if not status & VLAN_TPID_VALID:
                        tpid = 0x8100
                    data = data[:12] + struct.pack('!HH', tpid, tci) + data[12:]
        return data

    def drain(self):
        self.sock.setblocking(False)
        try:
            while True:
                self.sock.recv(1)
        except BlockingIOError:
            pass

    def frames(self, timeout=0.4):
        """All that comes until nothing came for so long."""
        got = []
        try:
            while True:
                got.append(self._one(timeout))
        except (socket.timeout, BlockingIOError):
            return got

    def find(self, marker, timeout=2.0):
        """The first frame with these bytes in it, or None."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                data = self._one(end - time.monotonic())
            except (socket.timeout, BlockingIOError):
                return None
            if marker in data:
                return data
        return None

    def send(self, data):
        self.sock.send(data)

    def close(self):
        self.sock.close()


class Ns:
    """A network namespace with a Linux stack of its own."""

    def __init__(self, test, name):
        self.test, self.name = test, f'{test.prefix}-{len(test.namespaces)}{name}'
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        test.namespaces.append(self)
        self.run('ip link set lo up')
        # What a stack says of itself over IPv6 would be among the frames that a test looks at.  Not with
        # sysctl(8): a small system has none.
        self.run(['sh', '-c', 'for i in all default; do f=/proc/sys/net/ipv6/conf/$i/disable_ipv6; '
                  'test ! -e $f || echo 1 > $f || exit 1; done'])

    def run(self, command, ok=True, timeout=60, **kwargs):
        """A command in the namespace; raises unless it succeeds, or 'ok' is None."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        got = subprocess.run(['ip', 'netns', 'exec', self.name] + argv, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=timeout, text=True, errors='replace',
                             stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **kwargs)
        if ok and got.returncode != 0:
            raise Failed(f'{self.name}: {command}: {got.stdout.strip()}')
        return got

    def popen(self, command, **kwargs):
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        return self.test.popen(['ip', 'netns', 'exec', self.name] + argv, **kwargs)

    def socket(self, *args):
        """A socket of this namespace in our process."""
        here = os.open('/proc/self/ns/net', os.O_RDONLY)
        there = os.open(f'/run/netns/{self.name}', os.O_RDONLY)
        try:
            if LIBC.setns(there, 0) != 0:
                raise Failed(f'setns {self.name}: {os.strerror(ctypes.get_errno())}')
            try:
                return socket.socket(*args)
            finally:
                LIBC.setns(here, 0)
        finally:
            os.close(here)
            os.close(there)

    def sniff(self, ifname):
        return Sniffer(self, ifname)

    def ping(self, address, count=2, size=56, whole=False, wait=1):
        """True when all pings are answered.  'whole': never in fragments."""
        got = self.run(f'ping -q -i 0.05 -c {count} -W {wait} -s {size} {"-M do" if whole else ""} {address}',
                       ok=None)
        return got.returncode == 0 and f' {count} received' in got.stdout

    def reaches(self, address, timeout=5.0, **kwargs):
        return wait_for(lambda: self.ping(address, count=1, **kwargs), timeout)

    def snmp(self, proto, name):
        """One counter of this stack, as in /proc/net/snmp."""
        lines = [x.split() for x in self.run('cat /proc/net/snmp').stdout.splitlines() if x.startswith(proto + ':')]
        return int(lines[1][lines[0].index(name)])


class Daemon:
    """A vswitchd, and the tool that speaks with it."""

    READY_S = 20  # From its start to its first answer.

    def __init__(self, test, name='sw', args=(), huge=None, ns=None, core=None, start=True):
        self.test, self.name = test, name
        self.ns = ns or test.ns(name)
        self.dir = os.path.join(test.dir, name)
        os.makedirs(self.dir, exist_ok=True)
        self.socket = os.path.join(self.dir, 'control.sock')
        self.store = os.path.join(self.dir, 'config.db')
        self.log = os.path.join(self.dir, 'log')
        self.huge = test.huge_free() >= 256 if huge is None else huge
        self.args, self.proc = list(args), None
        if start:
            self.start()
            self.ctl(f'core add {test.worker_cpu if core is None else core}')

    def argv(self, initial='-', extra=()):
        memory = ['--huge', '128'] if self.huge else ['--no-huge', '--eal', '--no-telemetry']
        return [self.test.vswitchd, '--socket', self.socket, '--store', self.store, '--initial', initial,
                '--control-cpu', str(self.test.control_cpu), '--mbufs', '16384'] + memory + self.args + list(extra)

    def start(self, ready=True, **kwargs):
        log = open(self.log, 'ab')
        self.proc = self.ns.popen(self.argv(**kwargs), stdout=log, stderr=log)
        log.close()
        if ready and not wait_for(self.answers, self.READY_S, 0.05):
            raise Failed(f'daemon {self.name} does not answer; its log: {self.log_text()}')
        return self

    def answers(self):
        if self.proc.poll() is not None:
            return False
        return self.tool('stats')[0] == 0

    def log_text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def stop(self):
        """Ends it in good order; returns its exit status."""
        self.proc.terminate()
        try:
            return self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            return 'hangs'

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def cpu_seconds(self):
        with open(f'/proc/{self.proc.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def tool(self, command, stdin=None, timeout=60, env=None):
        """The tool as people use it: (exit code, standard output, standard error)."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        got = subprocess.run([self.test.vswitchctl, '--socket', self.socket] + argv, input=stdin, text=True,
                             capture_output=True, timeout=timeout, errors='replace', preexec_fn=die_with_parent,
                             env={**os.environ, 'LC_ALL': 'C.UTF-8', **(env or {})},
                             **({} if stdin is not None else {'stdin': subprocess.DEVNULL}))
        return got.returncode, got.stdout, got.stderr

    def ctl(self, command, rc=0, stdin=None, **kwargs):
        """The answer of a command; raises when its exit code is not 'rc'."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        code, out, err = self.tool(['--json'] + argv, stdin, **kwargs)
        if code != rc:
            raise Failed(f'{self.name}: {command}: exit {code}, not {rc}\n{out}{err}')
        return json.loads(out) if out.strip() else {}

    def tool_popen(self, command, **kwargs):
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        return self.test.popen([self.test.vswitchctl, '--socket', self.socket] + argv, **kwargs)

    def tap(self, switch, name, address=None, options='', mtu=None):
        """A tap port whose interface is the only one of a new namespace; returns that."""
        ns = self.test.ns(name)
        self.ctl(f'port add {switch} {name} --kind tap --netns {ns.name}'
                 + (f' --address {address}' if address else '') + (f' --mtu {mtu}' if mtu else '') + ' ' + options)
        ns.run(f'ip link set dev {name} up')
        return ns

    def port(self, name):
        rows = [p for p in self.ctl('port list')['ports'] if p['name'] == name]
        return rows[0] if rows else None

    def up(self, name, timeout=5):
        return wait_for(lambda: (self.port(name) or {}).get('link') == 'up', timeout)

    def ledger(self):
        return self.ctl('stats')['ledger']

    def balanced(self):
        led = self.ledger()
        return led['balanced'] and led['in'] == led['out'] + led['drops'] + led['in_flight']

    def drops(self, port, reason):
        return sum(r['packets'] for r in self.ctl('drop list')['drops'] if r['port'] == port and r['reason'] == reason)

    def events(self, kind):
        return [e for e in self.ctl('events --limit 1000')['events'] if e['type'] == kind]


class Test:
    def __init__(self, vswitchd, vswitchctl):
        self.vswitchd, self.vswitchctl = os.path.abspath(vswitchd), os.path.abspath(vswitchctl)
        self.prefix = f'vt{os.getpid()}'
        self.dir = tempfile.mkdtemp(prefix='vswitch-test-')
        self.namespaces, self.children, self.daemons = [], [], []
        self.n_checks = self.n_failed = 0
        cpus = sorted(os.sched_getaffinity(0))
        self.control_cpu, self.worker_cpu, self.cpus = cpus[0], cpus[-1], cpus

    def check(self, holds, sentence, detail=None):
        self.n_checks += 1
        print(f'{"ok" if holds else "NOT OK"}: {sentence}', flush=True)
        if not holds:
            self.n_failed += 1
            if detail is not None:
                print('    ' + str(detail).replace('\n', '\n    '), flush=True)
        return bool(holds)

    def note(self, text):
        print(f'note: {text}', flush=True)

    def ns(self, name):
        return Ns(self, name)

    def daemon(self, name='sw', **kwargs):
        d = Daemon.__new__(Daemon)
        self.daemons.append(d)
        d.log = os.devnull
        d.name = name
        d.__init__(self, name, **kwargs)
        return d

    def popen(self, argv, **kwargs):
        kwargs.setdefault('stdin', subprocess.DEVNULL)
        proc = subprocess.Popen(argv, preexec_fn=die_with_parent, **kwargs)
        self.children.append(proc)
        return proc

    @staticmethod
    def huge_free():
        """Megabytes of huge pages that stand free; none when VST_HUGE=0, as on a machine fresh from its installation."""
        if os.environ.get('VST_HUGE') == '0':
            return 0
        text = open('/proc/meminfo').read()
        free, size = (int(re.search(f'{k}:\\s+(\\d+)', text).group(1)) for k in ('HugePages_Free', 'Hugepagesize'))
        return free * size // 1024

    def file(self, name, text=None):
        path = os.path.join(self.dir, name)
        if text is not None:
            with open(path, 'w') as f:
                f.write(text)
        return path

    def cleanup(self, show_logs):
        for proc in self.children:
            if proc.poll() is None:
                proc.terminate()
        end = time.monotonic() + 5
        for proc in self.children:
            try:
                proc.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        for d in self.daemons if show_logs else ():
            if os.path.exists(d.log):
                with open(d.log, errors='replace') as f:
                    print(f'--- log of {d.name}:\n' + ''.join(f.readlines()[-60:]), flush=True)
        for ns in self.namespaces:
            subprocess.run(['ip', 'netns', 'del', ns.name], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f'{program} is not installed')


def main(test, programs=()):
    if len(sys.argv) < 3:
        sys.exit(f'usage: {sys.argv[0]} VSWITCHD VSWITCHCTL')
    if os.geteuid() != 0:
        print('SKIP: needs root, for network namespaces')
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    t, code = Test(sys.argv[1], sys.argv[2]), 1
    try:
        need('ip', 'ping', *programs)
        if not os.path.exists('/dev/net/tun') or subprocess.run(
                ['unshare', '-n', 'true'], capture_output=True).returncode != 0:
            raise Skip('no tap devices or network namespaces here')
        test(t)
        code = 1 if t.n_failed > 0 or t.n_checks == 0 else 0
        print(f'{t.n_checks - t.n_failed} of {t.n_checks} hold')
    except Skip as e:
        print(f'SKIP: {e}')
        code = 77
    except (Failed, subprocess.TimeoutExpired) as e:
        print(f'FAILED: {e}')
        import traceback
        traceback.print_exc()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        t.cleanup(code == 1)
    sys.exit(code)
