#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints how many thousand times a second this machine's time stamp counter counts (x86-64).

QEMU's emulated processors count as this machine's do.  Their kernel would measure it against an emulated timer, and when QEMU gets no
processor meanwhile it is wrong by whatever: a clock that ran nearly four times too fast was seen, with which all time limits are over too soon.
"""
import ctypes
import mmap
import time

LOOKS, SPAN_S = 50, 0.3
CODE = bytes.fromhex('0f3148c1e2204809d0c3')  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret


def look(rdtsc):
    """Time in nanoseconds and the counter at one moment: of several looks that which took least."""
    looks = []
    for _ in range(LOOKS):
        before, ticks = time.monotonic_ns(), rdtsc()
        looks.append((time.monotonic_ns() - before, before, ticks))
    return min(looks)[1:]


def main():
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(CODE)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    first = look(rdtsc)
    time.sleep(SPAN_S)
    last = look(rdtsc)
    print((last[1] - first[1]) * 1000000 // (last[0] - first[0]))


main()
