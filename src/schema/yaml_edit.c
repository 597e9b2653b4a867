/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/yaml_edit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema/yaml_lines.h"
#include "schema/yaml_put.h"

struct editor {
	const struct yaml_edit *what;
	struct yaml_lines lines;
	struct schema_arena arena; /* the tree, and what is put in */
	struct yaml_changes changes;
	bool failed;
};

static void edit_mapping(struct editor *e, const struct schema_node *text,
			 const struct schema_node *before, const struct schema_node *after,
			 const struct schema_node *brief);

/* --- what is put in --- */

struct writer {
	FILE *out;
	char *text;
	size_t len;
};

static bool begin(struct editor *e, struct writer *w)
{
	w->out = open_memstream(&w->text, &w->len);
	if (!w->out)
		e->failed = true;
	return w->out;
}

/* Takes the text over, without `cut` bytes of its end. */
static void end(struct editor *e, struct writer *w, struct yaml_change change, size_t cut)
{
	if (fclose(w->out)) {
		e->failed = true;
		return;
	}
	change.text = schema_arena_strndup(&e->arena, w->text, w->len - cut);
	free(w->text);
	if (!change.text || yaml_changes_add(&e->changes, change))
		e->failed = true;
}

static void drop(struct editor *e, size_t from, size_t to)
{
	if (from == YAML_NOWHERE || to == YAML_NOWHERE ||
	    yaml_changes_add(&e->changes, (struct yaml_change){.begin = from, .end = to}))
		e->failed = true;
}

static size_t first_of(const struct editor *e, const struct schema_node *node)
{
	return yaml_lines_byte(&e->lines, node->begin);
}

static size_t last_of(const struct editor *e, const struct schema_node *node)
{
	return yaml_lines_byte(&e->lines, node->end);
}

/* An element, or a key with its value, begins there. */
static size_t entry_of(const struct editor *e, const struct schema_node *node)
{
	return first_of(e, node->key ? node->key : node);
}

/* --- values --- */

/* All that stands behind the colon of its key. */
static void replace_behind_key(struct editor *e, const struct schema_node *text,
			       const struct schema_node *value, size_t columns)
{
	struct yaml_change change = {.begin = yaml_lines_colon(&e->lines, last_of(e, text->key)),
				     .end = last_of(e, text)};
	struct writer w;

	if (change.begin == YAML_NOWHERE) {
		e->failed = true;
		return;
	}
	if (!begin(e, &w))
		return;
	if (value->first) {
		fprintf(w.out, "\n%*s", (int)columns, "");
		yaml_put_block(w.out, value, columns);
	} else {
		fputc(' ', w.out);
		yaml_put_flow(w.out, value);
	}
	end(e, &w, change, value->first != NULL);
}

static bool is_block(const struct schema_node *node)
{
	return node->kind != SCHEMA_NODE_SCALAR && !node->flow;
}

/* `in_flow`: what it stands in is in brackets. */
static void replace(struct editor *e, const struct schema_node *text,
		    const struct schema_node *value, bool in_flow)
{
	struct yaml_change change = {.begin = first_of(e, text), .end = last_of(e, text)};
	bool list = value->kind == SCHEMA_NODE_SEQUENCE && text->key && !in_flow;
	size_t columns;
	struct writer w;

	if (list && is_block(text) && !value->first) {
		replace_behind_key(e, text, value, 0);
		return;
	}
	if (list && text->flow && !text->first && value->first &&
	    value->first->kind == SCHEMA_NODE_MAPPING) {
		columns = yaml_lines_column(&e->lines, first_of(e, text->key)) + 2;
		replace_behind_key(e, text, value, columns);
		return;
	}
	/* A text in lines of its own: its end is the next one's beginning. */
	if (text->kind == SCHEMA_NODE_SCALAR && yaml_lines_is_begin(&e->lines, change.end))
		e->failed = true;
	if (e->failed || !begin(e, &w))
		return;
	if (is_block(text)) {
		yaml_put_block(w.out, value, yaml_lines_column(&e->lines, change.begin));
		end(e, &w, change, 1);
	} else {
		yaml_put_flow(w.out, value);
		end(e, &w, change, 0);
	}
}

/* --- keys --- */

static void put_key_in_flow(struct editor *e, const struct schema_node *text, const char *key,
			    const struct schema_node *value)
{
	size_t at = text->last ? last_of(e, text->last) : first_of(e, text) + 1;
	struct writer w;

	if (!begin(e, &w))
		return;
	fprintf(w.out, "%s%s: ", text->last ? ", " : "", key);
	yaml_put_flow(w.out, value);
	end(e, &w, (struct yaml_change){.begin = at, .end = at}, 0);
}

