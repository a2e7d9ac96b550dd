# SPDX-License-Identifier: BSD-2-Clause
"""Access lists and sets of addresses as configuration: commands, files, limits, restarts, history.

    a ---+ lan (private)     ports without machines: nothing is sent here, acl_test.py does that
    b ---+
"""
import json
import os
import random
import time

import vst


def refused(t, sw, words, slug, sentence, rc=None, has=''):
    code, _, err = sw.tool(words)
    t.check(code not in (0, 6) and f'error[{slug}]' in err and has in err and (rc is None or code == rc), sentence,
            (code, err))
    return err


def texts(sw, name):
    return [e['text'] for e in sw.ctl(f'acl show {name}')['entries']]


def entries(t, sw):
    sw.ctl('ipset add office 10.0.0.0/8 10.1.0.0/16 fd00::/8')
    sw.ctl(['acl', 'add', 'web', '--description', 'the web'])
    refused(t, sw, 'acl add web', 'exists', 'a name is taken once', 4)
    got = sw.ctl('acl entry add web 10 allow stateful tcp to any port 443,80')
    t.check(got['order'] == 10, 'an entry says its order', got)
    got = sw.ctl(['acl', 'entry', 'add', 'web', 'deny log from not @office note "no body"'])
    t.check(got['order'] == 20, 'or gets one 10 behind the last', got)
    sw.ctl('acl entry add web 15 allow icmp note pings')
    t.check(texts(sw, 'web') == ['10 allow stateful tcp to any port 80,443', '15 allow icmp note "pings"',
                                 '20 deny log from not @office note "no body"'], 'shown by order, in normal form',
            texts(sw, 'web'))
    refused(t, sw, 'acl entry add web 15 deny', 'exists', 'an order is taken once', 4, has='--replace')
    sw.ctl('acl entry add web 15 deny icmp --replace')
    t.check(texts(sw, 'web')[1] == '15 deny icmp', '--replace takes its place')
    for words, column, what in (('allow tcp to any port 90-80', 23, 'write 80-90'),
                                ('allow tpc', 7, "did you mean 'tcp'"),
                                ('allow from @ofice', 12, "did you mean '@office'"),
                                ('allow from 10.0.0.1/8', 12, 'bits behind its prefix'),
                                ('allow to any port 80', 14, 'tcp, udp or sctp')):
        code, _, err = sw.tool('acl entry add web ' + words)
        t.check(code != 0 and f'column {column}: ' in err and what in err, f'refused: {words}', err)
    sw.ctl('acl entry remove web 15')
    refused(t, sw, 'acl entry remove web 15', 'not-found', 'what is gone cannot be removed', 3)
    refused(t, sw, 'acl entry add wbe allow', 'not-found', 'a list that there is not', 3, has="did you mean 'web'")
    t.check(len(texts(sw, 'web')) == 2, 'none of that was done')


def nic_words(t, sw):
    """A NIC's lists and mirrors, said of the NIC."""
    sw.ctl('port add lan vm1 --kind vmbus')
    sw.ctl('acl add base')
    sw.ctl('port add lan mon --kind mem')
    sw.ctl('mirror add ids --port a --to mon')
    sw.ctl('nic set vm1 --acl-ingress base,web --acl-egress web --mirror-by ids')
    got = sw.ctl('nic show vm1')
    t.check((got['acl_ingress'], got['acl_egress'], got['mirrors']) == (['base', 'web'], ['web'], ['ids']),
            'nic set attaches lists and joins mirrors', got)
    t.check('acl attach base --port vm1 --direction ingress' in sw.ctl('config show')['text'], 'as acl attach does')
    sw.ctl('nic set vm1 --acl-ingress web,base')
    got = sw.ctl('nic show vm1')
    t.check(got['acl_ingress'] == ['web', 'base'] and got['acl_egress'] == ['web'], 'in another order, and nothing else', got)
    before = sw.ctl('config show')['text']
    refused(t, sw, 'nic set vm1 --acl-egress base,wbe', 'not-found', 'a list that is not there', 3, has="did you mean 'web'")
    refused(t, sw, 'nic set vm1 --acl-egress base,base', 'exists', 'a list twice', 4)
    refused(t, sw, 'nic set vm1 --mirror-by idz', 'not-found', 'a mirror that is not there', 3, has="did you mean 'ids'")
    t.check(sw.ctl('config show')['text'] == before, 'changes nothing')
    sw.ctl('nic set vm1 --default acl-ingress,acl-egress,mirror-by')
    got = sw.ctl('nic show vm1')
    t.check('acl_ingress' not in got and 'acl_egress' not in got and 'mirrors' not in got, 'and takes them away again', got)
    sw.ctl('mirror set ids --port vm1')
    refused(t, sw, 'nic set vm1 --default mirror-by', 'mirror-empty', 'but not the last port of a mirror', has='mirror remove ids')
    for words in ('mirror remove ids', 'port remove mon', 'port remove vm1', 'acl remove base'):
        sw.ctl(words)


