# SPDX-License-Identifier: BSD-2-Clause
"""Filter modules: XDP programs on the ports of a switch, as an administrator handles them.

    a (10.0.0.1) ---+ lan (private)     filter_prog.c on the ingress of a: drops pings that a map
    b (10.0.0.2) ---+                   names, counts the others, tells of them in a ring buffer
"""
import json
import os
import socket
import subprocess
import time

import vst

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDES = ['-I/usr/include/' + os.uname().machine + '-linux-gnu']


def build(t, name, *defines):
    """An object of filter_prog.c; skips where clang cannot make one."""
    path = t.file(name + '.o')
    got = subprocess.run(['clang', '-O2', '-g', '-target', 'bpf', *INCLUDES, *defines, '-c',
                          os.path.join(HERE, 'filter_prog.c'), '-o', path], capture_output=True, text=True)
    if got.returncode != 0:
        if 'target' in got.stderr or 'bpf_helpers.h' in got.stderr:
            raise vst.Skip('clang makes no BPF objects here: ' + got.stderr.splitlines()[0])
        raise vst.Failed(got.stderr)
    return path


def may_load(t, sw, path):
    got = json.loads(sw.tool(['--json', 'filter', 'verify', path])[1])
    if got.get('slug') == 'no-bpf':
        raise vst.Skip(got['verdict'] + ': ' + got['why'])
    return got


def row(sw, module='guard'):
    rows = [r for r in sw.ctl('filter list')['filters'] if r['module'] == module]
    return rows[0] if rows else None


def refused(t, sw, words, slug, sentence, rc=None):
    code, _, err = sw.tool(words)
    t.check(code not in (0, 6) and f'error[{slug}]' in err and (rc is None or code == rc), sentence, (code, err))
    return err


def verify(t, sw, good, bad):
    got = may_load(t, sw, good)
    t.check(got['ok'] and {p['name'] for p in got['programs']} == {'guard', 'others'}, 'verify lists programs', got)
    t.check('bpf_map_lookup_elem' in got['helpers'] and 'capture' in got['roles'], 'and helpers, and roles', got)
    t.check({m['map'] for m in got['maps']} >= {'blocked', 'counts', 'nets', 'ports', 'seen'}, 'and maps', got['maps'])
    code, out, _ = sw.tool(['filter', 'verify', bad])
    t.check(code == 1 and 'filter_prog.c:' in out and 'outside of the packet' in out,
            'of what is refused it shows the reason and the line of source', (code, out))
    t.check(sw.ctl('filter list')['filters'] == [], 'verify changes nothing')


def bad_input(t, sw):
    """None of these is an object; all are said so, and leave nothing."""
    before = sw.ctl('config show')['text']
    empty, text = t.file('empty', ''), t.file('text', 'not an ELF file\n' * 100)
    odd = t.file('odd name \u2603 \'".o', 'x')
    cut = t.file('cut.o')
    with open(t.file('v1.o'), 'rb') as f, open(cut, 'wb') as to:
        to.write(f.read(3000))
    for path in (empty, text, odd, cut, '/dev/zero', '/dev/null', t.dir, t.file('none.o')):
        code, out, err = sw.tool(['filter', 'load', 'bad', path], timeout=30)
        t.check(code not in (0, 6) and err.startswith('error['), f'refused: {os.path.basename(path)!r}', (code, out, err))
    os.symlink('/dev/zero', t.file('zero.o'))
    code, _, err = sw.tool(['config', 'load', '-', '--merge'], stdin=f'filter load bad {t.file("zero.o")}\n')
    t.check(code != 0 and 'no regular file' in err, 'a file of commands names regular files only', err)
    secret = t.file('secret.o', 'x')
    os.chmod(secret, 0o600)
    code, _, err = sw.tool(['config', 'load', '-', '--merge'], stdin=f'filter load bad {secret}\n')
    t.check(code != 0 and 'everybody may read' in err, 'and only those that everybody may read', err)
    refused(t, sw, ['filter', 'load', 'bad name', t.file('v1.o')], 'usage', 'a name with a space is none')
    refused(t, sw, ['filter', 'load', 'x' * 64, t.file('v1.o')], 'usage', 'a name of 64 bytes is none')
    refused(t, sw, ['filter', 'load', 'bad', t.file('v1.o'), '--sha256', '0' * 64], 'bad-digest',
            'a file that is not what --sha256 says')
    refused(t, sw, 'filter show guard2', 'not-found', 'what is not there cannot be shown', 3)
    t.check(sw.ctl('config show')['text'] == before, 'nothing of that is in the configuration')
    t.check(len(os.listdir(os.path.join(sw.dir, 'filters'))) <= 1, 'nor among the copies',
            os.listdir(os.path.join(sw.dir, 'filters')))


