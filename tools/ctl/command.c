/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "help.h"
#include "params.h"
#include "print.h"
#include "refusal.h"
#include "text.h"
#include "top.h"
#include "watch.h"

/* Only what has a name that can be written as a command. */
static json_t *usable(const json_t *methods)
{
	json_t *kept = json_array(), *method;
	size_t i;

	json_array_foreach(methods, i, method)
	{
		const char *name = ctl_text_of(method, "name");

		if (strchr(name, '.') && name[0] != '.')
			json_array_append(kept, method);
	}
	return kept;
}

static int discover(struct ctl *ctl)
{
	json_t *params = json_object(), *answer;
	int rc = ctl_client_ask(&ctl->client, "rpc.discover", params, &answer);

	json_decref(params);
	if (rc)
		return rc;
	if (json_is_object(json_object_get(answer, "error")))
		rc = ctl_refused(json_object_get(answer, "error"), ctl->json);
	else
		ctl->methods =
			usable(json_object_get(json_object_get(answer, "result"), "methods"));
	json_decref(answer);
	if (!rc && !json_array_size(ctl->methods))
		rc = ctl_fail(CTL_NO_CONNECTION,
			      "%s: rpc.discover lists no methods; is this the "
			      "daemon's control socket?",
			      ctl->client.path);
	return rc;
}

int ctl_begin(struct ctl *ctl)
{
	int rc = CTL_OK;

	if (ctl->client.fd < 0) {
		/* Another daemon may have other methods. */
		json_decref(ctl->methods);
		ctl->methods = NULL;
		rc = ctl_client_open(&ctl->client);
	}
	if (!rc && !ctl->methods)
		rc = discover(ctl);
	return rc;
}

void ctl_end(struct ctl *ctl)
{
	ctl_client_close(&ctl->client);
	json_decref(ctl->methods);
	ctl->methods = NULL;
}

int ctl_call(struct ctl *ctl, const json_t *method, json_t *params, json_t **result)
{
	json_t *answer, *error;
	int rc = ctl_client_ask(&ctl->client, ctl_text_of(method, "name"), params, &answer);

	*result = NULL;
	if (rc)
		return rc;
	error = json_object_get(answer, "error");
	if (json_is_object(error)) /* null beside a result is none */
		rc = ctl_refused(error, ctl->json);
	else
		*result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	return rc;
}

int ctl_run_method(struct ctl *ctl, const json_t *method, json_t *params)
{
	json_t *result;
	int rc = ctl_call(ctl, method, params, &result);

	if (rc)
		return rc;
	if (ctl->json)
		ctl_print_json(result);
	else
		ctl_print_result(result, json_object_get(method, "result"),
				 json_object_size(params) > 0);
	json_decref(result);
	return CTL_OK;
}

int ctl_run(struct ctl *ctl, char *const *words, size_t n)
{
	const json_t *method;
	json_t *params;
	int rc;

	if (!strcmp(words[0], "help"))
		return ctl_help(ctl->methods, words + 1, n - 1);
	if (!strcmp(words[0], "top"))
		return ctl_top(ctl, words + 1, n - 1);
	method = ctl_find_method(ctl->methods, words[0], n > 1 ? words[1] : "");
	if (!method)
		return ctl_help_unknown(ctl->methods, words[0], n > 1 ? words[1] : "");
	params = json_object();
	rc = ctl_params_add(params, method, words + 2, n - 2);
	if (!rc)
		rc = ctl->watch ? ctl_watch_method(ctl, method, params)
				: ctl_run_method(ctl, method, params);
	json_decref(params);
	return rc;
}
