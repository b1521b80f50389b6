# The simulation with one planted defect each (lib/base/mutant.h): a test passes when a seed fails.
# The file that holds the defect is built again, into the test alone; it comes first, so that nobody
# asks the libraries for it.
file(GLOB simulation CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/../sim/sim_*.c")
add_library(fl_sim_parts STATIC ${simulation})
target_include_directories(fl_sim_parts PUBLIC "${CMAKE_CURRENT_LIST_DIR}/../sim")
target_link_libraries(fl_sim_parts PRIVATE fl_warnings PUBLIC fl_sim)

function(mutant name file)
	set(target "mutant_${name}")
	add_executable(${target} "${CMAKE_CURRENT_LIST_DIR}/mutant.c" "${paged}"
		"${PROJECT_SOURCE_DIR}/${file}")
	target_compile_definitions(${target} PRIVATE FL_MUTANT_${name}=1)
	target_link_libraries(${target} PRIVATE fl_warnings fl_sim_parts)
	add_test(NAME property.mutants.${name} COMMAND ${target})
	set_tests_properties(property.mutants.${name} PROPERTIES LABELS property TIMEOUT 120)
endfunction()

mutant(merge_without_incarnation lib/domain/report.c)
mutant(ends_not_absorbing lib/domain/report.c)
mutant(no_fold_of_duplicates lib/domain/report.c)
mutant(no_epoch_check services/hub/heartbeat_answer.c)
mutant(absence_is_an_order services/agent/core/agent_sync.c)
mutant(tombstone_forgotten_early services/agent/core/agent_act.c)
mutant(contiguous_before_last_page services/agent/core/agent_sync.c)
mutant(contact_from_receipt services/agent/core/agent_session.c)
mutant(expiry_by_host_clock services/agent/core/agent_take.c)
mutant(digests_never_compared services/hub/entropy.c)
mutant(restore_keeps_term lib/store/memory_restore.c)
mutant(restore_keeps_queued lib/store/memory_restore.c)
mutant(ack_before_commit tests/property/sim/sim_intake.c)
mutant(publish_before_commit tests/property/sim/sim_scheduler.c)

# Two defects that other rules heal, so that no seed of the simulation (nor of the contract's model)
# fails: each has a test of its own, which names the rule and what the healing costs.
function(property_program target)
	add_executable(${target} ${ARGN})
	target_link_libraries(${target} PRIVATE fl_warnings fl_sim_parts)
	add_test(NAME property.mutants.${target} COMMAND ${target})
	set_tests_properties(property.mutants.${target} PROPERTIES LABELS property TIMEOUT 60)
endfunction()

# K10, healed by K11 (sync) when heartbeats come through: measured by the test.
property_program(directed_resend "${CMAKE_CURRENT_LIST_DIR}/directed_resend.c")
property_program(directed_resend_same_msg_id "${CMAKE_CURRENT_LIST_DIR}/directed_resend.c"
	"${PROJECT_SOURCE_DIR}/services/scheduler/flight.c")
target_compile_definitions(directed_resend_same_msg_id PRIVATE FL_MUTANT_sweep_same_msg_id=1)

# K9, healed by K9 and K11 together, at no cost: a record is forgotten only when its ABSENT is at or
# below contiguous_seq, and as_of_seq is read before the first page, so a page that still says RUN is
# of a time before that ABSENT, and its as_of_seq is below contiguous_seq too.  The rule holds by
# itself in a unit test, which must fail with the defect.
add_executable(mutant_run_by_as_of_seq "${PROJECT_SOURCE_DIR}/tests/unit/agent/test_step.c"
	"${PROJECT_SOURCE_DIR}/services/agent/core/agent_sync.c")
target_compile_definitions(mutant_run_by_as_of_seq PRIVATE FL_MUTANT_run_by_as_of_seq=1)
target_link_libraries(mutant_run_by_as_of_seq PRIVATE fl_warnings fl_test_support
	PkgConfig::cmocka fl_agent)
add_test(NAME property.mutants.run_by_as_of_seq COMMAND mutant_run_by_as_of_seq)
set_tests_properties(property.mutants.run_by_as_of_seq PROPERTIES LABELS property TIMEOUT 60
	PASS_REGULAR_EXPRESSION "FAILED  . the_items_own_host_seq_decides")
