/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pager's protocol, for spin: guest, kernel, pager, its death and its restart.
 *
 * README.md says what is modelled and what is not.  Names of steps are those of the functions in
 * helpers/pager/.  A step of this model is what one system call or one store to a durable
 * file does; a loop of compare-and-swaps that ends only in success is one step.
 *
 * What is tried, -D each:
 *	PAGES EVICTORS SLOTS	how many there are
 *	WRITES READS DISCARDS	by the guest, at any time
 *	EVICTIONS PREFETCHES DEMOTIONS DETACHES KILLS	by and of the pager, at any time
 *	AGAIN			1: later kills only in a restart
 *	PUNCH_FIRST		1: QEMU punches, then tells us of it, as it does with a memfd
 *	SHORT			splices may move less than asked
 *	PINS			evictions write-protect first, and may give up
 *	DMA			writes of a device to a page that is pinned for it
 *	DISK			slots on a disk, where demotions go; ON_DISK: pages begin there
 *	ERRORS LIES		requests that the disk fails; writes that it loses and calls done
 *	FRESH			pages begin as holes that nothing has touched
 *	COLD			pages begin in a slot
 *	FULLS			how many times the tiers are full for a while
 *	STAYS			punches of an eviction that fail
 *	POISONS			memory errors of the host, in a resident page or in a staging; with SHORT
 *	LARGE			memory may be in large folios
 *	MAPPER			another process maps the memory, and reads its holes
 *	SCANS			faults that are taken for those of a thread that reads all memory
 */
#ifndef PAGES
#define PAGES 1
#endif
#ifndef EVICTORS
#define EVICTORS 1
#endif
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef READS
#define READS 1
#endif
#ifndef DISCARDS
#define DISCARDS 0
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif
#ifndef PREFETCHES
#define PREFETCHES 0
#endif
#ifndef DEMOTIONS
#define DEMOTIONS 0
#endif
#ifndef DETACHES
#define DETACHES 0
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef AGAIN
#define AGAIN 0
#endif
#ifndef PUNCH_FIRST
#define PUNCH_FIRST 0
#endif
#ifndef SHORT
#define SHORT 0
#endif
#ifndef PINS
#define PINS 0
#endif
#ifndef FRESH
#define FRESH 0
#endif
#ifndef COLD
#define COLD 0
#endif

#ifndef FULLS
#define FULLS 0
#endif
#ifndef STAYS
#define STAYS 0
#endif
#ifndef POISONS
#define POISONS 0
#endif
#ifndef LARGE
#define LARGE 0
#endif
#ifndef MAPPER
#define MAPPER 0
#endif
#ifndef SCANS
#define SCANS 0
#endif
#ifndef DMA
#define DMA 0
#endif
#ifndef DISK
#define DISK 0
#endif
#ifndef ERRORS
#define ERRORS 0
#endif
#ifndef LIES
#define LIES 0
#endif

/* A mutant is a protocol with one rule broken; which one is no part of the state */
c_decl {
#include "mutants.h"
}
#define MUTANT(name) c_expr { mutant == name }

/* enum page_state, enum map_phase */
#define PAGE_ZERO 0
#define PAGE_RESIDENT 1
#define PAGE_LEAVING 2
#define PAGE_LOADING 3
#define PAGE_EVICTED 4
#define MAP_PAGING 0
#define MAP_DETACHING 1
#define MAP_UNREGISTERING 2

/* Bytes of a page: zeros, what page p held after its n-th write, a free slot's, or no page */
#define ZEROS 0
#define VERSION(p, n) (2 * (n) + (p))
#define MARKED 12	/* a hole of which the guest was told that its content is lost */
#define BROKEN 13	/* a memory error of the host: who reads it is told */
#define GARBAGE 14
#define HOLE 15
#define NO_SLOT 7

/* ---- The guest and what its memory should hold */

byte last[PAGES];	/* newest version written; 0: none */
byte discard[PAGES];	/* 1: QEMU is discarding it, 2: it has, and nothing was written since */
bit writing;		/* a write waits: the guest does not give such a page away */

/* ---- The kernel and QEMU: not touched by a kill */

byte memory[PAGES];		/* the guest's file */
bit protected[PAGES];		/* write-protection, present page or not */
#define WRITER 0
#define READER 1
byte fault[2];			/* of a thread: 0 none, 1 not read yet, 2 read by a pager */
bit fault_wp[2];
byte fault_page[2];
byte event;			/* REMOVE: 0 none, 1 not read yet, 2 read */
byte event_page;
bit changing;			/* COPY and ZEROPAGE say EAGAIN */
bit registered = 1, closed;
/* The pipes, parked in QEMU.  Until it is punched, a page in a pipe is the guest's own page */
#define PIPE 2
byte pipe_n[EVICTORS];
byte pipe_bytes[EVICTORS * PIPE];
byte pipe_page[EVICTORS * PIPE];	/* 1 + the page, 0: its own bytes */
#if DMA
/* Where the page is that a device writes to: not pinned, in the file, in a pipe, not the guest's */
#define PIN_NONE 0
#define PIN_FILE 1
#define PIN_PIPE(at) (2 + (at))
#define PIN_NOWHERE 15
byte pin;
byte dma = DMA;
#endif
#if DISK
/* Requests that are under way: one to write, one to read */
#define IO_NONE 0
#define IO_BUSY 1
#define IO_DONE 2
#define IO_FAILED 3
byte write_io, write_slot, write_bytes;
byte read_io, read_slot, read_bytes;
bit late_io;			/* the write of a daemon that is dead */
byte late_slot, late_bytes;
byte errors = ERRORS, lies = LIES;
#endif
/* System calls of dead threads that have not ended */
byte late_punch[PAGES];
byte late_write[PAGES];			/* 1 + bytes */

/* ---- Durable files */

typedef page_entry {
	unsigned state : 3;
	unsigned slot : 3;
	unsigned generation : 2;
	bit discarded;
	bit bad
};
page_entry map[PAGES];
unsigned phase : 2;
byte slot[SLOTS + DISK];		/* bytes; the last ones are on the disk */
#define IS_SLOW(which) ((which) >= SLOTS && (which) != NO_SLOT)
#if DISK
byte proof[DISK];		/* of what was put there: as good as its bytes */
#endif
bit ring[PAGES];		/* the event ring: REMOVEs that were read */
bit noted[PAGES];		/* a discard covered this page's region within the last minute */
bit record[EVICTORS];		/* the run record; 1: it counts */
byte record_n[EVICTORS];
byte record_page[EVICTORS * PIPE];
byte record_generation[EVICTORS * PIPE];
byte staging[EVICTORS * PIPE];
bit gone;			/* detached, files removed */

/* ---- The pager: lost by a kill */

#define DEAD 0
#define SERVING 1
#define RESTARTING 2
byte alive = SERVING;
byte threads;			/* at work; the dead one's count until they are gone */
byte evicting;			/* of these, evict threads */
bit gate;
bit used[SLOTS + DISK];
#if DISK
byte content[DISK];		/* 1 + what was read there and found right; 0: not known */
byte pinned_slot;			/* 1 + the slot that a demotion reads; 0: none */
bit pin_freed;				/* it goes with its pin */
bit slow_wanted;			/* a fault on page 0 that slow_load_thread() serves */
bit slow_scans;				/* of a thread that reads all memory */
#endif
#if PAGES > 1 && PREFETCHES
byte pipe_left;				/* in the private pipe of who loads: 1 + bytes */
#endif
#if DMA
bit allowing;				/* "protection": a page that is not LEAVING is unprotected */
#endif
bit batch[PAGES], batch_wp[PAGES];	/* faults that were read */
bit parked[PAGES];			/* faults on a hole that should not be there */
byte punching[PAGES], splicing[PAGES];	/* system calls under way; splicing: 1 + bytes */

bit waits[PAGES];			/* faults that wait for room in the tiers */
#if SCANS
/* Pages that go again behind the thread for which they were loaded, and their entries then */
bit scanned[PAGES];
byte scanned_slot[PAGES];		/* NO_SLOT: it was ZERO, and is */
byte scanned_generation[PAGES];
byte scans = SCANS;
#endif

/* ---- What is left to try */

bit tier_full;
bit large;				/* a large folio has page 0 */
byte fulls = FULLS, poisons = POISONS;
#if STAYS
byte stays = STAYS;
#endif

byte writes = WRITES, reads = READS, discards = DISCARDS;
byte evictions = EVICTIONS, prefetches = PREFETCHES, demotions = DEMOTIONS;
byte detaches = DETACHES, kills;

/* Scratch for d_steps */
hidden byte x, y, z;

/* ======================== Kernel ======================== */

/* UFFDIO_WAKE */
inline wake(p)
{
	for (x : 0 .. 1) {
		if
		:: fault[x] && fault_page[x] == p ->
			fault[x] = 0;
			fault_wp[x] = 0;
			fault_page[x] = 0
		:: else
		fi
	}
	x = 0
}

/* A device writes to the page that is pinned, wherever that is by then */
#if DMA
#define pin_goes(if_so, where) pin = ((if_so) -> (where) : pin)
#else
#define pin_goes(if_so, where) skip
#endif

