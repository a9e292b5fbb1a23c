package sqlite

// copierTable is a table of Litestream's, which copies the log as a file.
const copierTable = "_litestream_seq"

// cutForCopier has the file of the log cut whenever the log begins again, in a store
// that Litestream has copied. While it is away, a log may begin again unseen. When it
// comes back it looks for the last frame that it has copied, and while an older log's
// frames stay behind the new ones it finds that, and takes it that it has missed
// nothing: what was written after that frame would be missing from its copy. Where it
// does not find it, it copies the whole store. Elsewhere the file keeps its size, since
// a file that grows is slower to sync.
func (w *writer) cutForCopier() {
	if w.cutting {
		return
	}
	// An error is one that the next batch has too.
	if n, err := w.c.one("SELECT count(*) FROM sqlite_schema WHERE name='" + copierTable + "'"); err == nil && n > 0 {
		w.cutting = w.c.Exec("PRAGMA journal_size_limit=0") == nil
	}
}
