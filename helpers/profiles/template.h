/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts of profiles with words in them that a host fills in.
 *
 * They are files of conf-snippets/, where people read them, and part of the program:
 * what is installed beside it may be of another version.
 */
#ifndef MEMBACKING_PROFILES_TEMPLATE_H
#define MEMBACKING_PROFILES_TEMPLATE_H

struct err;

/**
 * TEMPLATE() - The file @path as a string @name
 * @path:	Seen from where the compiler runs, which is the top of the tree
 *
 * The Makefile has to list the file as a dependency of the object.
 */
/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared stands in none */
#define TEMPLATE(name, path)                                                                       \
	__asm__(".pushsection .rodata\n"                                                           \
		"template_" #name ":\n"                                                            \
		".incbin \"" path "\"\n"                                                           \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char name[] __asm__("template_" #name) __attribute__((visibility("hidden")))
/* NOLINTEND(bugprone-macro-parentheses) */

/* In place of @word comes @text.  An array of them ends with a @word of NULL */
struct template_value {
	const char *word;
	const char *text;
};

/* @result: to be freed */
int template_fill(const char *template, const struct template_value *values, char **result,
		  struct err *err);

#endif