def load_and_attach(t, sw, a, objects):
    sw.ctl(['filter', 'load', 'guard', objects['v1'], '--program', 'guard'])
    refused(t, sw, ['filter', 'load', 'guard', objects['v1']], 'exists', 'a name is taken once', 4)
    t.check(row(sw)['where'] == '' and row(sw)['state'] == 'loaded', 'a module that hangs nowhere is listed', row(sw))
    sw.ctl('filter attach guard --port a')
    r = row(sw)
    t.check((r['where'], r['direction'], r['role'], r['ports']) == ('port a', 'ingress', 'filter', 1), 'attached', r)
    t.check(a.ping('10.0.0.2'), 'pings pass')
    t.check(vst.wait_for(lambda: row(sw)['pass'] >= 2, 3), 'the module saw them', row(sw))
    refused(t, sw, 'filter attach guard --port a', 'exists', 'not twice at one place')
    refused(t, sw, 'filter attach guard --port nowhere', 'not-found', 'not to a port that is not there')
    refused(t, sw, 'filter attach guard', 'usage', 'not to nothing')
    refused(t, sw, 'filter attach guard --port b --role forward --direction egress', 'filter-role',
            'nothing forwards on egress')
    err = refused(t, sw, 'filter unload guard', 'attached', 'not unloaded while it hangs somewhere')
    t.check('port a' in err, 'and says where', err)


def maps(t, sw, a):
    sw.ctl(['filter', 'map', 'set', 'guard', 'blocked', '10.0.0.1',
            '{"hits": 0, "on": 1, "level": 5, "mac": "02:00:00:00:00:09", "name": "first"}'])
    t.check(not a.ping('10.0.0.2', count=1), 'a ping that the map names is dropped')
    got = sw.ctl('filter map dump guard blocked')['elements']
    t.check(len(got) == 1 and got[0]['key'] == '10.0.0.1' and got[0]['value']['hits'] >= 1 and
            {k: v for k, v in got[0]['value'].items() if k != 'hits'} ==
            {'on': 1, 'level': 5, 'mac': '02:00:00:00:00:09', 'name': 'first'}, 'a dump has its types', got)
    sw.ctl(['filter', 'map', 'set', 'guard', 'blocked', '10.0.0.1', '{"level": 2}'])
    got = sw.ctl('filter map get guard blocked 10.0.0.1')['elements'][0]['value']
    t.check(got['level'] == 2 and got['name'] == 'first' and got['hits'] >= 1, 'fields that are not named stay', got)
    t.check(sw.drops('a', 'filter-drop') >= 1, 'the drop has its reason')
    sw.ctl('filter map delete guard blocked 10.0.0.1')
    t.check(a.reaches('10.0.0.2'), 'and passes again without the element')
    refused(t, sw, 'filter map delete guard blocked 10.0.0.1', 'map', 'what is gone cannot be deleted', 3)
    refused(t, sw, 'filter map set guard blocked 10.0.0.1 nonsense', 'bad-value', 'nonsense is no value', 5)
    refused(t, sw, ['filter', 'map', 'set', 'guard', 'blocked', '10.0.0.1', '{"hit": 1}'], 'bad-value',
            'nor is a field that there is not')
    refused(t, sw, 'filter map dump guard block', 'not-found', 'nor a map', 3)
    err = refused(t, sw, 'filter map dump guard seen', 'map-type', 'a ring has no elements')
    t.check('filter tail guard seen' in err, 'and says how to read it', err)
    sw.ctl('filter map-set guard nets 10.1.0.0/16 7')
    got = sw.ctl('filter map dump guard nets')['elements']
    t.check(len(got) == 1 and got[0]['key'] == 'hex:100000000a010000' and got[0]['value'] == 'hex:07000000',
            'without types bytes', got)
    sw.ctl('filter map set guard ports 2 b')
    t.check(sw.ctl('filter map dump guard ports')['elements'] == [{'key': 2, 'value': 'b'}], 'a devmap names ports')
    got = sw.ctl('filter map dump guard counts')['elements']
    t.check(got[0]['value'] == sum(got[0]['values']) >= 2, 'per-CPU values and their sum', got)
    pages = sw.ctl('filter map dump guard big --limit 1000')
    t.check(len(pages['elements']) == 1000 and 'next' in pages, 'an answer is bounded')
    got = sw.ctl('filter map dump guard big')['elements']
    t.check([e['key'] for e in got] == list(range(5000)), 'the tool asks on for all', len(got))
    code, out, _ = sw.tool('filter map dump guard big')
    t.check(code == 0 and len(out.splitlines()) == 5001, 'also in a table', len(out.splitlines()))