def places(t, sw):
    refused(t, sw, 'acl attach web --port a', 'usage', 'attach needs a direction')
    refused(t, sw, 'acl attach web --direction egress', 'usage', 'and a place')
    refused(t, sw, 'acl attach web --port c --direction egress', 'not-found', 'that is there', 3)
    sw.ctl('acl attach web --port a --direction egress')
    sw.ctl('acl attach web --tenant blue --direction ingress --order 5')
    refused(t, sw, 'acl attach web --port a --direction egress', 'exists', 'once at one place', 4)
    err = refused(t, sw, 'acl remove web', 'attached', 'not removed while it hangs somewhere')
    t.check('port a (egress)' in err and 'tenant blue (ingress)' in err, 'and says where', err)
    refused(t, sw, 'acl detach web', 'ambiguous', 'detach asks which')
    refused(t, sw, 'ipset remove office', 'in-use', 'a set that an entry names stays', has='entry 20 of acl web')
    sw.ctl('acl move web --port a --order 7')
    t.check([(r['where'], r['order']) for r in sw.ctl('acl list')['acls']] == [('tenant blue', 5), ('port a', 7)],
            'lists and their places', sw.ctl('acl list'))
    sw.ctl('port add lan c --kind mem --tenant blue')
    sw.ctl('acl add second')
    sw.ctl('acl attach second --port c --direction ingress --order 5')
    got = [r['acl'] for r in sw.ctl('acl list --port c')['acls']]
    t.check(got == ['second', 'web'], "a port's own list comes before its tenant's", got)
    sw.ctl('acl attach web --port c --direction ingress --order 1')
    got = [(r['acl'], r['where']) for r in sw.ctl('acl list --port c')['acls']]
    t.check(got == [('web', 'port c'), ('second', 'port c')], 'a list twice is asked once', got)
    sw.ctl('port remove c')
    t.check(not any(r['where'] == 'port c' for r in sw.ctl('acl list')['acls']), 'places go with their port')
    sw.ctl('acl remove second')
    for i in range(16):
        sw.ctl(f'acl add m{i}')
        sw.ctl(f'acl attach m{i} --port b --direction egress')
    sw.ctl('acl add m16')
    refused(t, sw, 'acl attach m16 --port b --direction egress', 'limit', 'at most 16 lists meet on a port')
    sw.ctl('config load - --merge', stdin=''.join(f'acl detach m{i}\nacl remove m{i}\n' for i in range(16))
           + 'acl remove m16\n')


def checks(t, sw):
    sw.ctl('acl add chk --entries ' + t.file('chk.acl', '''
        10 deny tcp from 10.0.0.0/8
        20 allow tcp from 10.1.0.0/16 to any port 80
        30 deny tcp from 10.2.0.0/16
        40 allow udp to 10.0.0.0/8
        50 deny udp from 10.0.0.0/8
        60 allow from @none
        70 deny\n'''), rc=3)
    sw.ctl('ipset add none')
    sw.ctl('acl add chk --entries ' + t.file('chk.acl'))
    got = [(f['order'], f['kind'], f['by']) for f in sw.ctl('acl check chk')['findings'] if f['kind'] != 'dead']
    t.check(got == [(20, 'shadowed', 'chk 10'), (30, 'redundant', 'chk 10'), (50, 'overlap', 'chk 40'), (60, 'empty', '')],
            'check finds what is shadowed, redundant, overlapping and empty', got)
    sw.ctl('acl attach chk --port b --direction ingress')
    for words, verdict, order in (('tcp from 10.1.0.1 port 9 to 1.1.1.1 port 80', 'deny', 10),
                                  ('udp from 11.0.0.1 port 9 to 10.0.0.9 port 53', 'allow', 40),
                                  ('udp from 10.0.0.1 port 9', 'depends', 40), ('arp', 'deny', 70)):
        got = sw.ctl('acl test b ingress ' + words)
        t.check((got['verdict'], got['order']) == (verdict, order), f'test: {words}', got)
    t.check(sw.ctl('acl test b egress arp')['verdict'] == 'allow', 'a port without lists allows all')
    refused(t, sw, 'acl test b egress bogus', 'bad-entry', 'nonsense is no packet', has='PACKET: column 1')
    sw.ctl('acl detach chk')
    sw.ctl('acl remove chk')
    sw.ctl('ipset remove none')


