# SPDX-License-Identifier: BSD-3-Clause
"""What tools/guest and tools/build-guest-image are made of."""
