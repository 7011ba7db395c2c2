// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What glibc's headers make of calls where _FORTIFY_SOURCE is set, for libraries that were built
 * with them and are linked with musl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int __printf_chk(int flag, const char *format, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, format);
	n = vprintf(format, ap);
	va_end(ap);
	return n;
}

int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, format);
	n = vfprintf(f, format, ap);
	va_end(ap);
	return n;
}

int __vsnprintf_chk(char *buf, size_t max, int flag, size_t size, const char *format, va_list ap)
{
	(void)flag;
	(void)size;
	return vsnprintf(buf, max, format, ap);
}

int __snprintf_chk(char *buf, size_t max, int flag, size_t size, const char *format, ...)
{
	va_list ap;
	int n;

	(void)flag;
	(void)size;
	va_start(ap, format);
	n = vsnprintf(buf, max, format, ap);
	va_end(ap);
	return n;
}

char *__strcat_chk(char *to, const char *from, size_t size)
{
	(void)size;
	return strcat(to, from);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t size)
{
	(void)size;
	return strncpy(to, from, n);
}

void __longjmp_chk(jmp_buf env, int value)
{
	longjmp(env, value);
}
