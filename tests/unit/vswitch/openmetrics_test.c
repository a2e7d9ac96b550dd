/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The text of metrics.  tests/integration/metrics_vs_prometheus.py reads such text with
 * Prometheus's own parser.
 */
#include "vswitch/openmetrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vs_metric_sink *make(void)
{
	struct vs_metric_sink *sink = vs_metric_sink_create();

	if (sink == NULL)
		abort();
	return sink;
}

static void expect(struct vs_metric_sink *sink, const char *want)
{
	size_t size = 0;
	char *text = vs_metric_sink_render(sink, &size);

	assert_non_null(text);
	if (size != strlen(want) || memcmp(text, want, size) != 0)
		fail_msg("got:\n%.*s\nwant:\n%s", (int)size, text, want);
	free(text);
	vs_metric_sink_destroy(sink);
}

static void nothing_is_still_a_whole_text(void **state)
{
	expect(make(), "# EOF\n");
}

static void values_of_a_name_stand_together_in_whatever_order_they_came(void **state)
{
	struct vs_metric_sink *sink = make();

	for (unsigned port = 1; port <= 2; port++) {
		char name[10];

		snprintf(name, sizeof(name), "p%u", port);
		vs_metric_counter(sink, "vs_rx", "Frames received", VS_LABELS({"port", name}),
				  port);
		vs_metric_gauge(sink, "vs_up", "Link is up",
				VS_LABELS({"port", name}, {"kind", "tap"}), port - 1);
	}
	vs_metric_info(sink, "vs_build", "Version", VS_LABELS({"version", "0.1"}));
	expect(sink, "# TYPE vs_rx counter\n# HELP vs_rx Frames received\n"
		     "vs_rx_total{port=\"p1\"} 1\nvs_rx_total{port=\"p2\"} 2\n"
		     "# TYPE vs_up gauge\n# HELP vs_up Link is up\n"
		     "vs_up{port=\"p1\",kind=\"tap\"} 0\nvs_up{port=\"p2\",kind=\"tap\"} 1\n"
		     "# TYPE vs_build info\n# HELP vs_build Version\n"
		     "vs_build_info{version=\"0.1\"} 1\n# EOF\n");
}

static void numbers_keep_their_value(void **state)
{
	struct vs_metric_sink *sink = make();

	vs_metric_counter(sink, "c", "h", VS_NO_LABELS, UINT64_MAX);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"n", "a"}), 0.1);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"n", "b"}), -1e300);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"n", "c"}), NAN);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"n", "d"}), INFINITY);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"n", "e"}), -INFINITY);
	expect(sink,
	       "# TYPE c counter\n# HELP c h\nc_total 18446744073709551615\n"
	       "# TYPE g gauge\n# HELP g h\ng{n=\"a\"} 0.1\ng{n=\"b\"} -1e+300\ng{n=\"c\"} NaN\n"
	       "g{n=\"d\"} +Inf\ng{n=\"e\"} -Inf\n# EOF\n");
}

static void label_values_are_escaped(void **state)
{
	struct vs_metric_sink *sink = make();

	vs_metric_gauge(sink, "g", "back\\slash\nand \"quote\"",
			VS_LABELS({"v", "a\"b\\c\nd"}, {"utf8", "caf\xc3\xa9 \xf0\x9f\x98\x80"}),
			1);
	/* Cut, too long a form, a surrogate, beyond Unicode, stray; and control characters. */
	vs_metric_gauge(sink, "g", "x",
			VS_LABELS({"v", "\xc3|\xc0\x80|\xe0\x80\x80|\xed\xa0\x80|\xf5\x80\x80\x80|"
					"\x80|\x1b\x7f\t"}),
			2);
	expect(sink, "# TYPE g gauge\n# HELP g back\\\\slash\\nand \\\"quote\\\"\n"
		     "g{v=\"a\\\"b\\\\c\\nd\",utf8=\"caf\xc3\xa9 \xf0\x9f\x98\x80\"} 1\n"
		     "g{v=\"?|\?\?|?\?\?|?\?\?|?\?\?\?|?|?\?\?\"} 2\n# EOF\n");
}

static void what_breaks_the_format_is_left_out_and_counted(void **state)
{
	struct vs_metric_sink *sink = make();
	char longest[200];
	unsigned n = 0;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	vs_metric_gauge(sink, "fine", "h", VS_NO_LABELS, 1);
	vs_metric_counter(sink, "fine", "h", VS_NO_LABELS, 1); /* It is a gauge. */
	assert_int_equal(vs_metric_sink_errors(sink), ++n);
	static const char *const names[] = {"",	       "9x",	 "a-b",	      "a b",	 "a\n",
					    "x_total", "x_info", "x_created", "x_bucket"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		vs_metric_gauge(sink, names[i], "h", VS_NO_LABELS, 1);
		assert_int_equal(vs_metric_sink_errors(sink), ++n);
	}
	vs_metric_gauge(sink, longest, "h", VS_NO_LABELS, 1);
	assert_int_equal(vs_metric_sink_errors(sink), ++n);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"a:b", "x"}), 1);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"__a", "x"}), 1);
	vs_metric_gauge(sink, "g", "h", VS_LABELS({"a", "x"}, {"a", "y"}), 1);
	n += 3;
	assert_int_equal(vs_metric_sink_errors(sink), n);
	for (unsigned i = 0; i < 600; i++) {
		char name[20];

		snprintf(name, sizeof(name), "m%u", i);
		vs_metric_gauge(sink, name, "h", VS_NO_LABELS, 1);
	}
	assert_int_equal(vs_metric_sink_errors(sink), n + 600 - 511);
	vs_metric_sink_destroy(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_still_a_whole_text),
		cmocka_unit_test(values_of_a_name_stand_together_in_whatever_order_they_came),
		cmocka_unit_test(numbers_keep_their_value),
		cmocka_unit_test(label_values_are_escaped),
		cmocka_unit_test(what_breaks_the_format_is_left_out_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
