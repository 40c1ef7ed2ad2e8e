/* SPDX-License-Identifier: MIT */
#include "policy/rules.h"

#include <errno.h>
#include <string.h>

#include "policy/names.h"

#define VALUES_MAX  100 /* of one test: jumps in BPF reach 255 instructions */
#define CLAUSES_MAX 8

struct reader {
	struct doc *doc;
	struct arena *arena;
	struct err *e;
	struct rule *rule;
	struct rule_test *test; /* the one that values go to */
	bool decided;		/* allow or refuse was there */
};

static int read_value(void *ctx, yaml_node_t *n)
{
	struct reader *r = ctx;
	const char *text = doc_text(n);
	char hint[NAMES_HINT_BYTES];
	uint32_t value;

	if (!text)
		return doc_error(r->doc, n, r->e, "expected a number or a constant, found %s",
				 doc_kind(n));
	if (!names_value(text, &value)) {
		names_value_hint(text, hint);
		return doc_error(r->doc, n, r->e,
				 "'%s' is neither a known constant nor a number from 0 to "
				 "0xffffffff%s",
				 text, hint);
	}
	if (r->test->bits) {
		r->test->values[0] |= value;
		r->test->nvalues = 1;
		return 0;
	}
	if (r->test->nvalues == VALUES_MAX)
		return doc_error(r->doc, n, r->e, "more than %d values", VALUES_MAX);
	r->test->values[r->test->nvalues++] = value;
	return 0;
}

static int read_bits(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	struct reader *r = ctx;

	if (strcmp(doc_text(key), "any_bit") != 0)
		return doc_error(r->doc, key, r->e,
				 "unknown test '%s': it is any_bit, or a value, "
				 "or a list of values",
				 doc_text(key));
	r->test->bits = true;
	return doc_each(r->doc, value, read_value, r);
}

static int read_test(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	struct reader *r = ctx;
	struct rule_clause *c = &r->rule->clauses[r->rule->nclauses - 1];
	const char *name = doc_text(key);
	int err;

	if (strncmp(name, "arg", 3) != 0 || name[3] < '0' || name[3] > '5' || name[4])
		return doc_error(r->doc, key, r->e, "unknown argument '%s': they are arg0 to arg5",
				 name);
	r->test = &c->tests[c->ntests++];
	r->test->arg = (uint8_t)(name[3] - '0');
	r->test->values = arena_alloc(r->arena, VALUES_MAX * sizeof(*r->test->values));
	if (!r->test->values)
		return err_set(r->e, -ENOMEM, "out of memory");
	if (value->type == YAML_MAPPING_NODE)
		err = doc_pairs(r->doc, value, "a test", read_bits, r, r->e);
	else
		err = doc_each(r->doc, value, read_value, r);
	if (err < 0)
		return err;
	if (r->test->nvalues == 0 || (r->test->bits && r->test->values[0] == 0))
		return doc_error(r->doc, value, r->e, "a test of %s without a value", name);
	return 0;
}

static int read_clause(void *ctx, yaml_node_t *n)
{
	struct reader *r = ctx;
	int err;

	if (r->rule->nclauses == CLAUSES_MAX)
		return doc_error(r->doc, n, r->e, "more than %d conditions", CLAUSES_MAX);
	r->rule->nclauses++;
	err = doc_pairs(r->doc, n, "a condition", read_test, r, r->e);
	if (err < 0)
		return err;
	/* It would hold always. */
	if (r->rule->clauses[r->rule->nclauses - 1].ntests == 0)
		return doc_error(r->doc, n, r->e, "an empty condition");
	return 0;
}

static int read_errno(struct reader *r, yaml_node_t *value)
{
	const char *text = doc_text(value);
	char hint[NAMES_HINT_BYTES] = "";

	r->rule->error = text ? names_errno(text) : 0;
	if (r->rule->error)
		return 0;
	if (text)
		names_errno_hint(text, hint);
	return doc_error(r->doc, value, r->e, "expected the name of an error as EPERM, found %s%s",
			 text ? text : doc_kind(value), hint);
}

static int read_rule_key(void *ctx, yaml_node_t *key, yaml_node_t *value)
{
	static const char *const known[] = { "allow", "refuse", "errno", NULL };
	struct reader *r = ctx;
	const char *name = doc_text(key);
	char hint[NAMES_HINT_BYTES];

	if (strcmp(name, "errno") == 0)
		return read_errno(r, value);
	if (strcmp(name, "allow") != 0 && strcmp(name, "refuse") != 0) {
		names_word_hint(name, known, hint);
		return doc_error(r->doc, key, r->e, "unknown key '%s'%s", name, hint);
	}
	if (r->decided)
		return doc_error(r->doc, key, r->e, "a rule has either allow or refuse, not both");
	r->decided = true;
	r->rule->allow = name[0] == 'a';
	return doc_each(r->doc, value, read_clause, r);
}

int rules_read(struct doc *d, yaml_node_t *n, struct arena *arena, const struct rule **ret,
	       struct err *e)
{
	struct reader r = { .doc = d, .arena = arena, .e = e };
	int err;

	r.rule = arena_alloc(arena, sizeof(*r.rule));
	if (r.rule)
		r.rule->clauses = arena_alloc(arena, CLAUSES_MAX * sizeof(*r.rule->clauses));
	if (!r.rule || !r.rule->clauses)
		return err_set(e, -ENOMEM, "out of memory");
	r.rule->error = EPERM;
	err = doc_pairs(d, n, "a rule", read_rule_key, &r, e);
	if (err < 0)
		return err;
	if (r.rule->nclauses == 0)
		return doc_error(d, n, e, "a rule needs 'allow' or 'refuse' with a condition");
	*ret = r.rule;
	return 0;
}
