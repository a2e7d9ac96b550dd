# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the switch needs from the distribution, and how it gets here.  Sourced by ./check and ./quickstart.
#
# A need is WHAT:NAME:PACKAGE.  What is there already is left alone, wherever it came from: only for a command, library or
# file that is missing is its Debian package installed, so a DPDK of one's own in /usr/local stays the one that is used.
#
#	cmd    a command
#	lib    a library that pkg-config knows
#	file   a file, as a pattern

# shellcheck disable=SC2034

# Where Debian keeps tools that it thinks are root's alone.
PATH=$PATH:/usr/sbin:/sbin

needs_build=(
	cmd:gcc:gcc
	file:/usr/include/stdio.h:libc6-dev
	cmd:meson:meson
	cmd:ninja:ninja-build
	cmd:pkg-config:pkg-config
	cmd:python3:python3
	lib:libdpdk:libdpdk-dev
	lib:jansson:libjansson-dev
	lib:libevent_core:libevent-dev
	lib:openssl:libssl-dev
	lib:sqlite3:libsqlite3-dev
	lib:libnl-3.0:libnl-3-dev
	lib:libnl-route-3.0:libnl-route-3-dev
	lib:libnl-genl-3.0:libnl-genl-3-dev
	lib:libpcap:libpcap-dev
	lib:libbpf:libbpf-dev
	lib:libelf:libelf-dev
	lib:libseccomp:libseccomp-dev
	lib:liburing:liburing-dev
	lib:libnbd:libnbd-dev
)

# To run the switch and its demonstration.  netbase: names of ports and protocols in capture filters.
needs_demo=(
	file:/etc/protocols:netbase
	cmd:ip:iproute2
	cmd:ping:iputils-ping
	cmd:tcpdump:tcpdump
)

needs_test=(
	lib:cmocka:libcmocka-dev
	cmd:git:git
	cmd:clang-format:clang-format
	cmd:tshark:tshark
	cmd:iperf3:iperf3
	cmd:nfcapd:nfdump
	cmd:ethtool:ethtool
	cmd:curl:curl
	cmd:dnsmasq:dnsmasq-base
	cmd:iperf3:iperf3
	cmd:udhcpc:udhcpc
	cmd:radvd:radvd
	cmd:dpdk-testpmd:dpdk-dev
	file:/usr/lib/python3/dist-packages/prometheus_client/__init__.py:python3-prometheus-client
	file:/usr/lib/python3/dist-packages/pyftpdlib/__init__.py:python3-pyftpdlib
	cmd:mandoc:mandoc
	cmd:shellcheck:shellcheck
	cmd:iasl:acpica-tools
	cmd:qemu-img:qemu-utils
	cmd:qemu-storage-daemon:qemu-system-common
	cmd:ovs-ofctl:openvswitch-common
	cmd:xdp-filter:xdp-tools
)

# For libFuzzer: the compiler, the run-time library that it does not bring along, and a linker that is quick at it.
needs_fuzz=(
	cmd:clang:clang
	cmd:ld.lld:lld
	file:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a:libclang-rt-dev
)

# For the test host: an emulator (setup unpacks a newer one beside it where that is too old), and what initial file systems and
# kernels are packed with.  The rest is downloaded by tests/guest/setup, and not installed.
needs_guest=(
	cmd:qemu-system-x86_64:qemu-system-x86
	cmd:cpio:cpio
	cmd:xz:xz-utils
	cmd:zstd:zstd
	cmd:lz4:lz4
	cmd:modprobe:kmod
	file:/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
)

need_met()
{
	local what=${1%%:*} name

	name=${1#*:}
	name=${name%:*}
	case $what in
	cmd) command -v "$name" >/dev/null ;;
	lib) pkg-config --exists "$name" 2>/dev/null ;;
	file) compgen -G "$name" >/dev/null ;;
	esac
}

# Prints the packages whose needs are not met, one a line.
packages_missing()
{
	local need

	for need in "$@"; do
		need_met "$need" || echo "${need##*:}"
	done | sort -u
}

# Installs what is missing: packages_install LOG NEED...  Says what it does; returns 1, having said why, when it cannot.
packages_install()
{
	local apt_log=$1 missing
	shift

	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing: ${missing[*]}"
		echo "  why: installing packages needs root"
		echo "  fix: sudo $0, or: sudo apt-get install ${missing[*]}"
		return 1
	fi
	if ! command -v apt-get >/dev/null; then
		echo "missing: ${missing[*]} (names of Debian's packages)"
		echo "  why: this is no Debian, there is no apt-get"
		echo "  fix: install what these are called here, then run $0 again"
		return 1
	fi
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	# A fresh image has no lists, an old one stale lists; that they cannot be had matters only if the install fails.
	apt-get -q update >"$apt_log" 2>&1 </dev/null || true
	if ! apt-get -q -y --no-install-recommends install "${missing[@]}" >>"$apt_log" 2>&1 </dev/null; then
		echo "apt-get cannot install them:"
		grep -E '^[EW]: ' "$apt_log" | tail -n 5 | sed 's/^/  /'
		echo "  fix: check the network and the sources of apt; its output is in $apt_log"
		return 1
	fi
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -eq 0 ] && return 0
	echo "installed, yet still not found: ${missing[*]}"
	return 1
}
