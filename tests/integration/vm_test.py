# SPDX-License-Identifier: BSD-2-Clause
"""VMs as an administrator has them, with processes that have no machine (tests/tools/fake_vmworker.c).

    vswitchctl -> vswitchd -> fake-vmworker of web1, web2, ..
                     ^  kill -9, again and again

What a guest does with its devices is tested with real guests (tests/guest).
"""
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time

import vst


def vm(sw, name):
    rows = [r for r in sw.ctl('vm list')['vms'] if r['name'] == name]
    return rows[0] if rows else None


def state(sw, name):
    return (vm(sw, name) or {}).get('state')


def pid_of(sw, name):
    return sw.ctl(f'vm show {name}')['pid']


def asked(sw, name):
    try:
        with open(os.path.join(sw.dir, 'vm', name, 'asked')) as f:
            return f.read()
    except FileNotFoundError:
        return ''


def refused(t, sw, command, slug, words, rc=None):
    code, _, err = sw.tool(command)
    t.check(code != 0 and (rc is None or code == rc) and f'error[{slug}]' in err and words in err
            and 'why:' in err, f'refused with what, why and how to mend it: {command}', err)


def life(t, sw, kernel):
    t.check(sw.ctl(f'vm create web1 --kernel {kernel} --memory 256M --nic lan0,tenant=blue --restart on-failure')
            ['changed'], 'a VM is created with its NIC in one change')
    t.check(sw.ctl('port show web1/nic0')['tenant'] == 'blue', 'its NIC is a port of the tenant')
    t.check(state(sw, 'web1') == 'stopped', 'it is stopped')
    t.check(sw.ctl('vm start web1') == {'name': 'web1', 'state': 'running'}, 'it starts')
    show = sw.ctl('vm show web1')
    t.check(show['ips'] == ['10.0.0.7'] and show['os'] == 'Fake ?[2J 1.0', 'what its guest says of itself is shown, '
            'without what drives a terminal', show)
    nic = [n for n in sw.ctl('nic list')['nics'] if n['name'] == 'web1/nic0'][0]
    t.check(nic['ips'] == ['10.0.0.7'], 'and its addresses beside its NIC')
    t.check(vst.wait_for(lambda: 'nic-attach nic0 1' in asked(sw, 'web1')), 'its NIC is handed over')
    sw.ctl('nic add web1/nic1 --switch lan0 --vlan 7')
    t.check(vst.wait_for(lambda: 'nic-add nic1 0' in asked(sw, 'web1')), 'one that is added is told to it')
    sw.ctl('nic remove web1/nic1')
    t.check(vst.wait_for(lambda: 'nic-remove nic1 0' in asked(sw, 'web1')), 'one that is removed as well')
    stats = sw.ctl('vm stats web1')
    t.check(stats['vms'][0]['exits'] == 300 and stats['vms'][0]['writes'] == 4, 'counters are shown', stats)
    refused(t, sw, 'vm start web1', 'vm-running', 'already', 4)
    refused(t, sw, 'vm delete web1', 'vm-running', 'vm stop web1')
    t.check(sw.ctl('vm pause web1') and vst.wait_for(lambda: state(sw, 'web1') == 'paused'), 'it pauses')
    t.check(sw.ctl('vm resume web1') and vst.wait_for(lambda: state(sw, 'web1') == 'running'), 'and resumes')
    t.check(sw.ctl('vm stop web1')['vms'][0]['state'] == 'stopped', 'it stops')
    t.check('stop shutdown' in asked(sw, 'web1'), 'its guest was asked')
    refused(t, sw, 'vm pause web1', 'vm-stopped', 'vm start web1')
    refused(t, sw, 'vm console web1', 'vm-stopped', 'vm start web1')
    refused(t, sw, 'vm start nobody', 'not-found', 'web1', 3)


def history(t, sw, kernel):
    before = sw.ctl('config show')
    revision = before['revision']
    sw.ctl(f'vm create web9 --kernel {kernel} --nic lan0 --nic lan0')
    diff = sw.ctl(f'config diff {revision}')
    t.check({c['name'] for c in diff['changes']} == {'web9', 'web9/nic0', 'web9/nic1'},
            'a VM and its NICs are one revision', diff)
    sw.ctl('vm start web9')
    refused(t, sw, f'config rollback {revision}', 'vm-running', 'vm stop web9')
    sw.ctl('vm stop web9')
    sw.ctl(f'config rollback {revision}')
    t.check(sw.ctl('config show')['text'] == before['text'] and vm(sw, 'web9') is None, 'and a rollback takes all of it')


