// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hostile XML to a libxml2 tree, and typed access to its parts.
 *
 * DOC: what is refused, and where
 *
 * Size and NUL bytes: before anything else looks.  Tags with very many
 * attributes, and very many tags: by a scan of the raw text, because libxml2
 * before 2.12 compares each attribute of a tag with each other one: 50,000 of
 * them took 20 s and 8 MiB of them more than 5 minutes (2.9.14).  A document
 * type: by a callback that stops the parser at its first words, before an entity
 * is declared.  Depth: by libxml2's own limit of 256 (XML_PARSE_HUGE is not set).
 * The encoding is always UTF-8, whatever the XML declaration says, so that the
 * scan and the parser see the same characters.
 */
#include "guest/guest_xml.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "guest/guest.h"
#include "guest/guest_parse.h"
#include "guest/guest_units.h"
#include "memory/numa.h"

/* A big guest has 2,000 tags, and no element of libvirt's has 20 attributes */
#define TAGS_MAX       65536
#define ATTRIBUTES_MAX 64

/* How much of a wrong value is worth showing */
#define SHOWN "%.64s"

/* What libxml2's callbacks tell us; found through the context's _private */
struct listener {
	bool has_dtd;
	int line;
	char text[256];
};

/* Behind the next @end, or NULL if there is none */
static const char *skip_past(const char *p, const char *limit, const char *end)
{
	const char *found = memmem(p, (size_t)(limit - p), end, strlen(end));

	return found ? found + strlen(end) : NULL;
}

/* Behind the '>' of the tag at @p; NULL if it has none */
static const char *skip_tag(const char *p, const char *limit, unsigned int *attributes)
{
	*attributes = 0;
	for (; p < limit && *p != '>'; p++) {
		if (*p == '=')
			(*attributes)++;
		if (*p != '"' && *p != '\'')
			continue;
		p = memchr(p + 1, *p, (size_t)(limit - p - 1));
		if (!p)
			return NULL;
	}
	return p < limit ? p + 1 : NULL;
}

/*
 * Only as exact as its purpose needs: in step with the parser as long as the XML
 * is well-formed, and where it is not the parser stops anyway.
 */
static int check_tags(const char *xml, size_t len, struct err *err)
{
	const char *limit = xml + len;
	const char *p = xml;
	unsigned int attributes, tags = 0;

	while (p && (p = memchr(p, '<', (size_t)(limit - p)))) {
		if (limit - p >= 4 && !memcmp(p, "<!--", 4)) {
			p = skip_past(p + 4, limit, "-->");
		} else if (limit - p >= 9 && !memcmp(p, "<![CDATA[", 9)) {
			p = skip_past(p + 9, limit, "]]>");
		} else if (limit - p >= 2 && p[1] == '?') {
			p = skip_past(p + 2, limit, "?>");
		} else if (limit - p >= 2 && p[1] == '!') {
			return 0; /* a document type: the parser's to refuse */
		} else {
			p = skip_tag(p + 1, limit, &attributes);
			if (p && attributes > ATTRIBUTES_MAX)
				return err_set(err, EINVAL,
					       "domain XML: an element has %u attributes, at most "
					       "%d are accepted",
					       attributes, ATTRIBUTES_MAX);
			if (++tags > TAGS_MAX)
				return err_set(err, EINVAL,
					       "domain XML: more than %d tags are no guest",
					       TAGS_MAX);
		}
	}
	return 0;
}

static int check_bytes(const char *xml, size_t len, struct err *err)
{
	if (len > GUEST_XML_MAX)
		return err_set(err, EFBIG, "domain XML: %zu bytes, at most %u are accepted", len,
			       GUEST_XML_MAX);
	if (!len)
		return err_set(err, EINVAL, "domain XML: nothing there");
	if (memchr(xml, '\0', len))
		return err_set(err, EINVAL, "domain XML: it contains a NUL byte");
	return check_tags(xml, len, err);
}

#if LIBXML_VERSION >= 21200
typedef const xmlError *xml_error_arg;
#else
typedef xmlError *xml_error_arg;
#endif

static void on_error(void *data, xml_error_arg error)
{
	struct listener *listener = ((xmlParserCtxt *)data)->_private;
	size_t len;

	/* The first one; what follows is a consequence */
	if (!listener || listener->text[0] || error->level < XML_ERR_ERROR || !error->message)
		return;
	/* Undeclared namespace prefixes do not stop libvirt's parser either */
	if (error->domain == XML_FROM_NAMESPACE)
		return;
	snprintf(listener->text, sizeof(listener->text), "%s", error->message);
	len = strlen(listener->text);
	while (len && isspace((unsigned char)listener->text[len - 1]))
		listener->text[--len] = '\0';
	listener->line = error->line;
}

