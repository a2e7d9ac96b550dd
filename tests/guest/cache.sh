# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Where the parts of the test host lie, for setup (which fills it), host and image (which use it).
#
#	qemu/         the emulator, with its data, where the machine's own is too old (else absent)
#	kernel-host/  kernel and modules that the test host boots: the distribution's full one
#	kernel-cloud/ the distribution's cloud kernel     these two are what
#	kernel-new/   the newest cloud kernel             guests boot
#	busybox       static
#	daemons/      hv_kvp_daemon and hv_vss_daemon
#	manifest      checksums of all of them; there when complete
#	packages      what they came from
#
# shellcheck disable=SC2034

PATH=$PATH:/usr/sbin:/sbin

# A change of what setup makes changes this number, and old folders are left behind.
readonly cache_format=2

# The distribution's name for itself: bookworm, trixie.
suite=$(. /etc/os-release && echo "${VERSION_CODENAME-}")

cache_base()
{
	if [ -n "${VSWITCH_GUEST_CACHE-}" ]; then
		echo "$VSWITCH_GUEST_CACHE"
	elif [ -n "${XDG_CACHE_HOME-}" ]; then
		echo "$XDG_CACHE_HOME/vswitch-guest"
	elif [ -w /var/cache ]; then
		echo /var/cache/vswitch-guest
	else
		echo "$HOME/.cache/vswitch-guest"
	fi
}

cache=$(cache_base)/$suite-$cache_format

# The one version of modules below a kernel's folder.
kernel_version()
{
	basename "$cache/$1"/lib/modules/*
}

# The emulator as a command line, in 'qemu'.  The suite's own firmware stands in for what the unpacked one lacks.
qemu_find()
{
	if [ -d "$cache/qemu" ]; then
		qemu=("$cache/qemu/usr/bin/qemu-system-x86_64" -L "$cache/qemu/usr/share/qemu" -L "$cache/qemu/usr/share/seabios"
			-L /usr/share/seabios -L /usr/lib/ipxe/qemu)
	else
		qemu=(qemu-system-x86_64)
	fi
}