def killed(t, sw):
    sw.ctl('vm start web1')
    pid = pid_of(sw, 'web1')
    sw.kill()
    t.check(os.path.exists(f'/proc/{pid}'), 'kill -9 of the switch leaves the VM running')
    sw.start()
    t.check(vst.wait_for(lambda: state(sw, 'web1') == 'running') and pid_of(sw, 'web1') == pid,
            'the next switch takes it up again')
    os.kill(pid, signal.SIGKILL)
    t.check(vst.wait_for(lambda: state(sw, 'web1') == 'running' and pid_of(sw, 'web1') not in (pid, None), 15),
            'kill -9 of its process: it starts again', sw.events('vm-restart'))
    sw.stop()
    pid = None
    sw.start()
    t.check(vst.wait_for(lambda: state(sw, 'web1') == 'running'), 'a switch that stops in good order leaves it too')
    pid = pid_of(sw, 'web1')
    sw.kill()
    os.kill(pid, signal.SIGKILL)
    sw.start()
    t.check(vst.wait_for(lambda: state(sw, 'web1') == 'running' and pid_of(sw, 'web1') != pid, 15),
            'one that died with the switch starts again by its policy')


def ends_while_asked(t, sw, kernel):
    """The switch stops while calls wait for VMs."""
    sw.ctl(f'vm create slow --kernel {kernel} --cmdline silent')
    waits = [sw.tool_popen('vm start slow', stderr=subprocess.PIPE, text=True)]
    pid = pid_of(sw, 'web1')
    os.kill(pid, signal.SIGSTOP)
    waits += [sw.tool_popen(f'vm {verb}', stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
              for verb in ('show web1', 'list', 'stats', 'stop web1')]
    time.sleep(0.4)
    t.check(all(w.poll() is None for w in waits), 'five calls wait')
    t.check(sw.stop() == 0, 'a switch that stops meanwhile stops in good order')
    for w in waits:
        w.wait(5)
    os.kill(pid, signal.SIGCONT)
    sw.start()
    # 'slow' was never ready, and nobody listens for it.
    sw.tool('vm stop slow --off')
    t.check(vst.wait_for(lambda: state(sw, 'web1') in ('stopped', 'running'), 10), 'and the next one goes on', state(sw, 'web1'))
    with open(os.path.join(sw.dir, 'vm', 'slow', 'fake.pid')) as f:
        os.kill(int(f.read()), signal.SIGKILL)
    sw.ctl('vm delete slow')
    sw.tool('vm stop web1 --off')
    sw.ctl('vm start web1')


def console(t, sw):
    code, out, err = sw.tool('vm console web1', stdin='hello\n')
    t.check(code == 0 and 'login: ' in out and 'hello' in out, 'a pipe gets what the guest says', (code, out, err))
    main, far = pty.openpty()
    before = subprocess.run(['stty', '-a'], stdin=far, capture_output=True, text=True).stdout
    proc = subprocess.Popen([t.vswitchctl, '--socket', sw.socket, 'vm', 'console', 'web1'], stdin=far, stdout=far,
                            stderr=far)
    got = b''

    def until(text, timeout=5):
        nonlocal got
        end = time.monotonic() + timeout
        while text not in got and time.monotonic() < end:
            os.set_blocking(main, False)
            try:
                got += os.read(main, 4096)
            except BlockingIOError:
                time.sleep(0.02)
        return text in got

    t.check(until(b'login: '), 'a terminal gets what the guest wrote last', got)
    during = subprocess.run(['stty', '-a'], stdin=far, capture_output=True, text=True).stdout
    t.check('-icanon' in during and '-isig' in during, 'keys go through as they are typed, ^C too')
    os.write(main, b'\x03echo')
    t.check(until(b'\x03echo'), 'and come back from the guest', got)
    os.write(main, b'\x1d')
    t.check(proc.wait(5) == 0, 'the escape key leaves')
    after = subprocess.run(['stty', '-a'], stdin=far, capture_output=True, text=True).stdout
    t.check(after == before, 'the terminal is as it was', (before, after))
    proc = subprocess.Popen([t.vswitchctl, '--socket', sw.socket, 'vm', 'console', 'web1'], stdin=far, stdout=far,
                            stderr=far)
    got = b''
    until(b'login: ')
    proc.terminate()
    proc.wait(5)
    after = subprocess.run(['stty', '-a'], stdin=far, capture_output=True, text=True).stdout
    t.check(after == before, 'also when the tool is told to end')
    t.check(state(sw, 'web1') == 'running', 'the VM goes on')
    os.close(main)
    os.close(far)


def streams(t, sw, kernel):
    """The daemon's and the tool's part; the worker's is in tests/unit/hv/vsock_test.c."""
    sw.ctl(f'vm create talk --kernel {kernel} --cmdline stream --vsock')
    refused(t, sw, 'vm connect talk 7', 'vm-stopped', 'vm start talk')
    refused(t, sw, 'vm connect web1 7', 'no-vsock', 'vm set web1 --vsock')
    sw.ctl('vm start talk')
    path = sw.ctl('vm show talk')['vsock']
    t.check(path.endswith('/vm/talk/vsock.sock') and sw.ctl('vm show web1')['vsock'] is None, 'vm show has the socket')
    with socket.socket(socket.AF_UNIX) as port:
        port.bind(path + '_2000')
        port.listen(1)
        port.settimeout(10)
        sw.ctl('vm pause talk')
        sw.ctl('vm resume talk')
        peer, _ = port.accept()
        peer.settimeout(10)
        t.check(peer.makefile('rb').read() == b'hello\n', 'who listens on vsock.sock_2000 is connected to the guest')
        peer.close()
    sw.ctl('vm pause talk')
    sw.ctl('vm resume talk')  # Nobody listens: nothing happens.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(10)
        for answer, code in ((b'OK 5\nup', 0), (b'', 1)):
            proc = sw.tool_popen('vm connect talk 77', stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            peer, _ = listener.accept()
            peer.settimeout(10)
            t.check(peer.recv(100) == b'CONNECT 77\n', 'vm connect says which port')
            peer.sendall(answer)
            if answer:
                proc.stdin.write(b'down')
                proc.stdin.close()
                got = b''.join(iter(lambda: peer.recv(100), b''))
                t.check(got == b'down', 'its input goes to the guest, and so does its end', got)
                peer.sendall(b'more')
            peer.close()
            out, err = proc.stdout.read(), proc.stderr.read()
            t.check((proc.wait(10) != 0) == (code != 0), 'it ends with the stream', (answer, err))
            t.check(out == answer[5:] + (b'more' if answer else b''), 'its output is what the guest says', out)
            t.check(code == 0 or b'error[refused]' in err, 'a port that nobody listens on is an error', err)
    os.unlink(path)
    sw.ctl('vm stop talk')
    sw.ctl('vm delete talk')


def odd(t, sw, kernel):
    for name in ('a/b', 'a:b', '-a', '.a', 'a b', 'x' * 41, '\u00e4'):
        code, _, err = sw.tool(['vm', 'create', '--kernel', kernel, '--', name])
        t.check(code != 0 and 'why:' in err, f'no VM is called {name!r}', err)
    refused(t, sw, 'vm create x --kernel /nowhere', 'no-file', '/nowhere')
    refused(t, sw, f'vm create x --kernel {kernel} --nic lan0,vlan=9999', 'usage', '9999')
    sw.ctl(f'vm create bad --kernel {kernel} --cmdline fail')
    code, _, err = sw.tool('vm start bad')
    t.check(code != 0 and 'not-a-kernel' in err and 'name another' in err, 'a process that refuses says why', err)
    sw.ctl('vm set bad --cmdline nostop')
    sw.ctl('vm start bad')
    began = time.monotonic()
    t.check(sw.ctl('vm stop bad --timeout 1s')['vms'][0]['state'] == 'stopped' and time.monotonic() - began >= 0.9,
            'a guest that does not shut down is switched off')
    sw.ctl('vm set bad --cmdline crash@100 --restart never')
    sw.ctl('vm start bad')
    t.check(vst.wait_for(lambda: 'Kernel panic' in sw.ctl('vm show bad')['note']), 'a panic is shown with its text')
    sw.ctl('vm delete bad')
    relative = os.path.relpath(kernel)
    sw.ctl(f'vm create rel --kernel {relative}')
    t.check(os.path.isabs(sw.ctl('vm show rel')['configured']['kernel']), 'a relative path is made absolute')
    sw.ctl('vm delete rel')


def images(t, sw):
    raw = os.path.join(sw.dir, 'disk.img')
    info = sw.ctl(f'disk create {raw} 8M')
    t.check(info['size'] == 8 << 20 and info['format'] == 'raw' and info['used'] < 1 << 20, 'a sparse image is made', info)
    refused(t, sw, f'disk create {raw} 8M', 'exists', 'would be lost', 4)
    sw.ctl(f'disk add web1/data {raw}')
    t.check(vst.wait_for(lambda: 'disk-add data 1' in asked(sw, 'web1')), 'it is handed to the VM that runs')
    refused(t, sw, f'disk add web1/more {raw} --format qcow2', 'disk-used', 'destroy')
    sw.ctl('disk remove web1/data')
    t.check(vst.wait_for(lambda: 'disk-remove data 0' in asked(sw, 'web1')), 'and taken from it')
    refused(t, sw, f'disk add web1/more {raw} --format qcow2', 'vm-running', 'vm stop web1')


def many(t, sw, kernel):
    text = ''.join(f'vm create vm{i} --kernel {kernel} --restart never\nport add lan0 vm{i}/nic0 --kind vmbus\n'
                   for i in range(200))
    began = time.monotonic()
    # 'config load' reads it in one change.
    path = sw.dir + '/many'
    with open(path, 'w') as f:
        f.write(sw.ctl('config show')['text'] + text)
    sw.ctl(f'config load {path}')
    t.note(f'200 VMs defined in {time.monotonic() - began:.1f} s')
    rows = sw.ctl('vm list')['vms']
    ids = [r['id'] for r in rows]
    t.check(len(rows) >= 200 and len(set(ids)) == len(ids), '200 VMs are defined, each with an id of its own')
    for i in range(0, 200, 20):
        sw.ctl(f'vm start vm{i}')
    t.check(len([r for r in sw.ctl('vm list')['vms'] if r['state'] == 'running']) == 11, 'ten of them run')
    shown = sw.ctl('config show')['text']
    sw.kill()
    sw.start()
    t.check(sw.ctl('config show')['text'] == shown, 'the configuration is what it was after kill -9')
    t.check(vst.wait_for(lambda: len([r for r in sw.ctl('vm list')['vms'] if r['state'] == 'running']) == 11),
            'and so are those that run')
    with open(path, 'w') as f:
        f.write(shown)
    t.check(not sw.ctl(f'config load {path}')['changed'], 'what config show prints loads as no change')
    sw.ctl('config set --metrics 127.0.0.1:19464')

    def scrape():
        return sw.ns.run(['curl', '-s', 'http://127.0.0.1:19464/metrics'], ok=None).stdout

    t.check(vst.wait_for(lambda: 'vswitch_vm_exits_total{vm="vm20",reason="halt"} 200' in scrape(), 15),
            'metrics have the VMs: exits by reason', scrape()[:500])
    t.check('vswitch_vm_up{vm="vm20"} 1' in scrape() and 'vswitch_vm_up{vm="vm21"} 0' in scrape(), 'and who runs')
    stopped = sw.ctl('vm stop --all --timeout 30s')['vms']
    t.check(len(stopped) == 11 and all(v['state'] == 'stopped' for v in stopped), 'vm stop --all stops them all', stopped)
    for i in range(0, 200, 20):
        sw.ctl(f'vm delete vm{i}')
    t.check(len(sw.ctl('vm list')['vms']) < 200 and sw.port('vm0/nic0') is None, 'their NICs go with them')


def test(t):
    vst.need('curl', 'stty')
    fake = os.path.abspath(sys.argv[3])
    sw = t.daemon(args=['--vmworker', fake])
    kernel = t.file('vmlinuz', 'no kernel, and its process does not mind\n')
    sw.ctl('switch add lan0 --type private')
    sw.ctl('tenant add blue --id 7')
    try:
        life(t, sw, kernel)
        history(t, sw, kernel)
        killed(t, sw)
        ends_while_asked(t, sw, kernel)
        console(t, sw)
        streams(t, sw, kernel)
        images(t, sw)
        odd(t, sw, kernel)
        many(t, sw, kernel)
    finally:
        # They would outlive the switch.
        sw.tool('vm stop --all --off')
    doctor = sw.tool('doctor')[1]
    t.check(re.search('ok +vmworker:', doctor) is not None, 'the doctor looks at what VMs need', doctor)
    sw.stop()


vst.main(test)
