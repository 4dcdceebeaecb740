//! What a node says of itself to all others: where it stands, what it is for, which version it runs, how busy it is.
//!
//! What it is: [`Profile`], plain values with their bounds. What it is NOT: how it travels (`membership/profiles.rs`), and
//! what follows from it, which is for whoever places actors.

use odeon_message::data;

/// Most bytes of a profile's texts together, with a byte for the length of each: some tens of profiles share a packet,
/// and a cluster of thousands keeps them all in memory.
pub const PROFILE_BYTES_MAX: usize = 256;

/// Most roles of one node.
pub const ROLES_MAX: usize = 16;

/// Most bytes of one text of a profile.
pub const PROFILE_TEXT_BYTES_MAX: usize = 63;

/// What a node says of itself. The default says nothing.
#[data(crate = odeon_message)]
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Profile {
    /// A label that nodes share which break together, such as a rack or a data centre. Default: empty, none.
    pub zone: String,
    /// What it is for, in any order. Default: none; at most 16.
    pub roles: Vec<String>,
    /// Which version of the application it runs. Default: empty.
    pub version: String,
    /// How busy it is, in thousandths of what it can do; above 1000 it is overloaded. Default: 0, and a node whose program
    /// says no other measures it itself.
    pub load: u16,
}

/// A profile that cannot travel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A text is too long, or has what cannot be printed on one line.
    #[error(
        "the {what} {text:?}: use 1 to {PROFILE_TEXT_BYTES_MAX} bytes without control characters"
    )]
    Text {
        /// Which.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// There are too many roles.
    #[error("{found} roles: use at most {ROLES_MAX}")]
    Roles {
        /// How many.
        found: usize,
    },
    /// All texts together are too long.
    #[error(
        "a profile of {found} bytes: use at most {PROFILE_BYTES_MAX} for zone, version and roles together"
    )]
    TooLong {
        /// How many bytes.
        found: usize,
    },
}

impl Profile {
    /// Whether it can travel.
    ///
    /// # Errors
    /// The first value that is out of its bounds.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.roles.len() > ROLES_MAX {
            return Err(ProfileError::Roles { found: self.roles.len() });
        }
        let optional = [("zone", &self.zone), ("version", &self.version)];
        let given = optional.into_iter().filter(|(_, text)| !text.is_empty());
        let roles = self.roles.iter().map(|role| ("role", role));
        for (what, text) in given.chain(roles) {
            let is_good = !text.is_empty() && !text.contains(char::is_control);
            if !is_good || text.len() > PROFILE_TEXT_BYTES_MAX {
                return Err(ProfileError::Text { what, text: text.clone() });
            }
        }
        match self.text_bytes() {
            found if found > PROFILE_BYTES_MAX => Err(ProfileError::TooLong { found }),
            _ => Ok(()),
        }
    }

    /// Bytes of its texts in a packet.
    pub(crate) fn text_bytes(&self) -> usize {
        let roles: usize = self.roles.iter().map(|role| role.len() + 1).sum();
        self.zone.len() + self.version.len() + 2 + roles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_and_named() {
        let says = |profile: Profile| profile.check().unwrap_err().to_string();
        assert_eq!(Profile::default().check(), Ok(()));
        let long = "z".repeat(64);
        assert!(says(Profile { zone: long.clone(), ..Profile::default() }).contains("the zone"));
        assert!(says(Profile { version: "1\n".into(), ..Profile::default() }).contains("version"));
        let roles = |role: &str, count| Profile {
            roles: vec![role.to_owned(); count],
            ..Profile::default()
        };
        assert!(says(roles("", 1)).contains("the role \"\""));
        assert!(says(roles("a", 17)).contains("17 roles"));
        assert!(says(roles(&long[1..], 4)).contains("258 bytes"));
        assert_eq!(roles(&long[2..], 4).check(), Ok(()));
    }
}
