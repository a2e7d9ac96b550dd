#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The hypervisor beside QEMU, in one run of the test host: boot time, throughput and round trip between two guests through our
# switch (synthetic NICs against vhost-user), exits and signals for each packet, memory of the process beyond the guest's.
#
#	guest.sh [BUILD-FOLDER]     build-guest without it; must be built for a plain processor (docs/testing.md)
#
# The test host is emulated: only ratios mean something.  docs/performance.md has them.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build-guest}" && pwd)
exec "$here/../guest/host" -t 580 -- /usr/bin/python3 "$here/guest_bench.py" "$build/vswitch/vswitchd" "$build/ctl/vswitchctl"