/* The page leaves the file.  Pipes that have it keep it, and nothing else has it */
inline punch_small(p)
{
	for (x : 0 .. EVICTORS * PIPE - 1) {
		if
		:: pipe_page[x] == p + 1 ->
			pipe_bytes[x] = (memory[p] == HOLE -> ZEROS : memory[p]);
			pipe_page[x] = 0;
			pin_goes(pin == PIN_FILE && p == 0, PIN_PIPE(x))
		:: else
		fi
	}
	memory[p] = HOLE;
	pin_goes(pin == PIN_FILE && p == 0, PIN_NOWHERE);
	x = 0
}

inline punch(p)
{
	if
	:: large -> memory[p] = (memory[p] == HOLE -> HOLE : ZEROS)	/* in place, in the pipe, too */
	:: else -> punch_small(p)
	fi
}

/* memfd to pipe.  A hole gives zeros */
inline splice_out(me, p)
{
	if
	:: memory[p] == HOLE -> pipe_bytes[me * PIPE + pipe_n[me]] = ZEROS
	:: else -> pipe_page[me * PIPE + pipe_n[me]] = p + 1
	fi;
	pipe_n[me]++
}

/* The first page in the pipe, taken out of it */
inline read_pipe(me, bytes)
{
	bytes = (pipe_page[me * PIPE] -> memory[pipe_page[me * PIPE] - 1] : pipe_bytes[me * PIPE]);
	pipe_bytes[me * PIPE] = pipe_bytes[me * PIPE + 1];
	pipe_page[me * PIPE] = pipe_page[me * PIPE + 1];
	pipe_bytes[me * PIPE + 1] = 0;
	pipe_page[me * PIPE + 1] = 0;
	pin_goes(pin == PIN_PIPE(me * PIPE), PIN_NOWHERE);
	pipe_n[me]--
}

inline empty_pipe(me)
{
	for (x : 0 .. PIPE - 1) {
		pipe_bytes[me * PIPE + x] = 0;
		pipe_page[me * PIPE + x] = 0
	}
	pipe_n[me] = 0;
	pin_goes(pin == PIN_PIPE(me * PIPE), PIN_NOWHERE);
	x = 0
}

/* ======================== Guest ======================== */

/* A thread that found no page, or a protected one, waits; what it saw may be old by now */
inline wait_for_fault(t, p, is_write)
{
	d_step {
		if
		:: !registered && memory[p] == HOLE -> memory[p] = ZEROS
		:: !registered && memory[p] != HOLE -> protected[p] = 0
		:: registered ->
			fault[t] = 1;
			fault_wp[t] = (is_write && memory[p] != HOLE && protected[p]);
			fault_page[t] = p
		fi
	}
#if LIES
	/* For ever, where the disk has lost its page: an alarm says so */
end_wait:
#endif
	(fault[t] == 0)
}

#define IS_TOLD(p) (memory[p] == BROKEN || memory[p] == MARKED)
#define CAN_READ(p) (memory[p] != HOLE)
#define CAN_WRITE(p) (memory[p] != HOLE && !protected[p])

proctype guest_writer()
{
	byte p;

	do
	:: atomic {
		writes > 0 && discard[0] != 1 ->
		/* The guest does not use a page that it is giving away */
		writing = 1;
		p = 0;
#if PAGES > 1
		if :: p = 0 :: p = 1 fi
#endif
	   };
	   do
	   :: atomic {
		CAN_WRITE(p) ->
		if
		:: !IS_TOLD(p) ->
			last[p]++;
			memory[p] = VERSION(p, last[p]);
			discard[p] = 0
		:: IS_TOLD(p)
		fi;
		writing = 0;
		writes--;
		break
	      }
#if DMA
	   /* O_DIRECT: the page is pinned as a write to it would be allowed, and a device writes later */
	   :: atomic { CAN_WRITE(p) && dma > 0 -> dma--; pin = PIN_FILE };
	      atomic {
		last[p]++;
		d_step {
			if
			:: pin == PIN_FILE -> memory[p] = VERSION(p, last[p])
			:: pin != PIN_FILE && pin != PIN_NOWHERE ->
				pipe_bytes[pin - PIN_PIPE(0)] = VERSION(p, last[p])
			:: pin == PIN_NOWHERE
			fi
		};
		discard[p] = 0;
		pin = PIN_NONE;
		writing = 0;
		writes--;
		break
	      }
#endif
	   :: !CAN_WRITE(p) -> wait_for_fault(WRITER, p, 1)
	   od
	:: atomic { writes == 0 -> break }
	od
}

/* What the guest may see */
inline check(p)
{
	y = memory[p];
	assert(IS_TOLD(p) || y == ZEROS || (y & 1) == p);	/* another page's bytes */
	assert(y != GARBAGE);					/* a free slot's */
	if
	:: IS_TOLD(p)
	:: !IS_TOLD(p) && discard[p] == 0 && last[p] == 0 -> assert(y == ZEROS)
	:: !IS_TOLD(p) && discard[p] == 0 && last[p] != 0 ->
		assert(y != ZEROS);				/* no zeros for data */
		assert(y == VERSION(p, last[p]))		/* no read older than the last write */
	:: !IS_TOLD(p) && discard[p] == 1 -> assert(y <= VERSION(p, last[p]))
	:: !IS_TOLD(p) && discard[p] == 2 -> assert(y == ZEROS || y == VERSION(p, last[p]))
	fi;
	y = 0
}

proctype guest_reader()
{
	byte p;

	do
	:: atomic {
		reads > 0 ->
		p = 0;
#if PAGES > 1
		if :: p = 0 :: p = 1 fi
#endif
	   };
	   do
	   :: atomic { CAN_READ(p) -> d_step { check(p) }; reads--; break }
	   :: !CAN_READ(p) -> wait_for_fault(READER, p, 0)
	   od
	:: atomic { reads == 0 -> break }
	od
}

/* QEMU gives a page back: balloon, free page reporting */
bit between;	/* it has punched, and the event is not out yet */

proctype guest_discard()
{
	do
	:: atomic {
		discards > 0 && !writing ->
		discards--;
		discard[0] = 1;
#if PUNCH_FIRST
		d_step { punch(0) };
		between = 1
#endif
	   };
	   if
	   :: atomic {
		registered && !closed ->
		changing = 1;
		event = 1;
		between = 0
	      };
	      atomic { event == 2 || closed -> event = 0; changing = 0 }
	   :: atomic { !registered || closed -> between = 0 }
	   fi;
	   atomic {
		true;
#if !PUNCH_FIRST
		d_step { punch(0) };
#endif
		discard[0] = 2
	   };
#if PUNCH_FIRST
	   /* A minute later the time of the discard says nothing any more */
	   if
	   :: noted[0] = 0
	   :: true
	   fi
#else
	   skip
#endif
	:: atomic { discards == 0 -> break }
	od
}

/* ======================== Slots ======================== */

/* The lowest free one.  Its bytes are another guest's, until they are written */
inline tiers_store(which)
{
	d_step {
		which = 0;
		do
		:: which < SLOTS && used[which] -> which++
		:: else -> break
		od;
		assert(which < SLOTS);	/* else the model is too small */
		used[which] = 1;
		slot[which] = GARBAGE;
		for (x : 0 .. PAGES - 1) {
			/* no slot with two owners */
			assert(map[x].state == PAGE_ZERO || map[x].slot != which)
		}
		x = 0
	}
}

inline tiers_free(which)
{
	if
	:: which != NO_SLOT ->
		assert(used[which]);
#if DISK
		if
		:: pinned_slot == 1 + which -> pin_freed = 1
		:: pinned_slot != 1 + which && IS_SLOW(which) ->
			used[which] = 0;	/* the disk keeps its bytes */
			content[which - SLOTS] = 0
		:: else -> used[which] = 0; slot[which] = GARBAGE
		fi
#else
		used[which] = 0;
		slot[which] = GARBAGE
#endif
	:: else
	fi
}

inline entry_resident(p, which)
{
	map[p].state = PAGE_RESIDENT;
	map[p].slot = which
}

/* A hole in this page, which should be in the file, is a discard's */
#define EXPLAINED(p) ((noted[p] && !map[p].bad) || map[p].discarded)

inline entry_zero(p)
{
	map[p].state = PAGE_ZERO;
	map[p].slot = NO_SLOT;
	map[p].discarded = 0;
	map[p].bad = 0
}

/* What ends the loop of a step over the pages of a run */
#define NEXT(i, n) i++; if :: i == (n) -> i = 0; break :: else fi

/* ======================== evict.c ======================== */

/* Of a slot on the disk it is known what it has, in this process */
#if DISK
#define IS_CLEAN(s, bytes) ((s) != NO_SLOT && (IS_SLOW(s) -> \
	(content[(s) - SLOTS] == 1 + (bytes) || MUTANT(CLEANBLIND) || early) : slot[s] == (bytes)))
#else
#define IS_CLEAN(s, bytes) ((s) != NO_SLOT && slot[s] == (bytes))
#endif

#define AT(i) (me * PIPE + (i))
#define CLAIMABLE(p) ((map[p].state == PAGE_RESIDENT && !map[p].bad && \
		       (!large || MUTANT(NOFOLIO))) || (MUTANT(LOADEVIC) && map[p].state == PAGE_LOADING))