def keyless(t, sw):
    """Queues, stacks, Bloom filters, and maps of maps by their inner maps' names."""
    def dump(name):
        return [(e['key'], e['value']) for e in sw.ctl(f'filter map dump guard {name}')['elements']]

    refused(t, sw, 'filter map pop guard jobs', 'map', 'an empty queue has nothing to give', 3)
    for n in (1, 2, 3):
        sw.ctl(['filter', 'map', 'push', 'guard', 'jobs', f'{{"to": "10.0.0.{n}", "n": {n}}}'])
        sw.ctl(f'filter map push guard pile {n}')
    jobs = [{'to': f'10.0.0.{n}', 'n': n} for n in (1, 2, 3)]
    t.check(dump('jobs') == list(enumerate(jobs)), 'a queue is shown, the oldest first', dump('jobs'))
    t.check(dump('pile') == [(0, 3), (1, 2), (2, 1)], 'a stack the youngest first', dump('pile'))
    page = sw.ctl('filter map dump guard pile --limit 2')
    rest = sw.ctl(f'filter map dump guard pile --limit 2 --after {page["next"]}')
    t.check([e['value'] for e in page['elements'] + rest['elements']] == [3, 2, 1] and 'next' not in rest,
            'in pages too', (page, rest))
    t.check(sw.ctl('filter map peek guard jobs')['elements'][0]['value'] == jobs[0] and len(dump('jobs')) == 3,
            'peek takes nothing out')
    err = refused(t, sw, 'filter map push guard pile 4', 'map', 'what is full takes no more')
    t.check('room for 3' in err, 'and says how much it takes', err)
    sw.ctl(['filter', 'map', 'push', 'guard', 'jobs', '{"n": 4}', '--force'])
    t.check([e[1]['n'] for e in dump('jobs')] == [2, 3, 4], 'with --force the oldest goes', dump('jobs'))
    got = [sw.ctl('filter map pop guard pile')['elements'][0]['value'] for _ in range(3)]
    t.check(got == [3, 2, 1] and dump('pile') == [], 'pop takes them out', got)
    refused(t, sw, 'filter map push guard pile nonsense', 'bad-value', 'nonsense is no value of it', 5)
    refused(t, sw, 'filter map peek guard jobs 1', 'usage', 'a queue is not asked for a value')
    err = refused(t, sw, 'filter map set guard jobs 0 1', 'map-type', 'a queue has no keys')
    t.check('map dump | push' in err, 'but other words', err)
    sw.ctl('filter map push guard known 10.0.0.7')
    t.check(sw.ctl('filter map peek guard known 10.0.0.7')['elements'] == [{'key': '10.0.0.7', 'value': True}] and
            sw.ctl('filter map peek guard known 10.0.0.8')['elements'][0]['value'] is False,
            'a Bloom filter can be asked')
    refused(t, sw, 'filter map peek guard known', 'usage', 'for something')
    for words in ('dump guard known', 'pop guard known'):
        err = refused(t, sw, 'filter map ' + words, 'map-type', 'it gives nothing back: ' + words)
        t.check('why:' in err, 'and says why', err)
    refused(t, sw, 'filter map push guard counts 1', 'map-type', 'an array takes no push')
    t.check(dump('colours') == [(1, 'red')], 'a map of maps shows them by name', dump('colours'))
    sw.ctl('filter map set guard colours 7 green')
    t.check(sorted(dump('colours')) == [(1, 'red'), (7, 'green')], 'as they are written', dump('colours'))
    t.check(sw.ctl('filter map get guard colours 7')['elements'] == [{'key': 7, 'value': 'green'}], 'and got')
    sw.ctl('filter map delete guard colours 1')
    t.check(dump('colours') == [(7, 'green')], 'and deleted', dump('colours'))
    refused(t, sw, 'filter map set guard colours 2 counts', 'bad-map', 'not a map of another kind')


