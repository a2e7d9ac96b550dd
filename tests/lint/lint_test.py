#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# The linter, tested: each check passes a small tree that is right, and finds each thing that is made wrong in it.
#
#	lint_test.py [COMPILER...]

import os
import subprocess
import sys
import tempfile
import unittest

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lint.py')
COMPILER = sys.argv[1:] or ['cc']
SPDX = '/* SPDX-License-Identifier: BSD-2-Clause */\n'


def header(guard, text=''):
    return f'{SPDX}#ifndef {guard}\n#define {guard}\n{text}\n#endif\n'


GOOD = {
    'ctl/base/err.h': header('CTL_BASE_ERR_H', '\nint err(void);\n'),
    'ctl/base/err.c': SPDX + '#include "ctl/base/err.h"\n\n#include <stdio.h>\n',
    'ctl/cmd.h': header('CTL_CMD_H', '\n#include "ctl/base/err.h"\n'),
    'ctl/main.c': SPDX + '#include "dataplane/dp.h"\n#include "hv/vm.h"\n\n#include <sqlite3.h>\n',
    'hv/gpa.h': header('HV_GPA_H'),
    'hv/vm.h': header('HV_VM_H'),
    'dataplane/dp.h': header('DATAPLANE_DP_H', '\n#include <stdint.h>\n\nuint32_t dp(void);\n'),
    'dataplane/dp_priv.h': header('DATAPLANE_DP_PRIV_H'),
    'dataplane/dp.c': SPDX + '#include "dataplane/dp.h"\n\n#include <rte_mbuf.h>\n\n#include <jansson.h>\n\n'
                             '#include "ctl/base/err.h"\n#include "dataplane/dp_priv.h"\n',
    'vmbus/ring.c': SPDX + '#include "hv/gpa.h"\n',
    'vswitch/switch.c': SPDX + '#include <netlink/netlink.h>\n\n#include "dataplane/dp.h"\n',
    'tests/unit/dp_test.c': SPDX + '#include "dataplane/dp_priv.h"\n#include "tests/support/x.h"\n',
    'tests/support/x.h': header('TESTS_SUPPORT_X_H'),
    '.clang-format': 'BasedOnStyle: LLVM\nUseTab: Always\nIndentWidth: 8\nTabWidth: 8\nSortIncludes: Never\n',
}


