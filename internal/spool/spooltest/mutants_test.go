package spooltest_test

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

// TestMutants shows for each duty's case that it can see a store which fails
// that duty.
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		fault memstore.Fault
		cases []string
	}{
		"answers before the sync": {memstore.AnswersBeforeSync, []string{
			"an accept survives every end", "an accept is answered after its sync",
			"a failed sync is shared", "quarantine keeps a body once", "Close waits", "what has ended is redelivered",
		}},
		"marks the id before the commit": {memstore.MarksBeforeCommit, []string{
			"an accept is whole wherever it is stopped", "a full store loses nothing undelivered",
			"random calls agree with the model",
		}},
		"keeps the claims of failed accepts": {memstore.KeepsFailedClaims, []string{
			"an accept is told the truth after a failed sync",
		}},
		"claims nothing":                  {memstore.ClaimsNothing, []string{"an accept is answered after its sync"}},
		"guesses for copies":              {memstore.GuessesForCopies, []string{"a failed sync is shared"}},
		"takes the settle of any lease":   {memstore.SettlesUnfenced, []string{"leases are fenced", "leases are fenced over restarts"}},
		"reopens without a checkpoint":    {memstore.ReopensUnchecked, []string{"a failed sync is not believed after a restart", "an opening whose sync fails is not believed"}},
		"trusts the sync after a failed":  {memstore.TrustsLaterSyncs, []string{"an accept is told the truth after a failed sync"}},
		"splits the commit":               {memstore.SplitsCommit, []string{"an accept is whole wherever it is stopped", "an entry is released in the commit of its event"}},
		"keeps no watermark":              {memstore.KeepsNoWatermark, []string{"a raised window makes nothing fresh", "a clock that was ahead leaves no trace"}},
		"forgets the watermark":           {memstore.ForgetsMarks, []string{"a raised window makes nothing fresh"}},
		"trusts no persisted time":        {memstore.TrustsNoClock, []string{"a clock of 1970 is not believed"}},
		"forgets the id with its event":   {memstore.ForgetsWithEvent, []string{"ids outlive events"}},
		"lets quarantine claim ids":       {memstore.QuarantineClaims, []string{"quarantine claims no id"}},
		"keeps every copy of an odd body": {memstore.CopiesOdd, []string{"quarantine keeps a body once", "what is not fresh is stale"}},
		"starts deliveries out of turn":   {memstore.StartsOutOfTurn, []string{"deliveries are born running in turn", "random calls agree with the model"}},
		"leases the newest first":         {memstore.LeasesNewest, []string{"the oldest is leased first", "what fell due first is leased first", "random calls agree with the model"}},
		"always probes with the oldest":   {memstore.ProbesTheOldest, []string{"probes take turns"}},
		"keeps the first attempts":        {memstore.KeepsOldAttempts, []string{"the log of a delivery is bounded"}},
		"forgets what a crash cut short":  {memstore.ForgetsCrash, []string{"attempts cut short are counted", "two owners in turn", "random calls agree with the model"}},
		"counts what was given back":      {memstore.CountsReleased, []string{"a clean stop counts no attempt", "what is given back keeps its place", "two owners at once"}},
		"counts free attempts":            {memstore.CountsFree, []string{"free attempts are not counted"}},
		"holds before the sync":           {memstore.HoldsLazily, []string{"holds last"}},
		"holds over an operator's hold":   {memstore.HoldsOverOperators, []string{"a dispatcher's hold does not replace one by hand"}},
		"ends an operator's hold":         {memstore.ResumesOverOperators, []string{"a dispatcher's resume does not end one by hand"}},
		"holds what was resumed":          {memstore.HoldsOnceMore, []string{"a failed probe does not undo a resume"}},
		"ignores former names":            {memstore.IgnoresWas, []string{"a renamed route takes its queue along"}},
		"replays what has not ended":      {memstore.ReplaysRunning, []string{"what has ended is redelivered"}},
		"drops what waited for too long":  {memstore.DropsWaiting, []string{"retention goes by age"}},
		"expires silently":                {memstore.ExpiresSilently, []string{"what retention makes dead letters is told"}},
		"discards before the sync":        {memstore.DiscardsLazily, []string{"what is discarded is gone for good"}},
		"discards what waits":             {memstore.DiscardsWaiting, []string{"what is discarded is gone for good"}},
		"ages by the machine's clock":     {memstore.AgesByTheClock, []string{"a clock that was ahead leaves no trace", "a clock that is ahead forgets no id", "a machine that was off kills nothing"}},
		"judges by the machine's clock":   {memstore.JudgesByTheClock, []string{"a clock that was ahead leaves no trace"}},
		"expires what was not tried":      {memstore.ExpiresUntried, []string{"what waited too long is tried before it dies"}},
		"forgets ids that lie far ahead":  {memstore.ForgetsFarAhead, []string{"an id far ahead is remembered as long"}},
		"quarantines what was released":   {memstore.QuarantinesReleased, []string{"what was released is a duplicate"}},
		"renames itself":                  {memstore.RenamesItself, []string{"a store keeps its identity"}},
		"counts no copies":                {memstore.CountsNoCopies, []string{"a store says how it is"}},
		"leases what an operator holds":   {memstore.LeasesHeld, []string{"probes take turns", "random calls agree with the model"}},
		"passes on behind the end":        {memstore.PassesOn, []string{"a pass ends at a number"}},
		"counts an owner that has left":   {memstore.StaysAfterLeave, []string{"a route is served while its owner is there"}},
		"counts each owner as a member":   {memstore.CountsOwners, []string{"a route is served while its owner is there"}},
		"lets nothing go after an end":    {memstore.PromotesNothing, []string{"the end of one lets the next of its key go", "of a key one goes at a time", "random calls agree with the model", "random calls keep keys in order"}},
		"lets two of a key go":            {memstore.PromotesTwo, []string{"of a key one goes at a time", "keys go one at a time under load", "random calls agree with the model", "random calls keep keys in order"}},
		"lets the newest of a key go":     {memstore.PromotesNewest, []string{"of a key one goes at a time", "keys go one at a time under load", "random calls agree with the model", "random calls keep keys in order"}},
		"overlooks what runs of a key":    {memstore.OverlooksRunning, []string{"one of a key is born running", "keys go one at a time under load", "random calls agree with the model", "random calls keep keys in order"}},
		"overlooks what waits of a key":   {memstore.OverlooksWaiting, []string{"one of a key is born running"}},
		"lets nothing go after retention": {memstore.ExpiresInPlace, []string{"the next of a key goes when retention ends the first", "random calls keep keys in order"}},
		"replays beside its key":          {memstore.ReplaysBeside, []string{"a replay waits for its key", "random calls agree with the model"}},
		"leaves joined keys apart":        {memstore.JoinsBeside, []string{"keys of joined routes are joined"}},
		"gives a place away":              {memstore.ReleasesPlaces, []string{"nothing but its end takes a place in a key", "random calls agree with the model", "keys go one at a time under load"}},
		"drops what waits to make room":   {memstore.DropsForRoom, []string{"a full store loses nothing undelivered"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spooltest.MustFail(t, memstore.Make(m.fault), m.cases...)
		})
	}
}

