/* mutant: defects that tests plant, to show that the simulation would find them.
 *
 * Each is a place where one rule of the contract is broken on purpose; a normal build has all of
 * them constant false.  tests/property/mutants builds the file that holds one with
 * -DFL_MUTANT_name=1 and expects the simulation to fail. */
#ifndef MUTANT_H
#define MUTANT_H

#define MUTANT(name) (FL_MUTANT_##name)

#ifndef FL_MUTANT_merge_without_incarnation
#define FL_MUTANT_merge_without_incarnation 0 /* K14: a rank alone is newer */
#endif
#ifndef FL_MUTANT_ends_not_absorbing
#define FL_MUTANT_ends_not_absorbing 0 /* K14: another end replaces the first */
#endif
#ifndef FL_MUTANT_no_fold_of_duplicates
#define FL_MUTANT_no_fold_of_duplicates                                                            \
	0 /* K14: of a batch the newest report counts, not their join */
#endif
#ifndef FL_MUTANT_no_epoch_check
#define FL_MUTANT_no_epoch_check 0 /* K2: whoever beats is current */
#endif
#ifndef FL_MUTANT_absence_is_an_order
#define FL_MUTANT_absence_is_an_order 0 /* K4: what a sync does not name is to be absent */
#endif
#ifndef FL_MUTANT_tombstone_forgotten_early
#define FL_MUTANT_tombstone_forgotten_early 0 /* K9: an older RUN may still come */
#endif
#ifndef FL_MUTANT_run_by_as_of_seq
#define FL_MUTANT_run_by_as_of_seq 0 /* K9: a RUN counts as new as the page it came with */
#endif
#ifndef FL_MUTANT_contiguous_before_last_page
#define FL_MUTANT_contiguous_before_last_page 0 /* K11 */
#endif
#ifndef FL_MUTANT_contact_from_receipt
#define FL_MUTANT_contact_from_receipt 0 /* K24: stop_on_host_after counts from the answer */
#endif
#ifndef FL_MUTANT_sweep_same_msg_id
#define FL_MUTANT_sweep_same_msg_id 0 /* K10: the stream takes a resend for a duplicate */
#endif
#ifndef FL_MUTANT_expiry_by_host_clock
#define FL_MUTANT_expiry_by_host_clock 0 /* K13 */
#endif
#ifndef FL_MUTANT_digests_never_compared
#define FL_MUTANT_digests_never_compared 0 /* K19: nobody misses a report */
#endif
#ifndef FL_MUTANT_restore_keeps_term
#define FL_MUTANT_restore_keeps_term 0 /* K6: numbers of the lost history are given again */
#endif
#ifndef FL_MUTANT_restore_keeps_queued
#define FL_MUTANT_restore_keeps_queued 0 /* K6: who waits may have been sent already */
#endif
/* Order that lives in threads: the simulation's own order is what is broken. */
#ifndef FL_MUTANT_ack_before_commit
#define FL_MUTANT_ack_before_commit 0 /* invariant 2 */
#endif
#ifndef FL_MUTANT_publish_before_commit
#define FL_MUTANT_publish_before_commit 0 /* invariant 1 */
#endif

#endif
