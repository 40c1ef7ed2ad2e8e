/* SPDX-License-Identifier: MIT */
/* true.c - a static program that ends at once. */
int main(void)
{
	return 0;
}
