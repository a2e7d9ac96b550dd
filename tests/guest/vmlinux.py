#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""vmlinux.py BZIMAGE OUT: takes the ELF kernel out of a bzImage, so that no boot has to decompress it.

The set-up header says where the payload is; its last four bytes are the size unpacked.
Source: Linux, Documentation/x86/boot.rst, payload_offset and payload_length.
"""
import struct
import subprocess
import sys

TOOLS = [
    (b'\x1f\x8b', ['gzip', '-dcq']),
    (b'\xfd7zXZ', ['xz', '-dcq', '--single-stream']),
    (b'\x28\xb5\x2f\xfd', ['zstd', '-dcq']),
    (b'\x02\x21\x4c\x18', ['lz4', '-dcq']),
    (b'BZh', ['bzip2', '-dcq']),
]


def payload(image):
    if image[0x202:0x206] != b'HdrS':
        sys.exit('vmlinux.py: not a bzImage')
    sectors = image[0x1f1] or 4
    offset, size = struct.unpack_from('<II', image, 0x248)
    start = (sectors + 1) * 512 + offset
    return image[start:start + size]


def main():
    source, target = sys.argv[1:]
    with open(source, 'rb') as f:
        packed = payload(f.read())
    tool = next((t for magic, t in TOOLS if packed.startswith(magic)), None)
    if tool is None:
        sys.exit(f'vmlinux.py: {source}: payload of an unknown kind')
    # Some of these tools complain about the size that follows: what counts is what came out.
    kernel = subprocess.run(tool, input=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    if not kernel.startswith(b'\x7fELF') or len(kernel) < struct.unpack('<I', packed[-4:])[0]:
        sys.exit(f'vmlinux.py: {source}: no ELF came out of {tool[0]}')
    with open(target, 'wb') as f:
        f.write(kernel)


main()
