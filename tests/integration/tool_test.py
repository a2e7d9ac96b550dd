# SPDX-License-Identifier: BSD-2-Clause
"""The tool and the socket behind it, as people and programs use them: well, badly and with ill will.

    vswitchctl ---[control.sock]--- vswitchd        raw clients ---[control.sock]
"""
import json
import os
import random
import socket
import time

import vst


def exit_codes(t, sw):
    def code(command, want, what, env=None):
        got, out, err = sw.tool(command, env=env)
        t.check(got == want, f'exit {want}: {what}', (got, out, err))
        return err

    code('switch list', 0, 'it worked')
    code('switch lst', 2, 'a verb that is none')
    code('port add lan x --kind sausage', 2, 'a choice that is none')
    code('port add lan', 2, 'an argument is missing')
    code('port remove nosuch', 3, 'there is no such port')
    code('switch show nosuch', 3, 'there is no such switch')
    code('switch add lan --type private', 4, 'the switch exists, and is another')
    code('switch remove lan', 4, 'the switch is in use')
    code('port add lan h --kind host', 5, 'the switch type forbids it')
    code('switch add new --type private --check', 8, '--check: it would change')
    sw.ctl('tenant set red --mac-limit 5')
    code('tenant set red --mac-limit 5 --check', 0, '--check: it would not')
    code('port remove nosuch --check', 8, '--check: it would fail')
    err = code('core add 999 --check', 8, '--check: it would fail, no such core')
    t.check('core-unusable' in err, 'and says so', err)
    err = code(['--socket', '/nonexistent', 'switch', 'list'], 6, 'no daemon')
    t.check('fix:' in err, 'and what to do', err)


def messages(t, sw):
    for command in ('port remove nosuch', 'switch remove lan', 'port add lan h --kind host', 'tenant remove red',
                    'port add lan y --kind tap --netns nosuchns', 'mac add lan 02:00:00:00:00:01 --port nosuch',
                    'swich list', 'port nosuch', 'port add', 'port add lan y', 'port add lan y --kind', 'port add lan y --kind odd',
                    'port add lan y --kind tap --mtu abc', 'port add lan y --kind tap --mtu 5', 'port list too many',
                    'port add lan y --kind tap --pid -1', 'core add x', 'core add -1', 'core remove 700', 'core add 999',
                    'mac add lan 02:00:00:00:00:01 --port b', 'capture start --switch nosuch', 'capture start --tenant nosuch',
                    'capture start nosuch', 'capture stop 99', 'config rollback 999', 'config rollback x', 'config confirm',
                    'config load /nonexistent', 'config load /dev/stdin', 'events list --limit x', 'port list -w0',
                    'switch add y --type private --confirm 0s', '--nosuch port list', '--timeout 1h --socket', 'doctor nosuch',
                    'port list --confirm 3s', 'vlan set a --access 4095', 'tenant add t --id 0', 'switch verify nosuch'):
        _, out, err = sw.tool(command, stdin='nonsense\n')
        lines = err.splitlines()
        t.check(not out and lines and lines[0].startswith('error[') and
                [x[:7] for x in lines[1:]] == ['  why: ', '  fix: '], f"'{command}' says what, why and what to do", err)
        _, out, _ = sw.tool('--json ' + command, stdin='nonsense\n')
        error = json.loads(out)['error']
        t.check(lines and lines[0] == f'error[{error["slug"]}]: {error["what"]}', '  and the same as JSON', out)
    for wrong, right in (('swich list', 'switch'), ('switch lst', 'list'), ('port list --swich lan', 'switch'),
                         ('drop reson', 'reasons')):
        _, _, err = sw.tool(wrong)
        t.check('did you mean' in err and right in err, f"'{wrong}' suggests '{right}'", err)


def checks_change_nothing(t, sw):
    before = sw.ctl('config show')
    code, out, _ = sw.tool('switch add new --type private --check')
    t.check(code == 8 and 'switch add new' in out, '--check shows the change', out)
    t.check(sw.ctl('config show') == before, 'and changes nothing')


