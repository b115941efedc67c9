//! `kind = "exec"`.

use std::path::PathBuf;

use super::keys;
use crate::config::channel::Exec;
use crate::config::raw::section::Section;

const MAX_ARGUMENTS: usize = 64;

pub(super) fn read(section: &mut Section<'_>, allowed: bool) -> Option<Exec> {
    let field = section.require("command", "Write command = [\"/usr/local/bin/tell\"]")?;
    if !allowed {
        let detail = "programs may not be started";
        section.fail(detail, "Write allow_exec = true under [alerting], or remove this channel");
    }
    let parts: Vec<_> = field.elements().iter().map(keys::line_of).collect::<Option<_>>()?;
    let Some((program, arguments)) = parts.split_first().filter(|_| parts.len() <= MAX_ARGUMENTS) else {
        field.fail("it must name a program and at most 63 arguments", "Write command = [\"/usr/local/bin/tell\"]");
        return None;
    };
    let program = PathBuf::from(&**program);
    if !program.is_absolute() {
        field.fail("the program is not named with its whole path", "Write command = [\"/usr/local/bin/tell\"]");
        return None;
    }
    Some(Exec { program, arguments: arguments.to_vec() })
}
