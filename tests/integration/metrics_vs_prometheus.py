#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Our metrics text, read by Prometheus's own parser of OpenMetrics: every value and every label must come back.
#
#   random metrics ─► openmetrics_dump ─► text ─► prometheus_client ─► the same metrics?
#
# Usage: metrics_vs_prometheus.py OPENMETRICS_DUMP [ROUNDS [SEED]].  Exit status 77: no prometheus_client here.

import json
import os
import random
import subprocess
import sys

DEBIAN_PYTHON = '/usr/bin/python3'

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    # The package belongs to the distribution's interpreter, which need not be the first in PATH.
    if os.path.exists(DEBIAN_PYTHON) and os.path.realpath(sys.executable) != os.path.realpath(DEBIAN_PYTHON):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON] + sys.argv)
    print('skipped: python3-prometheus-client is not installed')
    sys.exit(77)

SUFFIX = {'counter': '_total', 'gauge': '', 'info': '_info'}
LETTERS = ['a', 'Z', '0', '"', '\\', '\n', '{', '}', '=', ',', '#', ' ', 'é', '雪', '😀', '\\n', 'p1']


def make_text():
    return ''.join(random.choice(LETTERS) for _ in range(random.randrange(8)))


def make_metrics():
    """Names that each have one kind and set of labels; values of them in mixed order, no two the same."""
    metrics = {}
    names = [(f'vswitch_m{i}', random.choice(list(SUFFIX)), make_text(), random.sample('abcdef', random.randrange(4)))
             for i in range(random.randrange(1, 30))]
    for _ in range(200):
        name, kind, help_text, labels = random.choice(names)
        value = {'counter': random.choice([0, 1, random.randrange(1 << 53)]),
                 'gauge': random.choice([0, -1.5, 0.1, random.uniform(-1e12, 1e12), 1e-300, random.randrange(1 << 50)]),
                 'info': 1}[kind]
        labels = {key: make_text() for key in labels}
        metrics[(name, tuple(sorted(labels.items())))] = {
            'kind': kind, 'name': name, 'help': help_text, 'labels': labels, 'value': value}
    return list(metrics.values())


def parse(text):
    return {(sample.name, tuple(sorted(sample.labels.items()))): (family.type, sample.value, family.documentation)
            for family in text_string_to_metric_families(text) for sample in family.samples}


def check(dump):
    metrics = make_metrics()
    text = subprocess.run([dump], input=json.dumps(metrics), capture_output=True, check=True, encoding='utf-8').stdout
    got = parse(text)
    for m in metrics:
        key = (m['name'] + SUFFIX[m['kind']], tuple(sorted(m['labels'].items())))
        kind, value, help_text = got.pop(key)
        near = value == m['value'] or abs(value - m['value']) <= abs(m['value']) * 1e-14
        if kind != m['kind'] or not near or help_text != m['help']:
            sys.exit(f'{key}: {kind} {value!r} {help_text!r}, want {m}')
    if got:
        sys.exit(f'nobody gave {got}')
    return len(metrics)


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    n = sum(check(sys.argv[1]) for _ in range(rounds))
    print(f'{n} values came back')


main()
