//! Reading the marketplace without gas: for RPC and for tests.

use super::{Overlay, Rows};
use marketplace::store::{OutOfWork, Row, Store};
use marketplace::{Cx, Error, Origin};

/// Rows that cost nothing. What a query writes is seen by that query only.
#[derive(Debug)]
pub struct Reader<'a>(Overlay<'a>);

/// Reads the marketplace as of the newest block: `read(rows, |cx| deal::view(cx, id))`.
///
/// # Errors
/// Those of the query.
pub fn read<T>(
    rows: &Rows,
    query: impl FnOnce(&mut Cx<'_, Reader<'_>>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut reader = Reader(Overlay::new(rows));
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let mut cx = Cx::open(&mut reader, Origin::default(), &mut events, &mut payouts)?;
    query(&mut cx)
}

impl Store for Reader<'_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        Ok(self.0.get(key).map(<[u8]>::to_vec))
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.0.set(key.to_vec(), Some(row));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.0.set(key.to_vec(), None);
        Ok(())
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        Ok(self.0.next(from, to).row)
    }

    fn step(&mut self, _steps: u64) -> Result<(), OutOfWork> {
        Ok(())
    }
}