static void put_key(struct editor *e, const struct schema_node *text, const char *key,
		    const struct schema_node *value)
{
	size_t at, columns;
	struct writer w;

	if (text->flow) {
		put_key_in_flow(e, text, key, value);
		return;
	}
	columns = yaml_lines_column(&e->lines, first_of(e, text));
	at = yaml_lines_after(&e->lines, last_of(e, text), columns);
	if (at == YAML_NOWHERE) {
		e->failed = true;
		return;
	}
	if (!begin(e, &w))
		return;
	fprintf(w.out, "%*s", (int)columns, "");
	yaml_put_key(w.out, key, value, columns);
	end(e, &w, (struct yaml_change){.begin = at, .end = at, .depth = columns + 1}, 0);
}

/* In brackets: with the comma that it does not need any more. */
static void drop_in_flow(struct editor *e, const struct schema_node *list,
			 const struct schema_node *node, bool is_followed)
{
	const struct schema_node *before = NULL, *child;

	for (child = list->first; child != node; child = child->next)
		before = child;
	if (is_followed)
		drop(e, entry_of(e, node), entry_of(e, node->next));
	else if (before)
		drop(e, last_of(e, before), last_of(e, node));
	else
		drop(e, entry_of(e, node), last_of(e, node));
}

static void drop_key(struct editor *e, const struct schema_node *text,
		     const struct schema_node *value)
{
	size_t at = first_of(e, value->key);

	if (text->flow)
		drop_in_flow(e, text, value, value->next);
	else if (text->count == 1)
		e->failed = true;
	else
		drop(e, yaml_lines_comment_above(&e->lines, at),
		     yaml_lines_after(&e->lines, last_of(e, value),
				      yaml_lines_column(&e->lines, at)));
}

/* --- lists of objects --- */

static void put_element_in_flow(struct editor *e, const struct schema_node *last,
				const struct schema_node *value)
{
	size_t at = last_of(e, last);
	struct writer w;

	if (!begin(e, &w))
		return;
	fputs(", ", w.out);
	yaml_put_flow(w.out, value);
	end(e, &w, (struct yaml_change){.begin = at, .end = at}, 0);
}

/* Behind `last`. */
static void put_element(struct editor *e, const struct schema_node *list,
			const struct schema_node *last, const struct schema_node *value)
{
	size_t dash, columns, at;
	struct writer w;

	if (list->flow) {
		put_element_in_flow(e, last, value);
		return;
	}
	dash = yaml_lines_dash(&e->lines, first_of(e, last));
	if (dash == YAML_NOWHERE) {
		e->failed = true;
		return;
	}
	columns = yaml_lines_column(&e->lines, dash);
	at = yaml_lines_after(&e->lines, last_of(e, last), columns);
	if (at == YAML_NOWHERE) {
		e->failed = true;
		return;
	}
	if (!begin(e, &w))
		return;
	fprintf(w.out, "%*s- ", (int)columns, "");
	yaml_put_block(w.out, value, columns + 2);
	/* Before a key of that column, where a list is not further to the right than its key. */
	end(e, &w, (struct yaml_change){.begin = at, .end = at, .depth = columns + 2}, 0);
}

/* `is_followed`: by one that stays. */
static void drop_element(struct editor *e, const struct schema_node *list,
			 const struct schema_node *element, bool is_followed)
{
	size_t dash;

	if (list->flow) {
		drop_in_flow(e, list, element, is_followed);
		return;
	}
	dash = yaml_lines_dash(&e->lines, first_of(e, element));
	if (dash == YAML_NOWHERE)
		e->failed = true;
	else
		drop(e, yaml_lines_comment_above(&e->lines, dash),
		     yaml_lines_after(&e->lines, last_of(e, element),
				      yaml_lines_column(&e->lines, dash)));
}

static const struct schema_node *brief_of(const struct schema_node *brief,
					  const struct schema_node *node)
{
	const struct schema_node *found = brief ? schema_node_match(brief, node) : NULL;

	return found ? found : node;
}

static void edit_element(struct editor *e, const struct schema_node *text,
			 const struct schema_node *before, const struct schema_node *after,
			 const struct schema_node *brief)
{
	if (schema_node_same(before, after))
		return;
	if (e->what->how == YAML_EDIT_KEYS)
		edit_mapping(e, text, before, after, brief);
	else
		replace(e, text, brief, text->flow);
}

/* Its number was counted from those before it, which are others now. */
static void put_number(struct editor *e, const struct schema_node *text,
		       const struct schema_node *after)
{
	const char *key = schema_node_name_key(after);

	if (key && text->kind == SCHEMA_NODE_MAPPING && !schema_node_find(text, key))
		put_key(e, text, key, schema_node_find(after, key));
}

static const struct schema_node *last_that_stays(const struct schema_node *before,
						 const struct schema_node *after)
{
	const struct schema_node *child, *last = NULL;

	for (child = before->first; child; child = child->next)
		if (schema_node_match(after, child))
			last = child;
	return last;
}

