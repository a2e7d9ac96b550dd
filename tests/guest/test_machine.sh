#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of a few instructions on a KVM that has all (tests/unit/hv): what a processor does at its exits, pauses and resets, and
# Hyper-V's interface by KVM and by this process. Elsewhere these tests skip what is not to be had; here nothing may.
#
#	test_machine.sh PARTITION-TEST FACE-TEST DEVICE-TEST

failed=0
run()
{
	echo "== $*"
	if out=$("$@" 2>&1); then
		echo "$out" | grep PASSED
	else
		echo "exit status $?"
		echo "$out" | grep -vE '^\[ (RUN  |     OK) '
		failed=1
	fi
}
run "$1"
run "$2" kvm
run "$2" user
run "$3"
exit $failed