def checks_say_what_doing_would(t, sw):
    """Each is refused, by a dry run in the same words as by the change itself."""
    far = t.ns('far')
    far.run('ip link add taken type veth peer name taken1')
    sw.ns.run('ip link add v0 mtu 9000 type veth peer name v1 mtu 9000')
    sw.ns.run('ip link add v2 type veth peer name v3')
    sw.ns.run('ip addr add 10.9.9.9/24 dev v2')
    busy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    busy.bind(t.file('busy.sock'))
    busy.listen()
    plain = t.file('plain', 'no socket')
    sw.ctl('switch add wire --type external')
    sw.ctl(f"port add wire m0 --kind memif --socket {t.file('m.sock')} --id 3")
    for command, slug in (
            ('port add wire up --kind phys --device nosuch0', 'no-interface'),
            ('port add wire up --kind phys --device v2', 'port-busy'),
            ('port add wire up --kind phys --device v2 --take-address', 'no-host-port'),
            ('port add wire up --kind phys --device lo', 'not-ethernet'),
            ('port add wire up --kind phys --device v0 --mtu 9000 --driver af_xdp', 'af-xdp'),
            ('port add wire up --kind phys --driver dpdk --device v0', 'bad-device'),
            ('port add wire up --kind phys --device 0000:ff:1f.7', 'no-device'),
            ('port add wire up --kind phys --device net_nosuch0', 'no-device'),
            ('port add lan y --kind tap --netns nosuchns', 'no-netns'),
            (f'port add lan y --kind tap --netns {far.name} --ifname taken', 'interface-exists'),
            (f'port add lan a-name-that-linux-has-no-room-for --kind tap --netns {far.name}', 'bad-interface-name'),
            (f'port add lan y --kind tap --netns {far.name} --address 0.0.0.0/0', 'bad-address'),
            ('port add wire y --kind host --ifname v1', 'interface-exists'),
            ('port set a --address 0.0.0.0/0', 'bad-address'),
            ('port add lan y --kind vhost --mode server --socket /nosuch/y.sock', 'vhost-socket'),
            (f"port add lan y --kind vhost --mode server --socket {t.file('busy.sock')}", 'vhost-socket'),
            (f'port add lan y --kind vhost --mode server --socket {plain}', 'vhost-socket'),
            (f'port add lan y --kind vhost --mode client --socket {plain}', 'vhost-socket'),
            (f"port add wire y --kind memif --socket {t.file('busy.sock')}", 'vhost-socket'),
            (f"port add wire y --kind memif --socket {t.file('m.sock')} --id 3", 'device-used')):
        before = sw.ctl('config show')
        check, _, would = sw.tool(command + ' --check')
        code, _, does = sw.tool(command)
        t.check(check == 8 and code != 0 and would == does and does.startswith(f'error[{slug}]: '),
                f"'{command}' fails with {slug}, and --check says so", (check, would, code, does))
        lines = does.splitlines()
        t.check([x[:7] for x in lines[1:]] == ['  why: ', '  fix: '], '  what, why, and how to go on', does)
        t.check(sw.ctl('config show') == before, '  nothing is changed')
    t.check('taken' in far.run('ip -o link').stdout, 'whose name was wanted is still there')
    busy.close()
    sw.ctl('switch remove wire --with-ports')


