/* SPDX-License-Identifier: BSD-3-Clause */
/* VERSION: the first message. What the client says of itself is checked, though little of it
 * matters. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

#define MAJOR 0
#define MINOR 1
/*
 * Not longer than any client's own: QEMU takes the answer into the buffer that its request was in.
 */
#define CAPABILITIES                                                                               \
	"{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u,"                         \
	"\"max_dma_maps\":%u,\"pgsizes\":%u}}"

/* The numbers that a client may give. */
static const char *const numbers[] = {"max_msg_fds", "max_data_xfer_size", "max_dma_maps",
				      "pgsizes"};

/* NULL: it is right; else the name of what is not. */
static const char *wrong_number(const json_t *caps)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		const json_t *v = json_object_get(caps, numbers[i]);

		if (v && (!json_is_integer(v) || json_integer_value(v) < 0))
			return numbers[i];
	}
	return NULL;
}

static bool capabilities_ok(struct vfio_user *vu, const json_t *root)
{
	const json_t *caps = json_object_get(root, "capabilities");
	const json_t *fds;
	const char *wrong;

	if (!json_is_object(root) || (caps && !json_is_object(caps))) {
		vfio_user_warn(vu,
			       "%s: VERSION: the capabilities are no JSON object: session closed",
			       vu->name);
		return false;
	}
	wrong = wrong_number(caps);
	if (wrong) {
		vfio_user_warn(vu,
			       "%s: VERSION: capability %s is no number from 0 on: session closed",
			       vu->name, wrong);
		return false;
	}
	fds = json_object_get(caps, "max_msg_fds");
	vu->client_takes_fds = !fds || json_integer_value(fds);
	return true;
}

/* A client may leave the text out. */
static bool text_ok(struct vfio_user *vu, const char *text, uint32_t size)
{
	json_error_t error;
	json_t *root;
	bool ok;

	if (!size)
		return true;
	if (memchr(text, '\0', size) != text + size - 1) {
		vfio_user_warn(vu,
			       "%s: VERSION: the JSON text does not end with its NUL: session "
			       "closed",
			       vu->name);
		return false;
	}
	root = json_loadb(text, size - 1, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		vfio_user_warn(vu, "%s: VERSION: JSON: line %d, column %d: %s: session closed",
			       vu->name, error.line, error.column, error.text);
		return false;
	}
	ok = capabilities_ok(vu, root);
	json_decref(root);
	return ok;
}

int vfio_user_negotiate(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_version theirs, *ours;
	int n;

	memcpy(&theirs, vu->payload, sizeof(theirs));
	if (vu->negotiated) {
		vfio_user_warn(vu, "%s: VERSION for a second time refused", vu->name);
		return -EINVAL;
	}
	if (theirs.major != MAJOR) {
		vfio_user_warn(vu,
			       "%s: the client speaks version %u.%u of vfio-user; version %d is "
			       "needed: session closed",
			       vu->name, theirs.major, theirs.minor, MAJOR);
		return -EINVAL;
	}
	if (!text_ok(vu, (const char *)vu->payload + sizeof(theirs), size - sizeof(theirs)))
		return -EINVAL;
	ours = vfio_user_reply(vu, sizeof(*ours));
	ours->major = MAJOR;
	ours->minor = min_t(uint16_t, theirs.minor, MINOR);
	n = snprintf((char *)(ours + 1), VFIO_USER_MAX_DATA, CAPABILITIES, VFIO_USER_MAX_FDS,
		     VFIO_USER_MAX_DATA, VFIO_USER_MAX_MAPS, VFIO_USER_PAGE);
	vu->reply_size += (uint32_t)n + 1;
	vu->negotiated = true;
	return 0;
}
