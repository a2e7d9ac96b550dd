#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What vswitchctl makes from its command table: the manual page, docs/methods.md, completion in bash.
# usage: generated_test.sh VSWITCHCTL SOURCE-ROOT
set -u
tool=$1 root=$2
failed=0

fail()
{
	echo "FAILED: $*"
	failed=1
}

# docs/methods.md says what the table says.
"$tool" help --markdown | diff -u "$root/docs/methods.md" - ||
	fail "docs/methods.md is out of date: vswitchctl help --markdown > docs/methods.md"

# The manual page is good roff, and every command has its section.
if command -v groff >/dev/null; then
	warnings=$("$tool" help --man | groff -man -Tutf8 -ww -z 2>&1)
	[[ -z $warnings ]] || fail "manual page: $warnings"
else
	echo "no groff: the manual page is not checked"
fi
n_methods=$(grep -c '^## ' "$root/docs/methods.md")
n_sections=$("$tool" help --man | grep -c '^\.SS ')
[[ $n_methods -gt 40 && $n_methods -eq $n_sections ]] || fail "$n_sections sections, $n_methods methods"

# Completion, as bash calls it.
# Its builtins work only while somebody completes.
# shellcheck disable=SC2317
complete() { :; }
# shellcheck disable=SC2317
compopt() { :; }
# shellcheck source=/dev/null
source "$root/ctl/vswitchctl.bash-completion"

offers()
{
	local line=$1 expected=$2

	COMP_LINE=$line COMP_POINT=${#line} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
	VSWITCH_SOCKET=/nonexistent _vswitchctl "$tool" "" ""
	[[ ${COMPREPLY[*]-} == "$expected" ]] || fail "'$line' gives '${COMPREPLY[*]-}', not '$expected'"
}

offers "vswitchctl por" "port"
offers "vswitchctl port r" "remove"
offers "vswitchctl port add a b --kind m" "memif mem"
# bash has cut the word at '=' and replaces what stands behind it.
offers "vswitchctl port add a b --kind=m" "memif mem"
offers "vswitchctl port show x" ""
offers "vswitchctl port 'sh" ""
cd "$root" || exit 1
offers "vswitchctl config load meson.bui" "meson.build"
offers "vswitchctl config load --file=meson.bui" "meson.build"

exit $failed