def doctor(t, sw):
    """What it finds has a remedy, and once that is done it is found no more."""
    def find(check):
        return [c for c in json.loads(sw.tool('--json doctor')[1])['checks'] if c['check'] == check]

    checks = json.loads(sw.tool('--json doctor')[1])['checks']
    names = [c['check'] for c in checks]
    t.check({'huge pages', 'iommu', 'drivers', 'cores', 'ports', 'mtu', 'offloads'} <= set(names), 'doctor looks at it all', names)
    sw.ns.run('ip link add d0 type veth peer name d1')
    sw.ns.run('ip link add d2 type veth peer name d3')
    sw.ns.run('ip link add d4 mtu 9000 type veth peer name d5 mtu 9000')
    sw.ctl('switch add sick --type external')
    sw.ctl('port add sick d0 --kind phys --driver af_packet')
    sw.ctl('port add sick d2 --kind phys --driver af_xdp')
    sw.ctl('port add sick d4 --kind phys --mtu 9000')
    sw.ctl(f"port add sick soft --kind tap --netns {t.ns('soft').name} --offloads off")
    sw.ctl('port add sick p0 --kind phys --device net_null0')
    t.check(not find('offloads of d0'), 'a veth has its offloads')
    sw.ns.run('ethtool -K d0 tx off')
    rows = {name: find(name) for name in ('offloads of d0', 'offloads of d2', 'offloads of soft', 'offloads of p0', 'port d4', 'mtu on sick')}
    t.check(all(len(r) == 1 and r[0]['state'] == 'warn' and r[0]['why'] and r[0]['fix'] for r in rows.values()),
            'doctor finds what was made ill, with a fix for each', rows)
    t.check('dpdk-devbind.py' in rows['port d4'][0]['fix'] and 'AF_PACKET' in rows['port d4'][0]['found'],
            'why AF_PACKET serves an interface, and how else', rows['port d4'])
    sw.ns.run(rows['offloads of d0'][0]['fix'])
    t.check(not find('offloads of d0'), 'its fix for offloads helps', find('offloads of d0'))
    for _ in range(4):
        for row in find('mtu on sick')[:1]:
            sw.tool(row['fix'].removeprefix('vswitchctl '))
    t.check('9000' in sw.tool('port list sick')[1], 'its fix for MTUs is a command that works', sw.tool('port list sick')[1])
    sw.ctl('switch remove sick --with-ports')
    t.check(all(c['why'] and c['fix'] for c in checks if c['state'] != 'ok'), 'nothing is found that has no fix', checks)


def confirm(t, sw):
    before = sw.ctl('config show')['text']
    sw.ctl('switch add brief --type private --confirm 3s')
    t.check('brief' in sw.ctl('config show')['text'], '--confirm: the change is made')
    t.check(vst.wait_for(lambda: sw.ctl('config show')['text'] == before, 15), 'and undone when nobody confirms')
    sw.ctl('switch add brief --type private --confirm 3s')
    sw.ctl('config confirm')
    time.sleep(3.5)
    t.check('brief' in sw.ctl('config show')['text'], 'and stays when somebody does')
    sw.ctl('switch set brief --mac-age 33s --confirm 60s')
    sw.kill()
    sw.start()
    t.check(vst.wait_for(lambda: '33s' not in sw.ctl('config show')['text'], 15),
            'a change that a dead daemon waited for is undone by the next')
    sw.ctl('switch remove brief')


def files(t, sw):
    before = sw.ctl('config show')['text']
    first = sw.ctl('config history')['revision']
    path = t.file('saved.conf', before)
    t.check(sw.ctl(f'config diff {path}')['changes'] == [], 'a saved configuration differs in nothing')
    sw.ctl('switch add extra --type private --mac-age 20s')
    sw.ctl('switch set extra --mac-age 40s')
    sw.ctl('tenant add green --id 9')
    changes = sw.ctl(f'config diff {path}')['changes']
    t.check(sorted((c['kind'], c['name']) for c in changes) == [('switch', 'extra'), ('tenant', 'green')],
            'diff names what was added since', changes)
    history = sw.ctl('config history')['history']
    t.check(history[0]['command'].startswith('tenant add green') and history[0]['revision'] > first and
            history[0]['who'], 'history says what and who', history[0])
    later = sw.ctl('config show')['text']
    sw.ctl(f'config load {path}')
    t.check(sw.ctl('config show')['text'] == before, 'load brings the saved one back, to the letter')
    sw.ctl('config rollback')
    t.check(sw.ctl('config show')['text'] == later, 'rollback takes the load back',
            (sw.ctl('config show')['text'], later, sw.tool('config history')[1]))
    sw.ctl(f'config rollback {first}')
    t.check(sw.ctl('config show')['text'] == before, 'rollback N goes back to N')
    bad = t.file('bad.conf', 'switch add good --type private\nswitch add bad --type sausage\n')
    code, _, err = sw.tool(f'config load {bad} --merge')
    t.check(code != 0 and '2' in err and 'good' not in sw.ctl('config show')['text'],
            'a bad line 2: it is named, and line 1 is not done either', err)
    t.check(sw.tool(f'config check {bad}')[0] != 0 and sw.tool(f'config check {path}')[0] == 0,
            'config check tells good from bad')


