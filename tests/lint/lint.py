#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Checks what a compiler does not: who includes whom, the look of files, and that headers compile alone.
#
#	lint.py CHECK ROOT [ARG...]
#
#	includes   the table of folders below; own header first; guards; private headers stay private
#	files      licence line, line length, white space, paths of somebody's machine
#	format     clang-format agrees (ARG: the program)
#	headers    each header compiles alone, and twice (ARG: compiler and flags)
#
# Each finding is a line 'path:line: what'.  Exit status 0: none, 1: some, 77: cannot check here (and why).
# lint_test.py proves that each check finds what it is for.

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# Who may include whom: the folder's own files always, 'ours' besides, and headers of 'libs'.  'api' are libraries whose
# types appear in the folder's headers; who may include the folder may include them.
FOLDERS = {
    'ctl/base': {'ours': [], 'libs': [], 'api': []},
    'ctl': {'ours': ['ctl/base'], 'libs': ['libevent', 'jansson', 'sqlite'], 'api': ['jansson']},
    'hv': {'ours': ['ctl'], 'libs': ['kvm'], 'api': ['kvm']},
    'hv/disk': {'ours': ['ctl', 'vmbus/disk.h'], 'libs': ['libnbd', 'liburing'], 'api': []},  # Images, not machines.
    # The process: what joins a machine, its bus and its devices.
    'hv/worker': {'ours': ['ctl', 'hv', 'hv/disk', 'vmbus', 'sriov/vfio.h'], 'libs': ['libevent', 'jansson', 'seccomp'], 'api': ['jansson']},
    'vmbus': {'ours': ['ctl', 'hv/gpa.h'], 'libs': [], 'api': []},
    'dataplane': {'ours': ['ctl'], 'libs': ['dpdk'], 'api': ['dpdk']},
    'filters/ebpf': {'ours': ['ctl'], 'libs': ['libbpf', 'libelf'], 'api': []},  # Programs and maps; no packets' owner.
    'filters': {'ours': ['ctl', 'dataplane', 'filters/ebpf'], 'libs': ['libbpf', 'libxdp', 'libpcap'], 'api': []},
    'vmq': {'ours': ['ctl', 'dataplane', 'vmbus', 'hv/gpa.h'], 'libs': [], 'api': []},
    'sriov': {'ours': ['ctl', 'dataplane', 'vmq', 'vmbus', 'hv/gpa.h'], 'libs': ['libnl'], 'api': []},
    'vswitch/of': {'ours': ['ctl/base'], 'libs': [], 'api': []},  # The codec: no state, no I/O.
    'vswitch': {'ours': ['ctl', 'vmbus', 'dataplane', 'filters', 'filters/ebpf', 'vmq', 'sriov', 'vswitch/of'],
                'libs': ['dpdk', 'jansson', 'libevent', 'sqlite', 'libnl', 'libpcap', 'libbpf', 'libxdp', 'openssl'],
                'api': []},
}
LIBS = {
    'bpf/': 'libbpf', 'cmocka.h': 'cmocka', 'ethdev_': 'dpdk', 'event.h': 'libevent', 'event2/': 'libevent',
    'gelf.h': 'libelf', 'libelf.h': 'libelf',
    'jansson.h': 'jansson', 'libnbd.h': 'libnbd', 'liburing.h': 'liburing', 'linux/kvm.h': 'kvm', 'netlink/': 'libnl', 'openssl/': 'openssl',
    'seccomp.h': 'seccomp', 'pcap.h': 'libpcap', 'pcap/': 'libpcap', 'rte_': 'dpdk', 'sqlite3.h': 'sqlite', 'xdp/': 'libxdp',
}
# Files that may use more than their folder, and why.
EXCEPTIONS = {
    'ctl/capture_frame.c': {'libpcap'},  # The tool reads captures as the person who asked, not the daemon.
    'dataplane/netdev.c': {'libnl'},  # Ports on Linux interfaces: the driver sets the interface up,
    'dataplane/ingress_block.c': {'libnl', 'libbpf'},  # and keeps the host's stack off its frames.
    'dataplane/xdp_check.c': {'libbpf'},  # AF_XDP: can the kernel, may we,
    'dataplane/xdp_redirect.c': {'libbpf'},  # the program that hands frames to our sockets,
    'dataplane/af_xdp.c': {'libbpf'},  # and the same for a net_af_xdp that somebody names by hand,
    'dataplane/dpdk_log.c': {'libbpf'},  # whose library must not write to our standard error.
}
MAINS = {'ctl/main.c', 'hv/worker/main.c', 'vswitch/main.c'}  # They wire, and may look anywhere (but into tests).
TOP = {name.split('/')[0] for name in FOLDERS} | {'tests'}

