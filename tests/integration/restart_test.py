# SPDX-License-Identifier: BSD-2-Clause
"""The configuration outlives the daemon: after an end in good order, after kill -9, after damage.

     a ---+
     b ---+ lan          p1 ---- p1x (veth pair in the daemon's namespace; p1x is moved in and out)
    p1 ---+
"""
import os
import random
import sqlite3
import subprocess
import threading
import time

import vst


def text(sw):
    return sw.ctl('config show')['text']


def comes_back(t, sw, a):
    before, ports = text(sw), sorted(p['name'] for p in sw.ctl('port list')['ports'])
    history = sw.ctl('config history')['revision']
    for how in ('stop', 'kill'):
        t.check(getattr(sw, how)() in (0, None), f'{how}: it ends')
        sw.start()
        t.check(text(sw) == before, f'{how}: the configuration is back, to the letter', text(sw))
        t.check(sorted(p['name'] for p in sw.ctl('port list')['ports']) == ports, f'{how}: the ports are back')
        a.run('ip link set dev a up')
        t.ns_b.run('ip link set dev b up')
        t.check(a.reaches('10.0.0.2'), f'{how}: and forward')
        t.check(sw.ctl('config history')['revision'] == history, f'{how}: a start is no change')
        macs = {m['mac']: m['type'] for m in sw.ctl('mac list')['macs']}
        t.check(macs.get('02:00:00:00:00:77') == 'static', f'{how}: static addresses are back', macs)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def killed_amid_changes(t, sw):
    """Each change adds or removes one switch; after the kill there is the state before it or after it, whole."""
    rng, torn, n_after = random.Random(7), [], 0
    for i in range(32):
        # Two lines in one change: both or none.
        new = f'switch add k{i} --type private\ntenant add t{i} --id {1000 + i}\n'
        before = set(text(sw).splitlines())
        done = threading.Thread(target=sw.tool, args=('config load - --merge', new), daemon=True)
        done.start()
        time.sleep(rng.random() * 0.04)
        sw.kill()
        done.join(20)
        sw.start()
        after = set(text(sw).splitlines())
        added = {x for x in after - before if x and not x.startswith('#')}
        lost = {x for x in before - after if x and not x.startswith('#')}
        n_after += len(added) == 2
        if lost or len(added) not in (0, 2):
            torn.append((added, lost))
    t.check(not torn, '32 kills amid a change of two lines: never half of it, nothing lost', torn[:3])
    t.note(f'{n_after} of 32 kills came after the change was safe')
    t.check(0 < n_after < 32, 'the kills came at different moments', n_after)
    got = sw.ctl('config check -', stdin=text(sw))
    t.check(got['changes'] == [], 'what it shows loads again, as no change', got)


def interface_gone_and_back(t, sw, b):
    sw.ns.run('ip link add p1 type veth peer name p1x')
    far = t.ns('far')
    sw.ns.run(f'ip link set p1x netns {far.name}')
    far.run('ip addr add 10.0.0.5/24 dev p1x')
    far.run('ip link set dev p1x up')
    sw.ctl('port add lan p1 --kind phys --driver af_packet')
    t.check(far.reaches('10.0.0.2'), 'a veth is a port')
    far.run('ip link del p1x')
    t.check(vst.wait_for(lambda: sw.port('p1')['link'] != 'up', 8), 'its interface goes: the port is down',
            sw.port('p1'))
    t.check(sw.port('p1')['note'] or sw.port('p1')['state'] != 'up', 'and says why', sw.port('p1'))
    t.check(text(sw).count('port add lan p1 ') == 1, 'and stays configured')
    sw.ns.run('ip link add p1 type veth peer name p1x')
    sw.ns.run(f'ip link set p1x netns {far.name}')
    far.run('ip addr add 10.0.0.5/24 dev p1x')
    far.run('ip link set dev p1x up')
    t.check(far.reaches('10.0.0.2', 15), 'the interface comes back: so does the port', sw.port('p1'))
    sw.stop()
    far.run('ip link del p1x')
    sw.start()
    b.run('ip link set dev b up')
    t.check(sw.port('p1')['link'] != 'up' and sw.port('b') is not None,
            'a start without the interface: the daemon runs, the port waits', sw.port('p1'))
    sw.ctl('port remove p1')
    t.check(sw.port('p1') is None, 'a port that waits can be removed')