/* UFFDIO_POISON, and what becomes of the entry.  The slot is older than what was lost */
inline lose_page(p)
{
	if
	:: atomic { !changing && memory[p] == HOLE -> memory[p] = MARKED }
	:: memory[p] != HOLE
	fi;
	atomic {
		d_step {
			y = map[p].slot;
			entry_resident(p, NO_SLOT);
			map[p].discarded = 0;
			map[p].bad = 1;
			tiers_free(y);
			y = 0
		};
		d_step { wake(p) }
	}
}

/* What finds no slot goes back into the guest's file, as LOADING: it may be written and discarded
 * there before the entry says RESIDENT, and the staging is older then */
inline put_back(p)
{
	/* take_back: under the gate, so that "discarded" is only of discards that are read later */
	if
	:: atomic {
		(gate == 0 || alive == RESTARTING) && !MUTANT(BACKLEAV) ->
		d_step {
			y = map[p].slot;
			map[p].state = PAGE_LOADING;
			map[p].slot = NO_SLOT;
			map[p].discarded = 0;
			tiers_free(y);
			y = 0
		}
	   }
	:: MUTANT(BACKLEAV)
	fi;
	/* put_page */
	if
#if STAYS
	:: memory[p] != HOLE
	:: memory[p] == HOLE && !MUTANT(PUTLATE) ->
#else
	:: !MUTANT(PUTLATE) ->
#endif
		splicing[p] = 1 + bytes;
		atomic { memory[p] = bytes; splicing[p] = 0 }
	:: MUTANT(PUTLATE)
	fi;
	/* give_back */
	atomic {
		map[p].state = PAGE_RESIDENT;
		map[p].generation = (map[p].generation + 1) % 4;
		d_step { wake(p) }
	};
	if
	:: MUTANT(PUTLATE) -> memory[p] = bytes
	:: !MUTANT(PUTLATE)
	fi
}

inline list_write()
{
	d_step {
		for (x : 0 .. n - 1) {
			record_page[AT(x)] = list[x];
			record_generation[AT(x)] = map[list[x]].generation;
			staging[AT(x)] = GARBAGE	/* the last run's */
		}
		x = 0;
		record_n[me] = n;
		record[me] = 1
	}
}

inline evict_end()
{
	i = 0; n = 0; s = 0; bytes = 0;
#if STAYS
	stayed[0] = 0; stayed[1] = 0;
#endif
	list[0] = 0; list[1] = 0;
#if DISK
	early = 0;
#endif
	threads--;
	evicting--
}

proctype evict_run(byte me)
{
	byte i, n, s, bytes;
	byte list[PIPE];
#if DISK
	bit early;	/* a mutant's */
#endif
#if STAYS
	bit stayed[PIPE];
#endif

end:	do
	:: atomic {
		alive == SERVING && evictions > 0 && phase == MAP_PAGING && !gone &&
		(CLAIMABLE(0) || CLAIMABLE(PAGES - 1)) ->
		evictions--;
		threads++;
		evicting++
	   };
	   {
		/* evict_claim: what can't be claimed is left out.  Slots are reserved before */
		do
		:: atomic {
			CLAIMABLE(i) ->
			assert(pipe_n[me] == 0 || MUTANT(NODRAIN));
#if DISK
			early = (MUTANT(CLEANEARLY) && IS_SLOW(map[i].slot) &&
				 content[map[i].slot - SLOTS] == 1 + memory[i]);
#endif
			map[i].state = PAGE_LEAVING;
			list[n] = i;
			n++;
			NEXT(i, PAGES)
		   }
		:: atomic { PAGES > 1 || !CLAIMABLE(i) -> NEXT(i, PAGES) }
		od;
		if
		:: atomic { n == 0 -> evict_end(); goto end }
		:: atomic {
			n > 0 ->
			if :: MUTANT(RECFIRST) -> list_write() :: !MUTANT(RECFIRST) fi
		   }
		fi;
#if PINS
		/* unpinned: no page is pinned any more from the protection on; pins_wait: for the others.
		 * One that does not go away gives the run up */
#if DMA
		(pin == PIN_NONE || !MUTANT(PINFIRST));
#endif
		do
		:: atomic {
#if DMA
			!allowing || MUTANT(NOFAULTLOCK);
#endif
			protected[list[i]] = 1;
			NEXT(i, n)
		   }
		od;
		do
#if DMA
		:: atomic { pin == PIN_NONE || MUTANT(NOPINWAIT) || MUTANT(PINFIRST) -> break }
#else
		:: break
#endif
		/* give_back: writes are allowed before another may claim and protect the page */
		:: atomic {
			map[list[i]].state == PAGE_LEAVING ->
			if
			:: !MUTANT(GIVEFIRST) -> protected[list[i]] = 0
			:: MUTANT(GIVEFIRST) -> map[list[i]].state = PAGE_RESIDENT
			fi
		   };
		   if
		   :: !MUTANT(GIVEFIRST) -> map[list[i]].state = PAGE_RESIDENT
		   :: MUTANT(GIVEFIRST) -> protected[list[i]] = 0
		   fi;
		   atomic {
			wake(list[i]);
			i++;
			if :: i == n -> evict_end(); goto end :: else fi
		   }
		od;
#endif
		/* evict_splice */
		do
		:: atomic { pipe_n[me] < PIPE && memory[list[i]] != BROKEN -> splice_out(me, list[i]); i++; if :: i == n -> break :: else fi }
#if SHORT
		:: break
#endif
		od;
#if SHORT
		/* give_back: what was not spliced stays */
		do
		:: atomic { n == i && n > 0 -> i = 0; break }
		:: atomic { n == i && n == 0 -> evict_end(); goto end }
		:: atomic {
			n > i ->
			protected[list[n - 1]] = 0;
			map[list[n - 1]].bad = (memory[list[n - 1]] == BROKEN);
			map[list[n - 1]].state = PAGE_RESIDENT
		   };
		   atomic {
			n--;
			d_step { wake(list[n]) };
			list[n] = 0
		   }
		od;
#else
		i = 0;
#endif
		/* list_write: what is in the pipe, in this order.  Before the first punch */
		if
		:: atomic { !MUTANT(RECFIRST) -> list_write() }
		:: MUTANT(RECFIRST)
		fi;

		/* evict_punch */
		do
		:: punching[list[i]] = 1;
		   atomic { d_step { punch(list[i]) }; punching[list[i]] = 0; NEXT(i, n) }
#if STAYS
		/* give_back at once: what the pipe has of it is older than its next write */
		:: atomic {
			stays > 0 ->
			stays--;
			stayed[i] = 1;
			if
			:: !MUTANT(STAYBACK) ->
				protected[list[i]] = 0;
				map[list[i]].state = PAGE_RESIDENT;
				map[list[i]].generation = (map[list[i]].generation + 1) % 4;
				d_step { wake(list[i]) }
			:: MUTANT(STAYBACK)
			fi;
			NEXT(i, n)
		   }
#endif
		od;

		/* evict_stage: read() takes a page out of the pipe when its bytes are in the file */
		do
		:: atomic { read_pipe(me, staging[AT(i)]); NEXT(i, n) }
		od;

evict_store:
		/* A slot that still has these bytes is used again: slot_holds */
		atomic {
			bytes = staging[AT(i)];
#if STAYS
			if
			:: stayed[i] && MUTANT(STAYBACK) -> goto evict_leftovers
			:: stayed[i] && !MUTANT(STAYBACK) ->
				i++;
				if
				:: i < n -> goto evict_store
				:: i == n -> i = 0; goto evict_clear
				fi
			:: !stayed[i]
			fi;
#endif
			s = map[list[i]].slot;
			if
#if POISONS
			:: bytes == BROKEN && !MUTANT(LOSTRENEW) -> goto evict_leftovers
			:: bytes == BROKEN && MUTANT(LOSTRENEW) -> bytes = ZEROS; tiers_store(s)
#endif
			:: bytes != BROKEN && IS_CLEAN(s, bytes)
#if FULLS
			:: bytes != BROKEN && tier_full && !IS_CLEAN(s, bytes) ->
				/* drop_own_slot */
				d_step { map[list[i]].slot = NO_SLOT; tiers_free(s) };
				goto evict_leftovers
#endif
			:: else -> tiers_store(s)
			fi
		};
		if
		:: slot[s] == bytes || MUTANT(PUBFIRST) || IS_SLOW(s)
		:: slot[s] != bytes && !MUTANT(PUBFIRST) && !IS_SLOW(s) -> slot[s] = bytes
		fi;

		/* evict_publish */
		atomic {
			gate == 0 || MUTANT(NOGATE) ->
			d_step {
				if
				:: map[list[i]].state == PAGE_LEAVING ->
					y = map[list[i]].slot;
					map[list[i]].state = PAGE_EVICTED;
					map[list[i]].slot = s;
					map[list[i]].generation = (map[list[i]].generation + 1) % 4;
					map[list[i]].discarded = 0;
					if :: y != s || MUTANT(CLEANFREE) -> tiers_free(y) :: else fi
				:: else -> tiers_free(s)
				fi;
				y = 0
			};
			if
			:: MUTANT(PUBFIRST) -> goto evict_store_late
			:: !MUTANT(PUBFIRST)
			fi;
			i++;
			if
			:: i < n -> goto evict_store
			:: i == n -> i = 0; goto evict_clear
			fi
		};
		false;
#if POISONS || FULLS || STAYS
evict_leftovers:
		if
		:: bytes == BROKEN -> lose_page(list[i])
		:: else -> put_back(list[i])
		fi;
		atomic {
			i++;
			if
			:: i < n -> goto evict_store
			:: i == n -> i = 0; goto evict_clear
			fi
		};
		false;
#endif
evict_store_late:
		atomic {
			slot[s] = bytes;
			i++;
			if
			:: i < n -> goto evict_store
			:: i == n -> i = 0
			fi
		};

evict_clear:
		atomic {
			record[me] = 0;
			for (i : 0 .. n - 1) {
				/* nothing reads these now */
				record_page[AT(i)] = 0;
				record_generation[AT(i)] = 0;
				staging[AT(i)] = 0
			}
			record_n[me] = 0;
			i = 0
		};

		/* evict_wake */
		do
		:: atomic {
			if
			:: !MUTANT(NOWAKE) -> d_step { wake(list[i]) }
			:: MUTANT(NOWAKE)
			fi;
			i++;
			if
			:: i == n -> evict_end(); goto end
			:: else
			fi
		   }
		od
	   } unless { alive != SERVING };
	   atomic { evict_end() }
	od
}

