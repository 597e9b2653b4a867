/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/params.h"

#include "tests/unit/test.h"
#include "tools/ctl/text.h"

/* As rpc.discover would tell of it: `name` and `type` are required, with type=big `size` is, too.
 */
static json_t *method(void)
{
	return json_pack("{s:s, s:{s:[{s:s,s:b},{s:s,s:b},{s:s,s:b}], s:[{s:s, s:[{s:s,s:b}]}]}}",
			 "name", "bdev.create", "params", "keys", "name", "name", "required", 1,
			 "name", "type", "required", 1, "name", "uuid", "required", 0, "types",
			 "name", "big", "keys", "name", "size", "required", 1);
}

/* What up to four words make, in JSON; "": they are refused. */
static char *made_of(const char *a, const char *b, const char *c, const char *d)
{
	char *words[] = {(char *)a, (char *)b, (char *)c, (char *)d};
	json_t *m = method(), *params = json_object();
	size_t n = 0;
	char *text;

	while (n < 4 && words[n])
		n++;
	text = ctl_params_add(params, m, words, n) ? strdup("") : json_dumps(params, JSON_COMPACT);
	json_decref(params);
	json_decref(m);
	return text;
}

static void check(const char *want, const char *a, const char *b, const char *c, const char *d)
{
	char *got = made_of(a, b, c, d);

	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want) != 0)
		printf("# %s instead of %s\n", got, want);
	free(got);
}

static void test_scalars(void)
{
	check("{\"a\":1}", "a=1", NULL, NULL, NULL);
	check("{\"a\":-1}", "a=-1", NULL, NULL, NULL);
	check("{\"a\":\"0660\"}", "a=0660", NULL, NULL, NULL);
	check("{\"a\":\"-01\"}", "a=-01", NULL, NULL, NULL);
	check("{\"a\":0,\"b\":\"-\"}", "a=0", "b=-", NULL, NULL);
	check("{\"a\":true,\"b\":false}", "a=true", "b=false", NULL, NULL);
	check("{\"a\":null,\"b\":null}", "a=", "b=~", NULL, NULL);
	check("{\"a\":\"64MiB\"}", "a=64MiB", NULL, NULL, NULL);
	check("{\"a\":\"99999999999999999999\"}", "a=99999999999999999999", NULL, NULL, NULL);
	/* No YAML, however it looks. */
	check("{\"a\":\"/x: y #z\"}", "a=/x: y #z", NULL, NULL, NULL);
	check("{\"a\":\"b=c\"}", "a=b=c", NULL, NULL, NULL);
	check("{\"a\":\"null\"}", "a=null", NULL, NULL, NULL);
}

static void test_yaml(void)
{
	check("{\"a\":[{\"b\":\"x\",\"c\":1}]}", "a=[{b: x, c: 1}]", NULL, NULL, NULL);
	check("{\"a\":[{\"b\":\"x\",\"c\":true}]}", "a=[{\"b\":\"x\",\"c\":true}]", NULL, NULL,
	      NULL);
	check("{\"a\":\"1\"}", "a=\"1\"", NULL, NULL, NULL);
	check("{\"a\":\"true\"}", "a='true'", NULL, NULL, NULL);
	check("{\"a\":[]}", "a=[]", NULL, NULL, NULL);
	check("", "a=[", NULL, NULL, NULL);
	check("", "a=[{b: x]", NULL, NULL, NULL);
	check("", "a={b: 1, b: 2}", NULL, NULL, NULL);
	check("", "a=[&x 1, *x]", NULL, NULL, NULL);
	check("", "a='", NULL, NULL, NULL);
	check("", "a=[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", NULL, NULL, NULL);
}

static void test_places(void)
{
	check("{\"a\":{\"b\":{\"c\":1}}}", "a.b.c=1", NULL, NULL, NULL);
	check("{\"a\":[{\"b\":1,\"c\":2},{\"b\":3}]}", "a.0.b=1", "a.0.c=2", "a.1.b=3", NULL);
	check("{\"a\":[1,2]}", "a.0=1", "a.1=2", NULL, NULL);
	check("", "a.1.b=1", NULL, NULL, NULL);
	/* The daemon knows what that may be. */
	check("{\"a\":{\"99999\":1}}", "a.99999=1", NULL, NULL, NULL);
	check("", "a.9999=1", NULL, NULL, NULL);
	check("", "a=1", "a=2", NULL, NULL);
	check("", "a=1", "a.b=2", NULL, NULL);
	check("", "a.0=1", "a.b=2", NULL, NULL);
	check("", "a..b=1", "a..b=1", NULL, NULL);
	check("", "a.=1", NULL, NULL, NULL);
}

static void test_without_names(void)
{
	check("{\"name\":\"x\",\"type\":\"big\"}", "x", "big", NULL, NULL);
	check("{\"name\":\"x\",\"type\":\"big\",\"size\":\"1MiB\"}", "x", "big", "1MiB", NULL);
	check("{\"type\":\"big\",\"name\":\"x\",\"size\":7}", "type=big", "x", "7", NULL);
	check("{\"name\":\"x\",\"type\":\"small\"}", "x", "small", NULL, NULL);
	check("", "x", "small", "1MiB", NULL);
	check("", "x", "big", "1MiB", "2MiB");
	/* What is no name before "=" is a value. */
	check("{\"name\":\"/a=b\"}", "/a=b", NULL, NULL, NULL);
	check("{\"name\":\"=b\"}", "=b", NULL, NULL, NULL);
}

static void check_bytes(unsigned long long bytes, const char *want)
{
	char *text = ctl_text_bytes(bytes);

	CU_ASSERT_STRING_EQUAL(text, want);
	free(text);
}

static void test_bytes(void)
{
	check_bytes(0, "0B");
	check_bytes(1023, "1023B");
	check_bytes(1024, "1KiB");
	check_bytes(1536, "1.5KiB");
	check_bytes(64ULL << 20, "64MiB");
	check_bytes((64ULL << 20) + 1, "64.0MiB");
	check_bytes(4ULL << 40, "4TiB");
	check_bytes(~0ULL, "16.0EiB");
}

static void check_clean(const char *text, const char *want)
{
	char *clean = ctl_text_clean(text);

	CU_ASSERT_STRING_EQUAL(clean, want);
	free(clean);
}

static void test_clean(void)
{
	check_clean("", "");
	check_clean("a\x1b[2Jb\n", "a\\x1b[2Jb\\x0a");
	check_clean("\x7f\xc2\x9b\xc3\xa9", "\\x7f\\xc2\\x9b\xc3\xa9");
	CU_ASSERT_EQUAL(ctl_text_width("\xc3\xa9x"), 2);
}

static const struct test_case cases[] = {
	{"scalars", test_scalars}, {"yaml", test_yaml},
	{"places", test_places},   {"without names", test_without_names},
	{"bytes", test_bytes},	   {"clean", test_clean},
};

TEST_MAIN("ctl/params", cases)