def files(t, sw):
    before = sw.ctl('config show')['text']
    bad = (('word', 'allow tcp\n20 allow tcp prt 7\n', ':2:14: '), ('twice', '10 allow\n5 deny\n10 deny\n', ':3:1: '),
           ('set', '# all\nallow from @nobody\n', ':2:12: '), ('long', 'allow note "' + 'x' * 2000 + '"\n', ':1:1024: '),
           ('range', 'allow udp to any port 9-1\n', ':1:23: '), ('note', 'deny note "x\n', ':1:11: '))
    for name, text, where in bad:
        err = refused(t, sw, ['acl', 'import', 'web', t.file('bad-' + name, text)],
                      'exists' if name == 'twice' else 'bad-entry', f'import refused: {name}')
        t.check('bad-' + name + where in err, 'with file, line and column', err)
    refused(t, sw, ['acl', 'import', 'web', t.file('empty', '# nothing\n\n')], 'empty-file', 'a file without entries')
    with open(t.file('elf'), 'wb') as f, open(sw.test.vswitchd, 'rb') as binary:
        f.write(binary.read(100000))
    with open(t.file('nul'), 'wb') as f:
        f.write(b'allow tcp\n5 \0 deny\n')
    refused(t, sw, ['acl', 'import', 'web', t.file('elf')], 'not-text', 'a program is no list')
    refused(t, sw, ['acl', 'import', 'web', t.file('nul')], 'bad-entry', 'nor are zeros', has='nul:2:3: byte 0x00')
    code, _, err = sw.tool(['acl', 'import', 'web', t.file('none')])
    t.check(code != 0 and 'none' in err, 'a file that is not there', err)
    refused(t, sw, ['ipset', 'load', 'office', t.file('addresses', '10.0.0.1\n10.0.0.1/8\n')], 'bad-address',
            'a set whose file is wrong', has='addresses:2:1: ')
    refused(t, sw, ['ipset', 'load', 'office', t.file('empty')], 'empty-file', 'a set from nothing')
    t.check(sw.ctl('config show')['text'] == before, 'and nothing was done')
    text = '# from a file\nallow tcp\n 5 deny udp\n\nallow from 10.0.0.0/8\n'
    got = sw.ctl(['acl', 'import', 'web', t.file('good', text)])
    t.check(got['entries'] == 3 and texts(sw, 'web') == ['5 deny udp', '10 allow tcp', '15 allow from 10.0.0.0/8'],
            'import takes all of a file', texts(sw, 'web'))
    out = sw.tool('acl export web')[1]
    sw.ctl('acl import web -', stdin=out.replace('deny', 'allow'))
    t.check(sw.tool('acl export web')[1] == out.replace('deny', 'allow'), 'export goes through import')


def sets(t, sw):
    t.check([m['address'] for m in sw.ctl('ipset show office')['members']] == ['10.0.0.0/8', 'fd00::/8'],
            'what a member covers is left out')
    sw.ctl('ipset include office 192.0.2.7 192.0.2.9')
    t.check(sw.ctl('ipset test office 192.0.2.7')['member'] and not sw.ctl('ipset test office 192.0.2.8')['member'] and
            sw.ctl('ipset test office 10.9.9.9')['by'] == '10.0.0.0/8', 'test says who has an address')
    refused(t, sw, 'ipset exclude office 10.1.0.0/16', 'not-found', 'a part is not taken out', has='10.0.0.0/8')
    sw.ctl('ipset exclude office 192.0.2.7 192.0.2.9')
    t.check(sw.ctl('ipset list')['ipsets'][0]['addresses'] == 2, 'exclude takes out')
    refused(t, sw, 'ipset include office 10.0.0.1-10.0.0.9', 'bad-address', 'a range is none', has='prefixes')