/* ======================== faults.c, discards.c ======================== */

/* Read what there is, under the gate: a discard that was read is applied before it is let go */
inline faults_read()
{
	d_step {
		gate == 0 ->
		gate = 1;
		for (x : 0 .. 1) {
			if
			:: fault[x] == 1 && fault_wp[x] ->
				fault[x] = 2;
				batch_wp[fault_page[x]] = 1
			:: fault[x] == 1 && !fault_wp[x] ->
				fault[x] = 2;
				batch[fault_page[x]] = 1
			:: else
			fi
		}
		x = 0;
		if
		:: event == 1 -> event = 2; ring[0] = 1
		:: else
		fi;
		if
		:: MUTANT(LATE) || !ring[0] -> gate = 0
		:: else
		fi
	}
}

/* Discards cover page 0 in this model */
inline discards_apply()
{
	if
	:: ring[0] ->
		/* journal_note_discard */
		noted[0] = 1;
		/* discard_page: old bytes of a discarded page do no harm, lost new ones do */
		if
		:: MUTANT(RESZERO) && map[0].state == PAGE_RESIDENT ->
			/* a plain store, for an entry that was read before */
			d_step { tiers_free(map[0].slot); entry_zero(0) }
		:: d_step {
			!(MUTANT(RESZERO) && map[0].state == PAGE_RESIDENT) ->
			if
			:: map[0].state == PAGE_EVICTED ||
			   (MUTANT(CANCEL) && map[0].state == PAGE_LEAVING) ->
				y = map[0].slot;
				entry_zero(0);
				tiers_free(y);
				y = 0
			:: (map[0].state == PAGE_LOADING && !MUTANT(NODBIT)) ||
			   ((map[0].state == PAGE_RESIDENT || map[0].state == PAGE_LEAVING) &&
			    !MUTANT(NOBIT)) ->
				/* Until it is published again, a hole here is zeros */
				map[0].discarded = 1;
				map[0].bad = 0
			:: else
			fi
		   }
		fi;
		/* retry_waiting: who waited for an explanation has it now; clear_ring */
		atomic {
			if
			:: parked[0] && !MUTANT(NOUNPARK) -> parked[0] = 0; batch[0] = 1
			:: else
			fi;
			ring[0] = 0;
			gate = 0
		}
	:: !ring[0]
	fi
}

/* UFFDIO_COPY and ZEROPAGE wake whom they serve.  EAGAIN: there are events, read them first */
inline copy_pages(p, bytes)
{
	do
	:: atomic {
		!changing && memory[p] == HOLE && registered ->
		memory[p] = bytes;
		protected[p] = 0;
		d_step { wake(p) };
		break
	   }
	:: atomic { memory[p] != HOLE || !registered -> d_step { wake(p) }; break }
	:: changing && memory[p] == HOLE && event == 1 ->
		faults_read();
		discards_apply()
	od
}

#if SCANS
/* The same, and the guest can't write there before we are told */
inline scan_copy(p, bytes)
{
	do
	:: atomic {
		!changing && memory[p] == HOLE && registered ->
		memory[p] = bytes;
		protected[p] = 1;
		d_step { wake(p) };
		break
	   }
	:: atomic { memory[p] != HOLE || !registered -> d_step { wake(p) }; break }
	:: changing && memory[p] == HOLE && event == 1 ->
		faults_read();
		discards_apply()
	od
}

inline scan_note(p)
{
	scanned[p] = (map[p].state == PAGE_ZERO || !map[p].discarded);
	scanned_slot[p] = map[p].slot;
	scanned_generation[p] = map[p].generation
}

#define AS_SCANNED(p) (map[p].slot == scanned_slot[p] && map[p].generation == scanned_generation[p] && \
		       map[p].state == (scanned_slot[p] == NO_SLOT -> PAGE_ZERO : PAGE_RESIDENT) && \
		       !map[p].discarded && !map[p].bad)

inline drop_end()
{
	if
	:: !MUTANT(SCANDETACH) -> evicting--
	:: MUTANT(SCANDETACH)
	fi;
	faults_end()
}
#endif

/* LOADING to RESIDENT; the slot stays, to be compared with, or is free now: slots_go() */
inline loaded(p, which)
{
	if
	:: !MUTANT(FREEEARLY) -> entry_resident(p, which)
	:: which != NO_SLOT ->
		entry_resident(p, NO_SLOT);
		if
		:: MUTANT(FREEEARLY)
		:: !MUTANT(FREEEARLY) -> tiers_free(which)
		fi
	fi
}

/* LOADING to EVICTED, or to ZERO where it was discarded meanwhile */
inline abandon(p, which)
{
	if
	:: map[p].discarded -> entry_zero(p); tiers_free(which)
	:: else -> map[p].state = PAGE_EVICTED
	fi
}

inline load_content(which, bytes)
{
	bytes = slot[which];
	if
	:: MUTANT(FREEEARLY) -> tiers_free(which)
	:: !MUTANT(FREEEARLY)
	fi
}

inline faults_end()
{
	p = 0; s = 0; bytes = 0; state = 0;
	threads--
}

/* Who waits for room is tried again; only page 0 is served by a full tier in this model */
#define CAN_RETRY (waits[0] && !tier_full && !MUTANT(NORETRY))

