package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var fuzzImages struct {
	sync.Once
	all []image
}

// FuzzRecover opens a store whose files were mangled after an end. The input
// says which moment the end came at, whether power went with it, and what then
// happened to the bytes; mangle tells how. Opening gives back all that was
// acknowledged, or an error that names the file. Where only what had never been
// synced was lost or mangled, it must succeed; where an acknowledged part of the
// log was, it must not pass over that in silence.
func FuzzRecover(f *testing.F) {
	for i := range byte(40) {
		f.Add([]byte{i, i % 2, i})
		f.Add([]byte{i, 0, 0, 1, 3, 0, 0, i * 6, 1})
		f.Add([]byte{i, 1, i, 0, 2, 0, i, 7, 0})
		f.Add([]byte{i, 0, 0, 2, 1, i, 0, 9, 8, 1, 0, i, 5, 1, 1})
	}
	root := ""
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		root = "/dev/shm"
	}
	dir, err := os.MkdirTemp(root, "recover")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 3 {
			return
		}
		fuzzImages.Do(func() { fuzzImages.all = images(t) })
		im := &fuzzImages.all[int(in[0])%len(fuzzImages.all)]
		powerCut := in[1]&1 == 1
		seed := uint64(in[2])
		keep := half(seed)
		switch in[1] >> 1 & 3 {
		case 1:
			keep = func() bool { return false }
		case 2:
			keep = func() bool { return true }
		}
		r := &recovery{im: im, dir: dir}
		r.db = im.db.after(powerCut, keep)
		r.wal = im.wal.after(powerCut, keep)
		db, whole, log := bytes.Clone(r.db), bytes.Clone(r.wal), im.protected(powerCut)
		for ops := in[3:]; len(ops) >= 6; ops = ops[6:] {
			r.mangle(ops[:6])
		}
		r.dbHarmed = !bytes.Equal(db, r.db)
		r.tailLost = powerCut || !bytes.Equal(whole, r.wal)
		r.logHarmed = len(r.wal) < len(log) || !bytes.Equal(r.wal[:len(log)], log)
		if in[1]&8 == 0 {
			r.mark = im.seq
		}
		r.check(t)
	})
}

// recovery is one opening of mangled files.
type recovery struct {
	im       *image
	dir      string
	db, wal  []byte
	mark     int64 // 0: a power cut has taken it back
	tailLost bool  // what was never synced may lack

	dbHarmed, logHarmed bool
}

// mangle reads one change from six bytes: what, of which file, where (two bytes,
// as a part of the length, in 1/65536), and two more of its own.
func (r *recovery) mangle(op []byte) {
	file, unit, skip, from := &r.db, pageSize, 0, 0
	if op[1]&3 != 0 {
		file, unit, skip = &r.wal, frameSize, 32
	}
	if op[1]&3 == 2 {
		from = min(r.im.synced, len(*file)) // only what was never synced
	}
	n := len(*file) - from
	where := int(op[2])<<8 | int(op[3])
	at := from + n*where>>16
	if n <= 0 && op[0]%7 != 4 {
		return
	}
	switch op[0] % 7 {
	case 0: // cut
		*file = (*file)[:at]
	case 1: // flip a bit
		(*file)[at] ^= 1 << (op[4] & 7)
	case 2: // zeros
		clear((*file)[at:min(len(*file), at+1<<(op[4]%14))])
	case 3: // one unit over another
		src, dst := skip+int(op[4])*unit, skip+((at-skip)/unit)*unit
		if dst >= from && src+unit <= len(*file) && dst+unit <= len(*file) {
			copy((*file)[dst:dst+unit], (*file)[src:src+unit])
		}
	case 4: // more at the end
		*file = append(*file, bytes.Repeat(op[4:5], int(op[5])*64)...)
	case 5: // two units swapped
		a, b := skip+int(op[4])*unit, skip+((at-skip)/unit)*unit
		if min(a, b) >= max(from, skip) && max(a, b)+unit <= len(*file) {
			old := bytes.Clone((*file)[a : a+unit])
			copy((*file)[a:], (*file)[b:b+unit])
			copy((*file)[b:], old)
		}
	case 6: // a byte
		(*file)[at] = op[4]
	}
}

