/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/config_job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/target_internal.h"

static void *run(void *arg)
{
	struct config_job *job = arg;

	job->work(job->arg);
	loop_post(job->target->main, &job->loop_work);
	return NULL;
}

static void ended(void *arg)
{
	struct config_job *job = arg;
	struct target *t = job->target;

	pthread_join(job->thread, NULL);
	t->config_job = NULL;
	job->ended(job->arg);
	object_leave(t);
}

int config_job_begin(struct target *t, struct config_job *job, char *err)
{
	int rc;

	if (t->stopping) {
		snprintf(err, OBJECT_ERR_MAX, "the target is being stopped");
		return -ESHUTDOWN;
	}
	if (t->config_job || t->applying) {
		snprintf(err, OBJECT_ERR_MAX,
			 "the configuration is just being saved, checked or applied; try again "
			 "when that is done");
		return -EBUSY;
	}
	job->target = t;
	job->loop_work = (struct loop_work){.fn = ended, .arg = job};
	t->config_job = job;
	object_enter(t);
	rc = pthread_create(&job->thread, NULL, run, job);
	if (!rc) {
		pthread_setname_np(job->thread, "config");
		return 0;
	}
	t->config_job = NULL;
	object_leave(t);
	snprintf(err, OBJECT_ERR_MAX, "no thread can be made: %s", strerror(rc));
	return -rc;
}
