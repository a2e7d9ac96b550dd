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
    sw.ctl('switch add wire --type external')
    for command, slug in (('--device nosuch0', 'no-interface'), ('--device lo --take-address', 'no-host-port')):
        err = code(f'port add wire up {command} --kind phys --check', 8, f'--check: it would fail, {slug}')
        t.check(f'error[{slug}]' in err, 'and says what the change itself would say', err)
    err = code('port add lan y --kind tap --netns nosuchns --check', 8, '--check: it would fail, no-netns')
    t.check('error[no-netns]' in err, 'and says what the change itself would say', err)
    sw.ctl('switch remove wire')
    err = code(['--socket', '/nonexistent', 'switch', 'list'], 6, 'no daemon')
    t.check('fix:' in err, 'and what to do', err)


def messages(t, sw):
    for command in ('port remove nosuch', 'switch remove lan', 'port add lan h --kind host', 'tenant remove red',
                    'port add lan y --kind tap --netns nosuchns', 'mac add lan 02:00:00:00:00:01 --port nosuch'):
        _, out, err = sw.tool(command)
        lines = err.splitlines()
        t.check(not out and lines and lines[0].startswith('error[') and len(lines) in (2, 3) and
                all(x.startswith(('  why: ', '  fix: ')) for x in lines[1:]),
                f"'{command}' says what, why or what to do", err)
        _, out, _ = sw.tool('--json ' + command)
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
    files(t, sw)
    confirm(t, sw)
    odd_names(t, sw)
    bad_clients(t, sw)
    t.check(sw.proc.poll() is None and sw.stop() == 0, 'the daemon lived through it and ends in good order')


vst.main(test)