static void on_dtd(void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	xmlParserCtxt *ctxt = data;
	struct listener *listener = ctxt->_private;

	(void)name;
	(void)external;
	(void)system;
	listener->has_dtd = true;
	xmlStopParser(ctxt);
}

/* Complaints that libxml2 makes outside of any parser would go to stderr */
static void on_stray_message(void *data, const char *fmt, ...)
{
	(void)data;
	(void)fmt;
}

static int parse_failed(const xmlParserCtxt *ctxt, const struct listener *listener, struct err *err)
{
	if (listener->has_dtd)
		return err_set(err, EINVAL,
			       "domain XML: a document type definition is not accepted");
	if (ctxt->errNo == XML_ERR_NO_MEMORY)
		return err_sys(err, ENOMEM, "domain XML");
	return err_set(err, EINVAL, "domain XML, line %d: %s", listener->line,
		       listener->text[0] ? listener->text : "it is not well-formed");
}

static int parse(xmlParserCtxt *ctxt, const char *xml, size_t len, xmlDoc **doc, struct err *err)
{
	struct listener listener = { 0 };
	xmlDoc *parsed;

	ctxt->_private = &listener;
	ctxt->sax->serror = on_error;
	ctxt->sax->internalSubset = on_dtd;
	parsed = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, "UTF-8",
				   XML_PARSE_NONET | XML_PARSE_COMPACT);
	ctxt->_private = NULL;
	if (parsed && !listener.has_dtd) {
		*doc = parsed;
		return 0;
	}
	xmlFreeDoc(parsed);
	return parse_failed(ctxt, &listener, err);
}

int guest_xml_open(const char *xml, size_t len, xmlDoc **doc, struct err *err)
{
	cleanup_xml_doc xmlDoc *parsed = NULL;
	const xmlNode *root;
	xmlParserCtxt *ctxt;
	int rc = check_bytes(xml, len, err);

	if (rc < 0)
		return rc;
	xmlSetGenericErrorFunc(NULL, on_stray_message);
	ctxt = xmlNewParserCtxt();
	if (ctxt)
		rc = parse(ctxt, xml, len, &parsed, err);
	else
		rc = err_sys(err, ENOMEM, "domain XML");
	xmlFreeParserCtxt(ctxt);
	xmlSetGenericErrorFunc(NULL, NULL);
	if (rc < 0)
		return rc;
	root = xmlDocGetRootElement(parsed);
	if (!root || strcmp((const char *)root->name, "domain") != 0)
		return guest_xml_bad(root, err,
				     "the outermost element is <" SHOWN ">, not <domain>",
				     root ? (const char *)root->name : "");
	*doc = parsed;
	parsed = NULL;
	return 0;
}

int guest_xml_bad(const xmlNode *node, struct err *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, EINVAL, "domain XML, line %ld: %s", node ? xmlGetLineNo(node) : 0L,
		       text);
}

static xmlNode *find(xmlNode *node, const char *name)
{
	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && !node->ns &&
		    !strcmp((const char *)node->name, name))
			break;
	return node;
}

xmlNode *guest_xml_child(const xmlNode *parent, const char *name)
{
	return parent ? find(parent->children, name) : NULL;
}

xmlNode *guest_xml_next(const xmlNode *node, const char *name)
{
	return find(node->next, name);
}

int guest_xml_count(const xmlNode *parent, const char *name, size_t *count, struct err *err)
{
	const xmlNode *node;
	size_t n = 0;

	for (node = guest_xml_child(parent, name); node; node = guest_xml_next(node, name))
		if (++n > GUEST_XML_ITEMS_MAX)
			return guest_xml_bad(node, err, "more than %d <%s> elements",
					     GUEST_XML_ITEMS_MAX, name);
	*count = n;
	return 0;
}

static void trim(char *text)
{
	char *start = text;
	size_t len;

	while (isspace((unsigned char)*start))
		start++;
	len = strlen(start);
	while (len && isspace((unsigned char)start[len - 1]))
		len--;
	memmove(text, start, len);
	text[len] = '\0';
}

int guest_xml_raw_text(const xmlNode *node, char **value, struct err *err)
{
	*value = node ? (char *)xmlNodeGetContent(node) : NULL;
	return node && !*value ? err_sys(err, ENOMEM, "domain XML") : 0;
}

int guest_xml_text(const xmlNode *node, char **value, struct err *err)
{
	int rc = guest_xml_raw_text(node, value, err);

	if (*value)
		trim(*value);
	return rc;
}

int guest_xml_attr(const xmlNode *node, const char *name, char **value, struct err *err)
{
	const xmlAttr *attr;

	*value = NULL;
	for (attr = node ? node->properties : NULL; attr; attr = attr->next)
		if (!attr->ns && !strcmp((const char *)attr->name, name))
			return guest_xml_text((const xmlNode *)attr, value, err);
	return 0;
}

