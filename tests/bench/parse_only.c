// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The floor for any hook: reads domain XML from its standard input, lets libxml2
 * parse it, and that is all.  Or, with arguments, one plain write to a file as well:
 *
 *	parse_only [FILE VALUE]
 */
#include <fcntl.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[1 << 20];

static int write_once(const char *file, const char *value)
{
	int fd = open(file, O_WRONLY);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	size_t size = 0;
	ssize_t got;
	xmlDocPtr doc;

	while ((got = read(STDIN_FILENO, buffer + size, sizeof(buffer) - size)) > 0)
		size += (size_t)got;
	doc = xmlReadMemory(buffer, (int)size, NULL, NULL, XML_PARSE_NONET);
	if (!doc)
		return EXIT_FAILURE;
	xmlFreeDoc(doc);
	return argc == 3 ? write_once(argv[1], argv[2]) : EXIT_SUCCESS;
}