def odd_names(t, sw):
    before = sw.ctl('config show')['text']
    refused = ['', ' ', 'a b', '/a', '../etc', 'x' * 300, 'a\nb', "a'b", 'a;b', '\x1b[31m', '-x', 'a"b', '\u202eabc']
    wrong = []
    for name in refused:
        code, out, err = sw.tool(['switch', 'add', '--type', 'private', '--', name])
        if code not in (2, 5) or '\x1b' in err or '\u202e' in err:
            wrong.append((name, code, err))
    t.check(not wrong, f'{len(refused)} odd names are refused, and not echoed raw', wrong)
    t.check(sw.ctl('config show')['text'] == before, 'and leave nothing')
    good = [n for n in ('a.b', 'A-1', 'x_y', '0', 'switch') if sw.tool(['switch', 'add', n, '--type', 'private'])[0] == 0]
    text = sw.ctl('config show')['text']
    t.check(good and sw.ctl('config check -', stdin=text)['changes'] == [], 'names that are taken load again', good)
    for name in good:
        sw.ctl(['switch', 'remove', name])


def raw(sw, data, timeout=10.0, shut=False):
    """What the daemon says to these bytes until it is silent or closes."""
    got = b''
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(sw.socket)
        try:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            while not got.endswith(b'\n') or shut:
                chunk = s.recv(65536)
                if not chunk:
                    break
                got += chunk
        except OSError:
            pass
    return got


def bad_clients(t, sw):
    rng = random.Random(3)
    cases = {
        'no JSON': b'hello\n',
        'half a message': b'{"jsonrpc":"2.0","id":1,',
        'a number': b'7\n',
        'a NUL': b'{"jsonrpc":"2.0","id":1,"method":"switch.list\0"}\n',
        'no UTF-8': b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n',
        'deep nesting': b'[' * 100000 + b'\n',
        'an unknown method': b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n',
        'parameters of the wrong form': b'{"jsonrpc":"2.0","id":1,"method":"switch.add","params":[1]}\n',
        'a number for a name': b'{"jsonrpc":"2.0","id":1,"method":"switch.add","params":{"name":1,"type":2}}\n',
        'a member twice': b'{"jsonrpc":"2.0","id":1,"id":2,"method":"switch.list"}\n',
        'a huge number': b'{"jsonrpc":"2.0","id":1,"method":"core.add","params":{"cpu":99999999999999999999}}\n',
    }
    silent = {}
    for what, data in cases.items():
        answer = raw(sw, data, shut=True)
        if what != 'half a message' and b'"error"' not in answer:
            silent[what] = answer
    t.check(not silent, f'{len(cases)} malformed messages get an error', silent)
    t.check(b'message-too-big' in raw(sw, b'"' + b'x' * (5 << 20), 5) or sw.answers(),
            'a message of 5 MiB does no harm')
    for _ in range(30):
        raw(sw, bytes(rng.randrange(256) for _ in range(2000)), 0.05)
    idle = []
    for _ in range(400):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(sw.socket)  # blocking: with a full backlog it waits for the daemon to accept
        except OSError:
            s.close()
            continue
        idle.append(s)
    t.check(len(idle) > 200, '400 clients that say nothing', len(idle))
    for s in idle:
        s.close()
    t.check(vst.wait_for(sw.answers, 20), 'the daemon still answers')
    good = json.loads(raw(sw, b'{"jsonrpc":"2.0","id":"x","method":"switch.list"}\n'))
    t.check(good.get('id') == 'x' and 'switches' in good.get('result', {}), 'and a raw client can speak with it', good)
    t.check(oct(os.stat(sw.socket).st_mode & 0o777) in ('0o600', '0o660'), 'the socket is for root and the group only',
            oct(os.stat(sw.socket).st_mode))


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('tenant add red --id 7')
    sw.tap('lan', 'a', options='--tenant red')
    exit_codes(t, sw)
    messages(t, sw)
    checks_change_nothing(t, sw)
    checks_say_what_doing_would(t, sw)
    doctor(t, sw)
    files(t, sw)
    confirm(t, sw)
    odd_names(t, sw)
    bad_clients(t, sw)
    t.check(sw.proc.poll() is None and sw.stop() == 0, 'the daemon lived through it and ends in good order')


vst.main(test, ['ethtool'])
