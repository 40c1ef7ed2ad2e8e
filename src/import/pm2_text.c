/* SPDX-License-Identifier: MIT */
/* pm2_text.c - a pool in the making, as text: its keys by the folder that they belong to,
 * and the comments above it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/show.h"
#include "import/pm2_inner.h"

#define WIDTH 98

static const int indents[PARTS] = {
	[PART_REMARKS] = 2,
	[PART_POOL] = 4,
	[PART_LIMITS] = 6,
	[PART_RESTART] = 6,
};

int pm2_pool_open(struct pm2_pool *p)
{
	for (int i = 0; i < PARTS; i++) {
		p->part[i] = open_memstream(&p->text[i], &p->len[i]);
		if (!p->part[i])
			return -ENOMEM;
	}
	return 0;
}

void pm2_pool_done(struct pm2_pool *p)
{
	for (int i = 0; i < PARTS; i++) {
		if (p->part[i])
			(void)fclose(p->part[i]);
		free(p->text[i]);
		p->part[i] = NULL;
		p->text[i] = NULL;
	}
}

void pm2_pool_print(struct pm2_pool *p, FILE *out)
{
	static const char *const folder[PARTS] = {
		[PART_LIMITS] = "    limits:\n",
		[PART_RESTART] = "    restart:\n",
	};

	for (int i = 0; i < PARTS; i++) {
		(void)fflush(p->part[i]);
		if (i == PART_POOL)
			(void)fprintf(out, "  - name: %s\n", p->name);
		if (p->len[i] > 0)
			(void)fprintf(out, "%s%s", folder[i] ? folder[i] : "", p->text[i]);
	}
}

void pm2_put(struct pm2_pool *p, enum pm2_part part, const char *key, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(p->part[part], "%*s%s: ", indents[part], "", key);
	va_start(ap, fmt);
	(void)vfprintf(p->part[part], fmt, ap);
	va_end(ap);
	(void)fputc('\n', p->part[part]);
}

void pm2_put_text(struct pm2_pool *p, enum pm2_part part, const char *key, const char *value)
{
	(void)fprintf(p->part[part], "%*s%s: ", indents[part], "", key);
	config_put_text(p->part[part], value);
	(void)fputc('\n', p->part[part]);
}

/* ---- words for people ---- */

char *pm2_one_line(const char *text)
{
	size_t len = strlen(text), size = 4 * len + 1;
	char *safe = malloc(size);

	if (!safe)
		return NULL;
	(void)text_safe(text, len, safe, size);
	for (char *c = safe; *c; c++) {
		if (*c == '\t')
			*c = ' ';
		/* U+FEFF, U+FFFE, U+FFFF: YAML takes them nowhere, not in a comment either. */
		if (strncmp(c, "\xef\xbb\xbf", 3) == 0 || strncmp(c, "\xef\xbf\xbe", 3) == 0 ||
		    strncmp(c, "\xef\xbf\xbf", 3) == 0)
			memcpy(c, "???", 3);
	}
	return safe;
}

void pm2_put_comment(FILE *to, int indent, const char *what, const char *text)
{
	size_t column = (size_t)fprintf(to, "%*s#%s%s%s", indent, "", *what ? " " : "", what,
					*what ? ":" : "");

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column + 1 + len > WIDTH && column > (size_t)indent + 6)
			column = (size_t)fprintf(to, "\n%*s#  ", indent, "");
		column += (size_t)fprintf(to, " %.*s", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', to);
}

static char *formatted(const char *fmt, va_list ap)
{
	char *text = NULL, *line = NULL;

	if (vasprintf(&text, fmt, ap) >= 0)
		line = pm2_one_line(text);
	free(text);
	return line;
}

void pm2_remark(struct pm2_pool *p, const char *what, const char *fmt, ...)
{
	char *text, *name = pm2_one_line(what);
	va_list ap;

	va_start(ap, fmt);
	text = formatted(fmt, ap);
	va_end(ap);
	if (text && name)
		pm2_put_comment(p->part[PART_REMARKS], indents[PART_REMARKS], name, text);
	free(text);
	free(name);
}

void pm2_note(struct pm2_pool *p, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = formatted(fmt, ap);
	va_end(ap);
	if (text)
		(void)fprintf(p->notes, "pool %s: %s\n", p->name, text);
	free(text);
}