def dump(path):
    db = sqlite3.connect(path)
    rows = sorted(db.iterdump())
    db.close()
    return rows


def older_store(t, sw):
    """A store as the first version wrote it: without sums, which the second one added."""
    want, history = text(sw), sw.ctl('config history --limit 1000')
    sw.stop()
    db = sqlite3.connect(sw.store)
    for table, column in (('revision', 'state_sum'), ('revision', 'sum'), ('revision', 'size'), ('note', 'sum')):
        db.execute(f'ALTER TABLE {table} DROP COLUMN {column}')
    db.execute("UPDATE note SET value = '1' WHERE key = 'schema'")
    db.execute('PRAGMA user_version = 1')
    db.commit()
    db.close()
    os.unlink(sw.store + '.good')
    old = dump(sw.store)
    sw.start()
    said = [e['text'] for e in sw.ctl('events --limit 100')['events'] if e['type'] == 'store']
    t.check(any('upgraded from schema 1' in x for x in said), 'a store of an older version is upgraded, and it is said', said)
    t.check(text(sw) == want and sw.ctl('config history --limit 1000') == history, 'configuration and history are as they were')
    t.check(dump(sw.store + '.schema-1') == old, 'the old one is kept beside it')
    sw.ctl('switch add younger --type private')
    sw.kill()
    sw.start()
    t.check('switch add younger' in text(sw) and not [e for e in sw.events('store') if 'upgraded' in e['text']],
            'it takes changes, and is upgraded once', sw.events('store'))
    sw.ctl('switch remove younger')


def damaged_store(t, sw):
    want = text(sw)
    sw.stop()
    with open(sw.store, 'r+b') as f:
        f.seek(0)
        f.write(os.urandom(8192))
    for tail in ('-wal', '-shm'):
        if os.path.exists(sw.store + tail):
            os.unlink(sw.store + tail)
    sw.start(ready=False)
    vst.wait_for(lambda: sw.proc.poll() is not None or sw.answers(), 20)
    if sw.proc.poll() is None:
        # Started: then it says what it did, and the damaged file is kept.
        said = [e for e in sw.ctl('events --limit 100')['events'] if e['type'] == 'store']
        t.check(said, 'a damaged store: the daemon starts and says what it did', sw.log_text()[-500:])
        t.check(len([x for x in os.listdir(sw.dir) if x.startswith('config.db')]) > 1 or text(sw) == want,
                'the damaged file is kept, or nothing was lost', os.listdir(sw.dir))
        sw.ctl('switch add fresh --type private')
        t.check('switch add fresh' in text(sw), 'and takes changes again')
    else:
        t.check('error[' in sw.log_text() and 'fix:' in sw.log_text(),
                'a damaged store: the daemon refuses to start and says what to do', sw.log_text()[-500:])
        os.unlink(sw.store)
        sw.start()


def two_daemons(t, sw):
    size = len(sw.log_text())
    second = sw.ns.popen(sw.argv(), stdout=open(sw.log, 'ab'), stderr=subprocess.STDOUT)
    code = second.wait(20)
    said = sw.log_text()[size:]
    t.check(code == 1 and 'error[' in said, 'a second daemon on the socket is refused with a reason', said)
    t.check(sw.answers(), 'the first one goes on')
    other = vst.Daemon(t, 'other', ns=sw.ns)
    t.daemons.append(other)
    t.check(other.answers() and sw.answers(), 'with a socket and a store of its own there can be two')
    other.stop()


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type external --mac-age 60s')
    sw.ctl('tenant add blue --id 5 --mac-limit 10')
    a = sw.tap('lan', 'a', '10.0.0.1/24', '--mac-limit 7')
    b = t.ns_b = sw.tap('lan', 'b', '10.0.0.2/24')
    sw.ctl('mac add lan 02:00:00:00:00:77 --port b')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    comes_back(t, sw, a)
    two_daemons(t, sw)
    interface_gone_and_back(t, sw, b)
    killed_amid_changes(t, sw)
    older_store(t, sw)
    damaged_store(t, sw)


vst.main(test)
