/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK's environment, as little of it as librte_vhost needs. */
#include "vhost/vhost.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "guest_mem/guest_mem.h"
#include "util/log.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"

static FILE *dpdk_log;

/* DPDK's own lines, one per write, under our prefix; its errors about a guest are warnings here. */
static ssize_t write_dpdk_line(void *cookie, const char *buf, size_t len)
{
	static struct log_limit limit;
	size_t n = len;

	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	if (n)
		log_limited(&limit, LOG_LEVEL_WARN, "librte_vhost", "librte_vhost: %.*s", (int)n,
			    buf);
	return (ssize_t)len;
}

static int redirect_log(void)
{
	cookie_io_functions_t io = {.write = write_dpdk_line};

	dpdk_log = fopencookie(NULL, "w", io);
	if (!dpdk_log)
		return -ENOMEM;
	setvbuf(dpdk_log, NULL, _IOLBF, 0);
	rte_openlog_stream(dpdk_log);
	return 0;
}

/* It looks for CPUs in sysfs, and where it finds none it prints 80 lines about its options. */
static int dpdk_knows_cpu(int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
	if (!access(path, F_OK))
		return 0;
	log_error("CPU %d is not in /sys (%s: %s): mount sysfs there, which DPDK needs", cpu, path,
		  strerror(errno));
	return -ENODEV;
}

int vhost_init(void)
{
	char cpu[16];
	char *argv[] = {"shadowbell",  "--no-huge",
			"-m",	       "64",
			"--no-pci",    "--no-telemetry",
			"--no-shconf", "--lcores",
			cpu,	       "--log-level=lib.*:error",
			NULL};
	cpu_set_t before;
	int i, rc;

	rc = guest_mem_guard_init();
	if (rc)
		return rc;
	rc = redirect_log();
	if (rc)
		return rc;
	/* DPDK pins the calling thread to the CPU it is given: take one we have, and undo it. */
	sched_getaffinity(0, sizeof(before), &before);
	for (i = 0; i < CPU_SETSIZE && !CPU_ISSET(i, &before); i++)
		;
	rc = dpdk_knows_cpu(i);
	if (rc)
		return rc;
	snprintf(cpu, sizeof(cpu), "0@%d", i); /* DPDK numbers only so many CPUs */
	rc = rte_eal_init(ARRAY_SIZE(argv) - 1, argv);
	sched_setaffinity(0, sizeof(before), &before);
	if (rc < 0) {
		log_error("DPDK does not start: %s", rte_strerror(rte_errno));
		return -EIO;
	}
	return 0;
}

void vhost_fini(void)
{
	vhost_library_drop_all();
	rte_eal_cleanup();
	rte_openlog_stream(NULL);
	if (dpdk_log)
		fclose(dpdk_log);
	dpdk_log = NULL;
}
