/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "config/uuid.h"

static uint32_t rotate(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

/* FIPS 180-4, 4.1.1 and 4.2.1 */
static uint32_t mix(unsigned int round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round / 20) {
	case 0:
		return ((b & c) ^ (~b & d)) + 0x5a827999;
	case 1:
		return (b ^ c ^ d) + 0x6ed9eba1;
	case 2:
		return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
	default:
		return (b ^ c ^ d) + 0xca62c1d6;
	}
}

/* FIPS 180-4, 6.1.2 */
static void add_block(uint32_t hash[5], const uint8_t block[64])
{
	uint32_t w[80];
	uint32_t v[5];

	for (int t = 0; t < 16; t++)
		w[t] = (uint32_t)block[4 * t] << 24 | block[4 * t + 1] << 16 |
		       block[4 * t + 2] << 8 | block[4 * t + 3];
	for (int t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	memcpy(v, hash, sizeof(v));
	for (int t = 0; t < 80; t++) {
		uint32_t next = rotate(v[0], 5) + mix(t, v[1], v[2], v[3]) + v[4] + w[t];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotate(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (int i = 0; i < 5; i++)
		hash[i] += v[i];
}

void config_sha1(const void *data, size_t len, uint8_t digest[20])
{
	uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	const uint8_t *bytes = data;
	uint64_t bits = (uint64_t)len * 8;
	size_t left = len;
	uint8_t tail[128] = {0};
	size_t tail_len;

	for (; left >= 64; left -= 64, bytes += 64)
		add_block(hash, bytes);
	/* 5.1.1: a one bit, zeros, and the length in the last 8 bytes. */
	tail_len = left < 56 ? 64 : 128;
	memcpy(tail, bytes, left);
	tail[left] = 0x80;
	for (int i = 0; i < 8; i++)
		tail[tail_len - 1 - i] = bits >> (8 * i);
	for (size_t i = 0; i < tail_len; i += 64)
		add_block(hash, tail + i);
	for (int i = 0; i < 20; i++)
		digest[i] = hash[i / 4] >> (24 - 8 * (i % 4));
}
