//! Everything in a file that has a name: each link once, in an order in which a copy can be made.
//!
//! Groups are visited breadth first and once each, so hard links that form a circle end the walk, and every object has
//! one path that stands for it: that of the first link that leads to it.

use std::collections::{HashMap, VecDeque};

use crate::hdf5::link::{Link, Target, links};
use crate::hdf5::object::{Kind, Token, identity, open};
use crate::hdf5::{Id, Result};

/// A link and the group that holds it.
#[derive(Debug)]
pub(crate) struct Step {
    /// Path of the group.
    pub(crate) group: String,
    /// The link.
    pub(crate) link: Link,
    /// For a hard link: whether this is the first one to its object.
    pub(crate) is_first: bool,
}

/// An object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// All paths that lead to it through groups visited; the first stands for it.
    pub(crate) paths: Vec<String>,
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Links in the order of the walk.
    pub(crate) steps: Vec<Step>,
    /// Objects by token.
    pub(crate) objects: HashMap<Token, Object>,
    /// Tokens of the objects in the order of the walk, the root group first.
    pub(crate) order: Vec<Token>,
}

impl Tree {
    /// Walks `file`.
    pub(crate) fn of(file: &Id) -> Result<Self> {
        let mut tree = Self {
            steps: Vec::new(),
            objects: HashMap::new(),
            order: Vec::new(),
        };
        let (_, root) = identity(&open(file, "/")?)?;
        tree.add(root, Kind::Group, "/".into());
        let mut groups = VecDeque::from(["/".to_owned()]);
        while let Some(path) = groups.pop_front() {
            tree.visit(file, &path, &mut groups)
                .map_err(|error| error.of(&format!("group {path}")))?;
        }
        Ok(tree)
    }

    /// The path that stands for an object.
    pub(crate) fn path(&self, token: &Token) -> Option<&str> {
        self.objects
            .get(token)
            .map(|object| object.paths[0].as_str())
    }

    fn visit(&mut self, file: &Id, group: &str, groups: &mut VecDeque<String>) -> Result<()> {
        for link in links(&open(file, group)?)? {
            let path = child(group, &link.name.text);
            let mut is_first = false;
            if let Target::Hard(token) = link.target {
                if let Some(object) = self.objects.get_mut(&token) {
                    object.paths.push(path);
                } else {
                    let (kind, _) = open(file, &path)
                        .and_then(|object| identity(&object))
                        .map_err(|error| error.of(&path))?;
                    if kind == Kind::Group {
                        groups.push_back(path.clone());
                    }
                    self.add(token, kind, path);
                    is_first = true;
                }
            }
            self.steps.push(Step {
                group: group.to_owned(),
                link,
                is_first,
            });
        }
        Ok(())
    }

    fn add(&mut self, token: Token, kind: Kind, path: String) {
        self.objects.insert(
            token,
            Object {
                kind,
                paths: vec![path],
            },
        );
        self.order.push(token);
    }
}

/// The path of a link in a group.
pub(crate) fn child(group: &str, name: &str) -> String {
    format!("{}/{name}", group.trim_end_matches('/'))
}
