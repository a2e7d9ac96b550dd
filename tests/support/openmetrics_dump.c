/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics from JSON on standard input to text on standard output, for
 * tests/integration/metrics_vs_prometheus.py: [{"kind", "name", "help", "labels": {}, "value"}].
 */
#include "vswitch/openmetrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MAX_LABELS 16

static void add(struct vs_metric_sink *sink, json_t *metric)
{
	const char *kind = json_string_value(json_object_get(metric, "kind"));
	const char *name = json_string_value(json_object_get(metric, "name"));
	const char *help = json_string_value(json_object_get(metric, "help")), *key;
	json_t *value = json_object_get(metric, "value"), *text;
	struct vs_metric_label labels[MAX_LABELS];
	size_t n = 0;

	json_object_foreach(json_object_get(metric, "labels"), key, text) {
		if (n < MAX_LABELS)
			labels[n++] = (struct vs_metric_label){key, json_string_value(text)};
	}
	if (strcmp(kind, "counter") == 0)
		vs_metric_counter(sink, name, help, labels, n, (uint64_t)json_integer_value(value));
	else if (strcmp(kind, "gauge") == 0)
		vs_metric_gauge(sink, name, help, labels, n, json_number_value(value));
	else
		vs_metric_info(sink, name, help, labels, n);
}

int main(void)
{
	struct vs_metric_sink *sink = vs_metric_sink_create();
	json_t *metrics = json_loadf(stdin, 0, NULL);
	size_t size = 0;
	char *text;

	if (sink == NULL || metrics == NULL)
		return 1;
	for (size_t i = 0; i < json_array_size(metrics); i++)
		add(sink, json_array_get(metrics, i));
	text = vs_metric_sink_render(sink, &size);
	if (text == NULL || vs_metric_sink_errors(sink) != 0)
		return 1;
	fwrite(text, 1, size, stdout);
	free(text);
	vs_metric_sink_destroy(sink);
	json_decref(metrics);
	return 0;
}