LICENCE = 'SPDX-License-Identifier: BSD-2-Clause'
WIDTH = 100
# Folders of a person or of a machine that builds; put together here so that this file is not a finding.
MACHINE_PATH = re.compile(r'(?<![\w.])/(?:' + '|'.join(['root', 'home', 'work', 'Users', 'tmp' + '/wt']) + r')/\w')
SKIPPED = re.compile(r'(^|/)(\.git|build[^/]*|__pycache__|corpus|\.cache)(/|$)')


def paths(root, *suffixes):
    """All files below 'root' that end so, as paths from there."""
    found = []
    for folder, folders, names in os.walk(root):
        rel = os.path.relpath(folder, root)
        folders[:] = [f for f in folders if not SKIPPED.search(os.path.normpath(os.path.join(rel, f)))]
        found += [os.path.normpath(os.path.join(rel, n)) for n in names if n.endswith(suffixes)]
    return sorted(found)


def sources(root):
    return [p for p in paths(root, '.c', '.h') if p.split('/')[0] in TOP]


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='surrogateescape') as file:
        return file.read().split('\n')


# includes

def folder_of(path):
    """The row of the table that a file belongs to: the longest that fits; 'tests' has none."""
    fits = [f for f in FOLDERS if path.startswith(f + '/')]
    return max(fits, key=len) if fits else None


def may_include(folder, path):
    row = FOLDERS[folder]
    for allowed in row['ours']:
        if path == allowed or (not allowed.endswith('.h') and path.startswith(allowed + '/')):
            return True
    return folder_of(path) == folder


def libs_of(folder):
    row = FOLDERS[folder]
    libs = set(row['libs']) | set(row['api'])
    for other, api in ((f, r['api']) for f, r in FOLDERS.items()):
        if any(other == o or other.startswith(o + '/') for o in row['ours']):
            libs |= set(api)
    return libs


def check_ours(root, path, target):
    """Findings about '#include "target"' in 'path'."""
    folder = folder_of(path)
    if not os.path.exists(os.path.join(root, target)):
        yield f'"{target}" is no file of ours; paths start at the root'
        return
    if path.startswith('tests/'):
        return
    if target.startswith('tests/'):
        yield f'"{target}": nobody includes tests'
        return
    if target.endswith('_priv.h') and os.path.dirname(target) != os.path.dirname(path):
        yield f'"{target}" is private to {os.path.dirname(target)}'
    elif folder and path not in MAINS and not may_include(folder, target):
        yield f'{folder} must not include "{target}"'


def check_system(path, target):
    folder = folder_of(path)
    if target.split('/')[0] in TOP and '/' in target:
        yield f'<{target}>: ours go in quotes'
    if path.startswith('tests/') or path in MAINS or not folder:
        return
    lib = next((lib for prefix, lib in LIBS.items() if target.startswith(prefix)), None)
    if lib and lib not in libs_of(folder) | EXCEPTIONS.get(path, set()):
        yield f'{folder} must not use {lib} (<{target}>)'


def check_own_first(root, path, found):
    """x.c begins with x.h, or with x_priv.h, which begins with it."""
    own = [path[:-2] + end for end in ('.h', '_priv.h') if os.path.exists(os.path.join(root, path[:-2] + end))]
    if own and (not found or found[0][2] not in own):
        yield path, found[0][0] if found else 1, f'the first include is not its own header "{own[0]}"'