func (r *recovery) check(t *testing.T) {
	dir, err := os.MkdirTemp(r.dir, "") //nolint:usetesting // As above.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "spool.db")
	if err := errors.Join(os.WriteFile(path, r.db, 0o600), os.WriteFile(path+"-wal", r.wal, 0o600)); err != nil {
		t.Fatal(err)
	}
	m := ackMark{}
	if err := m.open(dir); err != nil {
		t.Fatal(err)
	}
	m.raise(nil, r.mark)
	m.shut()
	var told bytes.Buffer
	s, err := Open(dir, Options{limits: tiny, Log: slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		r.refused(t, err)
		return
	}
	defer s.Close()
	err = r.complete(s)
	switch {
	case err == nil:
	case !r.dbHarmed && !r.logHarmed:
		t.Errorf("only what was never synced is lost: %v", err)
	case r.mark == 0 && len(r.db) == 0 && len(r.wal) == 0: // Nothing is left that could tell.
	case errors.Is(err, errFewer) && (r.mark > 0 || !r.logHarmed):
		t.Errorf("the database was damaged, the store opened without a word, and %v", err)
	case !r.dbHarmed && r.mark > 0 && told.Len() == 0: // A settle may go, if that is told: its attempt is repeated.
		t.Errorf("the log was damaged, the store opened without a word, and %v", err)
	}
}

// refused judges an error of opening.
func (r *recovery) refused(t *testing.T, err error) {
	switch {
	case !r.dbHarmed && !r.logHarmed:
		t.Errorf("only what was never synced is lost, and opening fails: %v", err)
	case strings.Contains(err.Error(), "panic"):
		t.Errorf("opening panics: %v", err)
	case r.dbHarmed && (errors.Is(err, errNotOurs) || errors.Is(err, errUnmarked) || strings.Contains(err.Error(), "the store has ")):
	case errors.Is(err, sqlite3.IOERR) && strings.Contains(err.Error(), "spool.db"): // It cannot be read where it should go on.
	case !errors.Is(err, spool.ErrDamaged), !strings.Contains(err.Error(), "spool.db"):
		t.Errorf("the error does not tell what is damaged: %v", err)
	}
}

// complete looks for all that was acknowledged.
func (r *recovery) complete(s *Store) error {
	page, err := s.Records(bg, spool.Query{})
	if err != nil {
		return err
	}
	found := map[string]*spool.Record{}
	told := 0 // damaged events, whose ids may be what is damaged
	for i := range page.Records {
		found[page.Records[i].Event.ID] = &page.Records[i]
		if page.Records[i].Reason == reasonDamaged {
			told++
		}
	}
	for _, a := range r.im.said {
		rec := found[a.event.ID]
		if rec == nil && r.dbHarmed && told > 0 {
			told--
			continue
		}
		if rec == nil {
			return fmt.Errorf("%w: %s", errFewer, a.event.ID)
		}
		if r.dbHarmed && rec.Reason == reasonDamaged {
			continue // It is told.
		}
		if err := r.right(a, rec); err != nil {
			return fmt.Errorf("event %s: %w", a.event.ID, err)
		}
	}
	return s.do(bg, false, 0, func(w *writer) error {
		src := w.sources["inbox"]
		for _, a := range r.im.said {
			if src == nil {
				return refuse(errors.New("the source is missing"))
			}
			v, ok, err := w.findID(idKey{src.id, a.event.ID})
			if err != nil || !ok || v.digest != a.event.Digest {
				return refuse(fmt.Errorf("id %s: %v, %w", a.event.ID, ok, err))
			}
		}
		return nil
	})
}

// errFewer: an event or a delivery is not there, or not as it was.
var errFewer = errors.New("fewer than were acknowledged")

func (r *recovery) right(a said, rec *spool.Record) error {
	e := rec.Event
	if e.Digest != a.event.Digest || !bytes.Equal(e.Request.Body, a.event.Request.Body) || e.Request.URI != a.event.Request.URI {
		return fmt.Errorf("%w: its bytes have changed", errFewer)
	}
	if len(rec.Deliveries) != 2 {
		return fmt.Errorf("%w: it has %d deliveries", errFewer, len(rec.Deliveries))
	}
	st := rec.Deliveries[0].State
	switch {
	case st == spool.Delivered && !a.settled, rec.Deliveries[1].State != spool.Available:
		return fmt.Errorf("its deliveries are %v and %v", st, rec.Deliveries[1].State)
	case st != spool.Delivered && (a.kept || a.settled && !r.tailLost):
		return fmt.Errorf("its delivery was settled and is %v", st)
	}
	return nil
}
