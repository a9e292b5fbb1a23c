package memstore

import "github.com/inboxgate/inboxgate/internal/spool"

// Fault is a mistake that the store makes on request. Each was, or could
// well be, made by a real one.
type Fault int

const (
	// AnswersBeforeSync returns as soon as the change is written.
	AnswersBeforeSync Fault = iota + 1
	// MarksBeforeCommit makes the id known in a commit before the event's.
	MarksBeforeCommit
	// KeepsFailedClaims never ends the claim of an accept that failed.
	KeepsFailedClaims
	// ClaimsNothing lets a copy be judged while the first is being stored.
	ClaimsNothing
	// SettlesUnfenced takes the settle of any lease.
	SettlesUnfenced
	// ReopensUnchecked believes what it reads at the start.
	ReopensUnchecked
	// TrustsLaterSyncs goes on after a failed sync as if the next one, if it
	// succeeds, had made up for it.
	TrustsLaterSyncs
	// SplitsCommit writes deliveries in a commit of their own.
	SplitsCommit
	// KeepsNoWatermark judges freshness by age alone.
	KeepsNoWatermark
	// TrustsNoClock begins at the machine's time, whatever was persisted.
	TrustsNoClock
	// ForgetsWithEvent removes an id together with its event.
	ForgetsWithEvent
	// QuarantineClaims makes the id of an odd body known.
	QuarantineClaims
	// StartsOutOfTurn starts a new delivery though older ones are due.
	StartsOutOfTurn
	// ForgetsCrash leaves deliveries running that a crash cut short.
	ForgetsCrash
	// CountsReleased counts an attempt for a lease that was given back.
	CountsReleased
	// CountsFree counts free attempts.
	CountsFree
	// HoldsLazily answers Hold and Resume before they are durable.
	HoldsLazily
	// HoldsOverOperators lets a dispatcher's hold replace an operator's.
	HoldsOverOperators
	// ResumesOverOperators lets a dispatcher's resume end an operator's hold.
	ResumesOverOperators
	// HoldsOnceMore lets a failed probe hold a route that was resumed.
	HoldsOnceMore
	// IgnoresWas gives a renamed route a queue of its own.
	IgnoresWas
	// ReplaysRunning replays what has not ended.
	ReplaysRunning
	// DropsWaiting removes events by age though they are undelivered.
	DropsWaiting
	// DropsForRoom removes undelivered events to make room.
	DropsForRoom
	// GuessesForCopies answers the copies of an event whose accept failed that
	// it is known.
	GuessesForCopies
	// LeasesNewest hands out the newest delivery first.
	LeasesNewest
	// ProbesTheOldest begins every probe at the oldest delivery.
	ProbesTheOldest
	// DiscardsLazily answers Discard before it is durable.
	DiscardsLazily
	// DiscardsWaiting discards what is no dead letter.
	DiscardsWaiting
	// KeepsOldAttempts keeps the first attempts of a long log.
	KeepsOldAttempts
	// ForgetsMarks keeps watermarks in memory only.
	ForgetsMarks
	// ExpiresSilently does not report dead letters that retention made.
	ExpiresSilently
	// AgesByTheClock takes what the machine's clock has gone by for time that has
	// passed.
	AgesByTheClock
	// JudgesByTheClock takes old for what the store's clock says is old.
	JudgesByTheClock
	// ExpiresUntried makes dead letters of what this process has not tried.
	ExpiresUntried
	// ForgetsFarAhead forgets an id before its created_at.
	ForgetsFarAhead
	// QuarantinesReleased keeps in quarantine what was released from there.
	QuarantinesReleased
	// RenamesItself takes another identity at each start.
	RenamesItself
	// CountsNoCopies leaves duplicates out of its Stats.
	CountsNoCopies
	// CopiesOdd keeps every copy of an odd body.
	CopiesOdd

	// PromotesNothing leaves the next of a key behind when one has ended.
	PromotesNothing
	// PromotesTwo lets two of a key go when one has ended.
	PromotesTwo
	// PromotesNewest lets the newest of a key go next.
	PromotesNewest
	// OverlooksRunning takes a key for free while a delivery of it runs.
	OverlooksRunning
	// OverlooksWaiting starts a new delivery while one of its key waits.
	OverlooksWaiting
	// ExpiresInPlace lets nothing go when retention has ended the first of a key.
	ExpiresInPlace
	// ReplaysBeside has a replay wait beside others of its key.
	ReplaysBeside
	// JoinsBeside leaves two of a key side by side where a route takes over another.
	JoinsBeside
	// ReleasesPlaces has what is given back wait behind others of its key.
	ReleasesPlaces

	// LeasesHeld hands out deliveries of a route that an operator holds.
	LeasesHeld
	// PassesOn takes what lies behind the end of a pass, too.
	PassesOn
	// StaysAfterLeave goes on to count an owner that has left.
	StaysAfterLeave
	// CountsOwners counts each owner of a process as a member.
	CountsOwners

	// What follows are faults of a store that others share.

	// ClaimsAlone lets a copy be judged while another process stores the first.
	ClaimsAlone
	// JudgesByOldMarks goes by the watermarks of its start.
	JudgesByOldMarks
	// FencesAlike gives the fences that others give as well.
	FencesAlike
	// TakesBack counts at its start what others run.
	TakesBack
	// ForgetsAbandoned takes over nothing of a process that is gone.
	ForgetsAbandoned
	// TakesOverFree counts no attempt for a lease that ran out.
	TakesOverFree
	// LeasesOfOthers hands out what others run.
	LeasesOfOthers
	// HoldsForAll has all processes held by what one of them has found.
	HoldsForAll
	// HoldsWithOne says that a route is held where one of its members holds it.
	HoldsWithOne
	// HoldsAlone keeps an operator's hold from the others.
	HoldsAlone
	// TunesAlone goes by its own settings.
	TunesAlone
	// KeepsTheDead counts a member that was killed for ever.
	KeepsTheDead
	// TellsItselfOnly tells no watcher of another process.
	TellsItselfOnly
	// ExpiresForAll tells every process what one of them has made dead letters.
	ExpiresForAll
	// ShowsUnsettled leaves nothing out where only what is settled is asked for.
	ShowsUnsettled

	// SettlesLazily is no fault: settles become durable with a later commit,
	// as the contract allows (here without its limit of a second).
	SettlesLazily
)

type faults map[Fault]bool

// markFirst is MarksBeforeCommit.
func (s *store) markFirst(in spool.Intake) (r spool.Receipt, err error) {
	err = s.update(true, func(tx *tx) error {
		ev := *in.Event
		if ev.Received.IsZero() {
			ev.Received = tx.now
		}
		row, known := tx.im.ids[idKey{ev.Source, ev.ID}]
		stale, err := tx.stale(&ev)
		if err != nil {
			return err
		}
		switch {
		case known && row.digest == ev.Digest:
			r.Verdict = spool.Duplicate
		case !known && (in.DeliverStale || stale == ""):
			tx.remember(&ev)
		}
		return nil
	})
	return r, err
}
