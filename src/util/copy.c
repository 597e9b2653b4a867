/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/copy.h"

#if COPY_STRING
#include <cpuid.h>

#define LEAF_FEATURES 7
#define EBX_ERMS      (1u << 9) /* Enhanced REP MOVSB */
#endif

bool copy_by_string;

void copy_init(void)
{
#if COPY_STRING
	unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;

	if (__get_cpuid_count(LEAF_FEATURES, 0, &eax, &ebx, &ecx, &edx))
		copy_by_string = ebx & EBX_ERMS;
#endif
}
