/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One frame of a capture file (pcap or pcapng), for 'trace' and 'why': "pcap:FILE#N" is frame N of
 * FILE, from 1.  The tool reads it, as the person who asked, and sends the bytes: the daemon opens
 * no file for anybody.
 */
#include "ctl/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

static int bad_file(struct err *err, const char *file, const char *what)
{
	err_set(err, -EINVAL, "bad-capture", "cannot take a frame from %s: %s", file, what);
	err_fix(err, "vswitchctl trace PORT pcap:FILE#N, with N from 1; FILE as tcpdump -w or "
		     "'capture start -w' writes it");
	return -EINVAL;
}

static json_t *hex_of(const u_char *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char *hex = malloc(2 * size + 1);
	json_t *json;

	if (hex == NULL)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	json = json_stringn(hex, 2 * size);
	free(hex);
	return json;
}

static int read_nth(pcap_t *pcap, const char *file, unsigned long n, json_t **ret_hex,
		    struct err *err)
{
	struct pcap_pkthdr *head;
	const u_char *bytes;
	unsigned long at = 0;
	char what[160];
	int rc;

	if (pcap_datalink(pcap) != DLT_EN10MB)
		return bad_file(err, file, "its frames are not Ethernet's");
	while ((rc = pcap_next_ex(pcap, &head, &bytes)) == 1) {
		if (++at < n)
			continue;
		if (head->caplen < head->len)
			return bad_file(err, file, "the frame was cut off when it was captured");
		*ret_hex = hex_of(bytes, head->caplen);
		return *ret_hex != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory");
	}
	if (rc == PCAP_ERROR)
		return bad_file(err, file, pcap_geterr(pcap));
	snprintf(what, sizeof(what), "it has %lu frames, and no frame %lu", at, n);
	return bad_file(err, file, what);
}

/* "FILE#N"; without #N the first. */
static int read_frame(char *file, json_t **ret_hex, struct err *err)
{
	char *hash = strrchr(file, '#'), *end = NULL, text[PCAP_ERRBUF_SIZE];
	unsigned long n = 1;
	pcap_t *pcap;
	int rc;

	if (hash != NULL) {
		n = strtoul(hash + 1, &end, 10);
		if (hash[1] < '0' || hash[1] > '9' || *end != '\0' || n == 0)
			return bad_file(err, file, "what follows # is no number from 1");
		*hash = '\0';
	}
	pcap = pcap_open_offline(file, text);
	if (pcap == NULL)
		return bad_file(err, file, text);
	rc = read_nth(pcap, file, n, ret_hex, err);
	pcap_close(pcap);
	return rc;
}

int ctl_tool_take_frame(json_t *params, struct err *err)
{
	const char *flow = json_string_value(json_object_get(params, "flow"));
	json_t *hex = NULL;
	char *file;
	int rc;

	if (flow == NULL || strncmp(flow, "pcap:", 5) != 0)
		return 0;
	file = strdup(flow + 5);
	if (file == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	rc = read_frame(file, &hex, err);
	free(file);
	if (rc != 0)
		return rc;
	json_object_del(params, "flow");
	json_object_set_new(params, "frame", hex);
	return 0;
}