proctype faults_serve()
{
	byte p, s, bytes, state;

end:	do
	:: atomic {
		alive == SERVING && !gone && registered &&
		(fault[0] == 1 || fault[1] == 1 || event == 1 || CAN_RETRY) ->
		/* retry_waiting */
		if
		:: CAN_RETRY -> waits[0] = 0; batch[0] = 1
		:: !CAN_RETRY
		fi;
		threads++
	   };
	   {
		faults_read();
		discards_apply();
		do
		:: atomic {
			batch[0] || batch_wp[0] || batch[PAGES - 1] || batch_wp[PAGES - 1] ->
			p = (batch[0] || batch_wp[0] -> 0 : PAGES - 1);
			/* serve_write_protected: no thread answers for this protection */
#if DMA
			/* allow_writes: what is LEAVING is looked at and unprotected under a lock, and
			 * unpinned() protects under it */
			if
			:: batch_wp[p] ->
				batch_wp[p] = 0;
				if
				:: map[p].state != PAGE_LEAVING -> allowing = 1
				:: else
				fi
			:: else
			fi
		   };
		   atomic {
			if
			:: allowing -> protected[p] = 0; d_step { wake(p) }; allowing = 0
			:: else
			fi;
#endif
			d_step {
				if
				:: batch_wp[p] ->
					batch_wp[p] = 0;
#if SCANS
					/* scan_written */
					if
					:: map[p].state == PAGE_ZERO && memory[p] != HOLE ->
						entry_resident(p, NO_SLOT)
					:: else
					fi;
#endif
					if
					:: map[p].state != PAGE_LEAVING && !MUTANT(WPSTAY) && !MUTANT(NOUNWP) ->
						protected[p] = 0;
						wake(p)
					:: else
					fi
				:: else
				fi
			};
			/* serve_missing, and claim() or claim_look() */
			state = PAGE_LEAVING;	/* nothing to do */
			if
			:: batch[p] ->
				batch[p] = 0;
				state = map[p].state;
				s = NO_SLOT;
				if
#if DISK
				:: state == PAGE_EVICTED && IS_SLOW(map[p].slot) ->
					/* slow_load: the thread that answers faults never waits for a disk */
					slow_wanted = 1;
					state = PAGE_LEAVING;
#if SCANS
					/* slow_load_scan */
					if
					:: scans > 0 && phase == MAP_PAGING -> scans--; slow_scans = 1
					:: true
					fi
#else
					skip
#endif
#endif
#if FULLS
				:: tier_full && p == 0 && (state == PAGE_EVICTED || state == PAGE_ZERO) ->
					/* no_room */
					waits[p] = 1;
					state = PAGE_LEAVING
#endif
				:: state == PAGE_EVICTED && !IS_SLOW(map[p].slot) ->
					s = map[p].slot;
					map[p].state = PAGE_LOADING
				:: state == PAGE_RESIDENT && !MUTANT(RESWAKE) && !MUTANT(NOCLAIM) ->
					/* Claimed, without a record of a run */
					map[p].state = PAGE_LEAVING
				:: else
				fi
			:: else
			fi
		   };
		   if
#if SCANS
		   :: (state == PAGE_ZERO || state == PAGE_EVICTED) && scans > 0 && phase == MAP_PAGING ->
			/* scan_serve */
			scans--;
			if
			:: state == PAGE_ZERO -> scan_copy(p, ZEROS)
			:: state == PAGE_EVICTED ->
				atomic { load_content(s, bytes) };
				scan_copy(p, bytes);
				atomic { loaded(p, s) }
			fi;
			atomic { scan_note(p) }
#endif
		   :: state == PAGE_ZERO ->
			/* serve_zero */
			copy_pages(p, ZEROS);
			atomic {
				if
				:: map[p].state == PAGE_ZERO -> entry_resident(p, NO_SLOT)
				:: else
				fi
			}
		   :: state == PAGE_EVICTED ->
			/* serve_evicted, load_page */
			atomic { load_content(s, bytes) };
			copy_pages(p, bytes);
			atomic { loaded(p, s) }
		   :: state == PAGE_RESIDENT ->
			/* serve_resident: a hole that a discard made, or a late waiter */
			if
			:: memory[p] == HOLE && EXPLAINED(p) && !MUTANT(RESWAKE) ->
				copy_pages(p, ZEROS);
				atomic {
					if
					:: !MUTANT(NOCLAIM) -> map[p].state = PAGE_RESIDENT
					:: MUTANT(NOCLAIM)
					fi
				}
			:: atomic {
				memory[p] == HOLE && !EXPLAINED(p) && !MUTANT(RESWAKE) &&
				(!map[p].bad || MUTANT(NOTELL)) ->
				if
				:: !MUTANT(NOCLAIM) -> map[p].state = PAGE_RESIDENT
				:: MUTANT(NOCLAIM)
				fi;
				parked[p] = 1
			   }
#if POISONS
			:: memory[p] == HOLE && !EXPLAINED(p) && map[p].bad && !MUTANT(NOTELL) ->
				/* poison_page: it was told, and a discard has taken that away */
				do
				:: atomic { !changing && memory[p] == HOLE -> memory[p] = MARKED; break }
				:: memory[p] != HOLE -> break
				:: changing && memory[p] == HOLE && event == 1 ->
					faults_read();
					discards_apply()
				od;
				atomic { map[p].state = PAGE_RESIDENT; d_step { wake(p) } }
#endif
			:: memory[p] != HOLE || MUTANT(RESWAKE) ->
				if
				:: !MUTANT(RESWAKE) && !MUTANT(NOCLAIM) ->
					map[p].state = PAGE_RESIDENT
				:: MUTANT(RESWAKE) || MUTANT(NOCLAIM)
				fi;
				d_step { wake(p) }
			fi
		   :: state == PAGE_LEAVING || state == PAGE_LOADING
			/* whose claim it is wakes */
		   fi
		:: atomic {
			!(batch[0] || batch_wp[0] || batch[PAGES - 1] || batch_wp[PAGES - 1]) ->
			faults_end();
			goto end
		   }
		od
	   } unless { alive != SERVING };
	   atomic { faults_end() }
#if SCANS
	/* scan_drop: behind the thread, or when it asks no more.  Not while a detach unprotects all */
	:: atomic {
		alive == SERVING && !gone && registered && (scanned[0] || scanned[PAGES - 1]) &&
		(phase == MAP_PAGING || MUTANT(SCANDETACH)) ->
		threads++;
		if :: !MUTANT(SCANDETACH) -> evicting++ :: else fi;
		p = (scanned[0] -> 0 : PAGES - 1);
		scanned[p] = 0;
		state = PAGE_LEAVING;
		if
		:: AS_SCANNED(p) ->
			state = map[p].state;
			s = map[p].slot;
			if
			:: state == PAGE_RESIDENT && !MUTANT(SCANPUNCH) -> map[p].state = PAGE_LOADING
			:: else
			fi
		:: else
		fi
	   };
	   {
		/* The kernel says whether it is protected still */
		if
		:: state != PAGE_LEAVING && (protected[p] || MUTANT(SCANDIRTY)) ->
			punching[p] = 1;
			atomic { d_step { punch(p) }; punching[p] = 0 };
			/* Where the kernel refuses, it stays, and the fault that it makes ends it */
			atomic {
				if
				:: !changing -> protected[p] = 0; d_step { wake(p) }
				:: changing
				fi
			}
		:: state != PAGE_LEAVING && !(protected[p] || MUTANT(SCANDIRTY)) ->
			/* It was written: an ordinary page */
			atomic {
				if
#if DISK
				:: state == PAGE_RESIDENT -> loaded(p, s)
#else
				:: state == PAGE_RESIDENT -> entry_resident(p, s)
#endif
				:: else
				fi;
				state = PAGE_LEAVING
			}
		:: state == PAGE_LEAVING
		fi;
		/* abandon */
		atomic {
			if
			:: state == PAGE_RESIDENT && map[p].discarded ->
				entry_zero(p);
				tiers_free(s)
			:: state == PAGE_RESIDENT && !map[p].discarded ->
				map[p].state = PAGE_EVICTED
			:: else
			fi;
			drop_end();
			goto end
		}
	   } unless { alive != SERVING };
	   atomic { drop_end() }
#endif
	od
}

/* ======================== prefetch.c ======================== */

#if PREFETCHES
#define MAY_FETCH(p) (map[p].state == PAGE_EVICTED && !IS_SLOW(map[p].slot))

inline prefetch_end()
{
	first = 0; n = 0; i = 0; k = 0;
	for (x : 0 .. PAGES - 1) { s[x] = 0; bytes[x] = 0 }
	x = 0;
	threads--
}

proctype prefetch_pages()
{
	byte first, n, i, k;
	byte s[PAGES], bytes[PAGES];

end:	do
	:: atomic {
		alive == SERVING && !gone && phase == MAP_PAGING && prefetches > 0 &&
		(MAY_FETCH(0) || MAY_FETCH(PAGES - 1)) ->
		prefetches--;
		threads++;
		first = (MAY_FETCH(0) -> 0 : PAGES - 1);
		s[first] = map[first].slot;
		map[first].state = PAGE_LOADING;
		n = first + 1
	   };
	   {
#if PAGES > 1
		/* piece_fetch: neighbours, as far as they are wanted, and claim() gets them */
		if
		:: atomic { n < PAGES && MAY_FETCH(1) -> s[1] = map[1].slot; map[1].state = PAGE_LOADING; n++ }
		:: true
		fi;
#endif
		atomic {
			for (i : first .. n - 1) { load_content(s[i], bytes[i]) }
			i = first;
			k = n
		};
#if SHORT
		/* into_pipe: the source was not all there, and no more is written */
		if
		:: k = n
		:: k = first
#if PAGES > 1
		:: k = first + 1
#endif
		fi;
#endif
#if PAGES > 1
		/* What the last one left in the private pipe comes first */
		atomic {
			if
			:: pipe_left -> bytes[first] = pipe_left - 1; pipe_left = 0
			:: else
			fi
		};
#endif
		/* fill_pages: one system call for all of them */
		if
		:: atomic { i < k -> for (x : first .. k - 1) { splicing[x] = 1 + bytes[x] } x = 0 }
		:: i == k
		fi;
		do
		:: atomic { i < k && !MUTANT(PWSHORT) -> memory[i] = bytes[i]; splicing[i] = 0; i++ }
		:: i < k && MUTANT(PWSHORT) ->
		   memory[i] = ZEROS;
		   atomic { memory[i] = bytes[i]; splicing[i] = 0; i++ }
		:: i == k -> break
#if SHORT
		/* It ends early, and the rest is in the pipe: empty_pipe() */
		:: d_step {
			i < k && !MUTANT(PWSHORT) ->
#if PAGES > 1
			if :: MUTANT(NOEMPTY) -> pipe_left = 1 + bytes[i] :: else fi;
#endif
			for (x : first .. k - 1) { splicing[x] = 0 }
			x = 0
		   };
		   break
#endif
		od;
#if SHORT
		/* copy_pages: page by page, and an event in the way may end it: faults_read() reads it */
		do
		:: atomic {
			i < n && !changing && memory[i] == HOLE && registered ->
			memory[i] = bytes[i];
			protected[i] = 0;
			d_step { wake(i) };
			i++
		   }
		:: atomic { i < n && changing -> if :: MUTANT(SHORTALL) -> i = n :: !MUTANT(SHORTALL) fi; break }
		:: i == n -> break
		od;
#endif
		/* loaded, in piece_put; the others: abandon */
		atomic { k = i; i = first };
		do
		:: atomic { i < k -> loaded(i, s[i]); i++ }
		:: atomic { i >= k && i < n -> abandon(i, s[i]) };
		   atomic { d_step { wake(i) }; i++ }
		:: i == n -> break
		od;
		/* uffd_wake */
		atomic {
			d_step { wake(first) };
			d_step { wake(n - 1) };
			prefetch_end();
			goto end
		}
	   } unless { alive != SERVING };
	   atomic { prefetch_end() }
	od
}
#endif

