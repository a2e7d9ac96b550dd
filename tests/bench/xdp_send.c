/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sends 64-byte UDP frames by a Linux interface as fast as the kernel can make them, without
 * sockets: an XDP program run on frames of its own redirects them (BPF_F_TEST_XDP_LIVE_FRAMES).
 *
 * 	xdp_send OBJECT INTERFACE SECONDS
 *
 * OBJECT is filter_bench.bpf.o; INTERFACE "-": it drops them.
 *
 * Prints how many it sent a second, in millions.
 */
#include "tests/bench/bench_frame.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BATCH	  64u
#define AT_A_TIME (1u << 18)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int die(const char *what)
{
	fprintf(stderr, "xdp_send: %s: %s\n", what, strerror(errno));
	return 1;
}

/* 'to' of the object's global data. */
static bool aim(struct bpf_object *object, uint32_t ifindex)
{
	struct bpf_map *map;

	bpf_object__for_each_map(
		map, object) if (strstr(bpf_map__name(map), ".bss") !=
				 NULL) return bpf_map__set_initial_value(map, &ifindex,
									 sizeof(ifindex)) == 0;
	return false;
}

int main(int argc, char **argv)
{
	uint8_t frame[BENCH_FRAME_SIZE];
	struct bpf_object *object;
	struct bpf_program *send;
	uint64_t n = 0;
	double start, end;
	int fd;

	if (argc != 4 || (strcmp(argv[2], "-") != 0 && if_nametoindex(argv[2]) == 0))
		return die("xdp_send OBJECT INTERFACE SECONDS");
	object = bpf_object__open_file(argv[1], NULL);
	if (object == NULL || !aim(object, if_nametoindex(argv[2])) ||
	    bpf_object__load(object) != 0)
		return die(argv[1]);
	send = bpf_object__find_program_by_name(object, "send");
	fd = send != NULL ? bpf_program__fd(send) : -1;
	bench_frame_make(frame, 0);
	start = now();
	end = start + atof(argv[3]);
	while (now() < end) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
			    .data_size_in = sizeof(frame), .repeat = AT_A_TIME,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

		if (bpf_prog_test_run_opts(fd, &opts) != 0)
			return die("the kernel runs no live frames");
		n += AT_A_TIME;
	}
	printf("%.2f\n", (double)n / (now() - start) / 1e6);
	return 0;
}