/* Those that stay are edited; returns the last of them. */
static const struct schema_node *edit_elements(struct editor *e, const struct schema_node *text,
					       const struct schema_node *before,
					       const struct schema_node *after,
					       const struct schema_node *brief, bool changes)
{
	const struct schema_node *end = last_that_stays(before, after), *last = NULL;
	const struct schema_node *t = text->first, *b = before->first;
	bool is_followed = true; /* by one that stays */

	for (; t && b; t = t->next, b = b->next) {
		const struct schema_node *a = schema_node_match(after, b);

		if (!a) {
			drop_element(e, text, t, is_followed);
			continue;
		}
		last = t;
		is_followed = b != end;
		edit_element(e, t, b, a, brief_of(brief, a));
		if (changes)
			put_number(e, t, a);
	}
	return last;
}

/* How many elements of `list` the other one has not. */
static size_t count_others(const struct schema_node *list, const struct schema_node *other)
{
	const struct schema_node *child;
	size_t n = 0;

	for (child = list->first; child; child = child->next)
		n += !schema_node_match(other, child);
	return n;
}

static void edit_list(struct editor *e, const struct schema_node *text, bool in_flow,
		      const struct schema_node *before, const struct schema_node *after,
		      const struct schema_node *brief)
{
	size_t gone = count_others(before, after), come = count_others(after, before);
	const struct schema_node *child, *last;

	if (text->count != before->count) {
		e->failed = true;
	} else if (gone == before->count) { /* nothing of it stays */
		replace(e, text, brief ? brief : after, in_flow);
	} else {
		last = edit_elements(e, text, before, after, brief, gone || come);
		for (child = after->first; child && come; child = child->next)
			if (!schema_node_match(before, child))
				put_element(e, text, last, brief_of(brief, child));
	}
}

/* --- all of it --- */

static bool lists_objects(const struct schema_node *list)
{
	return list->kind == SCHEMA_NODE_SEQUENCE &&
	       (!list->first || list->first->kind == SCHEMA_NODE_MAPPING);
}

/* The file has the key, and says something else. */
static void edit_value(struct editor *e, const struct schema_node *text, bool in_flow,
		       const struct schema_node *before, const struct schema_node *after,
		       const struct schema_node *brief)
{
	if (before && text->kind == SCHEMA_NODE_MAPPING && after->kind == SCHEMA_NODE_MAPPING &&
	    before->kind == SCHEMA_NODE_MAPPING)
		edit_mapping(e, text, before, after, brief ? brief : after);
	else if (before && text->kind == SCHEMA_NODE_SEQUENCE && lists_objects(before) &&
		 lists_objects(after))
		edit_list(e, text, in_flow, before, after, brief);
	else
		replace(e, text, brief ? brief : after, in_flow);
}

static void edit_mapping(struct editor *e, const struct schema_node *text,
			 const struct schema_node *before, const struct schema_node *after,
			 const struct schema_node *brief)
{
	const struct schema_node *child, *t, *b, *short_one;

	for (child = after->first; child; child = child->next) {
		b = schema_node_find(before, child->key->text);
		if (b && schema_node_same(b, child))
			continue;
		t = schema_node_find(text, child->key->text);
		short_one = schema_node_find(brief, child->key->text);
		if (t)
			edit_value(e, t, text->flow, b, child, short_one);
		else
			put_key(e, text, child->key->text, short_one ? short_one : child);
	}
	for (child = before->first; child; child = child->next) {
		t = schema_node_find(text, child->key->text);
		if (t && !schema_node_find(after, child->key->text))
			drop_key(e, text, t);
	}
}

/* Its last line has an end. */
static char *with_end(struct editor *e, size_t *len)
{
	char *text = schema_arena_alloc(&e->arena, e->what->len + 2, 1);

	*len = e->what->len;
	if (!text)
		return NULL;
	memcpy(text, e->what->text, *len);
	if (*len && text[*len - 1] != '\n')
		text[(*len)++] = '\n';
	return text;
}

char *schema_yaml_edit(const struct yaml_edit *what)
{
	struct schema_errors errors = {.path = ""};
	struct editor e = {.what = what};
	const struct schema_node *root;
	size_t len;
	char *from = with_end(&e, &len), *text = NULL;

	root = from ? schema_tree_from_yaml(&e.arena, &errors, from, len) : NULL;
	if (root && root->kind == SCHEMA_NODE_MAPPING && !errors.total &&
	    yaml_lines_init(&e.lines, from, len)) {
		edit_mapping(&e, root, what->before, what->after, what->brief);
		if (!e.failed && !e.arena.failed)
			text = yaml_changes_apply(&e.changes, from, len);
	}
	yaml_changes_free(&e.changes);
	yaml_lines_free(&e.lines);
	schema_errors_free(&errors);
	schema_arena_free(&e.arena);
	return text;
}