/* ======================== tier_file.c, tier_io.c ======================== */

#if DISK
/* The disk answers when it likes.  A request that it fails leaves anything there, and one that it
 * lost what was there before */
proctype disk()
{
end:	do
	:: d_step { write_io == IO_BUSY -> slot[write_slot] = write_bytes; write_io = IO_DONE }
	:: d_step { write_io == IO_BUSY && errors > 0 -> errors--; slot[write_slot] = GARBAGE; write_io = IO_FAILED }
	:: d_step { read_io == IO_BUSY -> read_bytes = slot[read_slot]; read_io = IO_DONE }
	:: d_step { read_io == IO_BUSY && errors > 0 -> errors--; read_bytes = GARBAGE; read_io = IO_FAILED }
#if LIES
	:: d_step { write_io == IO_BUSY && lies > 0 -> lies--; write_io = IO_DONE }
#endif
	:: d_step { late_io -> slot[late_slot] = late_bytes; late_io = 0; late_slot = 0; late_bytes = 0 }
	od
}

/* file_fetch: into "bytes", and "went".  "lost": no other try helps */
inline file_fetch(which)
{
	atomic { read_io == IO_NONE -> read_io = IO_BUSY; read_slot = which };
	atomic {
		read_io > IO_BUSY ->
		bytes = read_bytes;
		/* is_sealed */
		went = (read_io == IO_DONE && (bytes == proof[which - SLOTS] || MUTANT(NOPROOF)));
		/* know_content */
		content[which - SLOTS] = (went -> 1 + bytes : content[which - SLOTS]);
		lost = (read_io == IO_DONE && !went);
		read_io = IO_NONE;
		read_slot = 0;
		read_bytes = 0;
		if
		:: !went && MUTANT(FAILZERO) -> bytes = ZEROS; went = 1
		:: !went && !MUTANT(FAILZERO)
		:: went
		fi
	}
}
#endif

/* ======================== demote.c ======================== */

#if DEMOTIONS
inline demote_end()
{
	from = 0; to = 0; bytes = 0; generation = 0; went = 0;
	threads--
}

/* The slot is free now if its page has left it */
inline tiers_unpin()
{
	if
	:: pin_freed -> used[pinned_slot - 1] = 0; slot[pinned_slot - 1] = GARBAGE
	:: else
	fi;
	pinned_slot = 0;
	pin_freed = 0
}

#define MAY_DEMOTE (map[0].state == PAGE_EVICTED && map[0].slot != NO_SLOT && !IS_SLOW(map[0].slot))
#define AS_READ (map[0].state == PAGE_EVICTED && map[0].slot == from && \
		 (map[0].generation == generation || MUTANT(ABA) || MUTANT(NOGENERATION)))

proctype demote_some()
{
	byte from, to, bytes, generation;
	bit went;

end:	do
	:: atomic {
		/* demote_choose: nothing is claimed, all may go on with the page */
		alive == SERVING && !gone && demotions > 0 && MAY_DEMOTE ->
		demotions--;
		threads++;
		from = map[0].slot;
		generation = map[0].generation
	   };
	   {
		/* demote_pin: then the entry is looked at again */
		atomic {
			if
			:: !MUTANT(NOPIN) && !MUTANT(ABA) -> pinned_slot = 1 + from; pin_freed = 0
			:: MUTANT(NOPIN) || MUTANT(ABA)
			fi
		};
		atomic {
			if
			:: AS_READ
			:: else -> tiers_unpin(); demote_end(); goto end
			fi
		};
		/* demote_read */
		atomic { bytes = slot[from]; to = SLOTS };
		/* take_slots: no entry names it */
		d_step {
			do
			:: to < SLOTS + DISK && used[to] -> to++
			:: else -> break
			od;
			assert(to < SLOTS + DISK);
			used[to] = 1
		};
		/* tier_io_run: sent, then waited for */
		atomic { write_io = IO_BUSY; write_slot = to; write_bytes = bytes };
		atomic {
			write_io > IO_BUSY || MUTANT(NOIOWAIT) ->
			went = (write_io != IO_FAILED || MUTANT(FAILPUB));
			if
			:: write_io == IO_BUSY	/* it goes on */
			:: else -> write_io = IO_NONE; write_slot = 0; write_bytes = 0
			fi
		};
		/* write_slots: its proof stands before an entry names it */
		if
		:: atomic { went && !MUTANT(PROOFLATE) -> proof[to - SLOTS] = bytes }
		:: !went || MUTANT(PROOFLATE)
		fi;
		/* demote_publish */
		if
		:: atomic { MUTANT(FREEFIRST) && went -> tiers_free(from); tiers_unpin() }
		:: !MUTANT(FREEFIRST) || !went
		fi;
		atomic {
			d_step {
				if
				:: went && AS_READ ->
					map[0].slot = to;
					map[0].generation = (map[0].generation + 1) % 4
				:: else -> generation = NO_SLOT	/* it does not count */
				fi
			}
		};
		if
		:: atomic { went && MUTANT(PROOFLATE) -> proof[to - SLOTS] = bytes }
		:: !went || !MUTANT(PROOFLATE)
		fi;
		/* tiers_unpin, then what no entry names is free */
		atomic {
			if
			:: !MUTANT(FREEFIRST) || !went -> tiers_unpin()
			:: else
			fi
		};
		atomic {
			if
			:: generation == NO_SLOT -> tiers_free(to)
			:: generation != NO_SLOT && !MUTANT(FREEFIRST) -> tiers_free(from)
			:: else
			fi;
			demote_end();
			goto end
		}
	   } unless { alive != SERVING };
	   atomic { demote_end() }
	od
}
#endif

/* ======================== slow_load.c ======================== */

#if DISK
inline slow_end()
{
	s = 0; bytes = 0; went = 0; lost = 0; looks = 0;
	threads--
}

proctype slow_load_thread()
{
	byte s, bytes;
	bit went, lost, looks;

end:	do
	:: atomic {
		/* take; load_together: claim */
		alive == SERVING && !gone && slow_wanted ->
		slow_wanted = 0;
		looks = slow_scans;
		slow_scans = 0;
		threads++;
		s = NO_SLOT;
		if
		:: map[0].state == PAGE_EVICTED -> s = map[0].slot; map[0].state = PAGE_LOADING
		:: else
		fi
	   };
	   {
		if
		:: atomic { s == NO_SLOT -> d_step { wake(0) }; slow_end(); goto end }	/* settle */
		:: s != NO_SLOT
		fi;
		if
		:: s != NO_SLOT && !IS_SLOW(s) -> atomic { load_content(s, bytes); went = 1 }
		:: s != NO_SLOT && IS_SLOW(s) ->
			if
			:: atomic { MUTANT(FREEEARLY) -> tiers_free(s) }
			:: !MUTANT(FREEEARLY)
			fi;
			file_fetch(s)
		fi;
		if
		:: went ->
		   /* together_copy: events are read by faults_serve() alone */
		   if
		   :: atomic {
			memory[0] != HOLE || !registered || !changing ->
			if
			:: memory[0] == HOLE && registered ->
				memory[0] = bytes;
				protected[0] = looks
			:: else
			fi;
			d_step { wake(0) }
		      }
		   /* fill_pages: a neighbour, which no fault asked for */
		   :: atomic { !looks && registered -> splicing[0] = 1 + bytes };
		      atomic { memory[0] = bytes; splicing[0] = 0 }
		   fi;
		   /* loaded_for_look: it goes back to its slot on the disk */
		   atomic {
			if
			:: looks -> entry_resident(0, s)
			:: !looks -> loaded(0, s)
			fi
		   };
		   /* uffd_wake: a fault that was read meanwhile is left to us, and COPY has woken before */
		   atomic {
			if
			:: MUTANT(NOLOADWAKE)
			:: !MUTANT(NOLOADWAKE) -> d_step { wake(0) }
			fi
		   };
		   atomic {
#if SCANS
			/* tell_scan: as it is by now */
			if
			:: looks && (map[0].state == PAGE_RESIDENT || map[0].state == PAGE_ZERO) -> scan_note(0)
			:: else
			fi;
#endif
			slow_end();
			goto end
		   }
		:: !went ->
		   /* abandon: who came meanwhile is woken.  Then try_again, without an end in the code:
		    * here a guest whose page is lost is found to wait for ever */
		   atomic {
			abandon(0, s);
			if
			:: MUTANT(SLOWGIVEUP) || lost
			:: !MUTANT(SLOWGIVEUP) && !lost -> slow_wanted = 1
			fi
		   };
		   atomic {
			if
			:: MUTANT(SLOWGIVEUP) || lost
			:: !MUTANT(SLOWGIVEUP) && !lost -> d_step { wake(0) }
			fi;
			slow_end();
			goto end
		   }
		fi
	   } unless { alive != SERVING };
	   atomic { slow_end() }
	od
}
#endif

