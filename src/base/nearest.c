/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 40

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned nearest_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t na = strnlen(a, WORD_MAX + 1), nb = strnlen(b, WORD_MAX + 1);

	if (na > WORD_MAX || nb > WORD_MAX)
		return UINT32_MAX;
	for (size_t i = 0; i <= na; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++)
		for (size_t j = 1; j <= nb; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[na][nb];
}

const char *nearest_word(const char *typed, const char *const *words)
{
	const char *best = NULL;
	unsigned best_d = UINT32_MAX;

	for (size_t i = 0; words[i]; i++) {
		size_t third = strlen(words[i]) / 3;
		unsigned d = nearest_distance(typed, words[i]);
		unsigned most = third > 2 ? (unsigned)third : 2;

		if (strlen(words[i]) <= 3)
			most = 1;
		if (d <= most && d < best_d) {
			best = words[i];
			best_d = d;
		}
	}
	return best;
}