def big(t, sw):
    r = random.Random(1)
    lines = [f'{10 * i} {"allow" if i % 2 else "deny"} {r.choice(("tcp", "udp"))} from '
             f'{r.randrange(1, 223)}.{r.randrange(256)}.{r.randrange(256)}.0/24 to any port {r.randrange(65536)}'
             for i in range(1, 10001)]
    addresses = sorted({f'{r.randrange(1, 223)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}'
                        for _ in range(100300)})[:100000]
    sw.ctl('acl add big')
    sw.ctl('ipset add bad')
    took = {}

    def timed(what, words, **kwargs):
        start = time.monotonic()
        got = sw.ctl(words, timeout=120, **kwargs)
        took[what] = time.monotonic() - start
        return got

    t.check(timed('import of 10000', ['acl', 'import', 'big', t.file('big', '\n'.join(lines))])['entries'] == 10000,
            'ten thousand entries come from a file')
    t.check(timed('set of 100000', ['ipset', 'load', 'bad', t.file('addresses', '\n'.join(addresses))])['addresses']
            == 100000, 'and a hundred thousand addresses')
    timed('one more entry', 'acl entry add big allow from @bad')
    timed('another change', 'tenant add red --id 99')
    t.check(len(timed('show', 'acl show big')['entries']) == 10001, 'show has them all')
    timed('check', 'acl check big')
    t.check(max(took.values()) < 20, 'each takes no long time', took)
    t.note(', '.join(f'{k}: {v:.2f} s' for k, v in took.items()))
    before, memory = sw.ctl('config show')['revision'], sw.rss()
    with open(t.file('million'), 'w') as f:
        f.writelines(f'deny tcp from 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n' for i in range(1, 1000001))
    start = time.monotonic()
    err = refused(t, sw, ['acl', 'import', 'big', t.file('million')], 'limit', 'a million entries are refused')
    t.check('131072' in err and 'ipset' in err, 'with the limit, and what to do', err)
    t.check(time.monotonic() - start < 10, 'soon', time.monotonic() - start)
    t.check(sw.rss() < memory + 200e6, 'and without taking memory', (memory, sw.rss()))
    t.check(sw.ctl('config show')['revision'] == before, 'and nothing changed')
    with open(t.file('huge'), 'w') as f:
        f.write('10.0.0.1 ' * 4000000)
    refused(t, sw, ['ipset', 'load', 'bad', t.file('huge')], 'too-long', 'a file of 36 MB is refused')
    sw.ctl('tenant remove red')
    start = time.monotonic()
    t.check(sw.stop() == 0, 'the daemon stops')
    sw.start()
    t.note(f'restart: {time.monotonic() - start:.2f} s')
    t.check(len(texts(sw, 'big')) == 10001 and sw.ctl('ipset list')['ipsets'][0]['addresses'] == 100000,
            'a restart brings all of it back')
    sw.ctl('acl remove big')
    sw.ctl('ipset remove bad')


def text_round(t, sw):
    sw.ctl(['acl', 'entry', 'add', 'web', 'deny note "it\'s \\ $HOME"'])
    text = sw.ctl('config show')['text']
    t.check("--entries '5 allow udp" in text and 'acl attach web --port a' in text, 'config show has it', text)
    path = t.file('config.txt', text)
    t.check(sw.ctl(['config', 'diff', path])['differs'] is False, 'its text is the same state')
    sw.ctl('acl detach web --port a')
    sw.ctl('acl set web --default entries,description --otherwise allow')
    got = sw.ctl(['config', 'diff', path])['text']
    t.check('acl set web' in got and '--entries' in got and 'acl attach web --port a' in got, 'diff says what would be', got)
    sw.ctl(['config', 'load', path])
    t.check(sw.ctl('config show')['text'] == text, 'load brings it back')
    sw.ctl('config rollback')
    t.check(texts(sw, 'web') == [] and sw.ctl('acl show web')['otherwise'] == 'allow', 'rollback takes it away')
    sw.ctl('config rollback')
    t.check(sw.ctl('config show')['text'] == text, 'and back')
    code, out, _ = sw.tool('acl entry remove web 5 --check')
    t.check(code == 8 and 'acl set web' in out and sw.ctl('config show')['text'] == text, '--check changes nothing', (code, out))
    code, out, err = sw.tool('config load - --merge', stdin='acl entry add web 900 allow tcp\nacl entry add web allow tpc\n')
    t.check(code != 0 and 'line 2' in err and sw.ctl('config show')['text'] == text, 'of a file of commands all or none', err)
    sw.kill()
    sw.start()
    t.check(sw.ctl('config show')['text'] == text, 'a killed daemon has all of it')


def rss(sw):
    with open(f'/proc/{sw.proc.pid}/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


vst.Daemon.rss = rss


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type private')
    sw.ctl('tenant add blue --id 7')
    sw.ctl('port add lan a --kind mem')
    sw.ctl('port add lan b --kind mem')
    entries(t, sw)
    nic_words(t, sw)
    places(t, sw)
    checks(t, sw)
    files(t, sw)
    sets(t, sw)
    big(t, sw)
    text_round(t, sw)
    t.check(sw.balanced(), 'the ledger is balanced', json.dumps(sw.ledger()))


vst.main(test)
