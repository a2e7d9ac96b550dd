# SPDX-License-Identifier: BSD-2-Clause
"""Changes under load: ports and cores come and go while traffic flows; and what an idle switch costs.

    a ---+
    b ---+ lan ---- c0, c1, ... (come and go)         cores: the worker's, and the control thread's (comes and goes)
"""
import threading
import time

import vst


class Stream:
    """A TCP stream from one stack to another, for as long as it is wanted; counts what arrives."""

    def __init__(self, src, dst, address):
        import socket
        self.n, self.stop, self.error = 0, False, None
        self.server = dst.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server.bind((address, 0))
        self.server.listen(1)
        self.client = src.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(10)
        self.client.connect((address, self.server.getsockname()[1]))
        self.conn, _ = self.server.accept()
        self.conn.settimeout(10)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        try:
            while not self.stop:
                self.client.sendall(bytes(16384))
                time.sleep(0.0005)  # Two cores are shared with the daemon and the stacks.
            self.client.close()
        except OSError as e:
            self.error = e

    def receive(self):
        try:
            while chunk := self.conn.recv(1 << 16):
                self.n += len(chunk)
        except OSError as e:
            self.error = e

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join(10)
        self.conn.close()
        self.server.close()


def ledger_under_load(t, sw, stream):
    bad, start = [], stream.n
    for _ in range(100):
        led = sw.ledger()
        if not led['balanced'] or led['in'] != led['out'] + led['drops'] + led['in_flight']:
            bad.append(led)
    t.check(stream.n > start, 'traffic flows meanwhile', stream.error)
    t.check(not bad, 'the ledger is balanced at each of 100 reads under load', bad[:3])


def ports_come_and_go(t, sw, a, stream):
    ns = t.ns('many')
    for round_no in range(4):
        start = stream.n
        for i in range(4):
            sw.ctl(f'port add lan c{i} --kind tap --netns {ns.name} --address 10.0.0.{20 + i}/24')
            ns.run(f'ip link set dev c{i} up')
        if round_no == 0:
            t.check(a.reaches('10.0.0.20'), 'a port that came under load is reached')
        for i in range(4):
            sw.ctl(f'port remove c{i}')
        if not t.check(vst.wait_for(lambda: stream.n > start, 3) and stream.error is None,
                       f'round {round_no}: 4 ports came and went, the stream went on', stream.error):
            break
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def cores_come_and_go(t, sw, stream):
    if t.control_cpu == t.worker_cpu:
        t.note('one core only: none is added or removed')
        return
    for round_no in range(3):
        start = stream.n
        sw.ctl(f'core add {t.control_cpu}')
        t.check(vst.wait_for(lambda: stream.n > start, 3), f'round {round_no}: a core is added, the stream goes on')
        sw.ctl(f'core remove {t.worker_cpu}')
        start = stream.n
        t.check(vst.wait_for(lambda: stream.n > start, 3), f'round {round_no}: the first core is removed, and still')
        sw.ctl(f'core add {t.worker_cpu}')
        sw.ctl(f'core remove {t.control_cpu}')
        rows = sw.ctl('core list')
        t.check([c['cpu'] for c in rows['cores'] if c['state'] == 'running'] == [t.worker_cpu] and
                all(q['cpu'] == t.worker_cpu for q in rows['queues']), f'round {round_no}: all queues are back', rows)
    t.check(stream.error is None, 'the stream never broke', stream.error)
    t.check(sw.balanced(), 'the ledger is balanced', sw.ledger())


def idle_cost(t, sw, what='switch', most=3):
    """The least of three: a busy machine can only make it look worse."""
    best = 100.0
    for _ in range(3):
        time.sleep(0.3)
        start, at = sw.cpu_seconds(), time.monotonic()
        time.sleep(3)
        best = min(best, 100 * (sw.cpu_seconds() - start) / (time.monotonic() - at))
        if best < most:
            break
    t.check(best < most, f'an idle {what} costs {best:.1f} % of a core', best)


def test(t):
    sw = t.daemon()
    sw.ctl('switch add lan --type internal')
    a, b = sw.tap('lan', 'a', '10.0.0.1/24'), sw.tap('lan', 'b', '10.0.0.2/24')
    t.check(a.reaches('10.0.0.2'), 'a reaches b')
    idle_cost(t, sw)
    stream = Stream(a, b, '10.0.0.2')
    ledger_under_load(t, sw, stream)
    ports_come_and_go(t, sw, a, stream)
    cores_come_and_go(t, sw, stream)
    stream.end()
    t.check(stream.error is None and stream.n > 1 << 20, 'the stream ends in good order', (stream.n, stream.error))
    led = vst.wait_for(lambda: (x := sw.ledger())['in_flight'] == 0 and x, 3)
    t.check(led and led['in'] == led['out'] + led['drops'], 'at rest nothing is in flight', led)
    t.check(sw.cpu_seconds() > 0.1, 'what the load has cost is seen', sw.cpu_seconds())
    idle_cost(t, sw)
    sw.ctl('switch add ext --type external')
    sw.ctl('port add ext r0 --kind phys --driver dpdk --device net_ring0')
    idle_cost(t, sw, 'switch with a queue that must be polled')


vst.main(test)
