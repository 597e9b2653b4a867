#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The NVMe driver's cases over the other transport: the same programs, whose front-end and daemon are told to
# use vfio-user. Left out are those about messages of vhost-user, and those that only take long.
set -euo pipefail

build=${SHADOWBELL_BUILD:-build}
failed=0
export FE_TRANSPORT=vfio-user FE_DOORBELLS

# run PROGRAM DOORBELLS [CASE]
run() {
	FE_DOORBELLS=$2
	"$build/tests/integration/$1" "${@:3}" |
		sed -E "s#^(not ok|ok|skip) [a-z_]+/#\1 vfio_user/$1/$2/#" || failed=1
}

run test_nvme_io trapped
run test_nvme_admin trapped
run test_nvme_features trapped
run test_nvme_queues trapped
run test_nvme_doorbells trapped shadow
run test_nvme_cpu trapped idle
run test_nvme_io mapped
exit "$failed"
