/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/words.h"

#include "tests/unit/test.h"

/* The words with "|" between; a "!" behind them: something has no end. */
static void check(const char *line, const char *want)
{
	struct ctl_words words;
	char got[256] = "";
	bool good = ctl_words_split(line, &words);
	size_t i;

	for (i = 0; i < words.n; i++) {
		strcat(got, i ? "|" : "");
		strcat(got, words.word[i]);
	}
	strcat(got, good ? "" : "!");
	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want) != 0)
		printf("# %s: %s instead of %s\n", line, got, want);
	ctl_words_free(&words);
	CU_ASSERT_EQUAL(words.n, 0);
}

static void test_blanks(void)
{
	check("", "");
	check(" \t\n", "");
	check("a", "a");
	check("  a\tb  c\n", "a|b|c");
	check("# a comment", "");
	check("a #b", "a");
	check("a#b", "a#b");
}

static void test_quotes(void)
{
	check("a='b c' d", "a=b c|d");
	check("a=\"b \\\" c\"", "a=b \" c");
	check("a='\\'", "a=\\");
	check("a\\ b \\#c", "a b|#c");
	check("''", "");
	check("a='b", "a=b!");
	check("a=\"b\\", "a=b\\!");
	check("\"", "!");
	check("a\\", "a\\");
}

static void test_brackets(void)
{
	check("n=[{bdev: a}, {bdev: b}] x", "n=[{bdev: a}, {bdev: b}]|x");
	check("n=[{bdev: 'a ]'}] x", "n=[{bdev: 'a ]'}]|x");
	check("n=[{b: \"a \\\" ]\"}]", "n=[{b: \"a \\\" ]\"}]");
	check("n=[{b: a\\b}]", "n=[{b: a\\b}]");
	check("a] b", "a]|b");
	check("a=[ b", "a=[ b!");
	check("[[[", "[[[!");
	check("'[' a", "[|a");
}

static const struct test_case cases[] = {
	{"blanks", test_blanks},
	{"quotes", test_quotes},
	{"brackets", test_brackets},
};

TEST_MAIN("ctl/words", cases)