/* ======================== detach.c ======================== */

inline pager_wake_all()
{
	wake(0);
	if :: PAGES > 1 -> wake(PAGES - 1) :: else fi
}

#if DETACHES
#define UNSETTLED(p) (map[p].state == PAGE_EVICTED || map[p].state == PAGE_LOADING || \
		      map[p].state == PAGE_LEAVING)
#define PUZZLING(p) (map[p].state == PAGE_RESIDENT && memory[p] == HOLE && !EXPLAINED(p))

inline detach_end()
{
	p = 0; s = 0; bytes = 0;
#if DISK
	went = 0; lost = 0;
#endif
	threads--
}

proctype detach_guest()
{
	byte p, s, bytes;
#if DISK
	bit went, lost;
#endif

end:	do
	:: atomic {
		alive == SERVING && !gone && detaches > 0 && phase == MAP_PAGING ->
		threads++;
		phase = MAP_DETACHING
	   };
	   {
		/* stop_eviction: a thread that has seen MAP_PAGING has no record yet, perhaps */
		(evicting == 0 || MUTANT(NOIDLE));
		if
		:: atomic { MUTANT(UNREGFIRST) -> registered = 0; d_step { pager_wake_all() } }
		:: !MUTANT(UNREGFIRST)
		fi;
		/* load_all: what others have claimed ends first */
		do
		:: atomic {
			map[p].state == PAGE_EVICTED ->
			s = map[p].slot;
			map[p].state = PAGE_LOADING
		   };
#if DISK
		   if
		   :: IS_SLOW(s) ->
			file_fetch(s);
			if
			:: went || MUTANT(DETACHFAIL)
			:: !went && !MUTANT(DETACHFAIL) ->
				/* went_wrong, go_on: paging goes on as if nothing had been asked */
				atomic { abandon(p, s) };
				atomic { d_step { wake(p) } };
				atomic { phase = MAP_PAGING; detaches--; detach_end(); goto end }
			fi
		   :: !IS_SLOW(s) -> atomic { load_content(s, bytes); went = 1 }
		   fi;
		   if
		   :: atomic { !went -> map[p].state = PAGE_EVICTED; goto detach_look }
		   :: went
		   fi;
#else
		   atomic { load_content(s, bytes) };
#endif
		   atomic {
			!changing || memory[p] != HOLE ->
			if
			:: memory[p] == HOLE ->
				memory[p] = bytes;
				protected[p] = 0;
				d_step { wake(p) }
			:: else
			fi
		   };
		   atomic { loaded(p, s) };
		   atomic { d_step { wake(p) }; NEXT(p, PAGES) }
		:: atomic { !UNSETTLED(p) -> NEXT(p, PAGES) }
		od;
		/* release_if_whole, under the gate; no event is left.  faults_claim may have a page */
detach_look:
		atomic {
			gate == 0 && !changing && !PUZZLING(0) && !PUZZLING(PAGES - 1) &&
			((!UNSETTLED(0) && !UNSETTLED(PAGES - 1)) || MUTANT(DETACHFAIL)) ->
			gate = 1
		};
		/* unprotect_all */
		d_step { for (x : 0 .. PAGES - 1) { protected[x] = 0 } x = 0 };
		if
		:: !MUTANT(NOPHASE) -> phase = MAP_UNREGISTERING
		:: MUTANT(NOPHASE)
		fi;
		/* unregister_all */
		atomic { registered = 0; gate = 0; d_step { pager_wake_all() } };
		closed = 1;
		/* paged_guest_end */
		atomic { gone = 1; detaches--; detach_end(); goto end }
	   } unless { alive != SERVING };
	   atomic { detach_end() }
	od
}
#endif

/* ======================== The host ======================== */

#if FULLS
/* Tiers that are full have room again, some time */
proctype full_tiers()
{
end:	do
	:: atomic { fulls > 0 -> fulls--; tier_full = 1 };
	   tier_full = 0
	od
}
#endif

#if POISONS
#define IN_STAGING (record[0] && record_page[0] == 0 && staging[0] != GARBAGE && \
		    map[0].state == PAGE_LEAVING && record_generation[0] == map[0].generation)

proctype memory_error()
{
end:	do
	:: d_step { poisons > 0 && IN_STAGING && pipe_n[0] < record_n[0] -> poisons--; staging[0] = BROKEN }
	:: d_step {
		poisons > 0 && memory[0] != HOLE && memory[0] != MARKED &&
		pipe_page[0] != 1 && pipe_page[1] != 1 ->
		poisons--;
		memory[0] = BROKEN
	   }
	od
}
#endif

#if MAPPER
/* A back end of its own with the memory's file, which ram_other_mapper() looks for */
proctype other_mapper()
{
end:	do
	:: d_step { MUTANT(MAPPED) && memory[0] == HOLE && map[0].state != PAGE_ZERO -> memory[0] = ZEROS }
	od
}
#endif

/* ======================== Death ======================== */

proctype kill_pager()
{
end:	do
	:: d_step {
		alive != DEAD && kills > 0 && !gone && (!AGAIN || kills == KILLS || alive == RESTARTING) ->
		kills--;
		alive = DEAD;
		gate = 0;
		for (x : 0 .. PAGES - 1) {
			batch[x] = 0;
			batch_wp[x] = 0;
			parked[x] = 0;
			waits[x] = 0;
#if DISK
			slow_wanted = 0;
			slow_scans = 0;
			for (y : 0 .. DISK - 1) { content[y] = 0 }
			y = 0;
			pinned_slot = 0;
			pin_freed = 0;
			read_io = IO_NONE;
			read_slot = 0;
			read_bytes = 0;
			/* The process ends when the disk has answered */
			if
			:: write_io == IO_BUSY -> late_io = 1; late_slot = write_slot; late_bytes = write_bytes
			:: else
			fi;
			write_io = IO_NONE;
			write_slot = 0;
			write_bytes = 0;
#endif
#if PAGES > 1 && PREFETCHES
			pipe_left = 0;
#endif
#if DMA
			allowing = 0;
#endif
#if SCANS
			scanned[x] = 0;
			scanned_slot[x] = 0;
			scanned_generation[x] = 0;
#endif
			/* System calls that have begun go on */
			late_punch[x] = late_punch[x] + punching[x];
			punching[x] = 0;
			if
			:: splicing[x] -> late_write[x] = splicing[x]; splicing[x] = 0
			:: else
			fi;
			if
			:: MUTANT(EVPRIV) -> ring[x] = 0
			:: MUTANT(NOTEVOL) -> noted[x] = 0
			:: MUTANT(NOLEAV) ->
				if
				:: map[x].state == PAGE_LEAVING -> map[x].state = PAGE_RESIDENT
				:: else
				fi
			:: else
			fi
		}
		for (y : 0 .. EVICTORS - 1) {
			if
			:: MUTANT(PRIVPIPE) -> empty_pipe(y)
			:: MUTANT(CONSUME) ->
				for (x : 0 .. PIPE - 1) { staging[y * PIPE + x] = GARBAGE }
			:: else
			fi
		}
		x = 0;
		y = 0
	   }
	od
}

/* Threads of a killed process are gone when their system calls have ended */
proctype dying_threads()
{
end:	do
	:: d_step { late_punch[0] -> punch(0); late_punch[0] = 0 }
	:: d_step { late_write[0] -> memory[0] = late_write[0] - 1; late_write[0] = 0 }
#if PAGES > 1
	:: d_step { late_punch[1] -> punch(1); late_punch[1] = 0 }
	:: d_step { late_write[1] -> memory[1] = late_write[1] - 1; late_write[1] = 0 }
#endif
	od
}

#if DISK
#define DYING_IO (late_io && !MUTANT(DISKLATE))
#else
#define DYING_IO 0
#endif
#define DYING (late_punch[0] || late_write[0] || late_punch[PAGES - 1] || late_write[PAGES - 1] || DYING_IO)

/* ======================== restart.c ======================== */

/* Slots that no entry has are free: nothing else remembers them */
inline claim_slots()
{
	d_step {
		for (x : 0 .. SLOTS + DISK - 1) { used[x] = 0 }
		for (x : 0 .. PAGES - 1) {
			/* What such a slot has is not known any more */
			if
			:: map[x].state == PAGE_RESIDENT && IS_SLOW(map[x].slot) -> map[x].slot = NO_SLOT
			:: else
			fi;
			if
			:: map[x].state != PAGE_ZERO && map[x].slot != NO_SLOT ->
				assert(!used[map[x].slot]);	/* no slot with two owners */
				used[map[x].slot] = 1
			:: else
			fi
		}
		for (x : 0 .. SLOTS - 1) {
			if :: !used[x] -> slot[x] = GARBAGE :: else fi
		}
		x = 0
	}
}

inline restart_drop(p)
{
	y = map[p].slot;
	entry_zero(p);
	tiers_free(y);
	y = 0
}

