# verdict.awk: what was asked (A), what Postgres says (S sessions, E executors), what hosts ran (start, stop),
# who of them was seen last when (seen), what still runs (alive): do they agree?  strict: a pattern; of
# indexes that match it no two ever ran together, lost or not (K24).
# unknown: a backup was restored, and what it does not know "runs" on, and is shown (K: the ids), or is "stopped" (K6).
# States: 70 running, 90 succeeded, 94 lost, 95 expired, 96 cancelled; session 3 closed.
function bad(text) { violations++; if (violations <= 20) print "VIOLATED  " text }
$1 == "A" { asked[$2] = $3; next }
$1 == "S" { session[$2] = $3; next }
$1 == "E" {
	id = $2; name_of[id] = $3; index_of[id] = $3 "/" $4; attempt[id] = $5; state[id] = $6; rank[id] = $7; desired[id] = $8
	if ($5 > newest[$3, $4]) { newest[$3, $4] = $5; last[$3, $4] = id }
	if ($7 < 90) living[$3]++
	if ($6 == 94) lost++
	if ($6 == 95) expired++
	next
}
$1 == "K" { shown[$2] = 1; next }
$1 == "alive" { alive[$2, $3] = 1; next }
$1 == "start" {
	lines[$2, $3]++
	if (lines[$2, $3] > 1) { bad("executor " $2 " incarnation " $3 " (" $4 ") ran twice"); next }
	n = ++runs[$4]; run_id[$4, n] = $2; run_inc[$4, n] = $3; from[$4, n] = $5; ran[$2]++; total++
	next
}
$1 == "seen" { last_seen[$2, $3] = $5; next }
$1 == "stop" { to[$2, $3] = $5; stopped[$2]++; next }
function restored(id) { return unknown != "" && (!(id in state) || state[id] == 96) }
# Which of two began first says nothing: the one that was given up may get its command when its host is back,
# after its successor.
function given_up(a, b,    older) {
	older = attempt[a] + 0 <= attempt[b] + 0 ? a : b
	return state[older] == 94 || state[older] == 95 || restored(a) || restored(b)
}
function check_overlap(name, i, j,    a, b, end) {
	if (from[name, i] > from[name, j]) { a = j; b = i } else { a = i; b = j }
	if (alive[run_id[name, a], run_inc[name, a]]) end = 1e12
	else if ((run_id[name, a], run_inc[name, a]) in to) end = to[run_id[name, a], run_inc[name, a]]
	else end = last_seen[run_id[name, a], run_inc[name, a]] + 0 # at least
	if (end <= from[name, b]) return
	if (run_id[name, a] == run_id[name, b]) bad(name ": two incarnations of " run_id[name, a] " ran together")
	else if ((strict != "" && name ~ strict) || !given_up(run_id[name, a], run_id[name, b]))
		bad(name ": " run_id[name, a] " and " run_id[name, b] " ran together")
	else { overlaps++; if (end < 1e12 && end - from[name, b] > longest) longest = end - from[name, b] }
}
END {
	for (name in asked) {
		count++
		if (!(name in session)) bad("acknowledged and forgotten: " name)
		else if (asked[name] == "once" && state[last[name, 0]] != 90)
			bad("acknowledged, and its last attempt is in state " state[last[name, 0]] ": " name)
		else if (asked[name] == "stays" && (session[name] != 3 || living[name]))
			bad("closed by its user, and not CLOSED: " name)
		else final++
	}
	for (id in state) {
		if (state[id] == 90 && (name_of[id] in asked) && !stopped[id]) bad("SUCCEEDED, and no host ran it to its end: " id " " index_of[id])
	}
	for (id in ran) if (!(id in state) && unknown == "") bad("a host ran what nobody knows: " id)
	for (key in alive) {
		split(key, part, SUBSEP)
		if (restored(part[1])) {
			if (unknown != "runs") bad("runs, and was to be stopped: " part[1])
			else if (!(part[1] in shown)) bad("runs unknown to the cell, and is not shown: " part[1])
		}
		else if (!(part[1] in state)) bad("runs, and nobody knows it: " part[1])
		else if (rank[part[1]] >= 90) bad("runs, and was ended: " part[1] " " index_of[part[1]])
	}
	for (key in lines) if (!(key in to) && !(key in alive)) killed++
	for (name in runs) for (i = 1; i < runs[name]; i++) for (j = i + 1; j <= runs[name]; j++) check_overlap(name, i, j)
	printf "acknowledged %d, in their final state %d; incarnations run %d; lost %d, expired %d; ", count, final, total, lost, expired
	printf "overlaps allowed by K24 %d (longest %.2f s), killed without an end %d\n", overlaps, longest, killed
	exit violations > 0
}
