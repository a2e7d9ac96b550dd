/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SipHash-2-4, after the paper (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 */
#include "filters/ebpf/helper_priv.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void secret_make(void)
{
	size_t got = 0;

	while (got < sizeof(secret)) {
		ssize_t n = getrandom((uint8_t *)secret + got, sizeof(secret) - got, 0);

		if (n > 0)
			got += (size_t)n;
	}
}

const uint64_t *ebpf_secret(void)
{
	pthread_once(&secret_once, secret_make);
	return secret;
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t ebpf_siphash(const uint64_t key[2], const void *data, size_t size)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	const uint8_t *at = data, *end = at + size / 8 * 8;
	uint64_t word;

	for (; at < end; at += 8) {
		memcpy(&word, at, 8);
		sip_word(v, le64toh(word));
	}
	word = 0;
	memcpy(&word, end, size % 8);
	sip_word(v, le64toh(word) | (uint64_t)size << 56);
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
