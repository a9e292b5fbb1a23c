package postgres

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// What blobs are sent as is what the driver would send.
func TestBlobsAreEncodedAsTheDriverDoes(t *testing.T) {
	t.Parallel()
	theirs, ours := pgtype.NewMap(), pgtype.NewMap()
	registerBlobs(ours)
	for _, all := range [][][]byte{{}, {{}}, {[]byte("a")}, {[]byte("one"), {}, bytes.Repeat([]byte{0, 255}, 5000)}} {
		want, err := theirs.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, all, []byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, blobs(all), []byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d elements are encoded as %x, want %x", len(all), got, want)
		}
		plain, err := ours.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, all, []byte("before"))
		if err != nil || !bytes.Equal(plain, want) {
			t.Errorf("what is no blobs is encoded as %x, %v, want %x", plain, err, want)
		}
	}
}