class Lint(unittest.TestCase):
    def run_check(self, check, files, *args):
        """The check's exit status and what it said of GOOD with 'files' changed."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **files}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                    file.write(text)
            run = subprocess.run([sys.executable, LINT, check, root, *args], stdout=subprocess.PIPE, text=True)
            return run.returncode, run.stdout

    def passes(self, check, *args, files=None):
        status, said = self.run_check(check, files or {}, *args)
        self.assertEqual(status, 0, said)

    def finds(self, check, path, text, what, *args):
        """Exactly one finding, in 'path', that says 'what'."""
        status, said = self.run_check(check, {path: text}, *args)
        found = [line for line in said.split('\n') if line.startswith(path + ':')]
        self.assertEqual(status, 1, said)
        self.assertEqual(len(found), 1, said)
        self.assertIn(what, found[0])
        self.assertIn(': 1 findings', said)

    def test_good_tree_passes_includes(self):
        self.passes('includes')

    def test_good_tree_passes_files(self):
        self.passes('files')

    def test_good_tree_passes_headers(self):
        self.passes('headers', *COMPILER, '-I.')

    def test_folder_that_is_not_allowed(self):
        self.finds('includes', 'dataplane/x.c', SPDX + '#include "vswitch/switch.c"\n', 'must not include')
        self.finds('includes', 'ctl/base/x.c', SPDX + '#include "ctl/cmd.h"\n', 'ctl/base must not include')
        self.finds('includes', 'vswitch/x.c', SPDX + '#include "hv/vm.h"\n', 'vswitch must not include')

    def test_one_file_of_a_folder_is_not_all_of_it(self):
        self.finds('includes', 'vmbus/x.c', SPDX + '#include "hv/vm.h"\n', 'vmbus must not include "hv/vm.h"')

    def test_library_that_is_not_allowed(self):
        self.finds('includes', 'ctl/x.c', SPDX + '#include <rte_mbuf.h>\n', 'ctl must not use dpdk')
        self.finds('includes', 'dataplane/x.c', SPDX + '#include <sqlite3.h>\n', 'dataplane must not use sqlite')
        self.finds('includes', 'vmbus/x.c', SPDX + '#include <linux/kvm.h>\n', 'vmbus must not use kvm')

    def test_private_header_of_another_folder(self):
        self.finds('includes', 'vswitch/x.c', SPDX + '#include "dataplane/dp_priv.h"\n', 'private to dataplane')

    def test_tests_are_included_by_nobody(self):
        self.finds('includes', 'vswitch/main.c', SPDX + '#include "tests/support/x.h"\n', 'nobody includes tests')

    def test_own_header_must_come_first(self):
        self.finds('includes', 'dataplane/dp.c', SPDX + '#include <stdio.h>\n\n#include "dataplane/dp.h"\n',
                   'not its own header')
        self.finds('includes', 'dataplane/dp.c', SPDX, 'not its own header')

    def test_path_that_does_not_start_at_the_root(self):
        self.finds('includes', 'ctl/x.c', SPDX + '#include "cmd.h"\n', 'no file of ours')

    def test_ours_in_angle_brackets(self):
        self.finds('includes', 'vswitch/x.c', SPDX + '#include <dataplane/dp.h>\n', 'go in quotes')

    def test_wrong_guard(self):
        self.finds('includes', 'ctl/x.h', header('X_H'), 'guard is X_H, not CTL_X_H')
        self.finds('includes', 'ctl/x.h', SPDX, 'guard is None')

    def test_missing_licence(self):
        self.finds('files', 'ctl/x.c', 'int x;\n', 'SPDX')
        self.finds('files', 'tests/x.py', 'pass\n', 'SPDX')

    def test_long_line(self):
        self.finds('files', 'ctl/x.c', SPDX + '\t' * 12 + 'x' * 5 + '\n', 'longer than 100 columns')
        self.passes('files', files={'ctl/x.c': SPDX + '\t' * 12 + 'x' * 4 + '\n'})
        self.passes('files', files={'ctl/x.c': SPDX + '/* ' + '─' * 94 + ' */\n'})

    def test_white_space(self):
        self.finds('files', 'ctl/x.c', SPDX + 'int x; \n', 'white space at the end')
        self.finds('files', 'ctl/x.c', SPDX + '  \tint x;\n', 'spaces before a tab')

    def test_path_of_one_machine(self):
        for folder in ('root', 'home', 'work', 'Users'):
            self.finds('files', 'tests/x.sh', f'# {SPDX}cd /{folder}/somebody\n', 'a path of one machine')
        self.passes('files', files={'ctl/x.c': SPDX + '/* a/home/b, x.root/y, /usr/include */\n'})

    def test_header_that_does_not_compile_alone(self):
        self.finds('headers', 'ctl/x.h', header('CTL_X_H', 'uint32_t x(void);'), 'does not compile alone',
                   *COMPILER, '-I.')

    def test_header_that_does_not_compile_twice(self):
        self.finds('headers', 'ctl/x.h', SPDX + 'enum x { X };\n', 'does not compile alone', *COMPILER, '-I.')

    def test_format(self):
        status, said = self.run_check('format', {}, 'clang-format')
        if status == 77:
            self.skipTest(said.strip())
        self.assertEqual(status, 0, said)
        self.finds('format', 'ctl/x.c', SPDX + 'int  x;\n', 'clang-format would change it', 'clang-format')
        self.finds('format', 'ctl/x.c', SPDX + 'int x(void)\n{\n        return 1;\n}\n', 'would change', 'clang-format')

    def test_no_clang_format_is_said(self):
        status, said = self.run_check('format', {}, 'no-such-clang-format')
        self.assertEqual(status, 77)
        self.assertIn('not installed', said)

    def test_build_folders_are_not_ours(self):
        self.passes('files', files={'build-x/ctl/x.c': 'no licence\n'})

    def test_empty_tree_is_a_mistake(self):
        with tempfile.TemporaryDirectory() as root:
            run = subprocess.run([sys.executable, LINT, 'files', root], stderr=subprocess.PIPE)
            self.assertNotEqual(run.returncode, 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