/* Without a copy: there are no entities, so a value is one piece of text */
bool guest_xml_attr_is(const xmlNode *node, const char *name, const char *value)
{
	const xmlAttr *attr;

	for (attr = node ? node->properties : NULL; attr; attr = attr->next)
		if (!attr->ns && !strcmp((const char *)attr->name, name))
			return attr->children && !attr->children->next && attr->children->content &&
			       !strcmp((const char *)attr->children->content, value);
	return false;
}

/* "<memory>" or "memory of <cell>" */
#define WHAT_SIZE 96

static const char *describe(const xmlNode *node, const char *attr, char what[WHAT_SIZE])
{
	if (attr)
		snprintf(what, WHAT_SIZE, "%s of <%.32s>", attr, (const char *)node->name);
	else
		snprintf(what, WHAT_SIZE, "<%.32s>", (const char *)node->name);
	return what;
}

static int parse_kib(const xmlNode *node, const char *attr, const char *number, uint64_t *kib,
		     struct err *err)
{
	cleanup_xml char *unit = NULL;
	char what[WHAT_SIZE];
	int rc = guest_xml_attr(node, "unit", &unit, err);

	if (rc < 0)
		return rc;
	rc = guest_units_kib(number, unit, kib);
	if (!rc)
		return 0;
	describe(node, attr, what);
	if (rc == -ERANGE)
		return guest_xml_bad(node, err, "%s is '" SHOWN "' %.16s: more than 8 EiB", what,
				     number, unit ? unit : "KiB");
	return guest_xml_bad(node, err,
			     "%s is '" SHOWN "' with unit '%.16s': expected a whole "
			     "number and a unit such as KiB",
			     what, number, unit ? unit : "KiB");
}

int guest_xml_kib(const xmlNode *node, uint64_t *kib, struct err *err)
{
	cleanup_xml char *number = NULL;
	int rc = guest_xml_text(node, &number, err);

	if (rc < 0 || !number)
		return rc;
	return parse_kib(node, NULL, number, kib, err);
}

int guest_xml_attr_kib(const xmlNode *node, const char *name, uint64_t *kib, struct err *err)
{
	cleanup_xml char *number = NULL;
	int rc = guest_xml_attr(node, name, &number, err);

	if (rc < 0 || !number)
		return rc;
	return parse_kib(node, name, number, kib, err);
}

static int parse_nodeset(const xmlNode *node, const char *attr, const char *text,
			 struct nodeset *set, struct err *err)
{
	struct nodeset parsed;
	char what[WHAT_SIZE];
	int rc;

	memset(&parsed, 0, sizeof(parsed));
	rc = nodeset_parse(text, &parsed);
	if (rc == -ERANGE)
		return guest_xml_bad(node, err, "%s is '" SHOWN "': nodes go up to %d",
				     describe(node, attr, what), text, NUMA_NODES_MAX - 1);
	if (rc < 0)
		return guest_xml_bad(node, err, "%s is '" SHOWN "': expected nodes such as 0-3,8",
				     describe(node, attr, what), text);
	*set = parsed;
	return 0;
}

int guest_xml_nodeset(const xmlNode *node, struct nodeset *set, bool *present, struct err *err)
{
	cleanup_xml char *text = NULL;
	int rc = guest_xml_text(node, &text, err);

	*present = text;
	if (rc < 0 || !text)
		return rc;
	return parse_nodeset(node, NULL, text, set, err);
}

int guest_xml_attr_nodeset(const xmlNode *node, const char *name, struct nodeset *set,
			   bool *present, struct err *err)
{
	cleanup_xml char *text = NULL;
	int rc = guest_xml_attr(node, name, &text, err);

	*present = text;
	if (rc < 0 || !text)
		return rc;
	return parse_nodeset(node, name, text, set, err);
}

static int parse_int(const xmlNode *node, const char *attr, const char *text, int max, int *value,
		     struct err *err)
{
	char what[WHAT_SIZE];
	uint64_t n;

	if (text_to_u64(text, &n) < 0 || n > (uint64_t)max)
		return guest_xml_bad(node, err, "%s is '" SHOWN "': expected a number from 0 to %d",
				     describe(node, attr, what), text, max);
	*value = (int)n;
	return 0;
}

int guest_xml_int(const xmlNode *node, int max, int *value, struct err *err)
{
	cleanup_xml char *text = NULL;
	int rc = guest_xml_text(node, &text, err);

	if (rc < 0 || !text)
		return rc;
	return parse_int(node, NULL, text, max, value, err);
}

int guest_xml_attr_int(const xmlNode *node, const char *name, int max, int *value, struct err *err)
{
	cleanup_xml char *text = NULL;
	int rc = guest_xml_attr(node, name, &text, err);

	if (rc < 0 || !text)
		return rc;
	return parse_int(node, name, text, max, value, err);
}
