//! Which preopened directory a path lies in.

/// Where a path of the sandbox lies.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the directory of this index, under this relative path; `.` is the
    /// directory itself.
    Within(usize, &'a str),
    /// Above one or more of them: a directory that only holds the way there.
    Above,
    /// Nowhere: no file can be there.
    Nowhere,
}

/// Where `path` lies, of which `roots` are the preopened directories' paths.
/// All are absolute and in normal form.
pub fn locate<'a>(roots: &[String], path: &'a str) -> Place<'a> {
    let within = roots
        .iter()
        .enumerate()
        .filter_map(|(index, root)| Some((index, root.len(), below(root, path)?)));
    match within.max_by_key(|&(_, length, _)| length) {
        Some((index, _, rest)) => Place::Within(index, if rest.is_empty() { "." } else { rest }),
        None if roots.iter().any(|root| below(path, root).is_some()) => Place::Above,
        None => Place::Nowhere,
    }
}

/// The names that lead from the directory `path` down to preopened ones.
pub fn ways_down<'a>(roots: &'a [String], path: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = roots
        .iter()
        .filter_map(|root| below(path, root)?.split('/').next())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The rest of `path` below `folder`; nothing if it is not below.
fn below<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.strip_suffix('/').unwrap_or(folder))?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Vec<String> {
        ["/tmp", "/workspace", "/usr/lib/python", "/workspace/data"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn the_deepest_directory_holds_a_path() {
        assert_eq!(locate(&roots(), "/workspace/a/b"), Place::Within(1, "a/b"));
        assert_eq!(locate(&roots(), "/workspace/data/b"), Place::Within(3, "b"));
        assert_eq!(locate(&roots(), "/workspace"), Place::Within(1, "."));
        assert_eq!(locate(&["/".to_owned()], "/a"), Place::Within(0, "a"));
        assert_eq!(locate(&["/".to_owned()], "/"), Place::Within(0, "."));
    }

    #[test]
    fn a_name_that_only_starts_alike_is_elsewhere() {
        assert_eq!(locate(&roots(), "/workspaces"), Place::Nowhere);
        assert_eq!(locate(&roots(), "/etc/passwd"), Place::Nowhere);
    }

    #[test]
    fn what_leads_to_a_directory_is_above_it() {
        assert_eq!(locate(&roots(), "/"), Place::Above);
        assert_eq!(locate(&roots(), "/usr/lib"), Place::Above);
        assert_eq!(locate(&roots(), "/us"), Place::Nowhere);
        assert_eq!(ways_down(&roots(), "/"), ["tmp", "usr", "workspace"]);
        assert_eq!(ways_down(&roots(), "/usr"), ["lib"]);
        assert_eq!(ways_down(&roots(), "/workspace"), ["data"]);
        assert_eq!(ways_down(&roots(), "/tmp"), [""; 0]);
    }
}