def check_guard(path, lines):
    want = re.sub(r'[^A-Z0-9]', '_', path.upper())
    got = next((m.group(1) for line in lines if (m := re.match(r'#\s*ifndef\s+(\w+)', line))), None)
    if got != want:
        yield 1, f'the include guard is {got}, not {want}'


def check_includes(root):
    for path in sources(root):
        lines = read(root, path)
        found = [(n, m.group(1), m.group(2)) for n, line in enumerate(lines, 1)
                 if (m := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line))]
        if path.endswith('.c'):
            yield from check_own_first(root, path, found)
        if path.endswith('.h'):
            yield from ((path, n, what) for n, what in check_guard(path, lines))
        for n, quote, target in found:
            for what in check_ours(root, path, target) if quote == '"' else check_system(path, target):
                yield path, n, what


# files

def check_line(path, line):
    if path.endswith(('.c', '.h')) and len(line.expandtabs(8)) > WIDTH:
        yield f'longer than {WIDTH} columns'
    if line != line.rstrip():
        yield 'white space at the end'
    if re.match(r' +\t', line):
        yield 'spaces before a tab'
    if MACHINE_PATH.search(line):
        yield 'a path of one machine: ' + MACHINE_PATH.search(line).group(0) + '...'


def check_files(root):
    for path in paths(root, '.c', '.h', '.py', '.sh', '.md', '.service', 'meson.build', '.1', '.8'):
        lines = read(root, path)
        if path.endswith(('.c', '.h', '.py', '.sh')) and not any(LICENCE in line for line in lines[:3]):
            yield path, 1, f'no "{LICENCE}" at its top'
        for n, line in enumerate(lines, 1):
            yield from ((path, n, what) for what in check_line(path, line))


# format

def check_format(root, program):
    try:
        version = subprocess.run([program, '--version'], check=True, stdout=subprocess.PIPE, text=True).stdout
    except OSError:
        skip(f'{program} is not installed')
    if not re.search(r'version 14\.', version):
        skip(f'the layout is that of clang-format 14, here is {version.strip()}')
    files = sources(root)
    for i in range(0, len(files), 50):
        run = subprocess.run([program, '--dry-run', '-Werror', '--ferror-limit=1'] + files[i:i + 50], cwd=root,
                             stderr=subprocess.PIPE, text=True)
        for line in run.stderr.split('\n'):
            if m := re.match(r'([^:]+):(\d+):\d+: error:', line):
                yield m.group(1), int(m.group(2)), 'clang-format would change it'


# headers

def check_header(root, path, compiler):
    """A header twice and nothing else."""
    text = f'#include "{path}"\n#include "{path}"\n'
    run = subprocess.run(compiler + ['-fsyntax-only', '-Werror', '-x', 'c', '-'], cwd=root, input=text,
                         stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        first = next((line for line in run.stderr.split('\n') if 'error' in line), 'no message')
        return [(path, 1, 'does not compile alone: ' + first)]
    return []


def check_headers(root, *compiler):
    headers = [p for p in sources(root) if p.endswith('.h')]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for found in pool.map(lambda path: check_header(root, path, list(compiler)), headers):
            yield from found


def skip(why):
    print('skipped: ' + why)
    sys.exit(77)


CHECKS = {'includes': check_includes, 'files': check_files, 'format': check_format, 'headers': check_headers}


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in CHECKS:
        sys.exit('usage: lint.py ' + '|'.join(CHECKS) + ' ROOT [ARG...]')
    root = os.path.abspath(sys.argv[2])
    if not sources(root):
        sys.exit(f'{root}: no sources there')
    n = 0
    for path, line, what in CHECKS[sys.argv[1]](root, *sys.argv[3:]):
        print(f'{path}:{line}: {what}')
        n += 1
    print(f'{sys.argv[1]}: {n} findings')
    return 1 if n else 0


if __name__ == '__main__':
    sys.exit(main())
