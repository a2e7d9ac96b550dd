#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A VF of the test host's card, by VFIO, without a guest: vfio_device drives it, this binds it, listens on the wire, and takes it back.
#
#	VF 0 (vfio-pci, vfio_device) ── igb ──wire── virtio (this)
#
#	test_vfio.sh VFIO-DEVICE

# shellcheck disable=SC2016,SC2034,SC2317 # Conditions are looked at later, by eventually.
readonly pf=/sys/bus/pci/devices/0000:01:00.0 mac=02:00:00:00:01:10
failed=0

check()
{
	if eval "$2"; then
		echo "ok   $1"
	else
		echo "FAIL $1"
		failed=1
	fi
}

# Within a minute, for the processor is an emulated one.
eventually()
{
	for _ in $(seq 300); do
		eval "$1" && return
		sleep 0.2
	done
	return 1
}

interface()
{
	basename "$(dirname "$(grep -l "$1" /sys/class/net/*/address)")"
}

card=$(interface 02:00:00:00:01:00)
wire=$(interface 02:00:00:00:01:ff)
if [ -z "$card" ] || [ -z "$wire" ]; then
	echo "FAIL no card: not started with --igb?"
	exit 1
fi
ip link set "$card" up
ip link set "$wire" up
echo 0 >$pf/sriov_drivers_autoprobe
echo 1 >$pf/sriov_numvfs
ip link set "$card" vf 0 mac $mac
vf=$(basename "$(realpath $pf/virtfn0)")
echo vfio-pci >"/sys/bus/pci/devices/$vf/driver_override"
echo "$vf" >/sys/bus/pci/drivers_probe

# What the wire's end receives of ours.
frames()
{
	tcpdump -r /tmp/wire.pcap "ether src $mac" 2>/dev/null | wc -l
}
tcpdump -i "$wire" -U -w /tmp/wire.pcap >/tmp/tcpdump.log 2>&1 &
eventually 'grep -q listening /tmp/tcpdump.log' || echo "FAIL tcpdump does not listen"
"$1" "$vf" $mac >/tmp/device.log 2>&1 &
device=$!
eventually 'grep -q waiting /tmp/device.log || ! kill -0 $device 2>/dev/null'
check 'its frame is on the wire' 'eventually "[ \$(frames) -ge 1 ]"'
check 'the IOMMU stopped what was not its own' 'eventually "dmesg | grep -q DMAR:.*DMA.Read.*${vf#0000:}.*fault"'
dmesg | grep 'DMAR:.*fault' | head -n 2
# Returns when the descriptors are closed.
echo "$vf" >/sys/bus/pci/drivers/vfio-pci/unbind
wait $device
status=$?
grep -v waiting /tmp/device.log
check 'the VF does what it should' '[ $status -eq 0 ]'
check 'and is free again' '[ ! -e /sys/bus/pci/devices/$vf/driver ]'
echo 0 >$pf/sriov_numvfs
exit $failed