// TestSharedMutants does so for the duties of a store that several processes share.
func TestSharedMutants(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		fault memstore.Fault
		cases []string
	}{
		"claims for itself":                {memstore.ClaimsAlone, []string{"copies in two processes are accepted once"}},
		"judges by old watermarks":         {memstore.JudgesByOldMarks, []string{"what one process has forgotten is not fresh in another"}},
		"goes by its own settings":         {memstore.TunesAlone, []string{"no process forgets what another is to remember"}},
		"gives the fences of others":       {memstore.FencesAlike, []string{"a process that was away too long settles nothing", "leases are fenced over restarts"}},
		"takes back what others run":       {memstore.TakesBack, []string{"what a process ran that is gone is taken over once", "random calls of two processes agree with the model"}},
		"takes over for free":              {memstore.TakesOverFree, []string{"what a process ran that is gone is taken over once", "leases are fenced"}},
		"forgets what others left":         {memstore.ForgetsAbandoned, []string{"what a process ran that is gone is taken over once", "attempts cut short are counted"}},
		"leases what others run":           {memstore.LeasesOfOthers, []string{"two processes at once"}},
		"takes the settle of any lease":    {memstore.SettlesUnfenced, []string{"a process that was away too long settles nothing"}},
		"holds alone by hand":              {memstore.HoldsAlone, []string{"an operator's hold is of all processes", "random calls of two processes agree with the model"}},
		"leases what an operator holds":    {memstore.LeasesHeld, []string{"an operator's hold is of all processes"}},
		"tells itself only":                {memstore.TellsItselfOnly, []string{"an operator's hold is of all processes"}},
		"holds for all that it cannot get": {memstore.HoldsForAll, []string{"a dispatcher's hold is of its process"}},
		"calls held what one holds":        {memstore.HoldsWithOne, []string{"a dispatcher's hold is of its process"}},
		"keeps members that died":          {memstore.KeepsTheDead, []string{"what another process serves is not parked", "a dispatcher's hold is of its process", "a store says who has it open"}},
		"counts each owner as a member":    {memstore.CountsOwners, []string{"what another process serves is not parked"}},
		"counts an owner that has left":    {memstore.StaysAfterLeave, []string{"what another process serves is not parked"}},
		"passes on behind the end":         {memstore.PassesOn, []string{"a pass of two processes ends at a number"}},
		"lets two of a key go":             {memstore.PromotesTwo, []string{"keys go one at a time over two processes"}},
		"overlooks what runs of a key":     {memstore.OverlooksRunning, []string{"keys go one at a time over two processes", "random calls of two processes agree with the model"}},
		"expires for all":                  {memstore.ExpiresForAll, []string{"what retention makes dead letters is told once"}},
		"shows what is not settled":        {memstore.ShowsUnsettled, []string{"who follows what is settled misses nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spooltest.MustFail(t, memstore.MakeShared(m.fault), m.cases...)
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const name = "ids outlive events"
	if got := spooltest.Check(t, memstore.Make(), name); len(got) != 0 {
		t.Errorf("a store without fault fails %v", got)
	}
	got := spooltest.Check(t, memstore.Make(memstore.ForgetsWithEvent), "Close waits", name)
	if len(got) != 1 || got[0].Case != name || got[0].Log == "" {
		t.Errorf("a store that forgets ids fails %+v, want only %q", got, name)
	}
}
