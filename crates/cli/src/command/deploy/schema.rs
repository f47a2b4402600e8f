//! `mp deploy schema`.

use crate::plan::published;
use crate::printer::Printer;

/// The JSON schema of plans.
pub(super) fn show(printer: &Printer) -> anyhow::Result<()> {
    let schema = published();
    printer.result(&schema, &serde_json::to_string_pretty(&schema)?);
    Ok(())
}
