/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protocols with one rule broken; README.md says which rule.  Included into spin's verifier:
 * the environment's MUTANT names the one to try.
 */
#define MUTANTS(of)                                                                                \
	of(PRIVPIPE) of(CONSUME) of(NOLEAV) of(PUBFIRST) of(PWSHORT) of(RESWAKE) of(FREEEARLY) of( \
		NOWAKE) of(RSNOWAKE) of(LOADEVIC) of(NOFLOCK) of(ABA) of(CANCEL) of(RESZERO)       \
		of(LATE) of(NODBIT) of(EVFIRST) of(EVPRIV) of(NODRAIN) of(NOUNWP) of(WPSTAY) of(   \
			UNREGFIRST) of(NOPHASE) of(NOIOWAIT) of(NOUNPARK) of(NOTEVOL) of(NOGENREC) \
			of(NOGRACE) of(NOEVENTS) of(NOGATE) of(RECFIRST) of(NOCLAIM) of(           \
				NOIDLE) of(UNWPLATE) of(NOBIT) of(RINGLATE) of(PUTLATE)            \
				of(NORETRY) of(LOSTRENEW) of(RSRENEW) of(NOFOLIO) of(MAPPED) of(   \
					NOTELL) of(BACKLEAV) of(SCANDIRTY) of(SCANPUNCH)           \
					of(SCANDETACH) of(NOEMPTY) of(SHORTALL) of(NOPINWAIT) of(  \
						PINFIRST) of(GIVEFIRST) of(NOFAULTLOCK) of(NOPIN)  \
						of(NOGENERATION) of(NOPROOF) of(FAILZERO) of(      \
							FAILPUB) of(PROOFLATE) of(FREEFIRST)       \
							of(SLOWGIVEUP) of(DETACHFAIL) of(DISKLATE) \
								of(NOLOADWAKE) of(CLEANBLIND) of(  \
									CLEANEARLY) of(CLEANFREE)  \
									of(STAYBACK)

#define MUTANT_ENUM(name) name,
#define MUTANT_TEXT(name) #name,

enum { MUTANT_NONE, MUTANTS(MUTANT_ENUM) };
static int mutant;

__attribute__((constructor)) static void mutant_choose(void)
{
	static const char *const names[] = { "", MUTANTS(MUTANT_TEXT) };
	const char *wanted = getenv("MUTANT");

	for (int i = 1; wanted && i < (int)(sizeof(names) / sizeof(*names)); i++) {
		if (!strcmp(names[i], wanted))
			mutant = i;
	}
	if (wanted && *wanted && !mutant) {
		fprintf(stderr, "no such mutant: %s\n", wanted);
		exit(2);
	}
}
