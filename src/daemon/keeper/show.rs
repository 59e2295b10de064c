//! What is said of the daemon, on the board and to the service manager.

use super::{FULL, Keeper, now};
use crate::daemon::systemd;
use crate::ops::runs::Agenda;

impl Keeper {
    /// Publishes what is planned and whether anything is wrong.
    pub(super) fn show(&self) {
        let agenda = Agenda {
            watched: self.watch.agenda(),
            planned: self.schedule.planned(now()),
            paused: self.pause.map(|_| FULL.to_owned()),
            refused_configuration: self.refused.clone(),
        };
        if agenda != self.board.agenda() {
            self.board.plan(|shown| *shown = agenda);
            systemd::status(&self.status());
        }
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self) -> String {
        let mut status = format!("watching {}", folders(self.watch.folders().len()));
        match self.watch.missing().len() {
            0 => {}
            1 => status.push_str(", 1 is not there"),
            missing => status.push_str(&format!(", {missing} are not there")),
        }
        if self.pause.is_some() {
            status.push_str("; ");
            status.push_str(FULL);
        }
        if let Some(why) = &self.refused {
            status.push_str("; the configuration was not taken over: ");
            status.push_str(why);
        }
        status.replace('\n', " ")
    }
}

fn folders(count: usize) -> String {
    match count {
        1 => "1 folder".to_owned(),
        count => format!("{count} folders"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_is_no_folders() {
        assert_eq!([0, 1, 2].map(folders), ["0 folders", "1 folder", "2 folders"]);
    }
}