inline ring_apply_early(p)
{
	d_step {
		if
		:: ring[p] ->
			noted[p] = 1;
			if :: map[p].state == PAGE_EVICTED -> restart_drop(p) :: else fi;
			ring[p] = 0
		:: else
		fi
	}
}

/* Which record has page p, and where in that */
inline holds(p)
{
	d_step {
		me = EVICTORS;
		for (x : 0 .. EVICTORS - 1) {
			for (z : 0 .. PIPE - 1) {
				if
				:: record[x] && z < record_n[x] && record_page[x * PIPE + z] == p &&
				   (MUTANT(NOGENREC) ||
				    record_generation[x * PIPE + z] == map[p].generation) ->
					me = x;
					i = z
				:: else
				fi
			}
		}
		x = 0;
		z = 0
	}
}

/* After resolve_all() */
#define IS_HELD(p) (map[p].state == PAGE_LEAVING || map[p].state == PAGE_LOADING)

inline restart_end()
{
	d_step {
		p = 0; s = 0; me = 0; i = 0; bytes = 0;
		for (x : 0 .. PAGES - 1) { present[x] = 0 }
		x = 0
	}
}

proctype restart_guest()
{
	byte p, s, me, i, bytes;
	bit present[PAGES];

end:	do
	:: atomic { alive == DEAD && !gone -> alive = RESTARTING };
	   {
		/* page_map_open(): the lock is free when the last thread is gone */
		atomic {
			threads == 0 && (!DYING || MUTANT(NOFLOCK)) ->
			if
			:: phase == MAP_UNREGISTERING -> goto go_on_unregister
			:: phase != MAP_UNREGISTERING -> phase = MAP_PAGING
			fi;
			claim_slots();
			if
			:: MUTANT(EVFIRST) -> ring_apply_early(0)
			:: !MUTANT(EVFIRST)
			fi
		};
		/* presence_read: SEEK_DATA, SEEK_HOLE */
		do
		:: atomic { present[p] = (memory[p] != HOLE && memory[p] != MARKED); NEXT(p, PAGES) }
		od;
		/* restart_events: QEMU has had the time to say what it has punched */
		atomic {
#if PUNCH_FIRST
			!between || MUTANT(NOGRACE);
#endif
			if
			:: event == 1 && !MUTANT(NOEVENTS) -> event = 2; ring[0] = 1
			:: event != 1 || MUTANT(NOEVENTS)
			fi
		};
		/* resolve_all */
		do
		:: atomic {
			present[p] || map[p].state != PAGE_LEAVING ->
			noted[p] = noted[p] || ring[p];
			if
			:: present[p] ->
				entry_resident(p, (map[p].state == PAGE_ZERO -> NO_SLOT : map[p].slot));
				/* Its punch may come yet */
				map[p].discarded = (map[p].discarded || (ring[p] && !MUTANT(NOBIT)))
			:: else ->
				if
				:: (map[p].state == PAGE_EVICTED && ring[p]) ||
				   (map[p].state == PAGE_LOADING && (map[p].discarded || ring[p])) ||
				   (map[p].state == PAGE_RESIDENT && EXPLAINED(p)) ->
					restart_drop(p)
				:: map[p].state == PAGE_LOADING && !map[p].discarded && !ring[p] ->
					/* Without a slot it is on its way back from a staging */
					if
					:: map[p].slot != NO_SLOT -> map[p].state = PAGE_EVICTED
					:: else
					fi
				:: else
				fi
			fi;
			NEXT(p, PAGES)
		   }
		:: atomic {
			/* A page in a run's record: store_held() */
			!present[p] && map[p].state == PAGE_LEAVING ->
			noted[p] = noted[p] || ring[p];
			holds(p);
			if
			:: me == EVICTORS ->
				/* Not punched by us: QEMU has discarded it */
				if
				:: EXPLAINED(p) -> restart_drop(p)
				:: else -> entry_resident(p, map[p].slot)
				fi
			:: else
			fi;
			me = 0;
			i = 0;
			NEXT(p, PAGES)
		   }
		od;
		/* ring_clear: what is stored below may be newer than a discard in the ring */
		atomic {
			if
			:: !MUTANT(RINGLATE) -> ring[0] = 0
			:: MUTANT(RINGLATE)
			fi
		};
		/* finish_runs */
		do
		:: atomic {
			!IS_HELD(p) ->
			p++;
			if
			:: p < PAGES
			:: p == PAGES -> p = 0; break
			fi
		   }
		:: atomic { IS_HELD(p) -> holds(p); assert(me < EVICTORS) };
		   /* pipe_into_staging */
		   do
		   :: atomic {
			i >= record_n[me] - pipe_n[me] ->
			d_step { read_pipe(me, staging[me * PIPE + record_n[me] - pipe_n[me]]) }
		      }
		   :: atomic {
			i < record_n[me] - pipe_n[me] ->
			bytes = staging[me * PIPE + i];
			if
#if FULLS
			:: tier_full && bytes != BROKEN -> s = NO_SLOT
#endif
#if POISONS
			:: bytes == BROKEN && !MUTANT(RSRENEW)
			:: bytes == BROKEN && MUTANT(RSRENEW) -> bytes = ZEROS; tiers_store(s)
#endif
			:: else -> tiers_store(s)
			fi;
			break
		      }
		   od;
		   /* store_held */
		   if
#if POISONS
		   :: bytes == BROKEN -> lose_page(p)
#endif
#if FULLS
		   :: s == NO_SLOT && bytes != BROKEN -> put_back(p)
#endif
		   :: else ->
			slot[s] = bytes;
			atomic {
				d_step {
					y = map[p].slot;
					map[p].state = PAGE_EVICTED;
					map[p].slot = s;
					map[p].generation = (map[p].generation + 1) % 4;
					map[p].discarded = 0;
					tiers_free(y);
					y = 0
				}
			}
		   fi;
		   atomic { me = 0; i = 0; s = 0; bytes = 0 }
		od;
		/* drain */
		do
		:: atomic {
			if
			:: !MUTANT(NODRAIN) -> empty_pipe(me)
			:: MUTANT(NODRAIN)
			fi;
			NEXT(me, EVICTORS)
		   }
		od;
		do
		:: atomic { record[me] = 0; NEXT(me, EVICTORS) }
		od;
		atomic { ring[0] = 0; claim_slots() };
		/* let_go_on: writes are allowed */
		if
		:: d_step {
			!MUTANT(NOUNWP) && !MUTANT(UNWPLATE) ->
			for (x : 0 .. PAGES - 1) { protected[x] = 0 }
			x = 0
		   }
		:: MUTANT(NOUNWP) || MUTANT(UNWPLATE)
		fi;
		/* let_go_on: all are woken */
		atomic {
			if
			:: !MUTANT(RSNOWAKE) -> d_step { pager_wake_all() }
			:: MUTANT(RSNOWAKE)
			fi;
			restart_end();
			alive = SERVING;
			goto end
		};
		false;
go_on_unregister:
		atomic { registered = 0; d_step { pager_wake_all() } };
		closed = 1;
		atomic { gone = 1; restart_end(); goto end }
	   } unless { alive == DEAD };
	   restart_end()
	od
}

init
{
	d_step {
		for (x : 0 .. PAGES - 1) {
			map[x].slot = NO_SLOT;
#if FRESH
			memory[x] = HOLE;
			map[x].state = PAGE_ZERO;
#elif COLD
			last[x] = 1;
			memory[x] = HOLE;
			map[x].state = PAGE_EVICTED;
			map[x].slot = x;
			used[x] = 1;
			slot[x] = VERSION(x, 1);
#elif ON_DISK
			last[x] = 1;
			memory[x] = HOLE;
			map[x].state = PAGE_EVICTED;
			map[x].slot = SLOTS + x;
			used[SLOTS + x] = 1;
			slot[SLOTS + x] = VERSION(x, 1);
			proof[x] = VERSION(x, 1);
#else
			last[x] = 1;
			memory[x] = VERSION(x, 1);
			map[x].state = PAGE_RESIDENT;
#endif
		}
		for (x : 0 .. SLOTS - 1) {
			if :: !used[x] -> slot[x] = GARBAGE :: else fi
		}
		x = 0
	};
	/* A guest that stands is found where nothing more is to come */
	atomic {
		if
		:: kills = 0
#if KILLS > 0
		:: kills = KILLS
#endif
		fi;
		run guest_writer();
		run guest_reader();
#if DISCARDS
		run guest_discard();
#endif
#if EVICTIONS
		run evict_run(0);
#if EVICTORS > 1
		run evict_run(1);
#endif
#endif
		run faults_serve();
#if FULLS
		run full_tiers();
#endif
#if POISONS
		run memory_error();
#endif
#if MAPPER
		run other_mapper();
#endif
#if LARGE
		/* Found by huge_folio_in() before a page is claimed */
		if
		:: large = 0
		:: large = 1
		fi;
#endif
#if PREFETCHES
		run prefetch_pages();
#endif
#if DISK
		run disk();
		run slow_load_thread();
#endif
#if DEMOTIONS
		run demote_some();
#endif
#if DETACHES
		run detach_guest();
#endif
#if KILLS > 0
		run kill_pager();
		run dying_threads();
		run restart_guest();
#endif
	}
}
