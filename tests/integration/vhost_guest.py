# SPDX-License-Identifier: BSD-2-Clause
"""A guest's network card at the driver's end of a vhost-user socket: split rings in memory of our own.

It can be honest (send, receive), lie in its rings, say nonsense on its socket, and die at any moment,
as a guest that the switch must not trust can.  The switch's port listens: --mode server.

    guest = Guest(path)         connects, shares its memory, starts both rings
    guest.send(frame)           a frame for the switch; False when the ring is full
    guest.lie(rng)              random nonsense where the device reads
    guest.die()                 as kill -9 does

Source: virtio 1.1 section 2.6; the vhost-user protocol as QEMU documents it.
"""
import mmap
import os
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
F_VERSION_1, F_PROTOCOL_FEATURES = 1 << 32, 1 << 30
RING, BUFFER, HEADER = 128, 2048, 12
GUEST, SIZE = 0x100000, 1 << 20  # Where the guest has its memory, and how much.
RX, TX = 0, 1
F_NEXT, F_WRITE, F_INDIRECT = 1, 2, 4


class Guest:
    def __init__(self, path, timeout=5):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.memfd = os.memfd_create('guest')
        os.ftruncate(self.memfd, SIZE)
        self.mem = mmap.mmap(self.memfd, SIZE)
        self.kick = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.call = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.avail, self.seen = [0, 0], [0, 0]
        try:
            self._start()
        except BaseException:
            self.die()
            raise

    # The socket

    def say(self, request, payload=b'', fds=()):
        message = struct.pack('<III', request, 1, len(payload)) + payload
        if fds:
            socket.send_fds(self.sock, [message], list(fds))
        else:
            self.sock.sendall(message)

    def ask(self, request):
        self.say(request)
        answer = b''
        while len(answer) < 20:
            chunk = self.sock.recv(20 - len(answer))
            if not chunk:
                raise ConnectionError('the switch hung up')
            answer += chunk
        return struct.unpack_from('<Q', answer, 12)[0]

    def _start(self):
        features = self.ask(GET_FEATURES)
        self.say(SET_OWNER)
        if features & F_PROTOCOL_FEATURES:
            self.ask(GET_PROTOCOL_FEATURES)
            self.say(SET_PROTOCOL_FEATURES, struct.pack('<Q', 0))
        self.say(SET_FEATURES, struct.pack('<Q', features & (F_VERSION_1 | F_PROTOCOL_FEATURES)))
        # One region: guest address, size, our address (we say the same), offset in the file.
        self.say(SET_MEM_TABLE, struct.pack('<IIQQQQ', 1, 0, GUEST, SIZE, GUEST, 0), [self.memfd])
        for ring in (RX, TX):
            self.say(SET_VRING_NUM, struct.pack('<II', ring, RING))
            self.say(SET_VRING_BASE, struct.pack('<II', ring, 0))
            self.say(SET_VRING_ADDR, struct.pack('<IIQQQQ', ring, 0, GUEST + self.desc(ring), GUEST + self.used(ring),
                                                 GUEST + self.available(ring), 0))
            self.say(SET_VRING_CALL, struct.pack('<Q', ring), [self.call[ring]])
            self.say(SET_VRING_KICK, struct.pack('<Q', ring), [self.kick[ring]])
        for ring in (RX, TX):
            self.say(SET_VRING_ENABLE, struct.pack('<II', ring, 1))
        for i in range(RING):
            self._give(RX, i, self.buffer(RX, i), BUFFER, F_WRITE)
        self.notify(RX)

    # The rings, as offsets in our memory

    @staticmethod
    def desc(ring):
        return ring * 0x10000

    @staticmethod
    def available(ring):
        return ring * 0x10000 + 0x4000

    @staticmethod
    def used(ring):
        return ring * 0x10000 + 0x8000

    @staticmethod
    def buffer(ring, i):
        return 0x20000 + (ring * RING + i) * BUFFER

    def _give(self, ring, i, offset, size, flags):
        struct.pack_into('<QIHH', self.mem, self.desc(ring) + 16 * i, GUEST + offset, size, flags, 0)
        struct.pack_into('<H', self.mem, self.available(ring) + 4 + 2 * (self.avail[ring] % RING), i)
        self.avail[ring] = (self.avail[ring] + 1) & 0xffff
        struct.pack_into('<H', self.mem, self.available(ring) + 2, self.avail[ring])

    def notify(self, ring):
        try:
            os.eventfd_write(self.kick[ring], 1)
        except BlockingIOError:
            pass

    def used_index(self, ring):
        return struct.unpack_from('<H', self.mem, self.used(ring) + 2)[0]

    def send(self, frame, header=bytes(HEADER), notify=True):
        if (self.avail[TX] - self.used_index(TX)) & 0xffff >= RING:
            return False
        i = self.avail[TX] % RING
        data = (header + frame)[:BUFFER]
        at = self.buffer(TX, i)
        self.mem[at:at + len(data)] = data
        self._give(TX, i, at, len(data), 0)
        if notify:
            self.notify(TX)
        return True

    def receive(self):
        """The frames that have come, without their headers; their buffers are given back."""
        frames = []
        while self.seen[RX] != self.used_index(RX) and len(frames) < RING:
            i, size = struct.unpack_from('<II', self.mem, self.used(RX) + 4 + 8 * (self.seen[RX] % RING))
            i %= RING
            at = self.buffer(RX, i)
            frames.append(self.mem[at + HEADER:at + min(size, BUFFER)])
            self.seen[RX] = (self.seen[RX] + 1) & 0xffff
            self._give(RX, i, at, BUFFER, F_WRITE)
        if frames:
            self.notify(RX)
        return frames

    # What a guest must not do

    def lie(self, rng):
        """One lie, of those that a descriptor, an index or a header can tell."""
        ring, i = rng.randrange(2), rng.randrange(RING)
        at = self.desc(ring) + 16 * i
        address = rng.choice((0, GUEST - 1, GUEST + SIZE - 1, GUEST + SIZE, (1 << 64) - 1, rng.getrandbits(64),
                              GUEST + rng.randrange(SIZE)))
        size = rng.choice((0, 1, HEADER - 1, HEADER, HEADER + 13, BUFFER, SIZE, 0xffffffff, rng.getrandbits(32)))
        flags = rng.choice((0, F_NEXT, F_WRITE, F_NEXT | F_WRITE, F_INDIRECT, F_INDIRECT | F_NEXT, rng.getrandbits(16)))
        what = rng.randrange(7)
        if what == 0:
            struct.pack_into('<QIHH', self.mem, at, address, size, flags, rng.choice((i, 0xffff, RING, rng.randrange(RING))))
        elif what == 1:  # A chain that ends in itself.
            struct.pack_into('<QIHH', self.mem, at, GUEST + self.buffer(ring, i), 64, F_NEXT | (ring == RX) * F_WRITE, i)
        elif what == 2:  # An index that runs away.
            self.avail[ring] = (self.avail[ring] + rng.choice((RING + 1, 0x8000, 0xffff))) & 0xffff
            struct.pack_into('<H', self.mem, self.available(ring) + 2, self.avail[ring])
        elif what == 3:  # A descriptor that is none.
            struct.pack_into('<H', self.mem, self.available(ring) + 4 + 2 * i, rng.choice((RING, 0xffff, rng.getrandbits(16))))
        elif what == 4:  # The device's own part.
            struct.pack_into('<H', self.mem, self.used(ring) + 2, rng.getrandbits(16))
        elif what == 5:  # A header that promises what the frame is not.
            self.send(rng.randbytes(rng.randrange(1500)), rng.randbytes(HEADER), notify=False)
        else:
            struct.pack_into('<QIHH', self.mem, at, GUEST + self.buffer(ring, i), size, flags, rng.randrange(RING))
        self.notify(ring)

    def babble(self, rng):
        """Nonsense on the socket; the switch may hang up."""
        try:
            self.say(rng.randrange(64), rng.randbytes(rng.choice((0, 8, 40, 300))))
        except OSError:
            pass

    def die(self):
        self.sock.close()
        self.mem.close()
        for fd in [self.memfd] + self.kick + self.call:
            os.close(fd)
