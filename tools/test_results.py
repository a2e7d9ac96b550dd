#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# What 'meson test' found, for ./check: one line a test, fields separated by tabs.
#
#	test_results.py TESTLOG.json FOLDER
#
#	passed   NAME
#	skipped  NAME  the reason, which is the last line that the test printed
#	failed   NAME  file in FOLDER with its output and how it ended
#
# Source: meson's testlog.json, one JSON object a line.

import json
import os
import re
import sys

PASSED = {'OK', 'EXPECTEDFAIL'}


def output_of(test):
    return (test.get('stdout') or '') + (test.get('stderr') or '')


def log_write(folder, test):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, re.sub(r'[^A-Za-z0-9.-]+', '_', test['name']) + '.log')
    with open(path, 'w', encoding='utf-8', errors='replace') as file:
        file.write(output_of(test))
        file.write(f"\n{test['result']}, exit status {test.get('returncode')}, {test.get('duration', 0):.1f} s: "
                   f"{' '.join(test.get('command', []))}\n")
    return path


def main():
    log, folder = sys.argv[1:]
    with open(log, encoding='utf-8', errors='replace') as file:
        for line in file:
            test = json.loads(line)
            name = test['name'].split(' / ')[-1].replace('\t', ' ')
            if test['result'] in PASSED:
                print('passed', name, sep='\t')
            elif test['result'] == 'SKIP':
                words = output_of(test).strip().split('\n')[-1].replace('\t', ' ')
                print('skipped', name, words or 'says nothing', sep='\t')
            else:
                print('failed', name, log_write(folder, test), sep='\t')


if __name__ == '__main__':
    main()