def tail(t, sw, a):
    tool = sw.tool_popen('--json filter tail guard seen --type who --count 3', stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    a.ping('10.0.0.2', count=5)
    try:
        out, _ = tool.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        tool.kill()
        out = ''
    got = [json.loads(x) for x in out.splitlines()]
    t.check(len(got) == 3 and got[0].get('record') ==
            {'saddr': '10.0.0.1', 'daddr': '10.0.0.2', 'port': 7, 'version': 1, 'what': 'SEEN_PING'},
            'tail shows records by their type', got)
    refused(t, sw, 'filter tail guard seen --type nobody', 'not-found', 'a type that there is not')


def swap(t, sw, a, objects):
    sw.ctl(['filter', 'map', 'set', 'guard', 'blocked', '10.9.9.9', '{"name": "kept"}'])
    flood = a.popen('ping -f -i 0.002 -q -c 4000 10.0.0.2', stdout=subprocess.PIPE, text=True)
    for i in range(6):
        sw.ctl(['filter', 'swap', 'guard', objects['v2' if i % 2 == 0 else 'v1']])
        time.sleep(0.1)
    sw.ctl(['filter', 'swap', 'guard', objects['v2']])
    out, _ = flood.communicate(timeout=120)
    t.check(', 0% packet loss' in out, 'swaps under ping -f lose nothing', out)
    a.ping('10.0.0.2', count=1)  # The flood may have ended before the last swap.
    counts = sw.ctl('filter map dump guard counts')['elements']
    t.check(counts[1]['value'] > 0, 'the new program ran', counts)
    got = sw.ctl('filter map dump guard blocked')['elements']
    t.check([e['key'] for e in got] == ['10.9.9.9'], 'maps keep their contents', got)
    before, shown = sw.ctl('filter show guard'), sw.ctl('config show')['text']
    for name, slug in (('bad', 'refused'), ('other', None)):
        code, _, err = sw.tool(['filter', 'swap', 'guard', objects[name]])
        t.check(code != 0 and (slug is None or f'error[{slug}]' in err), f'a swap is refused: {name}', err)
        if name == 'bad':
            t.check('outside of the packet' in err and 'filter_prog.c:' in err, 'with the reason and the line', err)
    after = sw.ctl('filter show guard')
    t.check(before['sha256'] == after['sha256'] and sw.ctl('config show')['text'] == shown, 'and nothing changed')
    t.check(a.ping('10.0.0.2'), 'the old program goes on')
    sw.ctl('filter swap guard --budget 100000 --on-budget drop')
    got = sw.ctl('filter show guard')
    t.check(got['budget'] == 100000 and got['on_budget'] == 'drop', 'a swap changes options alone', got['budget'])
    sw.ctl('filter swap guard --default budget --default on-budget')
    t.check(sw.ctl('filter show guard')['budget'] is None, 'and back')
    refused(t, sw, 'filter swap guard', 'usage', 'a swap of nothing is none')


def taken_back(t, sw, objects):
    """A change of several things fails in its last: the swap that it began with is undone."""
    before = sw.ctl('config show')['text']
    held = sw.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.bind(('127.0.0.1', 9555))
    held.listen()
    code, _, err = sw.tool('config load - --merge', stdin=f"""
        filter swap guard {objects['v1']}
        filter load second {objects['v1']} --program guard
        filter attach second --port b
        config set --metrics 127.0.0.1:9555\n""")
    held.close()
    t.check(code != 0 and 'port-busy' in err, 'a change that fails at its end', err)
    t.check(sw.ctl('filter map dump guard guard.data')['elements'][0]['value'] == {'version': 2} and
            sw.ctl('config show')['text'] == before and row(sw, 'second') is None, 'takes its swap and its load back')


def scopes(t, sw, a, b, objects):
    """A switch's module covers ports that come later; the nearest attachment counts."""
    sw.ctl(['filter', 'load', 'wall', objects['drop'], '--program', 'guard'])
    refused(t, sw, ['filter', 'load', 'writer', objects['writer'], '--program', 'nothing'], 'no-program',
            'a program that there is not')
    sw.ctl(['filter', 'load', 'writer', objects['writer'], '--program', 'guard'])
    refused(t, sw, 'filter attach writer --switch lan --role capture', 'filter-role', 'who writes is no capture')
    sw.ctl('filter attach writer --switch lan --direction egress')
    sw.ctl('filter attach guard --switch lan --order 7')
    r = [x for x in sw.ctl('filter list')['filters'] if x['module'] == 'guard']
    t.check({x['where']: x['ports'] for x in r} == {'port a': 1, 'switch lan': 1}, 'a port has the nearest word', r)
    c = sw.tap('lan', 'c', '10.0.0.3/24')
    t.check(c.reaches('10.0.0.2'), 'a port that came later')
    before = {x['where']: x['packets'] for x in sw.ctl('filter stats guard')['attachments']}
    c.ping('10.0.0.2', count=4)
    got = sw.ctl('filter stats guard')
    after = {x['where']: x['packets'] for x in got['attachments']}
    t.check(after['switch lan'] >= before['switch lan'] + 4, 'an attachment counts its own', (before, after))
    t.check(after == {x['where']: x['packets'] for x in sw.ctl('filter show guard')['attachments']} and
            got['modules'][0]['packets'] >= sum(after.values()), 'and the module what all of them count', got)
    stack = sw.ctl('filter list c')['filters']
    t.check([(x['direction'], x['module'], x['order']) for x in stack] ==
            [('ingress', 'guard', 7), ('egress', 'writer', 100)], 'has the stack of its switch', stack)
    sw.ctl('filter move guard --switch lan --order 300')
    t.check(sw.ctl('filter list c')['filters'][0]['order'] == 300, 'move changes the order')
    refused(t, sw, 'filter detach guard', 'ambiguous', 'detach asks which')
    whole = sw.ctl('filter stats guard')['modules'][0]['packets']
    sw.ctl('filter detach guard --switch lan')
    t.check(sw.ctl('filter stats guard')['modules'][0]['packets'] >= whole, 'counts stay with the module')
    sw.ctl('filter attach wall --port c')
    t.check(not c.ping('10.0.0.2', count=1), 'a wall drops everything')
    sw.ctl('filter unload wall', rc=4)
    sw.ctl('port remove c')
    t.check(not any(x['where'] == 'port c' for x in sw.ctl('filter list')['filters']), 'it goes with its port')
    sw.ctl('filter unload wall')
    sw.ctl('filter detach writer')
    sw.ctl('filter unload writer')


def confirm(t, sw, a, objects):
    sw.ctl(['filter', 'load', 'wall', objects['drop'], '--program', 'guard'])
    sw.ctl('filter attach wall --port a --confirm 2')
    t.check(not a.ping('10.0.0.2', count=1), 'a filter that drops all cuts a port off')
    t.check(a.reaches('10.0.0.2', timeout=10), '--confirm takes it back')
    t.check(not any(x['where'] and x['module'] == 'wall' for x in sw.ctl('filter list')['filters']), 'it hangs nowhere')
    sw.ctl('filter unload wall')
    code, out, err = sw.tool(['filter', 'load', 'tried', objects['bad'], '--check'])
    t.check(code == 8 and 'error[refused]' in err, '--check says what would be refused', (code, out, err))
    code, out, _ = sw.tool(['filter', 'load', 'tried', objects['v1'], '--program', 'guard', '--check'])
    t.check(code == 8 and row(sw, 'tried') is None, '--check changes nothing', (code, out))


def text_round(t, sw):
    sw.ctl('filter attach guard --port b --direction egress --role capture --meta --on-missing pass')
    text = sw.ctl('config show')['text']
    t.check('filter load guard' in text and '--sha256' in text and 'filter attach guard' in text, 'config show', text)
    path = t.file('config.txt', text)
    t.check(sw.ctl(['config', 'diff', path])['differs'] is False, 'its text is the same state')
    sw.ctl('filter detach guard --port b')
    got = sw.ctl(['config', 'diff', path])
    t.check('filter attach guard' in got['text'], 'diff says what would be attached', got)
    sw.ctl(['config', 'load', path])
    t.check(sw.ctl('config show')['text'] == text, 'load brings it back')
    sw.ctl('config rollback')
    t.check(len([x for x in sw.ctl('filter list')['filters'] if x['module'] == 'guard']) == 1, 'rollback takes it away')


def restart(t, sw, a, objects):
    before = sw.ctl('filter show guard')
    os.rename(objects['v2'], objects['v2'] + '.gone')
    t.check(sw.stop() == 0, 'the daemon stops')
    sw.start()
    after = sw.ctl('filter show guard')
    t.check(after['state'] == 'loaded' and after['sha256'] == before['sha256'], 'a restart brings the module back',
            after)
    a.run('true')
    t.check(vst.wait_for(lambda: sw.up('a'), 5) and a.reaches('10.0.0.2'), 'pings pass')
    t.check(vst.wait_for(lambda: row(sw)['packets'] > 0, 3), 'through it', row(sw))
    sw.stop()
    for name in os.listdir(os.path.join(sw.dir, 'filters')):
        os.unlink(os.path.join(sw.dir, 'filters', name))
    sw.start()
    r = row(sw)
    t.check(r['state'] == 'missing' and 'not here' in r['note'], 'without its copy it is missing, and says why', r)
    sw.up('a')
    t.check(not a.ping('10.0.0.2', count=1) and sw.drops('a', 'filter-missing') > 0, 'its port is closed')
    sw.ctl(['filter', 'swap', 'guard', objects['v2'] + '.gone'])
    t.check(row(sw)['state'] == 'loaded' and a.reaches('10.0.0.2'), 'a swap opens it again', row(sw))


def told(t, sw, a):
    sw.ctl(['filter', 'map', 'set', 'guard', 'guard.bss', '0', '{"chatty": 1}'])
    a.ping('10.0.0.2', count=3)
    got = vst.wait_for(lambda: [e for e in sw.ctl('events')['events'] if 'ping 2' in e['text']], 3)
    t.check(got and 'guard' in got[0]['text'], 'what a program prints is an event', sw.ctl('events')['events'][-5:])
    got = sw.tool('filter stats guard')[1]
    t.check('guard' in got and 'CYCLES/PKT' in got, 'stats', got)
    steps = sw.ctl('switch show lan --pipeline')['pipeline']
    t.check(['ingress', 'egress'] == [s['direction'] for s in steps if s['step'] == 'filters'], 'the pipeline has them')


def test(t):
    objects = {'v1': build(t, 'v1'), 'v2': build(t, 'v2', '-DVERSION=2'), 'bad': build(t, 'bad', '-DVERSION=3'),
               'drop': build(t, 'drop', '-DDROP_ALL'), 'writer': build(t, 'writer', '-DWRITER'),
               'other': build(t, 'other', '-DVERSION=2', '-DOTHER_MAP')}
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    a, b = sw.tap('lan', 'a', '10.0.0.1/24'), sw.tap('lan', 'b', '10.0.0.2/24')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    verify(t, sw, objects['v1'], objects['bad'])
    load_and_attach(t, sw, a, objects)
    bad_input(t, sw)
    maps(t, sw, a)
    keyless(t, sw)
    tail(t, sw, a)
    swap(t, sw, a, objects)
    taken_back(t, sw, objects)
    scopes(t, sw, a, b, objects)
    confirm(t, sw, a, objects)
    text_round(t, sw)
    told(t, sw, a)
    restart(t, sw, a, objects)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


vst.main(test, programs=['clang'])
